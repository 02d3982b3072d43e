package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// SaveCode implements users.Store.
func (s *DB) SaveCode(ctx context.Context, c users.Code) error {
	return s.write.do(ctx, func(t tx) error {
		_, err := t.exec(ctx, `INSERT INTO codes (phone, hash, tries, expires_at) VALUES (?, ?, 0, ?)
			ON CONFLICT (phone) DO UPDATE SET hash = excluded.hash, tries = 0, expires_at = excluded.expires_at`,
			c.Phone, c.Hash[:], c.ExpiresAt)
		return err
	})
}

// TryCode implements users.Store.
func (s *DB) TryCode(ctx context.Context, phone string, h auth.Hash, now int64, tries int) error {
	wrong := false
	err := s.write.do(ctx, func(t tx) error {
		var hash []byte
		var tried int
		var expires int64
		err := t.QueryRowContext(ctx, `SELECT hash, tries, expires_at FROM codes WHERE phone = ?`, phone).Scan(&hash, &tried, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			wrong = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("read code: %w", err)
		}
		wrong = expires < now || len(hash) != len(h) || !h.Equal(auth.Hash(hash))
		if wrong && expires >= now && tried+1 < tries {
			_, err = t.exec(ctx, `UPDATE codes SET tries = tries + 1 WHERE phone = ?`, phone)
		} else {
			_, err = t.exec(ctx, `DELETE FROM codes WHERE phone = ?`, phone)
		}
		return err
	})
	if err == nil && wrong {
		return users.ErrWrongCode
	}
	return err
}

// SignIn implements users.Store.
func (s *DB) SignIn(ctx context.Context, in users.SignIn, most int) (u fabric.User, revoked []fabric.DeviceID, err error) {
	err = s.write.do(ctx, func(t tx) error {
		id, err := enter(ctx, t, in)
		if err != nil {
			return err
		}
		if err := t.QueryRowContext(ctx, `SELECT u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END FROM users u WHERE u.id = ?`, id).
			Scan(&u.ID, &u.Name, &u.Phone); err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		if _, err := t.exec(ctx, `INSERT INTO devices (id, user_id, name, platform, public_key, created_at, seen_at,
				refresh_family, refresh_once, refresh_attempt, refresh_expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)`,
			string(in.Device.ID), string(u.ID), in.Device.Name, in.Device.Platform, in.PublicKey, in.Device.CreatedAt, in.Device.SeenAt,
			in.Family[:], in.Once[:], in.RefreshExpiresAt); err != nil {
			return err
		}
		revoked, err = tooMany(ctx, t, u.ID, in.Device, most)
		return err
	})
	return u, revoked, err
}

// enter returns the user with the phone or the identity, who is made first where there is none.
func enter(ctx context.Context, t tx, in users.SignIn) (id string, err error) {
	phone := in.Phone
	if phone == "" {
		err := t.QueryRowContext(ctx, `SELECT user_id FROM identities WHERE issuer = ? AND subject = ?`, in.Identity.Issuer, in.Identity.Subject).Scan(&id)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return "", fmt.Errorf("read identity: %w", err)
		}
		phone = "oidc " + string(in.NewUser) // no phone is like that
	}
	if _, err := t.exec(ctx, `INSERT INTO users (id, phone, name, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (phone) DO NOTHING`,
		string(in.NewUser), phone, in.Name, in.Device.CreatedAt); err != nil {
		return "", err
	}
	if in.Phone == "" {
		_, err := t.exec(ctx, `INSERT INTO identities (issuer, subject, user_id) VALUES (?, ?, ?)`,
			in.Identity.Issuer, in.Identity.Subject, string(in.NewUser))
		return string(in.NewUser), err
	}
	if err := t.QueryRowContext(ctx, `SELECT id FROM users WHERE phone = ?`, phone).Scan(&id); err != nil {
		return "", fmt.Errorf("read user: %w", err)
	}
	return id, nil
}

