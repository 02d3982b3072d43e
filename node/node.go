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
	"github.com/weft-im/weft/receipts"
	"github.com/weft-im/weft/storage/sqlite"
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
	store *sqlite.DB
	conns []*nats.Conn
	edge  *edge.Edge
	roles []role // in the order of their start

	clients, ops         net.Listener
	clientsHTTP, opsHTTP *http.Server
	registry             *prometheus.Registry
}

// role is a part of the fabric that works until its context ends.
type role struct {
	name  string
	run   func(context.Context) error
	ready <-chan struct{} // closed once it serves; nil for a role that nobody asks
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
	if n.store, err = sqlite.Open(ctx, n.data.path(sqlFile)); err != nil {
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
	if err := n.store.Claim(ctx, f.ID); err != nil {
		return err
	}
	limits := n.cfg.Limits
	limits.DedupeMillis = int(f.Dedupe.Milliseconds())
	n.add("memory", tendMemory, nil)
	for _, start := range []func(context.Context, natsconfig.Fabric) error{
		n.startHistory, n.startUsers, n.startChats, n.startReceipts, n.startPresence,
		func(ctx context.Context, f natsconfig.Fabric) error { return n.startEdge(ctx, f, limits) },
	} {
		if err := start(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// connect returns a role's connection. It goes over loopback: the server's in-process connections are pipes without
// buffers, on which every write of one side waits for a read of the other (docs/performance.md has the figures).
func (n *Node) connect(name string) (*nats.Conn, error) {
	token, seed, err := n.keys.RoleCreds(name)
	if err != nil {
		return nil, fmt.Errorf("credentials of %s: %w", name, err)
	}
	nc, err := nats.Connect("nats://"+n.nats.Addr().String(), nats.Name("weft "+name),
		nats.UserJWTAndSeed(token, string(seed)), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect %s to nats: %w", name, err)
	}
	n.conns = append(n.conns, nc)
	return nc, nil
}

func (n *Node) add(name string, run func(context.Context) error, ready <-chan struct{}) {
	n.roles = append(n.roles, role{name, run, ready})
}

func (n *Node) startHistory(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect("history")
	if err != nil {
		return err
	}
	r, err := history.New(nc, n.store, f.Shards, history.Config{}, n.log.With("role", "history"), n.registry)
	if err != nil {
		return err
	}
	n.add("history", r.Run, r.Ready())
	return nil
}

func (n *Node) startUsers(ctx context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect("users")
	if err != nil {
		return err
	}
	r, err := users.New(ctx, nc, n.store, n.keys.Issuer(), users.Config{Dev: n.cfg.Dev, Shards: f.Shards}, n.log.With("role", "users"), n.registry)
	if err != nil {
		return err
	}
	n.add("users", r.Run, r.Ready())
	return nil
}

func (n *Node) startChats(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect("chats")
	if err != nil {
		return err
	}
	r, err := chats.New(nc, n.store, f.Shards, chats.Config{}, n.log.With("role", "chats"), n.registry)
	if err != nil {
		return err
	}
	n.add("chats", r.Run, r.Ready())
	return nil
}

func (n *Node) startReceipts(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect("receipts")
	if err != nil {
		return err
	}
	r, err := receipts.New(nc, f.Shards, receipts.Config{}, n.log.With("role", "receipts"), n.registry)
	if err != nil {
		return err
	}
	n.add("receipts", r.Run, r.Ready())
	return nil
}

func (n *Node) startPresence(context.Context, natsconfig.Fabric) error {
	nc, err := n.connect("presence")
	if err != nil {
		return err
	}
	r, err := presence.New(nc, presence.Config{Lease: natsconfig.EdgeLease}, n.log.With("role", "presence"), n.registry)
	if err != nil {
		return err
	}
	n.add("presence", r.Run, nil)
	return nil
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
	n.add("edge", n.edge.Run, nil)
	return nil
}
