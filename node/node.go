// Package node wires one process of Weft: the embedded NATS server, SQL, and the roles. It is the only place, with
// cmd/weft, where roles and what they stand on are brought together.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/edge"
)

// Addresses are where a node can be reached, and what an operator needs to.
type Addresses struct {
	Clients string // the URL for clients; empty where the process is no edge
	Ops     string // host:port
	NATS    string // host:port of the embedded server, otherwise those of the servers it is connected to
	Media   string // host:port of the servers that keep files, where they are others
	Creds   string // the credentials file for the nats CLI, where the process has it
	Data    string
	SQL     string // where the database is, without its password; empty for a process that has none
}

// startTimeout bounds how long the roles may take to start.
const startTimeout = 30 * time.Second

// Node is a running process of Weft.
type Node struct {
	cfg   Config
	log   *slog.Logger
	data  *data
	keys  *auth.Keys     // nil where no role needs them
	nats  *server.Server // nil where it is somewhere else
	media *mediaProcess  // nil where files are on NATS servers that are there
	files *nats.Conn     // to the servers that keep files, where these are others than the fabric's; the roles' own
	conns []*nats.Conn
	edge  *edge.Edge    // nil where the process is none
	roles []role        // in the order of their start
	up    chan struct{} // closed once all roles serve

	store   database // nil where no role needs one
	sqlName string
	health  *sqlHealth
	shards  int

	door     *door.Door // nil where the process is no edge
	ops      net.Listener
	registry *prometheus.Registry
}

// role is a part of the fabric that works until its context ends.
type role struct {
	name  string
	run   func(context.Context) error
	ready <-chan struct{} // closed once it serves; nil for a role that nobody asks
}

// Start brings everything up to the point where clients can be taken. What it returns must be Run.
func Start(ctx context.Context, cfg Config) (_ *Node, err error) {
	if cfg, err = cfg.complete(); err != nil {
		return nil, err
	}
	cfg.Log = slog.New(newQuietHandler(cfg.Log.Handler()))
	n := &Node{cfg: cfg, log: cfg.Log, registry: prometheus.NewRegistry(), up: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	n.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if err := n.open(ctx); err != nil {
		return nil, err
	}
	f, err := n.join(ctx)
	if err == nil {
		n.cfg.MediaNATS = cmp.Or(n.cfg.MediaNATS, f.Media)
		err = n.permit(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.claim(ctx, f); err != nil {
		return nil, err
	}
	if err := n.startRoles(ctx, f); err != nil {
		return nil, err
	}
	return n, nil
}

// open opens what the roles stand on.
func (n *Node) open(ctx context.Context) (err error) {
	cfg := n.cfg
	if cfg.Data != "" {
		if n.data, err = openData(cfg.Data); err != nil {
			return err
		}
	}
	if err := n.openKeys(); err != nil {
		return err
	}
	// Addresses first: a taken one is the commonest reason why a start fails, and costs no recovery to find.
	if cfg.has(Edge) {
		cfg.Door.HeaderBytes = cfg.Limits.HeaderBytes
		if n.door, err = door.Open(cfg.Door, cfg.Log.With("part", "door"), n.registry); err != nil {
			return err
		}
	}
	if n.ops, err = net.Listen("tcp", cfg.OpsListen); err != nil {
		return fmt.Errorf("--ops-listen: %w", err)
	}
	if err := n.openSQL(ctx); err != nil {
		return err
	}
	if n.data != nil {
		if err := n.data.placeMedia(len(cfg.MediaServer.Command) > 0 && cfg.MediaNATS == ""); err != nil {
			return err
		}
	}
	if err := n.startNATS(); err != nil {
		return err
	}
	return n.startMediaNATS(ctx)
}

// openKeys opens the fabric's keys. Those of a fabric of several processes must be there: they are made once, by
// `weft auth init`.
func (n *Node) openKeys() (err error) {
	switch {
	case n.data != nil && n.cfg.Keys == "":
		if n.keys, err = auth.OpenKeys(n.data.path(keysFolder), 0); err == nil {
			err = n.keys.WriteSystemCreds()
		}
	case n.cfg.Keys != "":
		if n.keys, err = auth.ReadKeys(n.cfg.Keys); err != nil {
			err = fmt.Errorf("--keys: %w", err)
		}
	}
	return err
}
