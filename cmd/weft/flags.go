package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/weft-im/weft/door"
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

// doorFlags say how clients come in.
type doorFlags struct {
	TLSCert        string   `name:"tls-cert" env:"WEFT_TLS_CERT" help:"Certificate for clients, PEM, with those between it and the root; read again when it changes." placeholder:"FILE"`
	TLSKey         string   `name:"tls-key" env:"WEFT_TLS_KEY" help:"Its key." placeholder:"FILE"`
	ACMEHosts      []string `name:"acme-hosts" env:"WEFT_ACME_HOSTS" help:"Names for which certificates come by ACME, as from Let's Encrypt. Its terms are agreed to by that." placeholder:"HOST,…"`
	ACMEEmail      string   `name:"acme-email" env:"WEFT_ACME_EMAIL" help:"Address that the authority may write to." placeholder:"ADDRESS"`
	ACMEDirectory  string   `name:"acme-directory" env:"WEFT_ACME_DIRECTORY" help:"The authority's directory; Let's Encrypt's without it." placeholder:"URL"`
	ACMECache      string   `name:"acme-cache" env:"WEFT_ACME_CACHE" default:"weft-acme" help:"Folder that keeps certificates and the account's key." placeholder:"DIR"`
	ACMEHTTP       string   `name:"acme-http" env:"WEFT_ACME_HTTP" help:"Address for plain HTTP, as in :80: answers the authority, sends others to https. Without it the authority asks on --listen, which then must be port 443 outside." placeholder:"HOST:PORT"`
	Origins        []string `env:"WEFT_ORIGINS" help:"Origins whose pages may use this server besides its own page, as in https://chat.example; * for all." placeholder:"ORIGIN,…"`
	TrustedProxies []string `name:"trusted-proxies" env:"WEFT_TRUSTED_PROXIES" help:"Networks of proxies whose X-Forwarded-For is believed." placeholder:"CIDR,…"`
	ProxyProtocol  bool     `name:"proxy-protocol" env:"WEFT_PROXY_PROTOCOL" help:"Connections of trusted proxies begin with a PROXY header (v1 or v2)."`
	Connections    int      `name:"connections" env:"WEFT_CONNECTIONS" default:"1000000" help:"Most TCP connections of clients."`
	AfterDrain     string   `name:"after-drain" env:"WEFT_AFTER_DRAIN" enum:"stay,end" default:"stay" help:"What the process does when weft edge drain has drained its edge: stay, with /readyz not ready, until it is ended; or end."`
	PerAddress     int      `name:"connections-per-address" env:"WEFT_CONNECTIONS_PER_ADDRESS" default:"20000" help:"Most of them from one address that is no trusted proxy's; of an IPv6 one, from its /64."`
}

func (f doorFlags) door(listen string) (door.Config, error) {
	trusted, err := door.ParsePrefixes(f.TrustedProxies)
	if err != nil {
		return door.Config{}, fmt.Errorf("--trusted-proxies: %w", err)
	}
	c := door.Config{
		Listen: listen, Trusted: trusted, ProxyProtocol: f.ProxyProtocol, Origins: f.Origins, PerAddress: f.PerAddress, InAll: f.Connections,
		TLS: door.TLS{
			CertFile: f.TLSCert, KeyFile: f.TLSKey, Hosts: f.ACMEHosts, Email: f.ACMEEmail, Directory: f.ACMEDirectory, HTTP: f.ACMEHTTP,
		},
	}
	if len(f.ACMEHosts) > 0 {
		c.TLS.Cache = f.ACMECache
	}
	return c, nil
}

// limitFlags are the limits of a client that operators set.
type limitFlags struct {
	EditWindow time.Duration `name:"edit-window" env:"WEFT_EDIT_WINDOW" default:"15m" help:"How long after it was written a message may be edited."`

	SendRate int            `name:"send-rate" env:"WEFT_SEND_RATE" default:"2000" help:"Messages a second that one session may send."`
	Limit    map[string]int `env:"WEFT_LIMIT" mapsep:"," help:"Any limit by its name in /v1/limits, as in --limit watch=200." placeholder:"NAME=N"`
}

func (f limitFlags) limits() (edge.Limits, error) {
	limits := edge.DefaultLimits()
	limits.SendsPerSecond, limits.SendBurst = f.SendRate, 2*f.SendRate
	// A send is an operation too: those who may send more may do more.
	limits.OpsPerSecond, limits.OpsBurst = max(limits.OpsPerSecond, 2*f.SendRate), max(limits.OpsBurst, 4*f.SendRate)
	for name, n := range f.Limit {
		if err := limits.Set(name, n); err != nil {
			return limits, fmt.Errorf("--limit %s=%d: %w", name, n, err)
		}
	}
	return limits, nil
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
