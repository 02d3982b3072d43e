// Package natsconfig is what Weft needs of NATS: the server that `weft up` embeds, and the streams and buckets of a
// fabric, whichever server or cluster they live on.
package natsconfig

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// MaxPayload is the largest NATS message, in bytes: a message's body with room for what wraps it, or a page of a reply.
const MaxPayload = 1 << 20

// ServerConfig says how to run the embedded nats-server.
type ServerConfig struct {
	Name     string // the server's name; default "weft"
	Listen   string // host:port for TCP clients; port 0 picks a free one
	StoreDir string // the folder of JetStream, and of the accounts

	// SyncInterval is how long a stored message may wait for the disk's own confirmation (fsync). 0 syncs each write
	// before it is acked: nothing acked is lost to a power cut, at the price of one fsync a message. Otherwise a killed
	// process still loses nothing, since writes reach the kernel before the ack; a power cut loses up to this long.
	SyncInterval time.Duration

	// Operator, System and Accounts put the server in operator mode (all three or none): who signs, which account is
	// the system's, and every account's JWT by its public key. The server's resolver keeps them in StoreDir, and takes
	// newer ones from whoever is in the system account (PushAccount).
	Operator *jwt.OperatorClaims
	System   string
	Accounts map[string]string

	Log *slog.Logger
}

// maxAccounts bounds how many accounts the resolver of an embedded server keeps: Weft's are three.
const maxAccounts = 16

// startTimeout bounds how long a server may take to come up, recovery of its streams included.
const startTimeout = 60 * time.Second

// Start starts an embedded server and waits until clients can connect.
func Start(cfg ServerConfig) (*server.Server, error) {
	host, portText, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("nats listen address %q: %w", cfg.Listen, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("nats listen address %q: the port is not a number", cfg.Listen)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	} else if err := free(cfg.Listen); err != nil {
		return nil, err
	}
	if cfg.Name == "" {
		cfg.Name = "weft"
	}
	opts := &server.Options{
		ServerName:   cfg.Name,
		Host:         host,
		Port:         port,
		JetStream:    true,
		StoreDir:     cfg.StoreDir,
		MaxPayload:   MaxPayload,
		SyncInterval: cfg.SyncInterval,
		SyncAlways:   cfg.SyncInterval == 0,
		NoSigs:       true,
	}
	if cfg.Operator != nil {
		dir := filepath.Join(cfg.StoreDir, "accounts")
		resolver, err := server.NewDirAccResolver(dir, maxAccounts, 0, server.NoDelete)
		if err != nil {
			return nil, fmt.Errorf("accounts in %s: %w", dir, err)
		}
		for public, token := range cfg.Accounts {
			if err := resolver.Store(public, token); err != nil {
				return nil, fmt.Errorf("account %s: %w", public, err)
			}
		}
		opts.TrustedOperators = []*jwt.OperatorClaims{cfg.Operator}
		opts.SystemAccount = cfg.System
		opts.AccountResolver = resolver
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure nats-server: %w", err)
	}
	if cfg.Log != nil {
		srv.SetLoggerV2(&serverLog{cfg.Log}, false, false, false)
	}
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		srv.Shutdown()
		return nil, fmt.Errorf("nats-server did not come up on %s within %s: is the address taken?", cfg.Listen, startTimeout)
	}
	return srv, nil
}

// free reports by its error that an address can't be listened on. The server itself would only log that, and not come up.
func free(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("nats listen address: %w", err)
	}
	return l.Close()
}

// serverLog brings the server's log lines into ours. Its notices are what happens at every start, so they are debug.
type serverLog struct{ log *slog.Logger }

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
