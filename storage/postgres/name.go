package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Name says which database a URL means, for people to read: weft at db.example:5432. It shows neither user nor password.
func Name(url string) (string, error) {
	cfg, err := parseURL(url)
	if err != nil {
		return "", err
	}
	c := cfg.ConnConfig
	hosts := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks { // other hosts, and the same ones without TLS
		if at := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !slices.Contains(hosts, at) {
			hosts = append(hosts, at)
		}
	}
	database := c.Database
	if database == "" {
		database = c.User // as the server takes it
	}
	return database + " at " + strings.Join(hosts, ", "), nil
}

// Fabric returns the id of the fabric that this is the database of, "" for none yet.
func (s *DB) Fabric(ctx context.Context) (id string, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT id FROM fabric`).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("whose database it is: %w", err)
	}
	return id, nil
}
