package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// Reads of people and what they let one another see.
const (
	queryProfile = `SELECT ` + userFields + `, u.show_seen, u.show_read, u.may_group FROM users u WHERE u.id = ?`
	queryBlocks  = `SELECT ` + userFields + ` FROM blocks b CROSS JOIN users u ON u.id = b.blocked_id
		WHERE b.user_id = ? ORDER BY b.created_at DESC, u.id`
	queryContacts = `SELECT ` + userFields + ` FROM contacts c CROSS JOIN users u ON u.id = c.contact_id
		WHERE c.user_id = ? AND u.deleted_at IS NULL ORDER BY u.name, u.id`

	// ?1 is a JSON list of users, ?2 the viewer.
	queryVisible = `SELECT u.id FROM json_each(?1) j CROSS JOIN users u ON u.id = j.value
		WHERE u.id = ?2 OR u.deleted_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = u.id AND b.blocked_id = ?2)
			AND (u.show_seen = 'all' OR u.show_seen = 'contacts'
				AND EXISTS (SELECT 1 FROM contacts c WHERE c.user_id = u.id AND c.contact_id = ?2))`
)

func scanProfile(r scanner) (p users.Profile, err error) {
	err = r.Scan(&p.ID, &p.Name, &p.Phone, &p.About, &p.Avatar, &p.Deleted, &p.Service,
		&p.Privacy.LastSeen, &p.Privacy.ReadReceipts, &p.Privacy.Groups)
	return p, err
}

// Profile implements users.Store.
func (s *DB) Profile(ctx context.Context, u fabric.UserID) (users.Profile, error) {
	found, err := rows(ctx, s, queryProfile, func(r *sql.Rows) (users.Profile, error) { return scanProfile(r) }, string(u))
	if err != nil {
		return users.Profile{}, err
	}
	if len(found) == 0 {
		return users.Profile{}, errNoUser
	}
	return found[0], nil
}

