package postgres

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Of a pool's connections, where the URL doesn't say: enough to keep a few cores of PostgreSQL busy, and with several
// processes still far from its default of 100.
const defaultConns = 16

// parseURL reads a connection string. What its errors show is never the password: pgx's own show what is left of a URL
// that can't be parsed, which may well be a piece of it.
func parseURL(s string) (*pgxpool.Config, error) {
	isURL := strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
	if isURL {
		if _, err := url.Parse(s); err != nil {
			return nil, errors.New("the PostgreSQL URL can't be read: want postgres://user:password@host:port/database, " +
				"with characters like / # ? @ % : in the password written as %2F %23 %3F %40 %25 %3A")
		}
	} else if !strings.Contains(s, "=") || strings.Contains(s, "://") {
		return nil, errors.New("this is no PostgreSQL URL: want postgres://user:password@host:port/database")
	}
	cfg, err := pgxpool.ParseConfig(s)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL is wrong: " + reason(err, s))
	}
	if !strings.Contains(s, "pool_max_conns") {
		cfg.MaxConns = defaultConns
	}
	bounded(cfg.ConnConfig)
	return cfg, nil
}

// bounded sets what keeps a connection from waiting for ever, and names it, as far as the URL leaves that open.
func bounded(cfg *pgx.ConnConfig) {
	if cfg.ConnectTimeout <= 0 || cfg.ConnectTimeout > connectWithin*12 {
		cfg.ConnectTimeout = connectWithin
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "weft" // in pg_stat_activity
	}
}

// reason returns what err says without the connection string that it quotes.
func reason(err error, s string) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+3:]
	}
	if u, err := url.Parse(s); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok && password != "" {
			text = strings.ReplaceAll(text, password, "xxxxx")
		}
	}
	return text
}
