package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// SaveCode implements users.Store.
func (s *DB) SaveCode(ctx context.Context, c users.Code) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO codes (phone, hash, tries, expires_at) VALUES ($1, $2, 0, $3)
			ON CONFLICT (phone) DO UPDATE SET hash = excluded.hash, tries = 0, expires_at = excluded.expires_at`,
			c.Phone, c.Hash[:], c.ExpiresAt)
		return err
	})
}

// TryCode implements users.Store.
func (s *DB) TryCode(ctx context.Context, phone string, h auth.Hash, now int64, tries int) error {
	wrong := false
	err := s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var hash []byte
		var tried int
		var expires int64
		err := tx.QueryRow(ctx, `SELECT hash, tries, expires_at FROM codes WHERE phone = $1 FOR UPDATE`, phone).Scan(&hash, &tried, &expires)
		if errors.Is(err, pgx.ErrNoRows) {
			wrong = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("read code: %w", err)
		}
		wrong = expires < now || len(hash) != len(h) || !h.Equal(auth.Hash(hash))
		if wrong && expires >= now && tried+1 < tries {
			_, err = tx.Exec(ctx, `UPDATE codes SET tries = tries + 1 WHERE phone = $1`, phone)
		} else {
			_, err = tx.Exec(ctx, `DELETE FROM codes WHERE phone = $1`, phone)
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
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		id, err := enter(ctx, tx, in)
		if err != nil {
			return err
		}
		// Devices of one user sign in one after the other: two at once would not count each other.
		if err := tx.QueryRow(ctx, `SELECT u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END FROM users u
			WHERE u.id = $1 FOR NO KEY UPDATE`, id).
			Scan(&u.ID, &u.Name, &u.Phone); err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO devices (id, user_id, name, platform, public_key, created_at, seen_at,
				refresh_family, refresh_once, refresh_attempt, refresh_expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10)`,
			in.Device.ID, u.ID, in.Device.Name, in.Device.Platform, in.PublicKey, in.Device.CreatedAt, in.Device.SeenAt,
			in.Family[:], in.Once[:], in.RefreshExpiresAt); err != nil {
			return err
		}
		revoked, err = tooMany(ctx, tx, u.ID, in.Device, most)
		return err
	})
	return u, revoked, err
}

// enter returns the user with the phone or the identity, who is made first where there is none.
func enter(ctx context.Context, tx pgx.Tx, in users.SignIn) (id fabric.UserID, err error) {
	if in.Phone != "" {
		if _, err := tx.Exec(ctx, `INSERT INTO users (id, phone, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (phone) DO NOTHING`,
			in.NewUser, in.Phone, in.Name, in.Device.CreatedAt); err != nil {
			return "", err
		}
		if err := tx.QueryRow(ctx, `SELECT id FROM users WHERE phone = $1`, in.Phone).Scan(&id); err != nil {
			return "", fmt.Errorf("read user: %w", err)
		}
		return id, nil
	}
	// Two devices that come with a new identity at once wait for each other here, and one of them finds the other's user.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))`, in.Identity.Issuer, in.Identity.Subject); err != nil {
		return "", fmt.Errorf("lock identity: %w", err)
	}
	err = tx.QueryRow(ctx, `SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2`, in.Identity.Issuer, in.Identity.Subject).Scan(&id)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO users (id, phone, name, created_at) VALUES ($1, 'oidc ' || $1::text, $2, $3)`, // no phone is like that
		in.NewUser, in.Name, in.Device.CreatedAt); err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3)`, in.Identity.Issuer, in.Identity.Subject, in.NewUser)
	return in.NewUser, err
}

