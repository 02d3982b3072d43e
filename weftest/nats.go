// Package weftest starts the real parts that tests stand on, each ended by t.Cleanup: a NATS server with a fabric on
// it, and later whatever else a test needs.
package weftest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// NATS is a real server in operator mode with a fabric's streams and buckets.
type NATS struct {
	Server *server.Server
	Fabric natsconfig.Fabric
	URL    string
	Keys   *auth.Keys // nil for a server that asks nobody who they are

	Options []nats.Option // of every connection, where the server wants some
}

// StartNATS starts an embedded server on a free port with JetStream in a temporary folder and provisions cfg on it.
func StartNATS(t testing.TB, cfg natsconfig.FabricConfig) *NATS {
	t.Helper()
	keys, err := auth.OpenKeys(t.TempDir(), cfg.Shards)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute,
		Operator: keys.Operator(), System: keys.SystemAccount(), Accounts: keys.Accounts(),
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("start nats-server: %v", err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	n := &NATS{Server: srv, URL: srv.ClientURL(), Keys: keys}
	js, err := jetstream.New(n.ConnectAs(t, subjects.RoleProvision))
	if err != nil {
		t.Fatalf("jetstream: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if n.Fabric, err = natsconfig.Provision(ctx, js, cfg); err != nil {
		t.Fatalf("provision: %v", err)
	}
	if err := natsconfig.PutClients(ctx, js, keys.Clients().JWT); err != nil {
		t.Fatal(err)
	}
	return n
}

// Connect returns a connection of the test's own, which may do everything in the fabric's account.
func (n *NATS) Connect(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return n.ConnectAs(t, subjects.RoleOperator, opts...)
}

// ConnectAs returns a connection that may do what a role may. That the server refuses it something fails the test.
func (n *NATS) ConnectAs(t testing.TB, role subjects.Role, opts ...nats.Option) *nats.Conn {
	t.Helper()
	if n.Keys != nil {
		token, seed, err := n.Keys.Creds(role)
		if err != nil {
			t.Fatalf("credentials of %s: %v", role, err)
		}
		opts = append(opts, nats.UserJWTAndSeed(token, string(seed)))
	}
	opts = append(slices.Clone(n.Options), opts...)
	opts = append([]nats.Option{
		nats.CustomInboxPrefix(subjects.InboxPrefix(role)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("the role %s may not do what it does: %v", role, err)
			}
		}),
	}, opts...)
	nc, err := nats.Connect(n.URL, opts...)
	if err != nil {
		t.Fatalf("connect to nats as %s: %v", role, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// JetStream returns a JetStream context on a connection of the test's own.
func (n *NATS) JetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(n.Connect(t))
	if err != nil {
		t.Fatalf("jetstream: %v", err)
	}
	return js
}

// Logger returns a logger that writes into the test's output.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Streams returns the names of all streams that the server has.
func (n *NATS) Streams(t testing.TB) (names []string) {
	t.Helper()
	list := n.JetStream(t).StreamNames(t.Context())
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
