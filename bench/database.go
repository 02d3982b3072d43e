package bench

import (
	"context"
	"fmt"

	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/sqlite"
)

// database is what an archive is written to, on either engine.
type database interface {
	history.Store
	Claim(ctx context.Context, fabricID string) error
	Close() error
}

// openDatabase opens the PostgreSQL that url names or, where it is empty, the SQLite in file.
func openDatabase(ctx context.Context, url, file string) (db database, engine string, err error) {
	if url != "" {
		engine = "PostgreSQL"
		db, err = postgres.Open(ctx, url)
	} else {
		engine = "SQLite"
		db, err = sqlite.Open(ctx, file)
	}
	if err != nil {
		return nil, "", fmt.Errorf("bench: %w", err)
	}
	return db, engine, nil
}
