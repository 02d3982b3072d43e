// Package weftest starts the real parts that tests stand on, each ended by t.Cleanup: a NATS server with a fabric on
// it, and later whatever else a test needs.
package weftest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	natsconfig "github.com/weft-im/weft/nats-config"
)

// NATS is a real server with a fabric's streams and buckets.
type NATS struct {
	Server *server.Server
	Fabric natsconfig.Fabric
	URL    string
}

// StartNATS starts an embedded server on a free port with JetStream in a temporary folder and provisions cfg on it.
func StartNATS(t testing.TB, cfg natsconfig.FabricConfig) *NATS {
	t.Helper()
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("start nats-server: %v", err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	n := &NATS{Server: srv, URL: srv.ClientURL()}
	js, err := jetstream.New(n.Connect(t))
	if err != nil {
		t.Fatalf("jetstream: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if n.Fabric, err = natsconfig.Provision(ctx, js, cfg); err != nil {
		t.Fatalf("provision: %v", err)
	}
	return n
}

// Connect returns a connection of the test's own.
func (n *NATS) Connect(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(n.URL, opts...)
	if err != nil {
		t.Fatalf("connect to nats: %v", err)
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
