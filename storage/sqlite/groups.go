package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

const (
	groupFields = `g.channel_id, g.name, g.about, g.avatar, g.created_by, g.send, g.change, g.history, g.entry, g.members,
		c.created_at, c.disappear`
	selectGroup = `SELECT ` + groupFields + ` FROM groups g JOIN channels c ON c.id = g.channel_id WHERE g.channel_id = ?`
)

// scanner is what a row and a result have in common.
type scanner interface{ Scan(...any) error }

func scanGroup(r scanner) (g chats.Group, err error) {
	s := &g.Settings
	err = r.Scan(&g.Channel, &g.Name, &g.About, &g.Avatar, &g.CreatedBy, &s.Send, &s.Change, &s.History, &s.Join, &g.Members,
		&g.CreatedAt, &s.Disappear)
	return g, err
}

// CreateGroup implements chats.Store.
func (s *DB) CreateGroup(ctx context.Context, g chats.Group, cid string, f func(chats.GroupTx) error) (c fabric.ChannelID, existed bool, err error) {
	err = s.write.do(ctx, func(t tx) error {
		c, existed = g.Channel, false
		if cid != "" {
			switch err := t.QueryRowContext(ctx, `SELECT channel_id FROM groups WHERE created_by = ? AND cid = ?`, string(g.CreatedBy), cid).Scan(&c); {
			case err == nil:
				existed = true
				return nil
			case !errors.Is(err, sql.ErrNoRows):
				return fmt.Errorf("look for group: %w", err)
			}
		}
		set := g.Settings
		if _, err := t.exec(ctx, `INSERT INTO channels (id, kind, created_at, disappear) VALUES (?, ?, ?, ?)`,
			string(g.Channel), string(fabric.KindGroup), g.CreatedAt, set.Disappear); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO groups (channel_id, name, about, avatar, created_by, cid, send, change, history, entry, members)
			VALUES (?, ?, ?, ?, ?, nullif(?, ''), ?, ?, ?, ?, 0)`, string(g.Channel), g.Name, g.About, g.Avatar, string(g.CreatedBy), cid,
			set.Send, set.Change, set.History, set.Join); err != nil {
			return err
		}
		return f(&groupTx{tx: t, group: g})
	})
	return c, existed, err
}

// InGroup implements chats.Store.
func (s *DB) InGroup(ctx context.Context, c fabric.ChannelID, f func(chats.GroupTx) error) error {
	return s.write.do(ctx, func(t tx) error {
		g, err := scanGroup(t.QueryRowContext(ctx, selectGroup, string(c)))
		if errors.Is(err, sql.ErrNoRows) {
			return errNoGroup
		}
		if err != nil {
			return fmt.Errorf("read group: %w", err)
		}
		return f(&groupTx{tx: t, group: g})
	})
}

var errNoGroup = fabric.Errorf(fabric.CodeNotFound, "there is no such group")

// Group implements chats.Store.
func (s *DB) Group(ctx context.Context, c fabric.ChannelID) (chats.Group, error) {
	found, err := rows(ctx, s, selectGroup, func(r *sql.Rows) (chats.Group, error) { return scanGroup(r) }, string(c))
	if err != nil {
		return chats.Group{}, err
	}
	if len(found) == 0 {
		return chats.Group{}, errNoGroup
	}
	return found[0], nil
}

// Member implements chats.Store.
func (s *DB) Member(ctx context.Context, c fabric.ChannelID, u fabric.UserID) (m chats.Member, ok bool, err error) {
	found, err := rows(ctx, s, queryMember, func(r *sql.Rows) (m chats.Member, err error) {
		var rank int
		err = r.Scan(&rank, &m.From)
		m.Role = chats.RoleOf(rank)
		return m, err
	}, string(u), string(c))
	if err != nil || len(found) == 0 {
		return m, false, err
	}
	return found[0], true, nil
}

// Members implements chats.Store.
func (s *DB) Members(ctx context.Context, c fabric.ChannelID, after chats.MemberPlace, limit int) ([]chats.MemberEntry, error) {
	return rows(ctx, s, queryMembers, func(r *sql.Rows) (m chats.MemberEntry, err error) {
		var rank int
		err = r.Scan(&rank, &m.JoinedAt, &m.User.ID, &m.User.Name, &m.User.About, &m.User.Avatar, &m.User.Deleted)
		m.Role = chats.RoleOf(rank)
		return m, err
	}, string(c), after.Rank, after.JoinedAt, string(after.User), limit)
}

// Memberships implements chats.Store.
func (s *DB) Memberships(ctx context.Context, u fabric.UserID) ([]contract.Membership, error) {
	return rows(ctx, s, queryMemberships, func(r *sql.Rows) (m contract.Membership, err error) {
		var rank int
		set := &m.Settings
		err = r.Scan(&m.Channel, &rank, &m.From, &set.Send, &set.Change, &set.History, &set.Join, &set.Disappear)
		m.Role = chats.RoleOf(rank)
		return m, err
	}, string(u))
}

// Floors implements chats.Store.
func (s *DB) Floors(ctx context.Context, c fabric.ChannelID, after fabric.UserID, limit int) ([]contract.Floor, error) {
	return rows(ctx, s, queryFloors, func(r *sql.Rows) (f contract.Floor, err error) {
		err = r.Scan(&f.User, &f.From)
		return f, err
	}, string(c), string(after), limit)
}

// Existing implements chats.Store.
func (s *DB) Existing(ctx context.Context, users []fabric.UserID) ([]fabric.UserID, error) {
	return s.usersOf(ctx, queryExisting, users)
}

// InTooMany implements chats.Store.
func (s *DB) InTooMany(ctx context.Context, users []fabric.UserID, most int) ([]fabric.UserID, error) {
	return s.usersOf(ctx, queryInTooMany, users, most)
}

// usersOf runs a query of a JSON list of users that returns some of them.
func (s *DB) usersOf(ctx context.Context, query string, users []fabric.UserID, more ...any) ([]fabric.UserID, error) {
	list, err := json.Marshal(users)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return rows(ctx, s, query, func(r *sql.Rows) (u fabric.UserID, err error) {
		err = r.Scan(&u)
		return u, err
	}, append([]any{string(list)}, more...)...)
}

// groupTx implements chats.GroupTx.
type groupTx struct {
	tx
	group chats.Group
}

func (t *groupTx) Group() chats.Group { return t.group }

func (t *groupTx) Members(ctx context.Context, users []fabric.UserID) (map[fabric.UserID]chats.Member, error) {
	st, err := t.stmt(ctx, queryMember)
	if err != nil {
		return nil, err
	}
	members := make(map[fabric.UserID]chats.Member, len(users))
	for _, u := range users {
		var rank int
		var m chats.Member
		switch err := st.QueryRowContext(ctx, string(u), string(t.group.Channel)).Scan(&rank, &m.From); {
		case err == nil:
			m.Role = chats.RoleOf(rank)
			members[u] = m
		case !errors.Is(err, sql.ErrNoRows):
			return nil, fmt.Errorf("read member: %w", err)
		}
	}
	return members, nil
}

func (t *groupTx) Owners(ctx context.Context) (n int, err error) {
	err = t.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM members WHERE channel_id = ? AND rank = 0 LIMIT 2)`,
		string(t.group.Channel)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count owners: %w", err)
	}
	return n, nil
}

func (t *groupTx) Add(ctx context.Context, users []fabric.UserID, role fabric.Role, at int64) error {
	for _, u := range users {
		if _, err := t.exec(ctx, `INSERT INTO members (user_id, channel_id, rank, from_seq, joined_at) VALUES (?, ?, ?, NULL, ?)`,
			string(u), string(t.group.Channel), chats.Rank(role), at); err != nil {
			return fmt.Errorf("add %s: %w", u, err)
		}
	}
	return t.count(ctx, len(users))
}

func (t *groupTx) count(ctx context.Context, more int) error {
	t.group.Members += more
	_, err := t.exec(ctx, `UPDATE groups SET members = members + ? WHERE channel_id = ?`, more, string(t.group.Channel))
	return err
}

func (t *groupTx) Remove(ctx context.Context, u fabric.UserID, cid string) error {
	if _, err := t.exec(ctx, `INSERT INTO past_members (user_id, channel_id, event, from_seq)
		SELECT user_id, channel_id, ?, from_seq FROM members WHERE user_id = ? AND channel_id = ?`, cid, string(u), string(t.group.Channel)); err != nil {
		return err
	}
	n, err := t.exec(ctx, `DELETE FROM members WHERE user_id = ? AND channel_id = ?`, string(u), string(t.group.Channel))
	if err != nil {
		return err
	}
	return t.count(ctx, -int(n))
}

func (t *groupTx) SetRole(ctx context.Context, u fabric.UserID, role fabric.Role) error {
	_, err := t.exec(ctx, `UPDATE members SET rank = ? WHERE user_id = ? AND channel_id = ?`, chats.Rank(role), string(u), string(t.group.Channel))
	return err
}

func (t *groupTx) Update(ctx context.Context, g chats.Group) error {
	set := g.Settings
	if _, err := t.exec(ctx, `UPDATE groups SET name = ?, about = ?, avatar = ?, send = ?, change = ?, history = ?, entry = ? WHERE channel_id = ?`,
		g.Name, g.About, g.Avatar, set.Send, set.Change, set.History, set.Join, string(t.group.Channel)); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE channels SET disappear = ? WHERE id = ?`, set.Disappear, string(t.group.Channel))
	t.group.Name, t.group.About, t.group.Avatar, t.group.Settings = g.Name, g.About, g.Avatar, set
	return err
}

func (t *groupTx) Emit(ctx context.Context, r chats.Record) error { return emit(ctx, t.tx, r) }
