package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Archived implements history.Store.
func (s *SQLite) Archived(ctx context.Context, shards int) (fabric.Position, error) {
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
	return `INSERT INTO messages (channel_id, seq, prev, at, sender, cid, kind, body) VALUES ` +
		strings.Repeat(row, n)[1:] + ` ON CONFLICT DO NOTHING`
}

// Archive implements history.Store.
func (s *SQLite) Archive(ctx context.Context, shard int, batch []fabric.Stored, upto uint64) error {
	heads := make(map[fabric.ChannelID]*fabric.Stored)
	for i := range batch {
		heads[batch[i].Channel] = &batch[i] // the last one stays
	}
	err := s.log.do(ctx, func(t tx) error {
		args := make([]any, 0, manyRows*messageCols)
		for rest := batch; len(rest) > 0; {
			n, query := 1, insertOne
			if len(rest) >= manyRows {
				n, query = manyRows, insertMany
			}
			args = args[:0]
			for i := range rest[:n] {
				m := &rest[i]
				args = append(args, string(m.Channel), int64(m.Seq), int64(m.Prev), m.At, string(m.From), m.CID, m.Kind, string(m.Body))
			}
			if _, err := t.exec(ctx, query, args...); err != nil {
				return err
			}
			rest = rest[n:]
		}
		for c, m := range heads {
			if _, err := t.exec(ctx, `INSERT INTO heads (channel_id, shard, seq, at) VALUES (?, ?, ?, ?)
				ON CONFLICT (channel_id) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE excluded.seq > seq`,
				string(c), shard, int64(m.Seq), m.At); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, `INSERT INTO archived (shard, seq) VALUES (?, ?)
			ON CONFLICT (shard) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`, shard, int64(upto))
		return err
	})
	if err != nil {
		return fmt.Errorf("archive %d messages of shard %d: %w", len(batch), shard, err)
	}
	return nil
}

// Heads implements history.Store.
func (s *SQLite) Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]uint64, error) {
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

// Page implements history.Store.
func (s *SQLite) Page(ctx context.Context, c fabric.ChannelID, before uint64, after *uint64, limit int) ([]fabric.Stored, error) {
	query, bound := queryNewest, int64(before)
	switch {
	case after != nil:
		query, bound = queryAfter, int64(*after)
	case before > 0:
		query = queryBefore
	}
	args := []any{string(c), bound, limit}
	if query == queryNewest {
		args = []any{string(c), limit}
	}
	page, err := rows(ctx, s, query, func(r *sql.Rows) (fabric.Stored, error) {
		m := fabric.Stored{Channel: c}
		err := r.Scan(&m.Seq, &m.Prev, &m.At, &m.From, &m.CID, &m.Kind, (*[]byte)(&m.Body))
		return m, err
	}, args...)
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
func (s *SQLite) News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
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
func (s *SQLite) ChannelsOf(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
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
