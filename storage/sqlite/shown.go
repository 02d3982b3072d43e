package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// shown are what a message's row is scanned into.
func shown(m *history.Shown) []any {
	return []any{
		&m.Seq, &m.Prev, &m.At, &m.From, &m.CID, &m.Kind, (*[]byte)(&m.Body), &m.Only, &m.EditedAt, &m.DeletedAt, &m.ExpiresAt,
	}
}

func scanShown(c fabric.ChannelID, more ...any) func(*sql.Rows) (history.Shown, error) {
	return func(r *sql.Rows) (history.Shown, error) {
		m := history.Shown{Stored: fabric.Stored{Channel: c}}
		err := r.Scan(append(shown(&m), more...)...)
		return m, err
	}
}

// seqArg is a seq as the database takes it.
func seqArg(seq uint64) int64 { return int64(min(seq, mostSeq)) } // seqs < 2^48

// Page implements history.Store.
func (s *DB) Page(ctx context.Context, v history.View, before uint64, after *uint64, limit int) ([]history.Shown, error) {
	query, bound := queryBefore, seqArg(before)
	switch {
	case after != nil:
		query, bound = queryAfter, seqArg(*after)
	case before == 0:
		bound = mostSeq
	}
	page, err := rows(ctx, s, query, scanShown(v.Channel), string(v.Channel), string(v.User), v.Now, seqArg(v.From), bound, limit)
	if err != nil {
		return nil, fmt.Errorf("page of %s: %w", v.Channel, err)
	}
	if after == nil {
		slices.Reverse(page)
	}
	return page, nil
}

// Message implements history.Store.
func (s *DB) Message(ctx context.Context, v history.View, seq uint64) (m history.Shown, ok bool, err error) {
	found, err := rows(ctx, s, queryMessage, scanShown(v.Channel), string(v.Channel), string(v.User), v.Now, seqArg(v.From), seqArg(seq))
	if err != nil || len(found) == 0 {
		return m, false, err
	}
	return found[0], true, nil
}

// Records implements history.Store.
func (s *DB) Records(ctx context.Context, v history.View, after, upto uint64, limit int) ([]history.Shown, error) {
	var place int64
	recs, err := rows(ctx, s, queryRecords, scanShown(v.Channel, &place),
		string(v.Channel), string(v.User), v.Now, seqArg(v.From), seqArg(after), seqArg(upto), limit)
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", v.Channel, err)
	}
	return recs, nil
}

// Decorate implements history.Store.
func (s *DB) Decorate(ctx context.Context, v history.View, msgs []history.Shown) error {
	if len(msgs) == 0 {
		return nil
	}
	places, list, err := s.places(ctx, v.Channel, msgs)
	if err != nil || len(places) == 0 {
		return err
	}
	at := make(map[int64]*history.Shown, len(msgs))
	for i, p := range places {
		at[p] = &msgs[i]
	}
	if _, err := rows(ctx, s, queryReactions, func(r *sql.Rows) (struct{}, error) {
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
	}, list, string(v.User), history.ReactionUsers); err != nil {
		return fmt.Errorf("reactions: %w", err)
	}
	_, err = rows(ctx, s, queryNoted, func(r *sql.Rows) (struct{}, error) {
		var target int64
		var starred, pinned bool
		if err := r.Scan(&target, &starred, &pinned); err != nil {
			return struct{}{}, err
		}
		at[target].Starred, at[target].Pinned = starred, pinned
		return struct{}{}, nil
	}, list, string(v.User))
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
	places, list, err := s.places(ctx, v.Channel, msgs)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	return rows(ctx, s, queryPrivate, scanShown(v.Channel), list, string(v.User))
}

// places returns the places of a channel's messages, also as a JSON list; none where nothing of it is archived.
func (s *DB) places(ctx context.Context, c fabric.ChannelID, msgs []history.Shown) (places []int64, list string, err error) {
	base, err := rows(ctx, s, queryShard, scanCount, string(c))
	if err != nil || len(base) == 0 {
		return nil, "", err
	}
	places = make([]int64, len(msgs))
	for i := range msgs {
		places[i] = place(base[0], msgs[i].Seq)
	}
	data, err := json.Marshal(places)
	if err != nil {
		return nil, "", fmt.Errorf("places: %w", err)
	}
	return places, string(data), nil
}

// queryShard returns a channel's shard.
const queryShard = `SELECT shard FROM logs WHERE channel_id = ?`

// News implements history.Store.
func (s *DB) News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]history.Span, bool, error) {
	position, err := json.Marshal(from)
	if err != nil {
		return nil, false, fmt.Errorf("news: %w", err)
	}
	return s.wholeSpans(ctx, queryNews, u, start, limit, string(position))
}

// Spans implements history.Store.
func (s *DB) Spans(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]history.Span, bool, error) {
	return s.wholeSpans(ctx, querySpans, u, start, limit)
}

// wholeSpans runs a query of spans until it ends with all of a channel's.
func (s *DB) wholeSpans(ctx context.Context, query string, u fabric.UserID, start fabric.ChannelID, limit int, args ...any) (list []history.Span, more bool, err error) {
	for n := limit + 1; ; n *= 2 {
		list, err = rows(ctx, s, query, func(r *sql.Rows) (sp history.Span, err error) {
			err = r.Scan(&sp.Channel, &sp.From, &sp.Upto)
			return sp, err
		}, append([]any{string(u), string(start), n}, args...)...)
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
