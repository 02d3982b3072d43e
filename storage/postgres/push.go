package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
)

// Reads of the push role.
const (
	pushFields = `p.user_id, p.device_id, p.kind, p.address, p.hash, p.show, p.mentions, p.created_at`

	queryPushTargets = `SELECT ` + pushFields + ` FROM push_devices p WHERE p.user_id = ANY($1)`
	queryPushTarget  = `SELECT ` + pushFields + ` FROM push_devices p WHERE p.device_id = $1`
	// Not as a join, which could be made by reading everybody's devices.
	queryPushMembers = `SELECT ` + pushFields + `, m.from_seq, m.muted_until
		FROM members m CROSS JOIN LATERAL (SELECT * FROM push_devices d WHERE d.user_id = m.user_id OFFSET 0) p
		WHERE m.channel_id = $1 AND m.rank IS NOT NULL AND m.from_seq IS NOT NULL AND m.user_id >= $2
			AND (m.user_id > $2 OR p.device_id > $3)
		ORDER BY m.user_id, p.device_id LIMIT $4`
	queryPushStandings = `SELECT m.user_id IS NOT NULL, coalesce(m.muted_until, 0), b.user_id IS NOT NULL, coalesce(s.name, ''), coalesce(g.name, '')
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY j (u, c, sender, n)
			LEFT JOIN members m ON m.user_id = j.u AND m.channel_id = j.c
			LEFT JOIN blocks b ON b.user_id = j.u AND b.blocked_id = j.sender
			LEFT JOIN users s ON s.id = j.sender
			LEFT JOIN groups g ON g.channel_id = j.c
		ORDER BY j.n`
	queryPushNames    = `SELECT id, name FROM users WHERE id = ANY($1)`
	queryPushBlockers = `SELECT user_id FROM blocks WHERE user_id = ANY($1) AND blocked_id = $2`
	pushPositions     = `SELECT shard, seq FROM push_positions`
)

func pushInto(t *push.Target) []any {
	return []any{&t.User, &t.Device, &t.Kind, &t.Address, &t.Hash, &t.Show, &t.Mentions, &t.CreatedAt}
}

func scanTarget(r pgx.CollectableRow) (t push.Target, err error) {
	err = r.Scan(pushInto(&t)...)
	return t, err
}

// SetPush implements push.Store.
func (s *DB) SetPush(ctx context.Context, p push.Target) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Two devices that are given one hash at once come one after the other.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 8))`, p.Hash); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM push_devices WHERE hash = $1 AND device_id <> $2`, p.Hash, p.Device); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO push_devices (device_id, user_id, kind, address, hash, show, mentions, created_at)
			SELECT id, user_id, $3, $4, $5, $6, $7, $8 FROM devices WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
			ON CONFLICT (device_id) DO UPDATE SET kind = $3, address = $4, hash = $5, show = $6, mentions = $7, created_at = $8`,
			p.Device, p.User, p.Kind, p.Address, p.Hash, p.Show, p.Mentions, p.CreatedAt)
		if err == nil && tag.RowsAffected() == 0 {
			return fabric.Errorf(fabric.CodeNotFound, "there is no such device")
		}
		return err
	})
}

// RemovePush implements push.Store.
func (s *DB) RemovePush(ctx context.Context, d fabric.DeviceID, hash string) (was bool, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM push_devices WHERE device_id = $1 AND ($2 = '' OR hash = $2)`, d, hash)
		was = tag.RowsAffected() > 0
		return err
	})
	return was, err
}

// PushTargets implements push.Store.
func (s *DB) PushTargets(ctx context.Context, users []fabric.UserID) ([]push.Target, error) {
	return rows(ctx, s, queryPushTargets, scanTarget, users)
}

// PushTarget implements push.Store.
func (s *DB) PushTarget(ctx context.Context, d fabric.DeviceID) (*push.Target, error) {
	found, err := rows(ctx, s, queryPushTarget, scanTarget, d)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// PushMembers implements push.Store.
func (s *DB) PushMembers(ctx context.Context, c fabric.ChannelID, afterUser fabric.UserID, afterDevice fabric.DeviceID, limit int) ([]push.Member, error) {
	return rows(ctx, s, queryPushMembers, func(r pgx.CollectableRow) (m push.Member, err error) {
		err = r.Scan(append(pushInto(&m.Target), &m.From, &m.MutedUntil)...)
		return m, err
	}, c, afterUser, afterDevice, limit)
}

// PushStandings implements push.Store.
func (s *DB) PushStandings(ctx context.Context, asks []push.Ask) ([]push.Standing, error) {
	users, channels, senders := make([]fabric.UserID, len(asks)), make([]fabric.ChannelID, len(asks)), make([]fabric.UserID, len(asks))
	for i, a := range asks {
		users[i], channels[i], senders[i] = a.User, a.Channel, a.Sender
	}
	return rows(ctx, s, queryPushStandings, func(r pgx.CollectableRow) (st push.Standing, err error) {
		err = r.Scan(&st.Member, &st.MutedUntil, &st.Blocked, &st.Sender, &st.Group)
		return st, err
	}, users, channels, senders)
}

// PushNames implements push.Store.
func (s *DB) PushNames(ctx context.Context, users []fabric.UserID) (map[fabric.UserID]string, error) {
	names := make(map[fabric.UserID]string, len(users))
	_, err := rows(ctx, s, queryPushNames, func(r pgx.CollectableRow) (struct{}, error) {
		var u fabric.UserID
		var name string
		err := r.Scan(&u, &name)
		names[u] = name
		return struct{}{}, err
	}, users)
	return names, err
}

// PushBlockers implements push.Store.
func (s *DB) PushBlockers(ctx context.Context, users []fabric.UserID, blocked fabric.UserID) ([]fabric.UserID, error) {
	return rows(ctx, s, queryPushBlockers, pgx.RowTo[fabric.UserID], users, blocked)
}

// PushPositions implements push.Store.
func (s *DB) PushPositions(ctx context.Context) (map[int]uint64, error) {
	at := make(map[int]uint64)
	_, err := rows(ctx, s, pushPositions, func(r pgx.CollectableRow) (struct{}, error) {
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
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for shard, seq := range at {
			if _, err := tx.Exec(ctx, `INSERT INTO push_positions (shard, seq) VALUES ($1, $2)
				ON CONFLICT (shard) DO UPDATE SET seq = $2`, shard, int64(seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// PushKey implements push.Store.
func (s *DB) PushKey(ctx context.Context, name, fresh string) (value string, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO push_keys (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, fresh); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT value FROM push_keys WHERE name = $1`, name).Scan(&value)
	})
	return value, err
}