// tooMany revokes those devices of u past the most that were seen longest ago, but never the new one.
func tooMany(ctx context.Context, tx pgx.Tx, u fabric.UserID, but fabric.Device, most int) ([]fabric.DeviceID, error) {
	found, err := tx.Query(ctx, `UPDATE devices SET revoked_at = $4 WHERE id IN (
			SELECT id FROM devices WHERE user_id = $1 AND revoked_at IS NULL AND id <> $2
			ORDER BY seen_at DESC, id DESC OFFSET $3)
		RETURNING id`, u, but.ID, most-1, but.CreatedAt)
	if err != nil {
		return nil, fmt.Errorf("revoke devices: %w", err)
	}
	revoked, err := pgx.CollectRows(found, pgx.RowTo[fabric.DeviceID])
	if err != nil {
		return nil, fmt.Errorf("revoke devices: %w", err)
	}
	return revoked, nil
}

// Rotate implements users.Store.
func (s *DB) Rotate(ctx context.Context, r users.Rotation) (users.Holder, error) {
	var h users.Holder
	var refused error // what is to be told although the transaction is committed
	err := s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		h, refused = users.Holder{}, nil
		var once, spent []byte
		var attempt string
		var expires int64
		err := tx.QueryRow(ctx, `SELECT u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END, d.id, d.name, d.platform, d.created_at, d.public_key,
				d.refresh_once, d.refresh_spent, d.refresh_attempt, d.refresh_expires
			FROM devices d JOIN users u ON u.id = d.user_id
			WHERE d.refresh_family = $1 AND d.revoked_at IS NULL FOR NO KEY UPDATE OF d`, r.Family[:]).
			Scan(&h.User.ID, &h.User.Name, &h.User.Phone, &h.Device.ID, &h.Device.Name, &h.Device.Platform, &h.Device.CreatedAt,
				&h.PublicKey, &once, &spent, &attempt, &expires)
		if errors.Is(err, pgx.ErrNoRows) || (err == nil && expires < r.At) {
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
			_, err = tx.Exec(ctx, `UPDATE devices SET revoked_at = $1 WHERE id = $2`, r.At, h.Device.ID)
			return err
		}
		h.Device.SeenAt = r.At
		_, err = tx.Exec(ctx, `UPDATE devices SET refresh_spent = $1, refresh_once = $2, refresh_attempt = $3, refresh_expires = $4, seen_at = $5
			WHERE id = $6`, r.Once[:], r.Next[:], r.Attempt, r.ExpiresAt, r.At, h.Device.ID)
		return err
	})
	return h, errors.Join(err, refused)
}

// Revoke implements users.Store.
func (s *DB) Revoke(ctx context.Context, u fabric.UserID, d fabric.DeviceID, at int64) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE devices SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2 AND user_id = $3`, at, d, u)
		if err == nil && n.RowsAffected() == 0 {
			return fabric.Errorf(fabric.CodeNotFound, "you have no such device")
		}
		return err
	})
}

// User implements users.Store.
func (s *DB) User(ctx context.Context, u fabric.UserID) (fabric.User, error) {
	found, err := rows(ctx, s, queryUser, scanUser, u)
	if err != nil {
		return fabric.User{}, err
	}
	if len(found) == 0 {
		return fabric.User{}, errNoUser
	}
	return found[0], nil
}

var errNoUser = fabric.Errorf(fabric.CodeNotFound, "there is no such user")

func scanUser(r pgx.CollectableRow) (u fabric.User, err error) {
	err = r.Scan(&u.ID, &u.Name, &u.Phone, &u.About, &u.Avatar, &u.Deleted, &u.Service)
	return u, err
}

// ByPhones implements users.Store.
func (s *DB) ByPhones(ctx context.Context, phones []string) ([]fabric.User, error) {
	return rows(ctx, s, queryPhones, scanUser, phones)
}

// Devices implements users.Store.
func (s *DB) Devices(ctx context.Context, u fabric.UserID) ([]fabric.Device, error) {
	return rows(ctx, s, queryDevices, func(r pgx.CollectableRow) (d fabric.Device, err error) {
		err = r.Scan(&d.ID, &d.Name, &d.Platform, &d.CreatedAt, &d.SeenAt)
		return d, err
	}, u)
}
