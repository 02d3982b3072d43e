package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// AddInvite implements chats.Store.
func (s *DB) AddInvite(ctx context.Context, c fabric.ChannelID, in contract.Invite, now int64, most int) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockGroups(ctx, tx, []fabric.ChannelID{c}); err != nil { // two at once would not count each other
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM (`+queryInvites+`) holding`, c, now).Scan(&n); err != nil {
			return fmt.Errorf("count invites: %w", err)
		}
		if n >= most {
			return fabric.Errorf(fabric.CodeConflict, "the group has %d invites that hold: revoke one first", n)
		}
		_, err := tx.Exec(ctx, `INSERT INTO invites (code, channel_id, created_by, created_at, expires_at, uses, used)
			VALUES ($1, $2, $3, $4, $5, $6, 0)`, in.Code, c, in.CreatedBy, in.CreatedAt, in.ExpiresAt, in.Uses)
		return err
	})
}

// Invites implements chats.Store.
func (s *DB) Invites(ctx context.Context, c fabric.ChannelID, now int64) ([]contract.Invite, error) {
	return rows(ctx, s, queryInvites, func(r pgx.CollectableRow) (in contract.Invite, err error) {
		err = r.Scan(&in.Code, &in.CreatedBy, &in.CreatedAt, &in.ExpiresAt, &in.Uses, &in.Used)
		return in, err
	}, c, now)
}

// Invited implements chats.Store.
func (s *DB) Invited(ctx context.Context, code string, now int64) (c fabric.ChannelID, in contract.Invite, ok bool, err error) {
	found, err := rows(ctx, s, queryInvited, func(r pgx.CollectableRow) (in contract.Invite, err error) {
		err = r.Scan(&c, &in.Code, &in.CreatedBy, &in.CreatedAt, &in.ExpiresAt, &in.Uses, &in.Used)
		return in, err
	}, code, now)
	if err != nil || len(found) == 0 {
		return "", in, false, err
	}
	return c, found[0], true, nil
}

// RevokeInvite implements chats.Store.
func (s *DB) RevokeInvite(ctx context.Context, c fabric.ChannelID, code string, now int64) (was bool, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE invites SET revoked_at = $1 WHERE code = $2 AND channel_id = $3 AND revoked_at IS NULL
			AND (expires_at = 0 OR expires_at > $1) AND (uses = 0 OR used < uses)`, now, code, c)
		was = n.RowsAffected() > 0
		return err
	})
	return was, err
}

func (t *groupTx) UseInvite(ctx context.Context, code string, now int64) (ok bool, err error) {
	n, err := t.Exec(ctx, `UPDATE invites SET used = used + 1 WHERE code = $1 AND channel_id = $2 AND revoked_at IS NULL
		AND (expires_at = 0 OR expires_at > $3) AND (uses = 0 OR used < uses)`, code, t.group.Channel, now)
	if err != nil {
		return false, fmt.Errorf("use invite: %w", err)
	}
	return n.RowsAffected() > 0, nil
}
