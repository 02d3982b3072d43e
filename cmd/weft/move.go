package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-im/weft/node"
)

// moveCmd brings a fabric's SQL from its data folder to a PostgreSQL.
type moveCmd struct {
	Data string `env:"WEFT_DATA" default:"weft-data" help:"Data folder of the fabric, which must not run." placeholder:"DIR"`

	postgresFlags
}

// Run moves all of it, or nothing.
func (c *moveCmd) Run(ctx context.Context) error {
	url, err := c.postgres()
	if err != nil {
		return err
	}
	if url == "" {
		return errors.New("--postgres is missing: the URL of an empty PostgreSQL database to move to")
	}
	err = node.Move(ctx, c.Data, url, func(table string, rows int64) { fmt.Printf("  %-14s %d\n", table, rows) })
	if err != nil {
		return err
	}
	fmt.Printf("Moved. From now on start it with --postgres; the file that it was in is kept as weft.db.moved.\nThe search finds old messages as its index is made anew.\n")
	return nil
}
