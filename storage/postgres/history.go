package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
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
func (s *DB) Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]history.Head, error) {
	heads := make(map[fabric.ChannelID]history.Head, len(channels))
	_, err := rows(ctx, s, queryHeads, func(r pgx.CollectableRow) (struct{}, error) {
		var c fabric.ChannelID
		var seq int64
		var h history.Head
		err := r.Scan(&c, &seq, &h.Disappear)
		h.Seq = uint64(seq)
		heads[c] = h
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
	shard       int
	first, last month
	head        int64 // seq of the newest
	month       month // of the seq that was asked for
}

// place returns where the messages of c are; ok is false where it has none.
func (s *DB) place(ctx context.Context, c fabric.ChannelID, seq int64) (p logPlace, ok bool, err error) {
	found, err := rows(ctx, s, queryPlace, func(r pgx.CollectableRow) (p logPlace, err error) {
		err = r.Scan(&p.num, &p.shard, &p.first, &p.last, &p.head, &p.month)
		return p, err
	}, c, seq)
	if err != nil || len(found) == 0 {
		return p, false, err
	}
	p = found[0]
	p.month = min(max(p.month, p.first), p.last)
	return p, true, nil
}

// seqArg is a seq as the database takes it.
func seqArg(seq uint64) int64 { return int64(min(seq, mostSeq)) } // seqs < 2^48

// Page implements history.Store.
func (s *DB) Page(ctx context.Context, v history.View, before uint64, after *uint64, limit int) ([]history.Shown, error) {
	bound := int64(mostSeq)
	switch {
	case after != nil:
		bound = seqArg(*after)
	case before > 0:
		bound = seqArg(before)
	}
	p, ok, err := s.place(ctx, v.Channel, bound)
	if err != nil || !ok {
		return nil, err
	}
	page, err := s.read(ctx, p, v, after != nil, bound, mostSeq, limit)
	if err != nil {
		return nil, err
	}
	if after == nil {
		slices.Reverse(page)
	}
	return page, nil
}

// read returns up to limit messages, upwards after bound and up to upto, or downwards before bound.
func (s *DB) read(ctx context.Context, p logPlace, v history.View, up bool, bound, upto int64, limit int) (page []history.Shown, err error) {
	query, args := queryBefore, []any{}
	if up {
		query, args = queryAfter, []any{upto}
	}
	for _, w := range p.windows(up) {
		more, err := rows(ctx, s, query, scanShown(v.Channel),
			append([]any{p.num, w[0], w[1], bound, limit - len(page), seqArg(v.From), v.User, v.Now}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("page of %s: %w", v.Channel, err)
		}
		if page = append(page, more...); len(page) >= limit {
			break
		}
	}
	return page, nil
}

// Message implements history.Store.
func (s *DB) Message(ctx context.Context, v history.View, seq uint64) (m history.Shown, ok bool, err error) {
	found, err := rows(ctx, s, queryMessage, scanShown(v.Channel), v.Channel, v.User, v.Now, seqArg(v.From), seqArg(seq))
	if err != nil || len(found) == 0 {
		return m, false, err
	}
	return found[0], true, nil
}

// Records implements history.Store.
func (s *DB) Records(ctx context.Context, v history.View, after, upto uint64, limit int) ([]history.Shown, error) {
	p, ok, err := s.place(ctx, v.Channel, seqArg(after))
	if err != nil || !ok {
		return nil, err
	}
	msgs, err := s.read(ctx, p, v, true, seqArg(after), seqArg(upto), limit)
	if err != nil {
		return nil, err
	}
	changes, err := rows(ctx, s, queryChanges, scanShown(v.Channel), p.num, seqArg(after), seqArg(v.From), seqArg(upto), v.User, limit)
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", v.Channel, err)
	}
	if len(changes) == 0 {
		return msgs, nil
	}
	msgs = append(msgs, changes...)
	slices.SortFunc(msgs, func(a, b history.Shown) int { return cmp.Compare(a.Seq, b.Seq) })
	return msgs[:min(limit, len(msgs))], nil
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

// shownRow is what a message's row is scanned into.
type shownRow struct {
	seq, prev int64
	history.Shown
}

func (m *shownRow) into() []any {
	return []any{
		&m.seq, &m.prev, &m.At, &m.From, &m.CID, &m.Kind, (*[]byte)(&m.Body), &m.Only, &m.EditedAt, &m.DeletedAt, &m.ExpiresAt,
	}
}

func (m *shownRow) shown() history.Shown {
	m.Seq, m.Prev = uint64(m.seq), uint64(m.prev)
	return m.Shown
}

func scanShown(c fabric.ChannelID) func(pgx.CollectableRow) (history.Shown, error) {
	return func(r pgx.CollectableRow) (history.Shown, error) {
		var m shownRow
		m.Channel = c
		err := r.Scan(m.into()...)
		return m.shown(), err
	}
}

// Decorate implements history.Store.
func (s *DB) Decorate(ctx context.Context, v history.View, msgs []history.Shown) error {
	if len(msgs) == 0 {
		return nil
	}
	at := make(map[int64]*history.Shown, len(msgs))
	seqs := make([]int64, len(msgs))
	for i := range msgs {
		seqs[i] = int64(msgs[i].Seq)
		at[seqs[i]] = &msgs[i]
	}
	if _, err := rows(ctx, s, queryReactions, func(r pgx.CollectableRow) (struct{}, error) {
		var target int64
		var one history.Reaction
		var u fabric.UserID
		if err := r.Scan(&target, &one.Emoji, &u, &one.Count, &one.Mine); err != nil {
			return struct{}{}, err
		}
		m := at[target]
		if n := len(m.Reactions); n == 0 || m.Reactions[n-1].Emoji != one.Emoji {
			m.Reactions = append(m.Reactions, one)
		}
		last := &m.Reactions[len(m.Reactions)-1]
		last.Users = append(last.Users, u)
		return struct{}{}, nil
	}, v.Channel, seqs, v.User, history.ReactionUsers); err != nil {
		return fmt.Errorf("reactions: %w", err)
	}
	_, err := rows(ctx, s, queryNoted, func(r pgx.CollectableRow) (struct{}, error) {
		var target int64
		var starred, pinned bool
		if err := r.Scan(&target, &starred, &pinned); err != nil {
			return struct{}{}, err
		}
		at[target].Starred, at[target].Pinned = starred, pinned
		return struct{}{}, nil
	}, v.Channel, seqs, v.User)
	if err != nil {
		return fmt.Errorf("stars and pins: %w", err)
	}
	return nil
}

// Private implements history.Store.
func (s *DB) Private(ctx context.Context, v history.View, msgs []history.Shown) ([]history.Shown, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	seqs := make([]int64, len(msgs))
	for i := range msgs {
		seqs[i] = int64(msgs[i].Seq)
	}
	return rows(ctx, s, queryPrivate, scanShown(v.Channel), v.Channel, seqs, v.User)
}

// News implements history.Store.
func (s *DB) News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]history.Span, bool, error) {
	seqs := make([]int64, len(from))
	for i, seq := range from {
		seqs[i] = seqArg(seq)
	}
	return s.wholeSpans(ctx, queryNews, u, start, limit, seqs)
}

// Spans implements history.Store.
func (s *DB) Spans(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]history.Span, bool, error) {
	return s.wholeSpans(ctx, querySpans, u, start, limit)
}

// wholeSpans runs a query of spans until it ends with all of a channel's.
func (s *DB) wholeSpans(ctx context.Context, query string, u fabric.UserID, start fabric.ChannelID, limit int, args ...any) (list []history.Span, more bool, err error) {
	for n := limit + 1; ; n *= 2 {
		list, err = rows(ctx, s, query, func(r pgx.CollectableRow) (sp history.Span, err error) {
			var from, upto int64
			err = r.Scan(&sp.Channel, &from, &upto)
			sp.From, sp.Upto = uint64(from), uint64(upto)
			return sp, err
		}, append([]any{u, start, n}, args...)...)
		if err != nil {
			return nil, false, fmt.Errorf("spans of %s: %w", u, err)
		}
		if len(list) < n {
			return list, false, nil
		}
		// The last channel may have more: it is left for the next time, unless there is no other.
		end := len(list)
		for end > 0 && list[end-1].Channel == list[len(list)-1].Channel {
			end--
		}
		if end > 0 {
			return list[:end], true, nil
		}
	}
}
