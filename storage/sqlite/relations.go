package sqlite

import (
	"context"
	"database/sql"

	"github.com/weft-im/weft/fabric"
)

// Reads of how two users stand to one another.
const (
	queryBlocked      = `SELECT count(*) FROM blocks WHERE user_id = ? AND blocked_id = ?`
	queryReadReceipts = `SELECT show_read FROM users WHERE id = ?`

	// ?1 is a JSON list of users, ?2 who wants to add them.
	queryMayAdd = `SELECT u.id FROM json_each(?1) j CROSS JOIN users u ON u.id = j.value
		WHERE u.deleted_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = u.id AND b.blocked_id = ?2)
			AND (u.may_group = 'all' OR u.may_group = 'contacts'
				AND EXISTS (SELECT 1 FROM contacts c WHERE c.user_id = u.id AND c.contact_id = ?2))`
)

// Blocked implements chats.Store.
func (s *DB) Blocked(ctx context.Context, by, other fabric.UserID) (bool, error) {
	n, err := rows(ctx, s, queryBlocked, scanCount, string(by), string(other))
	return err == nil && n[0] > 0, err
}

// MayAdd implements chats.Store.
func (s *DB) MayAdd(ctx context.Context, adder fabric.UserID, users []fabric.UserID) ([]fabric.UserID, error) {
	return s.usersOf(ctx, queryMayAdd, users, string(adder))
}

// ReadReceipts implements chats.Store.
func (s *DB) ReadReceipts(ctx context.Context, u fabric.UserID) (bool, error) {
	on, err := rows(ctx, s, queryReadReceipts, func(r *sql.Rows) (on bool, err error) {
		err = r.Scan(&on)
		return on, err
	}, string(u))
	return err == nil && len(on) > 0 && on[0], err
}
