package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/weft-im/weft/edge"
)

// postgresFlags say where a PostgreSQL is. Its URL mostly has a password in it: no message of ours shows it.
type postgresFlags struct {
	Postgres     string `env:"WEFT_POSTGRES" help:"Keep SQL in PostgreSQL: postgres://user:password@host:port/database. What it leaves out comes from PGHOST, PGUSER, PGPASSWORD, PGPASSFILE …; postgres:// takes all from there." placeholder:"URL"`
	PostgresFile string `name:"postgres-file" env:"WEFT_POSTGRES_FILE" help:"File that has the URL of --postgres, so that no list of processes shows it." placeholder:"FILE"`
}

// postgres returns the URL, "" where none is given.
func (f postgresFlags) postgres() (string, error) {
	if f.PostgresFile == "" {
		return f.Postgres, nil
	}
	if f.Postgres != "" {
		return "", errors.New("--postgres and --postgres-file exclude each other: give one of them")
	}
	b, err := os.ReadFile(f.PostgresFile)
	if err != nil {
		return "", fmt.Errorf("--postgres-file: %w", err)
	}
	url := strings.TrimSpace(string(b))
	if url == "" {
		return "", fmt.Errorf("--postgres-file: %s is empty: want the URL in it", f.PostgresFile)
	}
	return url, nil
}

// limitFlags are the limits of a client that operators set.
type limitFlags struct {
	EditWindow time.Duration `name:"edit-window" env:"WEFT_EDIT_WINDOW" default:"15m" help:"How long after it was written a message may be edited."`

	SendRate int `name:"send-rate" env:"WEFT_SEND_RATE" default:"2000" help:"Messages a second that one session may send."`
}

func (f limitFlags) limits() edge.Limits {
	limits := edge.DefaultLimits()
	limits.SendsPerSecond, limits.SendBurst = f.SendRate, 2*f.SendRate
	// A send is an operation too: those who may send more may do more.
	limits.OpsPerSecond, limits.OpsBurst = max(limits.OpsPerSecond, 2*f.SendRate), max(limits.OpsBurst, 4*f.SendRate)
	return limits
}

// logFlags say what is logged.
type logFlags struct {
	LogLevel  string `name:"log-level" env:"WEFT_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"What is logged."`
	LogFormat string `name:"log-format" env:"WEFT_LOG_FORMAT" enum:"text,json" default:"text" help:"How it is logged, to standard error."`
}

func (f logFlags) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %s: %w", f.LogLevel, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
}
