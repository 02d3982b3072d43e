// Package postgres keeps a fabric in PostgreSQL (15 or later), for any number of processes at once. It implements the
// Store of each role that has one; what their methods promise is said where those interfaces are defined, and
// storagetest holds this to it.
//
// While the database is away, every method returns an error with fabric.CodeUnavailable within a bounded time; the
// pool connects again by itself.
package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/users"
)

// DB is a fabric's database. Any number of goroutines and processes may use it at once.
type DB struct {
	pool *pgxpool.Pool
	logs *lru.Cache[fabric.ChannelID, int64] // logs.num of channels with news

	mu       sync.Mutex
	months   map[month]struct{} // that have a partition
	archived map[int]int64      // by this process: the seqs by shard
}

var (
	_ users.Store   = (*DB)(nil)
	_ chats.Store   = (*DB)(nil)
	_ history.Store = (*DB)(nil)
)

// How long a method waits for the database at most, where the caller's context does not end before.
const (
	connectWithin = 5 * time.Second
	readWithin    = 10 * time.Second
	writeWithin   = 30 * time.Second
	migrateWithin = 30 * time.Minute
)

// Open connects to the database that url names and migrates it to this build's schema. One that is newer is refused.
// Errors never show the URL's password.
//
// The URL is postgres://user:password@host:port/database?options, or PostgreSQL's key=value form. Beside libpq's options
// (sslmode, connect_timeout, target_session_attrs, …) it takes those of the pool: pool_max_conns (16 without it),
// pool_max_conn_lifetime and so on.
func Open(ctx context.Context, url string) (*DB, error) {
	cfg, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, cfg.ConnConfig, newest); err != nil {
		return nil, err
	}
	logs, err := lru.New[fabric.ChannelID, int64](knownLogs)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d: %w", knownLogs, err)
	}
	s := &DB{logs: logs, months: make(map[month]struct{}), archived: make(map[int]int64)}
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open the database: %w", failure(err))
	}
	return s, nil
}

// Close closes all connections once nothing is at work on them.
func (s *DB) Close() error {
	s.pool.Close()
	return nil
}

// Claim makes this the database of a fabric, or makes sure that it is: another's archive does not belong to its logs.
func (s *DB) Claim(ctx context.Context, fabricID string) error {
	var owner string
	err := s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO fabric (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING`, fabricID); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT id FROM fabric`).Scan(&owner)
	})
	if err == nil && owner != fabricID {
		err = fmt.Errorf("it belongs to fabric %s, not to %s: NATS and SQL must be of the same fabric", owner, fabricID)
	}
	if err != nil {
		return fmt.Errorf("claim the database: %w", err)
	}
	return nil
}

// rows runs a read and scans each row.
func rows[T any](ctx context.Context, s *DB, query string, scan pgx.RowToFunc[T], args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	found, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", failure(err))
	}
	all, err := pgx.CollectRows(found, scan)
	if err != nil {
		return nil, fmt.Errorf("query: %w", failure(err))
	}
	return all, nil
}

// do runs f in a transaction, which is committed unless f fails. Where PostgreSQL ends it in favour of another one, it
// runs again: f must start from nothing each time. f gets the context that bounds all of it.
func (s *DB) do(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, f)
		if err == nil || attempt == attempts || !lostToAnother(err) {
			return err
		}
	}
}

// once is do for an f that must not run twice.
func (s *DB) once(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	return failure(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return f(ctx, tx) }))
}
