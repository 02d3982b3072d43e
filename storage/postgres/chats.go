package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
)

// OpenDirect implements chats.Store.
func (s *DB) OpenDirect(ctx context.Context, c fabric.ChannelID, a, b fabric.UserID, at int64) (created bool, err error) {
	there, err := rows(ctx, s, `SELECT count(*) FROM channels WHERE id = $1`, pgx.RowTo[int], c)
	if err != nil {
		return false, fmt.Errorf("look for channel: %w", err)
	}
	if there[0] > 0 {
		return false, nil // the usual case: every session asks once a chat
	}
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		created = false
		n, err := tx.Exec(ctx, `INSERT INTO channels (id, kind, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			c, fabric.KindDirect, at)
		if err != nil || n.RowsAffected() == 0 {
			return err
		}
		created = true
		_, err = tx.Exec(ctx, `INSERT INTO members (user_id, channel_id) VALUES ($1, $3), ($2, $3)`, a, b, c)
		if stateOf(err) == stateForeignKey {
			return fabric.Errorf(fabric.CodeNotFound, "there is no such user")
		}
		return err
	})
	return created && err == nil, err
}

// List implements chats.Store.
func (s *DB) List(ctx context.Context, u fabric.UserID, before chats.Place, limit int) ([]chats.Entry, error) {
	return rows(ctx, s, queryList, scanEntry, u, before.At, before.Channel, limit, now())
}

// Entry implements chats.Store.
func (s *DB) Entry(ctx context.Context, u fabric.UserID, c fabric.ChannelID) (chats.Entry, error) {
	found, err := rows(ctx, s, queryEntry, scanEntry, u, 0, "", 1, now(), c)
	if err != nil {
		return chats.Entry{}, err
	}
	if len(found) == 0 {
		return chats.Entry{}, errNotIn(c)
	}
	return found[0], nil
}

func errNotIn(c fabric.ChannelID) error {
	return fabric.Errorf(fabric.CodeForbidden, "you are not in channel %s", c)
}

func scanEntry(r pgx.CollectableRow) (chats.Entry, error) {
	var (
		e                         chats.Entry
		peer, name, about, avatar *string
		sender, cid, kind         *string
		deleted                   bool
		service                   string
		seq, prev, at             *int64
		body                      []byte
	)
	if err := r.Scan(&e.ID, &e.Kind, &e.At, &peer, &name, &about, &avatar, &deleted, &service,
		&seq, &prev, &at, &sender, &cid, &kind, &body); err != nil {
		return e, err
	}
	if peer != nil {
		e.Name, e.Peer = *name, &fabric.User{ID: fabric.UserID(*peer), Name: *name, About: *about, Avatar: *avatar, Deleted: deleted, Service: service}
	}
	if seq != nil {
		e.Last = &fabric.Stored{
			Channel: e.ID, Seq: uint64(*seq), Prev: uint64(*prev), At: *at,
			Message: fabric.Message{From: fabric.UserID(*sender), CID: *cid, Kind: *kind, Body: body},
		}
	}
	return e, nil
}

// Standings implements chats.Store.
func (s *DB) Standings(ctx context.Context, u fabric.UserID, channels []fabric.ChannelID) (map[fabric.ChannelID]chats.Standing, error) {
	standings := make(map[fabric.ChannelID]chats.Standing, len(channels))
	_, err := rows(ctx, s, queryStandings, func(r pgx.CollectableRow) (struct{}, error) {
		var (
			c       fabric.ChannelID
			st      chats.Standing
			from    int64
			rank    int
			isGroup bool
			g       chats.Group
		)
		set := &g.Settings
		if err := r.Scan(&c, &st.Prefs.MutedUntil, &st.Prefs.Archived, &st.Prefs.Pinned, &st.Prefs.MarkedUnread, &st.Disappear,
			&from, &rank, &isGroup, &g.Name, &g.About, &g.Avatar, &g.CreatedBy, &set.Send, &set.Change, &set.History, &set.Join,
			&g.Members, &g.CreatedAt, &st.Blocked); err != nil {
			return struct{}{}, err
		}
		st.From = uint64(from)
		if isGroup {
			g.Channel, set.Disappear = c, st.Disappear
			st.Role, st.Group = chats.RoleOf(rank), &g
		}
		standings[c] = st
		return struct{}{}, nil
	}, u, channels)
	return standings, err
}

// now is the time by which what disappears is gone.
func now() int64 { return fabric.Millis(time.Now()) }

// Unread implements chats.Store.
func (s *DB) Unread(ctx context.Context, c fabric.ChannelID, u fabric.UserID, after uint64, most int) (int, error) {
	seq := int64(min(after, mostSeq)) // seqs < 2^48
	p, ok, err := s.place(ctx, c, seq)
	if err != nil || !ok || p.head <= seq {
		return 0, err
	}
	n, err := rows(ctx, s, queryUnread, pgx.RowTo[int], p.num, p.month, seq, u, most, now())
	if err != nil {
		return 0, err
	}
	return n[0], nil
}
