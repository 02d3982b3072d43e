package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
)

// Reads of the push role.
const (
	pushFields = `p.user_id, p.device_id, p.kind, p.address, p.hash, p.show, p.mentions, p.created_at`

	queryPushTargets = `SELECT ` + pushFields + ` FROM json_each(?1) j CROSS JOIN push_devices p ON p.user_id = j.value`
	queryPushTarget  = `SELECT ` + pushFields + ` FROM push_devices p WHERE p.device_id = ?`
	queryPushMembers = `SELECT ` + pushFields + `, m.from_seq, m.muted_until
		FROM members m CROSS JOIN push_devices p ON p.user_id = m.user_id
		WHERE m.channel_id = ?1 AND m.rank IS NOT NULL AND m.from_seq IS NOT NULL AND m.user_id >= ?2
			AND (m.user_id > ?2 OR p.device_id > ?3)
		ORDER BY m.user_id, p.device_id LIMIT ?4`

	// ?1 is a JSON list of {User, Channel, Sender}.
	queryPushStandings = `SELECT m.user_id IS NOT NULL, coalesce(m.muted_until, 0), b.user_id IS NOT NULL, coalesce(s.name, ''), coalesce(g.name, '')
		FROM json_each(?1) j
			LEFT JOIN members m ON m.user_id = j.value->>'User' AND m.channel_id = j.value->>'Channel'
			LEFT JOIN blocks b ON b.user_id = j.value->>'User' AND b.blocked_id = j.value->>'Sender'
			LEFT JOIN users s ON s.id = j.value->>'Sender'
			LEFT JOIN groups g ON g.channel_id = j.value->>'Channel'
		ORDER BY j.key`
	queryPushNames    = `SELECT u.id, u.name FROM json_each(?1) j CROSS JOIN users u ON u.id = j.value`
	queryPushBlockers = `SELECT b.user_id FROM json_each(?1) j CROSS JOIN blocks b ON b.user_id = j.value AND b.blocked_id = ?2`
	pushPositions     = `SELECT shard, seq FROM push_positions`
)

func pushInto(t *push.Target) []any {
	return []any{&t.User, &t.Device, &t.Kind, &t.Address, &t.Hash, &t.Show, &t.Mentions, &t.CreatedAt}
}

func scanTarget(r *sql.Rows) (t push.Target, err error) {
	err = r.Scan(pushInto(&t)...)
	return t, err
}

// SetPush implements push.Store.
func (s *DB) SetPush(ctx context.Context, p push.Target) error {
	return s.write.do(ctx, func(t tx) error {
		if _, err := t.exec(ctx, `DELETE FROM push_devices WHERE hash = ? AND device_id <> ?`, p.Hash, string(p.Device)); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO push_devices (device_id, user_id, kind, address, hash, show, mentions, created_at)
			SELECT id, user_id, ?3, ?4, ?5, ?6, ?7, ?8 FROM devices WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL
			ON CONFLICT (device_id) DO UPDATE SET kind = ?3, address = ?4, hash = ?5, show = ?6, mentions = ?7, created_at = ?8`,
			string(p.Device), string(p.User), p.Kind, p.Address, p.Hash, p.Show, p.Mentions, p.CreatedAt)
		if err == nil && n == 0 {
			err = fabric.Errorf(fabric.CodeNotFound, "there is no such device")
		}
		return err
	})
}

// RemovePush implements push.Store.
func (s *DB) RemovePush(ctx context.Context, d fabric.DeviceID, hash string) (was bool, err error) {
	err = s.write.do(ctx, func(t tx) error {
		n, err := t.exec(ctx, `DELETE FROM push_devices WHERE device_id = ?1 AND (?2 = '' OR hash = ?2)`, string(d), hash)
		was = n > 0
		return err
	})
	return was, err
}

// PushTargets implements push.Store.
func (s *DB) PushTargets(ctx context.Context, users []fabric.UserID) ([]push.Target, error) {
	list, err := json.Marshal(users)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return rows(ctx, s, queryPushTargets, scanTarget, string(list))
}

// PushTarget implements push.Store.
func (s *DB) PushTarget(ctx context.Context, d fabric.DeviceID) (*push.Target, error) {
	found, err := rows(ctx, s, queryPushTarget, scanTarget, string(d))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// PushMembers implements push.Store.
func (s *DB) PushMembers(ctx context.Context, c fabric.ChannelID, afterUser fabric.UserID, afterDevice fabric.DeviceID, limit int) ([]push.Member, error) {
	return rows(ctx, s, queryPushMembers, func(r *sql.Rows) (m push.Member, err error) {
		err = r.Scan(append(pushInto(&m.Target), &m.From, &m.MutedUntil)...)
		return m, err
	}, string(c), string(afterUser), string(afterDevice), limit)
}

// PushStandings implements push.Store.
func (s *DB) PushStandings(ctx context.Context, asks []push.Ask) ([]push.Standing, error) {
	list, err := json.Marshal(asks)
	if err != nil {
		return nil, fmt.Errorf("asks: %w", err)
	}
	return rows(ctx, s, queryPushStandings, func(r *sql.Rows) (st push.Standing, err error) {
		err = r.Scan(&st.Member, &st.MutedUntil, &st.Blocked, &st.Sender, &st.Group)
		return st, err
	}, string(list))
}

// PushNames implements push.Store.
func (s *DB) PushNames(ctx context.Context, users []fabric.UserID) (map[fabric.UserID]string, error) {
	list, err := json.Marshal(users)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	names := make(map[fabric.UserID]string, len(users))
	_, err = rows(ctx, s, queryPushNames, func(r *sql.Rows) (struct{}, error) {
		var u fabric.UserID
		var name string
		err := r.Scan(&u, &name)
		names[u] = name
		return struct{}{}, err
	}, string(list))
	return names, err
}

// PushBlockers implements push.Store.
func (s *DB) PushBlockers(ctx context.Context, users []fabric.UserID, blocked fabric.UserID) ([]fabric.UserID, error) {
	return s.usersOf(ctx, queryPushBlockers, users, string(blocked))
}

// PushPositions implements push.Store.
func (s *DB) PushPositions(ctx context.Context) (map[int]uint64, error) {
	at := make(map[int]uint64)
	_, err := rows(ctx, s, pushPositions, func(r *sql.Rows) (struct{}, error) {
		var shard int
		var seq uint64
		err := r.Scan(&shard, &seq)
		at[shard] = seq
		return struct{}{}, err
	})
	return at, err
}

// SetPushPositions implements push.Store.
func (s *DB) SetPushPositions(ctx context.Context, at map[int]uint64) error {
	return s.write.do(ctx, func(t tx) error {
		for shard, seq := range at {
			if _, err := t.exec(ctx, `INSERT INTO push_positions (shard, seq) VALUES (?1, ?2)
				ON CONFLICT (shard) DO UPDATE SET seq = ?2`, shard, seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// PushKey implements push.Store.
func (s *DB) PushKey(ctx context.Context, name, fresh string) (value string, err error) {
	err = s.write.do(ctx, func(t tx) error {
		if _, err := t.exec(ctx, `INSERT INTO push_keys (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, fresh); err != nil {
			return err
		}
		if err := t.QueryRowContext(ctx, `SELECT value FROM push_keys WHERE name = ?`, name).Scan(&value); err != nil {
			return fmt.Errorf("read key: %w", err)
		}
		return nil
	})
	return value, err
}