// Change implements users.Store.
func (s *DB) Change(ctx context.Context, u fabric.UserID, change func(*users.Profile) error) (p users.Profile, err error) {
	err = s.write.do(ctx, func(t tx) (err error) {
		p, err = scanProfile(t.QueryRowContext(ctx, queryProfile, string(u)))
		if errors.Is(err, sql.ErrNoRows) || (err == nil && p.Deleted) {
			return errNoUser
		}
		if err != nil {
			return fmt.Errorf("read profile: %w", err)
		}
		if err := change(&p); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE users SET name = ?, about = ?, avatar = ?, show_seen = ?, show_read = ?, may_group = ? WHERE id = ?`,
			p.Name, p.About, p.Avatar, p.Privacy.LastSeen, p.Privacy.ReadReceipts, p.Privacy.Groups, string(u))
		return err
	})
	return p, err
}

// Block implements users.Store.
func (s *DB) Block(ctx context.Context, u, other fabric.UserID, on bool, at int64, most int) (changed bool, err error) {
	err = s.write.do(ctx, func(t tx) error {
		if !on {
			n, err := t.exec(ctx, `DELETE FROM blocks WHERE user_id = ? AND blocked_id = ?`, string(u), string(other))
			changed = n > 0
			return err
		}
		var there, n int
		if err := t.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM users WHERE id = ?2), (SELECT count(*) FROM blocks WHERE user_id = ?1 AND blocked_id <> ?2)`,
			string(u), string(other)).Scan(&there, &n); err != nil {
			return fmt.Errorf("look for user: %w", err)
		}
		switch {
		case there == 0:
			return errNoUser
		case n >= most:
			return fabric.Errorf(fabric.CodeConflict, "you have blocked %d people, which is the most", n)
		}
		rows, err := t.exec(ctx, `INSERT INTO blocks (user_id, blocked_id, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, string(u), string(other), at)
		changed = rows > 0
		return err
	})
	return changed, err
}

// Blocks implements users.Store.
func (s *DB) Blocks(ctx context.Context, u fabric.UserID) ([]fabric.User, error) {
	return rows(ctx, s, queryBlocks, scanUser, string(u))
}

// AddContacts implements users.Store.
func (s *DB) AddContacts(ctx context.Context, u fabric.UserID, people []fabric.UserID, most int) error {
	list, err := json.Marshal(people)
	if err != nil {
		return fmt.Errorf("people: %w", err)
	}
	return s.write.do(ctx, func(t tx) error {
		_, err := t.exec(ctx, `INSERT INTO contacts (user_id, contact_id) SELECT ?1, j.value FROM json_each(?2) j
			WHERE j.value <> ?1 AND (SELECT count(*) FROM contacts WHERE user_id = ?1) + j.key < ?3 ON CONFLICT DO NOTHING`,
			string(u), string(list), most)
		return err
	})
}

// Contacts implements users.Store.
func (s *DB) Contacts(ctx context.Context, u fabric.UserID) ([]fabric.User, error) {
	return rows(ctx, s, queryContacts, scanUser, string(u))
}

// Forget implements users.Store.
func (s *DB) Forget(ctx context.Context, u, contact fabric.UserID) error {
	return s.write.do(ctx, func(t tx) error {
		_, err := t.exec(ctx, `DELETE FROM contacts WHERE user_id = ? AND contact_id = ?`, string(u), string(contact))
		return err
	})
}

// Visible implements users.Store.
func (s *DB) Visible(ctx context.Context, viewer fabric.UserID, of []fabric.UserID) ([]fabric.UserID, error) {
	return s.usersOf(ctx, queryVisible, of, string(viewer))
}

// Erase implements users.Store.
func (s *DB) Erase(ctx context.Context, u fabric.UserID, at int64) (devices []fabric.DeviceID, err error) {
	err = s.write.do(ctx, func(t tx) error {
		devices = nil
		var phone string
		if err := t.QueryRowContext(ctx, `SELECT phone FROM users WHERE id = ?`, string(u)).Scan(&phone); errors.Is(err, sql.ErrNoRows) {
			return errNoUser
		} else if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		found, err := t.QueryContext(ctx, `SELECT id FROM devices WHERE user_id = ?`, string(u))
		if err != nil {
			return fmt.Errorf("read devices: %w", err)
		}
		defer found.Close()
		for found.Next() {
			var d fabric.DeviceID
			if err := found.Scan(&d); err != nil {
				return fmt.Errorf("read devices: %w", err)
			}
			devices = append(devices, d)
		}
		if err := found.Err(); err != nil {
			return fmt.Errorf("read devices: %w", err)
		}
		// The phone is free for whoever registers with it next; an id can't be one.
		if _, err := t.exec(ctx, `UPDATE users SET phone = 'deleted ' || id, name = ?, about = '', avatar = '', show_seen = 'none', show_read = 0,
			may_group = 'none', deleted_at = coalesce(deleted_at, ?) WHERE id = ?`, users.DeletedName, at, string(u)); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM codes WHERE phone = ?`, phone); err != nil {
			return err
		}
		for _, query := range []string{
			`UPDATE devices SET name = '', platform = '', public_key = '', revoked_at = coalesce(revoked_at, seen_at) WHERE user_id = ?1`,
			`DELETE FROM identities WHERE user_id = ?1`,
			`DELETE FROM contacts WHERE user_id = ?1`,
			`DELETE FROM contacts WHERE contact_id = ?1`,
			`DELETE FROM blocks WHERE user_id = ?1`,
			`DELETE FROM blocks WHERE blocked_id = ?1`,
			`DELETE FROM past_members WHERE user_id = ?1`,
			`UPDATE members SET muted_until = 0, archived = 0, pinned = 0, marked_unread = 0 WHERE user_id = ?1`,
			`DELETE FROM stars WHERE user_id = ?1`,
			`DELETE FROM hidden WHERE user_id = ?1`,
			`DELETE FROM messages WHERE log = (SELECT num FROM logs WHERE channel_id = 'u.' || ?1)`,
		} {
			if _, err := t.exec(ctx, query, string(u)); err != nil {
				return err
			}
		}
		return nil
	})
	return devices, err
}