// tooMany revokes those devices of u past the most that were seen longest ago, but never the new one.
func tooMany(ctx context.Context, t tx, u fabric.UserID, but fabric.Device, most int) ([]fabric.DeviceID, error) {
	found, err := t.QueryContext(ctx, `SELECT id FROM devices WHERE user_id = ? AND revoked_at IS NULL AND id <> ?
		ORDER BY seen_at DESC, id DESC LIMIT -1 OFFSET ?`, string(u), string(but.ID), most-1)
	if err != nil {
		return nil, fmt.Errorf("count devices: %w", err)
	}
	defer found.Close()
	var revoked []fabric.DeviceID
	for found.Next() {
		var d fabric.DeviceID
		if err := found.Scan(&d); err != nil {
			return nil, fmt.Errorf("count devices: %w", err)
		}
		revoked = append(revoked, d)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("count devices: %w", err)
	}
	for _, d := range revoked {
		if _, err := t.exec(ctx, `UPDATE devices SET revoked_at = ? WHERE id = ?`, but.CreatedAt, string(d)); err != nil {
			return nil, err
		}
	}
	return revoked, nil
}

// Rotate implements users.Store.
func (s *DB) Rotate(ctx context.Context, r users.Rotation) (users.Holder, error) {
	var h users.Holder
	var refused error // what is to be told although the transaction is committed
	err := s.write.do(ctx, func(t tx) error {
		var once, spent []byte
		var attempt string
		var expires int64
		err := t.QueryRowContext(ctx, `SELECT u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END, d.id, d.name, d.platform, d.created_at, d.public_key,
				d.refresh_once, d.refresh_spent, d.refresh_attempt, d.refresh_expires
			FROM devices d JOIN users u ON u.id = d.user_id
			WHERE d.refresh_family = ? AND d.revoked_at IS NULL`, r.Family[:]).
			Scan(&h.User.ID, &h.User.Name, &h.User.Phone, &h.Device.ID, &h.Device.Name, &h.Device.Platform, &h.Device.CreatedAt,
				&h.PublicKey, &once, &spent, &attempt, &expires)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && expires < r.At) {
			refused = users.ErrNoGrant
			return nil
		}
		if err != nil {
			return fmt.Errorf("read device: %w", err)
		}
		current := len(once) == len(r.Once) && r.Once.Equal(auth.Hash(once))
		retried := len(spent) == len(r.Once) && r.Once.Equal(auth.Hash(spent)) && attempt != "" && attempt == r.Attempt
		if !current && !retried {
			refused = users.ErrSpent
			_, err = t.exec(ctx, `UPDATE devices SET revoked_at = ? WHERE id = ?`, r.At, string(h.Device.ID))
			return err
		}
		h.Device.SeenAt = r.At
		_, err = t.exec(ctx, `UPDATE devices SET refresh_spent = ?, refresh_once = ?, refresh_attempt = ?, refresh_expires = ?, seen_at = ?
			WHERE id = ?`, r.Once[:], r.Next[:], r.Attempt, r.ExpiresAt, r.At, string(h.Device.ID))
		return err
	})
	return h, errors.Join(err, refused)
}

// Revoke implements users.Store.
func (s *DB) Revoke(ctx context.Context, u fabric.UserID, d fabric.DeviceID, at int64) error {
	return s.write.do(ctx, func(t tx) error {
		n, err := t.exec(ctx, `UPDATE devices SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? AND user_id = ?`, at, string(d), string(u))
		if err == nil && n == 0 {
			return fabric.Errorf(fabric.CodeNotFound, "you have no such device")
		}
		return err
	})
}

// User implements users.Store.
func (s *DB) User(ctx context.Context, u fabric.UserID) (fabric.User, error) {
	found, err := rows(ctx, s, queryUser, scanUser, string(u))
	if err != nil {
		return fabric.User{}, err
	}
	if len(found) == 0 {
		return fabric.User{}, errNoUser
	}
	return found[0], nil
}

var errNoUser = fabric.Errorf(fabric.CodeNotFound, "there is no such user")

func scanUser(r *sql.Rows) (u fabric.User, err error) {
	err = r.Scan(&u.ID, &u.Name, &u.Phone, &u.About, &u.Avatar, &u.Deleted, &u.Service)
	return u, err
}

// ByPhones implements users.Store.
func (s *DB) ByPhones(ctx context.Context, phones []string) ([]fabric.User, error) {
	if len(phones) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(phones)
	if err != nil {
		return nil, fmt.Errorf("phones: %w", err)
	}
	return rows(ctx, s, queryPhones, scanUser, string(list))
}

// Devices implements users.Store.
func (s *DB) Devices(ctx context.Context, u fabric.UserID) ([]fabric.Device, error) {
	return rows(ctx, s, queryDevices, func(r *sql.Rows) (d fabric.Device, err error) {
		err = r.Scan(&d.ID, &d.Name, &d.Platform, &d.CreatedAt, &d.SeenAt)
		return d, err
	}, string(u))
}
