package node

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weft-im/weft/storage/move"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/sqlite"
)

// Move brings the SQL of a data folder into an empty PostgreSQL, which has it from then on; the file it was in is kept
// beside as weft.db.moved. The fabric must not run. Where it fails, all is as it was before. done is called for each
// table with how many rows have come.
func Move(ctx context.Context, dir, url string, done func(table string, rows int64)) (err error) {
	name, err := postgres.Name(url)
	if err != nil {
		return fmt.Errorf("--postgres: %w", err)
	}
	if _, err := os.Stat(inside(dir, versionFile)); err != nil { // opening it would make one
		return fmt.Errorf("--data: %s is no data folder of weft: %w", dir, err)
	}
	d, err := openData(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if at := d.postgres(); at != "" {
		return fmt.Errorf("this fabric's SQL is in PostgreSQL already, %s", at)
	}
	if !d.hasSQLite() {
		return fmt.Errorf("data folder %s has no %s: there is nothing to move", d.dir, sqlFile)
	}
	from, err := sqlite.Open(ctx, d.path(sqlFile))
	if err != nil {
		return err
	}
	to, err := postgres.Open(ctx, url)
	if err != nil {
		return errors.Join(fmt.Errorf("--postgres: %w", err), from.Close())
	}
	err = move.Move(ctx, from, to, done)
	if err := errors.Join(err, to.Close(), from.Close()); err != nil {
		return err
	}
	return d.usePostgres(name)
}
