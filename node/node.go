// Package node wires one process of Weft: the embedded NATS server, SQL, and the roles. It is the only place, with
// cmd/weft, where roles and what they stand on are brought together.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/presence"
	"github.com/weft-im/weft/storage"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/web"
)

// Config is what a process of everything is made from.
type Config struct {
	Data       string
	Listen     string
	NATSListen string
	OpsListen  string
	Sync       time.Duration // see natsconfig.ServerConfig
	Shards     int
	Window     time.Duration
	Dev        bool
	Limits     edge.Limits
	Log        *slog.Logger
}

// Addresses are where a node can be reached, and what an operator needs to.
type Addresses struct {
	Clients, NATS, Ops string // host:port
	Creds              string // the credentials file for the nats CLI
	Data               string
}

// startTimeout bounds how long a start may take beside the recovery of what is stored.
const startTimeout = 30 * time.Second

// Node is a running process of Weft.
type Node struct {
	cfg   Config
	log   *slog.Logger
	data  *data
	keys  *auth.Keys
	nats  *server.Server
	store *storage.SQLite
	conns []*nats.Conn
	edge  *edge.Edge
	roles []role // in the order of their start

	clients, ops         net.Listener
	clientsHTTP, opsHTTP *http.Server
	registry             *prometheus.Registry
}

// role is a part of the fabric that works until its context ends.
type role struct {
	name string
	run  func(context.Context) error
}

// Start brings everything up to the point where clients can be taken. What it returns must be Run.
func Start(ctx context.Context, cfg Config) (_ *Node, err error) {
	n := &Node{cfg: cfg, log: cfg.Log, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	n.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if n.data, err = openData(cfg.Data); err != nil {
		return nil, err
	}
	if n.keys, err = auth.OpenKeys(n.data.path(keysFolder)); err != nil {
		return nil, err
	}
	// Addresses first: a taken one is the commonest reason why a start fails, and costs no recovery to find.
	if n.clients, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if n.ops, err = net.Listen("tcp", cfg.OpsListen); err != nil {
		return nil, fmt.Errorf("--ops-listen: %w", err)
	}
	if n.nats, err = natsconfig.Start(natsconfig.ServerConfig{
		Listen: cfg.NATSListen, StoreDir: n.data.path(natsFolder), SyncInterval: cfg.Sync,
		Operator: n.keys.Operator(), System: n.keys.SystemAccount(), Accounts: n.keys.Accounts(),
		Log: cfg.Log.With("part", "nats"),
	}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if n.store, err = storage.OpenSQLite(ctx, n.data.path(sqlFile)); err != nil {
		return nil, err
	}
	if err := n.startRoles(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// startRoles makes the roles, each on a connection of its own.
func (n *Node) startRoles(ctx context.Context) error {
	first, err := n.connect("provision")
	if err != nil {
		return err
	}
	js, err := jetstream.New(first)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	f, err := natsconfig.Provision(ctx, js, natsconfig.FabricConfig{Shards: n.cfg.Shards, Window: n.cfg.Window})
	if err != nil {
		return err
	}
	limits := n.cfg.Limits
	limits.DedupeMillis = int(f.Dedupe.Milliseconds())
	for _, start := range []func(context.Context, natsconfig.Fabric) error{
		n.startHistory, n.startUsers, n.startChats, n.startPresence,
		func(ctx context.Context, f natsconfig.Fabric) error { return n.startEdge(ctx, f, limits) },
	} {
		if err := start(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// connect returns a role's connection, inside of the process.
func (n *Node) connect(name string) (*nats.Conn, error) {
	token, seed, err := n.keys.RoleCreds(name)
	if err != nil {
		return nil, fmt.Errorf("credentials of %s: %w", name, err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(n.nats), nats.Name("weft "+name),
		nats.UserJWTAndSeed(token, string(seed)), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect %s to nats: %w", name, err)
	}
	n.conns = append(n.conns, nc)
	return nc, nil
}

func (n *Node) add(name string, run func(context.Context) error) {
	n.roles = append(n.roles, role{name, run})
}

func (n *Node) startEdge(ctx context.Context, f natsconfig.Fabric, limits edge.Limits) error {
	nc, err := n.connect("edge")
	if err != nil {
		return err
	}
	n.edge, err = edge.New(ctx, nc, n.keys.Verifier(), n.clients.Addr().String(), edge.Config{
		// New with every start: what an earlier process left in the buckets is not this one's.
		ID:       "e" + strconv.FormatInt(fabric.Millis(time.Now()), 36),
		FabricID: f.ID, Shards: f.Shards, Lease: natsconfig.EdgeLease, RevokedFor: natsconfig.RevokedFor,
		Limits: limits, Web: web.Handler(),
	}, n.log.With("role", "edge"), n.registry)
	if err != nil {
		return err
	}
	n.add("edge", n.edge.Run)
	return nil
}
