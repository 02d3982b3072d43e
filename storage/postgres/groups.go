package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

func scanGroup(r pgx.CollectableRow) (g chats.Group, err error) {
	s := &g.Settings
	err = r.Scan(&g.Channel, &g.Name, &g.About, &g.Avatar, &g.CreatedBy, &s.Send, &s.Change, &s.History, &s.Join, &g.Members,
		&g.CreatedAt, &s.Disappear)
	return g, err
}

// CreateGroup implements chats.Store.
func (s *DB) CreateGroup(ctx context.Context, g chats.Group, cid string, f func(chats.GroupTx) error) (c fabric.ChannelID, existed bool, err error) {
	err = s.once(ctx, func(ctx context.Context, tx pgx.Tx) error {
		c = g.Channel
		// A user's groups are made one after the other: the same CID at once would not find the other one.
		if _, err := tx.Exec(ctx, `SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE`, g.CreatedBy); err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		if cid != "" {
			switch err := tx.QueryRow(ctx, `SELECT channel_id FROM groups WHERE created_by = $1 AND cid = $2`, g.CreatedBy, cid).Scan(&c); {
			case err == nil:
				existed = true
				return nil
			case !errors.Is(err, pgx.ErrNoRows):
				return fmt.Errorf("look for group: %w", err)
			}
		}
		set := g.Settings
		var b pgx.Batch
		b.Queue(`INSERT INTO channels (id, kind, created_at, disappear) VALUES ($1, $2, $3, $4)`,
			g.Channel, fabric.KindGroup, g.CreatedAt, set.Disappear)
		b.Queue(`INSERT INTO groups (channel_id, name, about, avatar, created_by, cid, send, change, history, entry, members)
			VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9, $10, 0)`, g.Channel, g.Name, g.About, g.Avatar, g.CreatedBy, cid,
			set.Send, set.Change, set.History, set.Join)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("write group: %w", err)
		}
		return f(&groupTx{Tx: tx, group: g})
	})
	return c, existed, err
}

// InGroup implements chats.Store.
func (s *DB) InGroup(ctx context.Context, c fabric.ChannelID, f func(chats.GroupTx) error) error {
	return s.once(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err := tx.Query(ctx, queryGroup+` FOR NO KEY UPDATE OF g`, c)
		if err != nil {
			return fmt.Errorf("read group: %w", err)
		}
		g, err := pgx.CollectExactlyOneRow(found, scanGroup)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoGroup
		}
		if err != nil {
			return fmt.Errorf("read group: %w", err)
		}
		return f(&groupTx{Tx: tx, group: g})
	})
}

// lockGroups holds up what others do in these groups until the transaction ends. Everybody who locks several does it in
// this order.
func lockGroups(ctx context.Context, tx pgx.Tx, channels []fabric.ChannelID) error {
	_, err := tx.Exec(ctx, `SELECT 1 FROM groups WHERE channel_id = ANY($1) ORDER BY channel_id FOR NO KEY UPDATE`, channels)
	if err != nil {
		return fmt.Errorf("lock groups: %w", err)
	}
	return nil
}

var errNoGroup = fabric.Errorf(fabric.CodeNotFound, "there is no such group")

// Group implements chats.Store.
func (s *DB) Group(ctx context.Context, c fabric.ChannelID) (chats.Group, error) {
	found, err := rows(ctx, s, queryGroup, scanGroup, c)
	if err != nil {
		return chats.Group{}, err
	}
	if len(found) == 0 {
		return chats.Group{}, errNoGroup
	}
	return found[0], nil
}

// memberOf is a member and whose membership it is.
type memberOf struct {
	user fabric.UserID
	chats.Member
}

func scanMember(r pgx.CollectableRow) (m memberOf, err error) {
	var rank int
	var from int64
	err = r.Scan(&m.user, &rank, &from)
	m.Role, m.From = chats.RoleOf(rank), uint64(from)
	return m, err
}

// Member implements chats.Store.
func (s *DB) Member(ctx context.Context, c fabric.ChannelID, u fabric.UserID) (m chats.Member, ok bool, err error) {
	found, err := rows(ctx, s, queryMember, scanMember, c, []fabric.UserID{u})
	if err != nil || len(found) == 0 {
		return m, false, err
	}
	return found[0].Member, true, nil
}

// Members implements chats.Store.
func (s *DB) Members(ctx context.Context, c fabric.ChannelID, after chats.MemberPlace, limit int) ([]chats.MemberEntry, error) {
	return rows(ctx, s, queryMembers, func(r pgx.CollectableRow) (m chats.MemberEntry, err error) {
		var rank int
		err = r.Scan(&rank, &m.JoinedAt, &m.User.ID, &m.User.Name, &m.User.About, &m.User.Avatar, &m.User.Deleted)
		m.Role = chats.RoleOf(rank)
		return m, err
	}, c, after.Rank, after.JoinedAt, after.User, limit)
}

