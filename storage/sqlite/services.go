package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
)

const serviceFields = `s.name, s.user_id, u.name, s.may_users, s.may_groups, s.rate, s.credential, s.webhook, s.secret,
		s.created_at, coalesce(s.removed_at, 0) FROM services s CROSS JOIN users u ON u.id = s.user_id`

func scanService(r scanner) (s ingest.Service, err error) {
	err = r.Scan(&s.Name, &s.User, &s.Title, &s.MayUsers, &s.MayGroups, &s.Rate, &s.Credential, &s.Webhook, &s.Secret, &s.CreatedAt, &s.RemovedAt)
	return s, err
}

// Services implements ingest.Store.
func (s *DB) Services(ctx context.Context) ([]ingest.Service, error) {
	return rows(ctx, s, `SELECT `+serviceFields+` WHERE s.name > '' AND s.removed_at IS NULL ORDER BY s.name`, func(r *sql.Rows) (ingest.Service, error) { return scanService(r) })
}

func serviceOf(ctx context.Context, t tx, name string) (ingest.Service, error) {
	sv, err := scanService(t.QueryRowContext(ctx, `SELECT `+serviceFields+` WHERE s.name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return sv, fabric.Errorf(fabric.CodeNotFound, "there is no service %q", name)
	}
	if err != nil {
		return sv, fmt.Errorf("read service: %w", err)
	}
	return sv, nil
}

// AddService implements ingest.Store.
func (s *DB) AddService(ctx context.Context, sv ingest.Service) (ingest.Service, error) {
	err := s.write.do(ctx, func(t tx) error {
		old, err := serviceOf(ctx, t, sv.Name)
		switch {
		case err == nil && old.RemovedAt == 0:
			return fabric.Errorf(fabric.CodeConflict, "there is a service %q already", sv.Name)
		case err == nil:
			sv.User = old.User
			return writeService(ctx, t, sv)
		case fabric.CodeOf(err) != fabric.CodeNotFound:
			return err
		}
		// No phone is like that; nobody adds it to a group, sees when it was there, or what it has read.
		if _, err := t.exec(ctx, `INSERT INTO users (id, phone, name, created_at, show_seen, show_read, may_group, service)
			VALUES (?1, 'service ' || ?2, ?3, ?4, 'none', 0, 'none', ?2)`, string(sv.User), sv.Name, sv.Title, sv.CreatedAt); err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO services (name, user_id, may_users, may_groups, rate, credential, webhook, secret, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, sv.Name, string(sv.User), sv.MayUsers, sv.MayGroups, sv.Rate, sv.Credential, sv.Webhook, sv.Secret, sv.CreatedAt)
		return err
	})
	return sv, err
}

func writeService(ctx context.Context, t tx, sv ingest.Service) error {
	if _, err := t.exec(ctx, `UPDATE services SET may_users = ?, may_groups = ?, rate = ?, credential = ?, webhook = ?, secret = ?,
		removed_at = nullif(?, 0) WHERE name = ?`, sv.MayUsers, sv.MayGroups, sv.Rate, sv.Credential, sv.Webhook, sv.Secret, sv.RemovedAt, sv.Name); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE users SET name = ?, deleted_at = nullif(?, 0) WHERE id = ?`, sv.Title, sv.RemovedAt, string(sv.User))
	return err
}

// ChangeService implements ingest.Store.
func (s *DB) ChangeService(ctx context.Context, name string, change func(*ingest.Service) error) (sv ingest.Service, err error) {
	err = s.write.do(ctx, func(t tx) (err error) {
		if sv, err = serviceOf(ctx, t, name); err != nil {
			return err
		}
		if sv.RemovedAt != 0 {
			return fabric.Errorf(fabric.CodeNotFound, "there is no service %q", name)
		}
		if err := change(&sv); err != nil {
			return err
		}
		return writeService(ctx, t, sv)
	})
	return sv, err
}

// NoteSend implements ingest.Store.
func (s *DB) NoteSend(ctx context.Context, u fabric.UserID, cid string, n ingest.Note) (known *ingest.Note, err error) {
	err = s.write.do(ctx, func(t tx) error {
		known = nil
		wrote, err := t.exec(ctx, `INSERT INTO service_sends (user_id, cid, channel, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			string(u), cid, string(n.Channel), n.At)
		if err != nil || wrote > 0 {
			return err
		}
		known = new(ingest.Note)
		if err := t.QueryRowContext(ctx, `SELECT channel, at FROM service_sends WHERE user_id = ? AND cid = ?`, string(u), cid).
			Scan(&known.Channel, &known.At); err != nil {
			return fmt.Errorf("read what was sent: %w", err)
		}
		return nil
	})
	return known, err
}

// ForgetSends implements ingest.Store.
func (s *DB) ForgetSends(ctx context.Context, before int64, most int) (n int, err error) {
	err = s.write.do(ctx, func(t tx) error {
		wrote, err := t.exec(ctx, `DELETE FROM service_sends WHERE (user_id, cid) IN
			(SELECT user_id, cid FROM service_sends WHERE at < ? ORDER BY at LIMIT ?)`, before, most)
		n = int(wrote)
		return err
	})
	return n, err
}
