// Package sqlite keeps a fabric of one process in one SQLite file. It implements the Store of each role that has one;
// what their methods promise is said where those interfaces are defined, and storagetest holds this to it.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite": pure Go

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/users"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// DB is a database in one file, for a fabric of one process. Any number of goroutines may use it: writers take
// turns, readers run beside them on what was committed last (WAL).
type DB struct {
	write *writer // what must outlive a power cut once it is answered
	log   *writer // the archive: the logs still have what a power cut takes from it
	read  *sql.DB
	turn  sync.Mutex                          // SQLite has one writer at a time: waiting here is cheaper and fairer than its busy handler
	stmts sync.Map                            // prepared reads, by their SQL
	logs  *lru.Cache[fabric.ChannelID, int64] // logs.num of channels with news
}

var (
	_ users.Store   = (*DB)(nil)
	_ chats.Store   = (*DB)(nil)
	_ history.Store = (*DB)(nil)
	_ media.Store   = (*DB)(nil)
)

// Open opens the database in a file and migrates it to this build's schema. One that is newer is refused.
func Open(ctx context.Context, path string) (_ *DB, err error) {
	logs, err := lru.New[fabric.ChannelID, int64](knownLogs)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d: %w", knownLogs, err)
	}
	s := &DB{logs: logs}
	defer func() {
		if err != nil {
			_ = s.Close() // the first error is what counts
		}
	}()
	// SQLite gives its other files the mode of this one: what people wrote is nobody else's to read.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// The WAL is synced with every commit (FULL), or only before it is copied into the file (NORMAL): either way a power
	// cut leaves a consistent database, the second may take the last transactions along.
	if s.write, err = openWriter(path, "FULL", &s.turn); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.write.db, -1); err != nil {
		return nil, err
	}
	if s.log, err = openWriter(path, "NORMAL", &s.turn); err != nil {
		return nil, err
	}
	if s.read, err = open(path, "NORMAL", "query_only(1)"); err != nil {
		return nil, err
	}
	s.read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	s.read.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
	return s, nil
}

// open opens a pool of connections that sync their commits in that mode.
func open(path, synchronous string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{
		"journal_mode(WAL)", "synchronous(" + synchronous + ")", "foreign_keys(1)", "busy_timeout(10000)",
		"cache_size(-16384)", "temp_store(MEMORY)",
		"secure_delete(1)", // what people delete is overwritten; the archive, which only adds, costs the same
		// Copying the WAL into the file later, in larger steps, writes a page that changed often once.
		"wal_autocheckpoint(8000)",
	}, pragmas...)}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return db, nil
}

// Close closes the database. Nothing may be at work on it.
func (s *DB) Close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	for _, w := range []*writer{s.log, s.write} { // the last one to close copies the WAL into the file
		if w != nil {
			errs = append(errs, w.close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Claim makes this the database of a fabric, or makes sure that it is: another's archive does not belong to its logs.
func (s *DB) Claim(ctx context.Context, fabricID string) error {
	var owner string
	err := s.write.do(ctx, func(t tx) error {
		if _, err := t.exec(ctx, `INSERT INTO fabric (one, id) VALUES (1, ?) ON CONFLICT DO NOTHING`, fabricID); err != nil {
			return err
		}
		return t.QueryRowContext(ctx, `SELECT id FROM fabric`).Scan(&owner)
	})
	if err == nil && owner != fabricID {
		err = fmt.Errorf("it belongs to fabric %s, not to %s: NATS and SQL must be of the same data folder", owner, fabricID)
	}
	if err != nil {
		return fmt.Errorf("claim the database: %w", err)
	}
	return nil
}

// migrate brings db to a version of the schema, -1 being the newest.
func migrate(ctx context.Context, db *sql.DB, version int64) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	have, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the database's version: %w", err)
	}
	switch {
	case have > newest:
		return fmt.Errorf("the database has schema version %d, this weft knows up to %d: use the weft that made it", have, newest)
	case version < 0:
		_, err = p.Up(ctx)
	case version < have:
		_, err = p.DownTo(ctx, version)
	case version > have:
		_, err = p.UpTo(ctx, version)
	}
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// prepared returns a read as a prepared statement, made once.
func (s *DB) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.read.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if was, loaded := s.stmts.LoadOrStore(query, st); loaded {
		_ = st.Close() // somebody else was quicker
		return was.(*sql.Stmt), nil
	}
	return st, nil
}

// rows runs a read and scans each row.
func rows[T any](ctx context.Context, s *DB, query string, scan func(*sql.Rows) (T, error), args ...any) ([]T, error) {
	st, err := s.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	found, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer found.Close()
	var all []T
	for found.Next() {
		v, err := scan(found)
		if err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		all = append(all, v)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return all, nil
}
