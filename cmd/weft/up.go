package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/weft-im/weft/node"
)

// upCmd's flags are all that `weft up` binds and keeps.
type upCmd struct {
	Data        string        `env:"WEFT_DATA" default:"weft-data" help:"Folder that keeps everything." placeholder:"DIR"`
	Listen      string        `env:"WEFT_LISTEN" default:"127.0.0.1:8080" help:"Address for clients; port 0 picks a free one."`
	NATSListen  string        `name:"nats-listen" env:"WEFT_NATS_LISTEN" default:"127.0.0.1:4222" help:"Address for NATS clients; port 0 picks a free one."`
	MediaListen string        `name:"media-nats-listen" env:"WEFT_MEDIA_NATS_LISTEN" help:"Address for NATS clients of the server that keeps files; without it the port after that of --nats-listen." placeholder:"HOST:PORT"`
	OpsListen   string        `name:"ops-listen" env:"WEFT_OPS_LISTEN" default:"127.0.0.1:8081" help:"Address for operators: metrics, health, profiles; port 0 picks a free one."`
	Sync        time.Duration `env:"WEFT_SYNC" default:"100ms" help:"How long an acknowledged message may wait for the disk (fsync). A killed process loses nothing either way; a power cut loses up to this long. 0 syncs before each acknowledgement."`
	Shards      int           `env:"WEFT_SHARDS" default:"1" help:"Streams that hold the logs; fixed when the data folder is made."`
	Window      time.Duration `env:"WEFT_WINDOW" default:"720h" help:"How long the logs keep messages; SQL keeps all."`
	Dev         string        `env:"WEFT_DEV" enum:"auto,on,off" default:"auto" help:"Dev mode: one-time codes are in the reply. auto: on where --listen is loopback."`

	doorFlags
	signInFlags
	mediaFlags
	pushFlags
	postgresFlags
	limitFlags
	logFlags
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
	url, err := c.postgres()
	if err != nil {
		return err
	}
	door, err := c.door(c.Listen)
	if err != nil {
		return err
	}
	door.Local = dev && c.loopback()
	limits, err := c.limits()
	if err != nil {
		return err
	}
	cfg := node.Config{
		Data: c.Data, Door: door, NATSListen: c.NATSListen, OpsListen: c.OpsListen, Postgres: url,
		Sync: c.Sync, Shards: c.Shards, Window: c.Window, Dev: dev, Limits: limits, EditWindow: c.EditWindow, StayDrained: c.AfterDrain == "stay", Log: log,
	}
	c.media(&cfg)
	if cfg.MediaServer, err = c.mediaServer(c.MediaListen, c.NATSListen); err != nil {
		return err
	}
	if err := c.signIn(&cfg); err != nil {
		return err
	}
	if err := c.push(&cfg); err != nil {
		return err
	}
	n, err := node.Start(ctx, cfg)
	if err != nil {
		return err
	}
	go whenReady(ctx, n, func(a node.Addresses) {
		fmt.Printf("weft is up\n"+
			"  open       %s\n"+
			"  operators  http://%s/metrics\n"+
			"  nats       %s stream ls\n"+
			"  files      %s object ls\n"+
			"  data       %s\n"+
			"  sql        %s\n"+
			"Ctrl-C drains and stops.\n", a.Clients, a.Ops, natsLine(a.NATS, a.Creds), natsLine(a.Media, a.Creds), a.Data, a.SQL)
	})
	return n.Run(ctx)
}

// whenReady tells where a node is once it is there.
func whenReady(ctx context.Context, n *node.Node, tell func(node.Addresses)) {
	select {
	case <-n.Ready():
		tell(n.Addresses())
	case <-ctx.Done():
	}
}

// dev tells whether one-time codes are shown. On an address that others can reach that would let anyone in, so it has to
// be asked for by name there.
func (c *upCmd) dev() (bool, error) {
	if c.Dev != "auto" {
		return c.Dev == "on", nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return false, fmt.Errorf("--listen %q: want host:port", c.Listen)
	}
	return c.loopback(), nil
}

// loopback reports whether only this machine can reach the address for clients.
func (c *upCmd) loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
