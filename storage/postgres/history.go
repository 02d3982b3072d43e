package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
)

// mostSeq is above every seq.
const mostSeq = 1<<48 - 1

// Archived implements history.Store.
func (s *DB) Archived(ctx context.Context, shards int) (fabric.Position, error) {
	at := make(fabric.Position, shards)
	_, err := rows(ctx, s, `SELECT shard, seq FROM archived`, func(r pgx.CollectableRow) (struct{}, error) {
		var shard int
		var seq int64
		if err := r.Scan(&shard, &seq); err != nil {
			return struct{}{}, err
		}
		if shard >= shards {
			return struct{}{}, fmt.Errorf("the archive has a shard %d, the fabric only %d shards", shard, shards)
		}
		at[shard] = uint64(seq)
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("how far is archived: %w", err)
	}
	return at, nil
}

// Heads implements history.Store.
func (s *DB) Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]uint64, error) {
	heads := make(map[fabric.ChannelID]uint64, len(channels))
	_, err := rows(ctx, s, queryHeads, func(r pgx.CollectableRow) (struct{}, error) {
		var c fabric.ChannelID
		var seq int64
		err := r.Scan(&c, &seq)
		heads[c] = uint64(seq)
		return struct{}{}, err
	}, channels)
	if err != nil {
		return nil, fmt.Errorf("heads of %d channels: %w", len(channels), err)
	}
	return heads, nil
}

// logPlace is where the messages of a channel are.
type logPlace struct {
	num         int64
	first, last month
	head        int64 // seq of the newest
	month       month // of the seq that was asked for
}

// place returns where the messages of c are; ok is false where it has none.
func (s *DB) place(ctx context.Context, c fabric.ChannelID, seq int64) (p logPlace, ok bool, err error) {
	found, err := rows(ctx, s, queryPlace, func(r pgx.CollectableRow) (p logPlace, err error) {
		err = r.Scan(&p.num, &p.first, &p.last, &p.head, &p.month)
		return p, err
	}, c, seq)
	if err != nil || len(found) == 0 {
		return p, false, err
	}
	p = found[0]
	p.month = min(max(p.month, p.first), p.last)
	return p, true, nil
}

// Page implements history.Store.
func (s *DB) Page(ctx context.Context, c fabric.ChannelID, before uint64, after *uint64, limit int) ([]fabric.Stored, error) {
	bound := int64(mostSeq) // seqs < 2^48
	switch {
	case after != nil:
		bound = int64(min(*after, mostSeq))
	case before > 0:
		bound = int64(min(before, mostSeq))
	}
	p, ok, err := s.place(ctx, c, bound)
	if err != nil || !ok {
		return nil, err
	}
	scan := func(r pgx.CollectableRow) (fabric.Stored, error) { return scanMessage(r, c) }
	var page []fabric.Stored
	for _, w := range p.windows(after != nil) {
		query := queryBefore
		if after != nil {
			query = queryAfter
		}
		more, err := rows(ctx, s, query, scan, p.num, w[0], w[1], bound, limit-len(page))
		if err != nil {
			return nil, fmt.Errorf("page of %s: %w", c, err)
		}
		if page = append(page, more...); len(page) >= limit {
			break
		}
	}
	if after == nil {
		slices.Reverse(page)
	}
	return page, nil
}

// windows returns the first and last months in which to look for messages from p.month on, upwards or downwards: that
// month and the next one first, which is all for a channel that lives, then all others. PostgreSQL opens each partition
// of a window, whether it has to read in it or not.
func (p logPlace) windows(up bool) [][2]month {
	if up {
		near := min(p.month.next(), p.last)
		if near == p.last {
			return [][2]month{{p.month, p.last}}
		}
		return [][2]month{{p.month, near}, {near.next(), p.last}}
	}
	near := max(p.month.before(), p.first)
	if near == p.first {
		return [][2]month{{p.first, p.month}}
	}
	return [][2]month{{near, p.month}, {p.first, near.before()}}
}

func scanMessage(r pgx.CollectableRow, c fabric.ChannelID) (fabric.Stored, error) {
	m := fabric.Stored{Channel: c}
	var seq, prev int64
	err := r.Scan(&seq, &prev, &m.At, &m.From, &m.CID, &m.Kind, (*[]byte)(&m.Body))
	m.Seq, m.Prev = uint64(seq), uint64(prev)
	return m, err
}

// News implements history.Store.
func (s *DB) News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
	seqs := make([]int64, len(from))
	for i, seq := range from {
		seqs[i] = int64(min(seq, mostSeq))
	}
	news, err := rows(ctx, s, queryNews, pgx.RowTo[fabric.ChannelID], u, start, seqs, limit)
	if err != nil {
		return nil, fmt.Errorf("channels of %s with news: %w", u, err)
	}
	return news, nil
}

// ChannelsOf implements history.Store.
func (s *DB) ChannelsOf(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
	all, err := rows(ctx, s, queryChannelsOf, pgx.RowTo[fabric.ChannelID], u, start, limit)
	if err != nil {
		return nil, fmt.Errorf("channels of %s: %w", u, err)
	}
	return all, nil
}
