package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// newest stands for the version that this build knows as its newest.
const newest = -1

// migrationLock is the advisory lock of whoever changes the schema: "weft" in ASCII.
const migrationLock = 0x77656674

// migrate brings the database to a version of the schema. Of several processes one does it and the others wait, from
// their first look at the version on: that look makes goose's own table where there is none.
func migrate(ctx context.Context, cfg *pgx.ConnConfig, version int64) (err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateWithin)
	defer cancel()
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	lock, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open the database: %w", failure(err))
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return fmt.Errorf("wait for the lock of migrations: %w", failure(err))
	}
	// The connection's end frees the lock, in whatever way this ends: its pool is closed with it.
	return migrateLocked(ctx, db, version)
}

func migrateLocked(ctx context.Context, db *sql.DB, version int64) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the database's version: %w", failure(err))
	}
	switch {
	case have > known:
		return fmt.Errorf("the database has schema version %d, this weft knows up to %d: use the weft that made it", have, known)
	case version == newest:
		_, err = p.Up(ctx)
	case version < have:
		_, err = p.DownTo(ctx, version)
	case version > have:
		_, err = p.UpTo(ctx, version)
	}
	if err != nil {
		return fmt.Errorf("migrate the database: %w", failure(err))
	}
	return nil
}
