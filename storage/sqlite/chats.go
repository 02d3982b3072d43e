package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
)

// OpenDirect implements chats.Store.
func (s *DB) OpenDirect(ctx context.Context, c fabric.ChannelID, a, b fabric.UserID, at int64) (created bool, err error) {
	there, err := rows(ctx, s, `SELECT count(*) FROM channels WHERE id = ?`, scanCount, string(c))
	if err != nil {
		return false, fmt.Errorf("look for channel: %w", err)
	}
	if there[0] > 0 {
		return false, nil // the usual case: every session asks once a chat, and no write takes its turn for it
	}
	err = s.write.do(ctx, func(t tx) error {
		var users int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM users WHERE id IN (?, ?)`, string(a), string(b)).Scan(&users); err != nil {
			return fmt.Errorf("look for users: %w", err)
		}
		if users < 2 {
			return fabric.Errorf(fabric.CodeNotFound, "there is no such user")
		}
		n, err := t.exec(ctx, `INSERT INTO channels (id, kind, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			string(c), string(fabric.KindDirect), at)
		if err != nil || n == 0 {
			return err
		}
		created = true
		_, err = t.exec(ctx, `INSERT INTO members (user_id, channel_id) VALUES (?1, ?3), (?2, ?3)`, string(a), string(b), string(c))
		return err
	})
	return created, err
}

// now is the time by which what disappears is gone.
func now() int64 { return fabric.Millis(time.Now()) }

func scanCount(r *sql.Rows) (n int, err error) {
	err = r.Scan(&n)
	return n, err
}

// List implements chats.Store.
func (s *DB) List(ctx context.Context, u fabric.UserID, before chats.Place, limit int) ([]chats.Entry, error) {
	return rows(ctx, s, queryList, scanEntry, string(u), before.At, string(before.Channel), limit, "", now())
}

// Entry implements chats.Store.
func (s *DB) Entry(ctx context.Context, u fabric.UserID, c fabric.ChannelID) (chats.Entry, error) {
	found, err := rows(ctx, s, queryList, scanEntry, string(u), 0, "", 1, string(c), now())
	if err != nil {
		return chats.Entry{}, err
	}
	if len(found) == 0 {
		return chats.Entry{}, fabric.Errorf(fabric.CodeForbidden, "you are not in channel %s", c)
	}
	return found[0], nil
}

// Standings implements chats.Store.
func (s *DB) Standings(ctx context.Context, u fabric.UserID, channels []fabric.ChannelID) (map[fabric.ChannelID]chats.Standing, error) {
	list, err := json.Marshal(channels)
	if err != nil {
		return nil, fmt.Errorf("channels: %w", err)
	}
	standings := make(map[fabric.ChannelID]chats.Standing, len(channels))
	_, err = rows(ctx, s, queryStandings, func(r *sql.Rows) (struct{}, error) {
		var (
			c       fabric.ChannelID
			st      chats.Standing
			rank    int
			isGroup bool
			g       chats.Group
		)
		set := &g.Settings
		if err := r.Scan(&c, &st.Prefs.MutedUntil, &st.Prefs.Archived, &st.Prefs.Pinned, &st.Prefs.MarkedUnread, &st.Disappear,
			&st.From, &rank, &isGroup, &g.Name, &g.About, &g.Avatar, &g.CreatedBy, &set.Send, &set.Change, &set.History, &set.Join,
			&g.Members, &g.CreatedAt, &st.Blocked); err != nil {
			return struct{}{}, err
		}
		if isGroup {
			g.Channel, set.Disappear = c, st.Disappear
			st.Role, st.Group = chats.RoleOf(rank), &g
		}
		standings[c] = st
		return struct{}{}, nil
	}, string(u), string(list))
	return standings, err
}

func scanEntry(r *sql.Rows) (chats.Entry, error) {
	var (
		e                 chats.Entry
		peer, name        sql.NullString
		about, avatar     sql.NullString
		deleted           bool
		service           string
		seq, prev, at     sql.NullInt64
		sender, cid, kind sql.NullString
		body              []byte
	)
	if err := r.Scan(&e.ID, &e.Kind, &e.At, &peer, &name, &about, &avatar, &deleted, &service, &seq, &prev, &at, &sender, &cid, &kind, &body); err != nil {
		return e, err
	}
	if peer.Valid {
		e.Name, e.Peer = name.String, &fabric.User{
			ID: fabric.UserID(peer.String), Name: name.String, About: about.String, Avatar: avatar.String, Deleted: deleted, Service: service,
		}
	}
	if seq.Valid {
		e.Last = &fabric.Stored{
			Channel: e.ID, Seq: uint64(seq.Int64), Prev: uint64(prev.Int64), At: at.Int64,
			Message: fabric.Message{From: fabric.UserID(sender.String), CID: cid.String, Kind: kind.String, Body: body},
		}
	}
	return e, nil
}

// Unread implements chats.Store.
func (s *DB) Unread(ctx context.Context, c fabric.ChannelID, u fabric.UserID, after uint64, most int) (int, error) {
	n, err := rows(ctx, s, queryUnread, scanCount, string(c), int64(min(after, mostSeq)), string(u), most, now()) // seqs < 2^48
	if err != nil {
		return 0, err
	}
	return n[0], nil
}
