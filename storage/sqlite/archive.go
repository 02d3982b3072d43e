package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Archived implements history.Store.
func (s *DB) Archived(ctx context.Context, shards int) (fabric.Position, error) {
	at := make(fabric.Position, shards)
	_, err := rows(ctx, s, `SELECT shard, seq FROM archived`, func(r *sql.Rows) (struct{}, error) {
		var shard int
		var seq uint64
		if err := r.Scan(&shard, &seq); err != nil {
			return struct{}{}, err
		}
		if shard >= shards {
			return struct{}{}, fmt.Errorf("the archive has a shard %d, the fabric only %d shards", shard, shards)
		}
		at[shard] = seq
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("how far is archived: %w", err)
	}
	return at, nil
}

// Rows of one INSERT: SQLite's work per statement is paid once for so many messages.
const (
	manyRows    = 32
	messageCols = 8
)

var (
	insertMany = insertMessages(manyRows)
	insertOne  = insertMessages(1)
)

func insertMessages(n int) string {
	row := ",(?" + strings.Repeat(",?", messageCols-1) + ")"
	return `INSERT INTO messages (place, log, prev, at, sender, cid, kind, body) VALUES ` +
		strings.Repeat(row, n)[1:] + ` ON CONFLICT DO NOTHING`
}

// place returns what a message's row is ordered by.
func place(shard int, seq uint64) int64 { return int64(shard)<<48 | int64(seq) } // shards < 2^15, seqs < 2^48

// knownLogs bounds how many channels' numbers are held in memory.
const knownLogs = 1 << 17

// Archive implements history.Store.
func (s *DB) Archive(ctx context.Context, shard int, batch []fabric.Stored, upto uint64) error {
	var found map[fabric.ChannelID]int64 // remembered once they are committed
	err := s.log.do(ctx, func(t tx) (err error) {
		found = make(map[fabric.ChannelID]int64)
		args := make([]any, 0, manyRows*messageCols)
		for rest := batch; len(rest) > 0; {
			n, query := 1, insertOne
			if len(rest) >= manyRows {
				n, query = manyRows, insertMany
			}
			args = args[:0]
			for i := range rest[:n] {
				m := &rest[i]
				num, known := found[m.Channel]
				if !known {
					if num, err = s.logOf(ctx, t, m.Channel, shard); err != nil {
						return err
					}
					found[m.Channel] = num
				}
				args = append(args, place(shard, m.Seq), num, int64(m.Prev), m.At, string(m.From), m.CID, m.Kind, string(m.Body)) // seqs < 2^48
			}
			if _, err := t.exec(ctx, query, args...); err != nil {
				return err
			}
			rest = rest[n:]
		}
		_, err = t.exec(ctx, `INSERT INTO archived (shard, seq) VALUES (?, ?)
			ON CONFLICT (shard) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`, shard, int64(upto)) // as above
		return err
	})
	if err != nil {
		return fmt.Errorf("archive %d messages of shard %d: %w", len(batch), shard, err)
	}
	for c, num := range found {
		s.logs.Add(c, num)
	}
	return nil
}

// logOf returns the number of a channel, which it gets with its first message.
func (s *DB) logOf(ctx context.Context, t tx, c fabric.ChannelID, shard int) (num int64, err error) {
	if num, ok := s.logs.Get(c); ok {
		return num, nil
	}
	st, err := t.stmt(ctx, `INSERT INTO logs (channel_id, shard) VALUES (?, ?)
		ON CONFLICT (channel_id) DO UPDATE SET shard = shard RETURNING num`)
	if err != nil {
		return 0, err
	}
	if err := st.QueryRowContext(ctx, string(c), shard).Scan(&num); err != nil {
		return 0, fmt.Errorf("number of channel %s: %w", c, err)
	}
	return num, nil
}

// Heads implements history.Store.
func (s *DB) Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]uint64, error) {
	names, err := json.Marshal(channels)
	if err != nil {
		return nil, fmt.Errorf("heads: %w", err)
	}
	heads := make(map[fabric.ChannelID]uint64, len(channels))
	_, err = rows(ctx, s, queryHeads, func(r *sql.Rows) (struct{}, error) {
		var c fabric.ChannelID
		var seq uint64
		err := r.Scan(&c, &seq)
		heads[c] = seq
		return struct{}{}, err
	}, string(names))
	if err != nil {
		return nil, fmt.Errorf("heads of %d channels: %w", len(channels), err)
	}
	return heads, nil
}

// mostSeq is above every seq.
const mostSeq = 1<<48 - 1

// Page implements history.Store.
func (s *DB) Page(ctx context.Context, c fabric.ChannelID, before uint64, after *uint64, limit int) ([]fabric.Stored, error) {
	query, bound := queryBefore, int64(before) // seqs < 2^48
	switch {
	case after != nil:
		query, bound = queryAfter, int64(min(*after, mostSeq)) // as above
	case before == 0 || before > mostSeq:
		bound = mostSeq
	}
	page, err := rows(ctx, s, query, func(r *sql.Rows) (fabric.Stored, error) {
		m := fabric.Stored{Channel: c}
		err := r.Scan(&m.Seq, &m.Prev, &m.At, &m.From, &m.CID, &m.Kind, (*[]byte)(&m.Body))
		return m, err
	}, string(c), bound, limit)
	if err != nil {
		return nil, fmt.Errorf("page of %s: %w", c, err)
	}
	if after == nil {
		for i, j := 0, len(page)-1; i < j; i, j = i+1, j-1 {
			page[i], page[j] = page[j], page[i]
		}
	}
	return page, nil
}

// News implements history.Store.
func (s *DB) News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
	position, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("news: %w", err)
	}
	news, err := rows(ctx, s, queryNews, scanChannel, string(u), string(start), string(position), limit)
	if err != nil {
		return nil, fmt.Errorf("channels of %s with news: %w", u, err)
	}
	return news, nil
}

// ChannelsOf implements history.Store.
func (s *DB) ChannelsOf(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
	all, err := rows(ctx, s, queryChannelsOf, scanChannel, string(u), string(start), limit)
	if err != nil {
		return nil, fmt.Errorf("channels of %s: %w", u, err)
	}
	return all, nil
}

func scanChannel(r *sql.Rows) (c fabric.ChannelID, err error) {
	err = r.Scan(&c)
	return c, err
}
