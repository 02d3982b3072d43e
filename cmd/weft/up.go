package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/node"
)

// upCmd's flags are all that `weft up` binds and keeps.
type upCmd struct {
	Data       string        `env:"WEFT_DATA" default:"weft-data" help:"Folder that keeps everything." placeholder:"DIR"`
	Listen     string        `env:"WEFT_LISTEN" default:"127.0.0.1:8080" help:"Address for clients; port 0 picks a free one."`
	NATSListen string        `name:"nats-listen" env:"WEFT_NATS_LISTEN" default:"127.0.0.1:4222" help:"Address for NATS clients; port 0 picks a free one."`
	OpsListen  string        `name:"ops-listen" env:"WEFT_OPS_LISTEN" default:"127.0.0.1:8081" help:"Address for operators: metrics, health, profiles; port 0 picks a free one."`
	Sync       time.Duration `env:"WEFT_SYNC" default:"100ms" help:"How long an acknowledged message may wait for the disk (fsync). A killed process loses nothing either way; a power cut loses up to this long. 0 syncs before each acknowledgement."`
	Shards     int           `env:"WEFT_SHARDS" default:"1" help:"Streams that hold the logs; fixed when the data folder is made."`
	Window     time.Duration `env:"WEFT_WINDOW" default:"720h" help:"How long the logs keep messages; SQL keeps all."`
	Dev        string        `env:"WEFT_DEV" enum:"auto,on,off" default:"auto" help:"Dev mode: one-time codes are in the reply. auto: on where --listen is loopback."`
	SendRate   int           `name:"send-rate" env:"WEFT_SEND_RATE" default:"2000" help:"Messages a second that one session may send."`
	LogLevel   string        `name:"log-level" env:"WEFT_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"What is logged."`
	LogFormat  string        `name:"log-format" env:"WEFT_LOG_FORMAT" enum:"text,json" default:"text" help:"How it is logged, to standard error."`
}

// Run brings a fabric up and keeps it up until ctx ends, then drains.
func (c *upCmd) Run(ctx context.Context) error {
	log, err := c.logger()
	if err != nil {
		return err
	}
	dev, err := c.dev()
	if err != nil {
		return err
	}
	limits := edge.DefaultLimits()
	limits.SendsPerSecond, limits.SendBurst = c.SendRate, 2*c.SendRate
	// A send is an operation too: those who may send more may do more.
	limits.OpsPerSecond, limits.OpsBurst = max(limits.OpsPerSecond, 2*c.SendRate), max(limits.OpsBurst, 4*c.SendRate)
	n, err := node.Start(ctx, node.Config{
		Data: c.Data, Listen: c.Listen, NATSListen: c.NATSListen, OpsListen: c.OpsListen,
		Sync: c.Sync, Shards: c.Shards, Window: c.Window, Dev: dev, Limits: limits, Log: log,
	})
	if err != nil {
		return err
	}
	a := n.Addresses()
	fmt.Printf("weft is up\n"+
		"  open       http://%s\n"+
		"  operators  http://%s/metrics\n"+
		"  nats       nats --server nats://%s --creds %s stream ls\n"+
		"  data       %s\n"+
		"Ctrl-C drains and stops.\n", a.Clients, a.Ops, a.NATS, a.Creds, a.Data)
	return n.Run(ctx)
}

func (c *upCmd) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %s: %w", c.LogLevel, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts)), nil
}

// dev tells whether one-time codes are shown. On an address that others can reach that would let anyone in, so it has to
// be asked for by name there.
func (c *upCmd) dev() (bool, error) {
	if c.Dev != "auto" {
		return c.Dev == "on", nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false, fmt.Errorf("--listen %q: want host:port", c.Listen)
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback(), nil
}