// Memberships implements chats.Store.
func (s *DB) Memberships(ctx context.Context, u fabric.UserID) ([]contract.Membership, error) {
	return rows(ctx, s, queryMemberships, func(r pgx.CollectableRow) (m contract.Membership, err error) {
		var rank int
		var from int64
		set := &m.Settings
		err = r.Scan(&m.Channel, &rank, &from, &set.Send, &set.Change, &set.History, &set.Join, &set.Disappear)
		m.Role, m.From = chats.RoleOf(rank), uint64(from)
		return m, err
	}, u)
}

// Floors implements chats.Store.
func (s *DB) Floors(ctx context.Context, c fabric.ChannelID, after fabric.UserID, limit int) ([]contract.Floor, error) {
	return rows(ctx, s, queryFloors, func(r pgx.CollectableRow) (f contract.Floor, err error) {
		var from int64
		err = r.Scan(&f.User, &from)
		f.From = uint64(from)
		return f, err
	}, c, after, limit)
}

// Existing implements chats.Store.
func (s *DB) Existing(ctx context.Context, users []fabric.UserID) ([]fabric.UserID, error) {
	return rows(ctx, s, queryExisting, pgx.RowTo[fabric.UserID], users)
}

// InTooMany implements chats.Store.
func (s *DB) InTooMany(ctx context.Context, users []fabric.UserID, most int) ([]fabric.UserID, error) {
	return rows(ctx, s, queryInTooMany, pgx.RowTo[fabric.UserID], users, most)
}

// groupTx implements chats.GroupTx.
type groupTx struct {
	pgx.Tx
	group chats.Group
}

func (t *groupTx) Group() chats.Group { return t.group }

func (t *groupTx) Members(ctx context.Context, users []fabric.UserID) (map[fabric.UserID]chats.Member, error) {
	found, err := t.Query(ctx, queryMember, t.group.Channel, users)
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	list, err := pgx.CollectRows(found, scanMember)
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	members := make(map[fabric.UserID]chats.Member, len(list))
	for _, m := range list {
		members[m.user] = m.Member
	}
	return members, nil
}

func (t *groupTx) Owners(ctx context.Context) (n int, err error) {
	err = t.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM members WHERE channel_id = $1 AND rank = 0 LIMIT 2) owners`,
		t.group.Channel).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count owners: %w", err)
	}
	return n, nil
}

func (t *groupTx) Add(ctx context.Context, users []fabric.UserID, role fabric.Role, at int64) error {
	if _, err := t.Exec(ctx, `INSERT INTO members (user_id, channel_id, rank, from_seq, joined_at)
		SELECT u, $2, $3, NULL, $4 FROM unnest($1::text[]) AS u`, users, t.group.Channel, chats.Rank(role), at); err != nil {
		return fmt.Errorf("add %d members: %w", len(users), err)
	}
	return t.count(ctx, len(users))
}

func (t *groupTx) count(ctx context.Context, more int) error {
	t.group.Members += more
	if _, err := t.Exec(ctx, `UPDATE groups SET members = members + $2 WHERE channel_id = $1`, t.group.Channel, more); err != nil {
		return fmt.Errorf("count members: %w", err)
	}
	return nil
}

func (t *groupTx) Remove(ctx context.Context, u fabric.UserID, cid string) error {
	n, err := t.Exec(ctx, `WITH gone AS (DELETE FROM members WHERE user_id = $2 AND channel_id = $3 RETURNING user_id, channel_id, from_seq)
		INSERT INTO past_members (user_id, channel_id, event, from_seq) SELECT user_id, channel_id, $1, from_seq FROM gone`,
		cid, u, t.group.Channel)
	if err != nil {
		return fmt.Errorf("remove member: %w", err)
	}
	return t.count(ctx, -int(n.RowsAffected()))
}

func (t *groupTx) SetRole(ctx context.Context, u fabric.UserID, role fabric.Role) error {
	_, err := t.Exec(ctx, `UPDATE members SET rank = $1 WHERE user_id = $2 AND channel_id = $3`, chats.Rank(role), u, t.group.Channel)
	if err != nil {
		return fmt.Errorf("set role: %w", err)
	}
	return nil
}

func (t *groupTx) Update(ctx context.Context, g chats.Group) error {
	set := g.Settings
	var b pgx.Batch
	b.Queue(`UPDATE groups SET name = $1, about = $2, avatar = $3, send = $4, change = $5, history = $6, entry = $7 WHERE channel_id = $8`,
		g.Name, g.About, g.Avatar, set.Send, set.Change, set.History, set.Join, t.group.Channel)
	b.Queue(`UPDATE channels SET disappear = $1 WHERE id = $2`, set.Disappear, t.group.Channel)
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("change group: %w", err)
	}
	t.group.Name, t.group.About, t.group.Avatar, t.group.Settings = g.Name, g.About, g.Avatar, set
	return nil
}

func (t *groupTx) Emit(ctx context.Context, r chats.Record) error { return emit(ctx, t.Tx, r) }
