package sqlite

import (
	"context"
	"database/sql"
	"strings"

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
		(SELECT count(*) FROM members WHERE user_id = ?1 AND rank IS NULL),
		(SELECT count(*) FROM members WHERE user_id = ?1 AND rank IS NOT NULL),
		(SELECT count(*) FROM contacts WHERE user_id = ?1),
		(SELECT count(*) FROM blocks WHERE user_id = ?1),
		(SELECT count(*) FROM blocks WHERE blocked_id = ?1)`
)

// Accounts implements users.Store.
func (s *DB) Accounts(ctx context.Context, f users.Find) ([]contract.Account, error) {
	var args []any
	var query strings.Builder
	query.WriteString(accounts)
	query.WriteString(` WHERE TRUE`)
	for _, by := range []struct{ where, value string }{
		{` AND u.id = ?`, string(f.ID)},
		{` AND u.phone = ?`, f.Phone},
		{` AND instr(lower(u.name), lower(?)) > 0`, f.Name},
		{` AND u.id < ?`, string(f.Before)},
	} {
		if by.value != "" {
			query.WriteString(by.where)
			args = append(args, by.value)
		}
	}
	query.WriteString(` ORDER BY u.id DESC LIMIT ?`)
	return rows(ctx, s, query.String(), func(r *sql.Rows) (a contract.Account, err error) {
		err = r.Scan(&a.ID, &a.Name, &a.Phone, &a.Service, &a.Deleted, &a.CreatedAt, &a.Devices)
		return a, err
	}, append(args, f.Most)...)
}

// Counts implements users.Store.
func (s *DB) Counts(ctx context.Context, u fabric.UserID) (users.Counts, error) {
	found, err := rows(ctx, s, queryCounts, func(r *sql.Rows) (n users.Counts, err error) {
		err = r.Scan(&n.Direct, &n.Groups, &n.Contacts, &n.Blocks, &n.Blocked)
		return n, err
	}, string(u))
	if err != nil {
		return users.Counts{}, err
	}
	return found[0], nil
}
