package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
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
func (s *DB) Archive(ctx context.Context, shard int, batch history.Batch, upto uint64) error {
	var found map[fabric.ChannelID]int64 // remembered once they are committed
	err := s.log.do(ctx, func(t tx) (err error) {
		found = make(map[fabric.ChannelID]int64)
		logOf := func(c fabric.ChannelID) (int64, error) {
			num, known := found[c]
			if !known {
				if num, err = s.logOf(ctx, t, c, shard); err != nil {
					return 0, err
				}
				found[c] = num
			}
			return num, nil
		}
		var have uint64
		err = t.QueryRowContext(ctx, `SELECT seq FROM archived WHERE shard = ?`, shard).Scan(&have)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("how far is archived: %w", err)
		}
		if err := insert(ctx, t, shard, batch.Messages, have, logOf); err != nil {
			return err
		}
		for i := range batch.Changes {
			c := &batch.Changes[i]
			if c.Seq <= have {
				continue // applying it again would undo what came behind it
			}
			num, err := logOf(c.Channel)
			if err != nil {
				return err
			}
			if err := change(ctx, t, shard, num, c); err != nil {
				return fmt.Errorf("%s %d of %s: %w", c.Kind, c.Seq, c.Channel, err)
			}
		}
		for c, seconds := range batch.Disappear {
			num, err := logOf(c)
			if err != nil {
				return err
			}
			if upto <= have {
				continue
			}
			if _, err := t.exec(ctx, `UPDATE logs SET disappear = ? WHERE num = ?`, seconds, num); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, `INSERT INTO archived (shard, seq) VALUES (?, ?)
			ON CONFLICT (shard) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`, shard, int64(upto)) // as above
		return err
	})
	if err != nil {
		return fmt.Errorf("archive %d messages of shard %d: %w", len(batch.Messages), shard, err)
	}
	for c, num := range found {
		s.logs.Add(c, num)
	}
	return nil
}

// insert writes messages behind `have`, as many as may be by one statement.
func insert(ctx context.Context, t tx, shard int, msgs []history.Archival, have uint64, logOf func(fabric.ChannelID) (int64, error)) error {
	for len(msgs) > 0 && msgs[0].Seq <= have {
		msgs = msgs[1:]
	}
	args := make([]any, 0, manyRows*messageCols)
	for rest := msgs; len(rest) > 0; {
		n, query := 1, insertOne
		if len(rest) >= manyRows {
			n, query = manyRows, insertMany
		}
		args = args[:0]
		for i := range rest[:n] {
			m := &rest[i]
			num, err := logOf(m.Channel)
			if err != nil {
				return err
			}
			args = append(args, place(shard, m.Seq), num, int64(m.Prev), m.At, string(m.From), m.CID, m.Kind, string(m.Body)) // seqs < 2^48
		}
		if _, err := t.exec(ctx, query, args...); err != nil {
			return err
		}
		// Few messages have more to them: their rows are touched twice, so that the others' need no more columns.
		for i := range rest[:n] {
			m := &rest[i]
			if m.Media != "" {
				if err := nameMedia(ctx, t, m.Media, place(shard, m.Seq)); err != nil {
					return err
				}
			}
			if !m.Only && m.ExpiresAt == 0 {
				continue
			}
			if _, err := t.exec(ctx, `UPDATE messages SET only_sender = ?, expires_at = nullif(?, 0) WHERE place = ?`,
				m.Only, m.ExpiresAt, place(shard, m.Seq)); err != nil {
				return err
			}
		}
		rest = rest[n:]
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
func (s *DB) Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]history.Head, error) {
	names, err := json.Marshal(channels)
	if err != nil {
		return nil, fmt.Errorf("heads: %w", err)
	}
	heads := make(map[fabric.ChannelID]history.Head, len(channels))
	_, err = rows(ctx, s, queryHeads, func(r *sql.Rows) (struct{}, error) {
		var c fabric.ChannelID
		var h history.Head
		err := r.Scan(&c, &h.Seq, &h.Disappear)
		heads[c] = h
		return struct{}{}, err
	}, string(names))
	if err != nil {
		return nil, fmt.Errorf("heads of %d channels: %w", len(channels), err)
	}
	return heads, nil
}

// mostSeq is above every seq.
const mostSeq = 1<<48 - 1
