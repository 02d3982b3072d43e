package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
)

const serviceFields = `s.name, s.user_id, u.name, s.may_users, s.may_groups, s.rate, s.credential, s.webhook, s.secret,
		s.created_at, coalesce(s.removed_at, 0) FROM services s JOIN users u ON u.id = s.user_id`

func scanService(r pgx.Row) (s ingest.Service, err error) {
	err = r.Scan(&s.Name, &s.User, &s.Title, &s.MayUsers, &s.MayGroups, &s.Rate, &s.Credential, &s.Webhook, &s.Secret, &s.CreatedAt, &s.RemovedAt)
	return s, err
}

// Services implements ingest.Store.
func (s *DB) Services(ctx context.Context) ([]ingest.Service, error) {
	return rows(ctx, s, `SELECT `+serviceFields+` WHERE s.name > '' AND s.removed_at IS NULL ORDER BY s.name`,
		func(r pgx.CollectableRow) (ingest.Service, error) { return scanService(r) })
}

func serviceOf(ctx context.Context, tx pgx.Tx, name string) (ingest.Service, error) {
	sv, err := scanService(tx.QueryRow(ctx, `SELECT `+serviceFields+` WHERE s.name = $1 FOR UPDATE`, name))
	if errors.Is(err, pgx.ErrNoRows) {
		return sv, fabric.Errorf(fabric.CodeNotFound, "there is no service %q", name)
	}
	if err != nil {
		return sv, fmt.Errorf("read service: %w", err)
	}
	return sv, nil
}

// AddService implements ingest.Store.
func (s *DB) AddService(ctx context.Context, sv ingest.Service) (ingest.Service, error) {
	err := s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		old, err := serviceOf(ctx, tx, sv.Name)
		switch {
		case err == nil && old.RemovedAt == 0:
			return fabric.Errorf(fabric.CodeConflict, "there is a service %q already", sv.Name)
		case err == nil:
			sv.User = old.User
			return writeService(ctx, tx, sv)
		case fabric.CodeOf(err) != fabric.CodeNotFound:
			return err
		}
		// No phone is like that; nobody adds it to a group, sees when it was there, or what it has read.
		_, err = tx.Exec(ctx, `INSERT INTO users (id, phone, name, created_at, show_seen, show_read, may_group, service)
			VALUES ($1, 'service ' || $2::text, $3, $4, 'none', false, 'none', $2::text)`, sv.User, sv.Name, sv.Title, sv.CreatedAt)
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO services (name, user_id, may_users, may_groups, rate, credential, webhook, secret, created_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, sv.Name, sv.User, sv.MayUsers, sv.MayGroups, sv.Rate, sv.Credential, sv.Webhook, sv.Secret, sv.CreatedAt)
		}
		if stateOf(err) == stateUnique { // another process was first
			return fabric.Errorf(fabric.CodeConflict, "there is a service %q already", sv.Name)
		}
		return err
	})
	return sv, err
}

func writeService(ctx context.Context, tx pgx.Tx, sv ingest.Service) error {
	if _, err := tx.Exec(ctx, `UPDATE services SET may_users = $1, may_groups = $2, rate = $3, credential = $4, webhook = $5, secret = $6,
		removed_at = nullif($7::bigint, 0) WHERE name = $8`,
		sv.MayUsers, sv.MayGroups, sv.Rate, sv.Credential, sv.Webhook, sv.Secret, sv.RemovedAt, sv.Name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE users SET name = $1, deleted_at = nullif($2::bigint, 0) WHERE id = $3`, sv.Title, sv.RemovedAt, sv.User)
	return err
}

// ChangeService implements ingest.Store.
func (s *DB) ChangeService(ctx context.Context, name string, change func(*ingest.Service) error) (sv ingest.Service, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if sv, err = serviceOf(ctx, tx, name); err != nil {
			return err
		}
		if sv.RemovedAt != 0 {
			return fabric.Errorf(fabric.CodeNotFound, "there is no service %q", name)
		}
		if err := change(&sv); err != nil {
			return err
		}
		return writeService(ctx, tx, sv)
	})
	return sv, err
}

// NoteSend implements ingest.Store.
func (s *DB) NoteSend(ctx context.Context, u fabric.UserID, cid string, n ingest.Note) (known *ingest.Note, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		known = nil
		tag, err := tx.Exec(ctx, `INSERT INTO service_sends (user_id, cid, channel, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, u, cid, n.Channel, n.At)
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		known = new(ingest.Note)
		if err := tx.QueryRow(ctx, `SELECT channel, at FROM service_sends WHERE user_id = $1 AND cid = $2`, u, cid).Scan(&known.Channel, &known.At); err != nil {
			return fmt.Errorf("read what was sent: %w", err)
		}
		return nil
	})
	return known, err
}

// ForgetSends implements ingest.Store.
func (s *DB) ForgetSends(ctx context.Context, before int64, most int) (n int, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM service_sends WHERE (user_id, cid) IN
			(SELECT user_id, cid FROM service_sends WHERE at < $1 ORDER BY at LIMIT $2)`, before, most)
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}
