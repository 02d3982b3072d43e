package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// Reads of people and what they let one another see.
const (
	queryProfile = `SELECT ` + userFields + `, u.show_seen, u.show_read, u.may_group FROM users u WHERE u.id = $1`
	queryBlocks  = `SELECT ` + userFields + ` FROM blocks b JOIN users u ON u.id = b.blocked_id
		WHERE b.user_id = $1 ORDER BY b.created_at DESC, u.id`
	queryContacts = `SELECT ` + userFields + ` FROM contacts c JOIN users u ON u.id = c.contact_id
		WHERE c.user_id = $1 AND u.deleted_at IS NULL ORDER BY u.name COLLATE "C", u.id`

	// $1 are users, $2 the viewer. OFFSET 0: as in queryMayAdd.
	queryVisible = `SELECT u.id FROM users u WHERE u.id = ANY($1) AND (u.id = $2 OR u.deleted_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = u.id AND b.blocked_id = $2 OFFSET 0)
		AND (u.show_seen = 'all' OR u.show_seen = 'contacts'
			AND EXISTS (SELECT 1 FROM contacts c WHERE c.user_id = u.id AND c.contact_id = $2 OFFSET 0)))`
)

// Profile implements users.Store.
func (s *DB) Profile(ctx context.Context, u fabric.UserID) (users.Profile, error) {
	found, err := rows(ctx, s, queryProfile, func(r pgx.CollectableRow) (users.Profile, error) { return scanProfile(r) }, u)
	if err != nil {
		return users.Profile{}, err
	}
	if len(found) == 0 {
		return users.Profile{}, errNoUser
	}
	return found[0], nil
}

func scanProfile(r pgx.Row) (p users.Profile, err error) {
	err = r.Scan(&p.ID, &p.Name, &p.Phone, &p.About, &p.Avatar, &p.Deleted, &p.Service,
		&p.Privacy.LastSeen, &p.Privacy.ReadReceipts, &p.Privacy.Groups)
	return p, err
}

// Change implements users.Store.
func (s *DB) Change(ctx context.Context, u fabric.UserID, change func(*users.Profile) error) (p users.Profile, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		p, err = scanProfile(tx.QueryRow(ctx, queryProfile+` FOR NO KEY UPDATE`, u))
		if errors.Is(err, pgx.ErrNoRows) || (err == nil && p.Deleted) {
			return errNoUser
		}
		if err != nil {
			return fmt.Errorf("read profile: %w", err)
		}
		if err := change(&p); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE users SET name = $1, about = $2, avatar = $3, show_seen = $4, show_read = $5, may_group = $6 WHERE id = $7`,
			p.Name, p.About, p.Avatar, p.Privacy.LastSeen, p.Privacy.ReadReceipts, p.Privacy.Groups, u)
		return err
	})
	return p, err
}

// Block implements users.Store.
func (s *DB) Block(ctx context.Context, u, other fabric.UserID, on bool, at int64, most int) (changed bool, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		changed = false
		if !on {
			n, err := tx.Exec(ctx, `DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2`, u, other)
			changed = n.RowsAffected() > 0
			return err
		}
		// A user's blocks are counted one after the other.
		var n int
		var there bool
		if err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM blocks WHERE user_id = $1 AND blocked_id <> $2), EXISTS (SELECT 1 FROM users WHERE id = $2)
			FROM users WHERE id = $1 FOR NO KEY UPDATE`, u, other).Scan(&n, &there); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return errNoUser
			}
			return fmt.Errorf("count blocks: %w", err)
		}
		switch {
		case !there:
			return errNoUser
		case n >= most:
			return fabric.Errorf(fabric.CodeConflict, "you have blocked %d people, which is the most", n)
		}
		tag, err := tx.Exec(ctx, `INSERT INTO blocks (user_id, blocked_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, u, other, at)
		if stateOf(err) == stateForeignKey {
			return errNoUser
		}
		changed = tag.RowsAffected() > 0
		return err
	})
	return changed && err == nil, err
}

// Blocks implements users.Store.
func (s *DB) Blocks(ctx context.Context, u fabric.UserID) ([]fabric.User, error) {
	return rows(ctx, s, queryBlocks, scanUser, u)
}

// AddContacts implements users.Store.
func (s *DB) AddContacts(ctx context.Context, u fabric.UserID, people []fabric.UserID, most int) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO contacts (user_id, contact_id)
			SELECT $1, j.id FROM unnest($2::text[]) WITH ORDINALITY AS j (id, nth)
			WHERE j.id <> $1 AND (SELECT count(*) FROM contacts WHERE user_id = $1) + j.nth <= $3 ON CONFLICT DO NOTHING`, u, people, most)
		return err
	})
}

// Contacts implements users.Store.
func (s *DB) Contacts(ctx context.Context, u fabric.UserID) ([]fabric.User, error) {
	return rows(ctx, s, queryContacts, scanUser, u)
}

// Forget implements users.Store.
func (s *DB) Forget(ctx context.Context, u, contact fabric.UserID) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM contacts WHERE user_id = $1 AND contact_id = $2`, u, contact)
		return err
	})
}

// Visible implements users.Store.
func (s *DB) Visible(ctx context.Context, viewer fabric.UserID, of []fabric.UserID) ([]fabric.UserID, error) {
	return rows(ctx, s, queryVisible, pgx.RowTo[fabric.UserID], of, viewer)
}

// Erase implements users.Store.
func (s *DB) Erase(ctx context.Context, u fabric.UserID, at int64) (devices []fabric.DeviceID, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var phone string
		if err := tx.QueryRow(ctx, `SELECT phone FROM users WHERE id = $1 FOR UPDATE`, u).Scan(&phone); errors.Is(err, pgx.ErrNoRows) {
			return errNoUser
		} else if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		found, err := tx.Query(ctx, `UPDATE devices SET name = '', platform = '', public_key = '', revoked_at = coalesce(revoked_at, $2)
			WHERE user_id = $1 RETURNING id`, u, at)
		if err != nil {
			return fmt.Errorf("revoke devices: %w", err)
		}
		if devices, err = pgx.CollectRows(found, pgx.RowTo[fabric.DeviceID]); err != nil {
			return fmt.Errorf("revoke devices: %w", err)
		}
		var b pgx.Batch
		// The phone is free for whoever registers with it next; an id can't be one.
		b.Queue(`UPDATE users SET phone = 'deleted ' || id, name = $2, about = '', avatar = '', show_seen = 'none', show_read = false,
			may_group = 'none', deleted_at = coalesce(deleted_at, $3) WHERE id = $1`, u, users.DeletedName, at)
		b.Queue(`DELETE FROM codes WHERE phone = $1`, phone)
		for _, query := range []string{
			`DELETE FROM identities WHERE user_id = $1`,
			`DELETE FROM contacts WHERE user_id = $1`,
			`DELETE FROM contacts WHERE contact_id = $1`,
			`DELETE FROM blocks WHERE user_id = $1`,
			`DELETE FROM blocks WHERE blocked_id = $1`,
			`DELETE FROM past_members WHERE user_id = $1`,
			`UPDATE members SET muted_until = 0, archived = false, pinned = false, marked_unread = false WHERE user_id = $1`,
			`DELETE FROM messages WHERE log = (SELECT num FROM logs WHERE channel_id = 'u.' || $1)`,
			`DELETE FROM stars WHERE user_id = $1`,
			`DELETE FROM hidden WHERE user_id = $1`,
		} {
			b.Queue(query, u)
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	return devices, err
}
