package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// Reads of operators.
const (
	// accounts begins a read of those that are looked for. A part of a name can be anywhere, so that looking for one reads
	// all users; only operators cause it, and the tests that hold queries to indexes leave it out.
	accounts = `SELECT u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END, u.service, u.deleted_at IS NOT NULL, u.created_at,
			(SELECT count(*) FROM devices d WHERE d.user_id = u.id AND d.revoked_at IS NULL)
		FROM users u`
	queryCounts = `SELECT
		(SELECT count(*) FROM members WHERE user_id = $1 AND rank IS NULL),
		(SELECT count(*) FROM members WHERE user_id = $1 AND rank IS NOT NULL),
		(SELECT count(*) FROM contacts WHERE user_id = $1),
		(SELECT count(*) FROM blocks WHERE user_id = $1),
		(SELECT count(*) FROM blocks WHERE blocked_id = $1)`
)

// Accounts implements users.Store.
func (s *DB) Accounts(ctx context.Context, f users.Find) ([]contract.Account, error) {
	query, args := accounts+` WHERE TRUE`, []any{}
	for _, by := range []struct{ before, after, value string }{
		{` AND u.id = $`, ``, string(f.ID)},
		{` AND u.phone = $`, ``, f.Phone},
		{` AND strpos(lower(u.name), lower($`, `)) > 0`, f.Name},
		{` AND u.id < $`, ``, string(f.Before)},
	} {
		if by.value != "" {
			args = append(args, by.value)
			query += by.before + strconv.Itoa(len(args)) + by.after
		}
	}
	args = append(args, f.Most)
	return rows(ctx, s, query+` ORDER BY u.id DESC LIMIT $`+strconv.Itoa(len(args)), func(r pgx.CollectableRow) (a contract.Account, err error) {
		err = r.Scan(&a.ID, &a.Name, &a.Phone, &a.Service, &a.Deleted, &a.CreatedAt, &a.Devices)
		return a, err
	}, args...)
}

// Counts implements users.Store.
func (s *DB) Counts(ctx context.Context, u fabric.UserID) (users.Counts, error) {
	found, err := rows(ctx, s, queryCounts, func(r pgx.CollectableRow) (n users.Counts, err error) {
		err = r.Scan(&n.Direct, &n.Groups, &n.Contacts, &n.Blocks, &n.Blocked)
		return n, err
	}, u)
	if err != nil {
		return users.Counts{}, err
	}
	return found[0], nil
}
