package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weft-im/weft/node"
)

// serveCmd's flags are all that a process of several needs of its surroundings.
type serveCmd struct {
	Roles string `env:"WEFT_ROLES" help:"What this process does, some of edge, users, chats, history, presence, receipts, ingest, otp and push; all without it." placeholder:"ROLE,…"`
	NATS  string `name:"nats" env:"WEFT_NATS" help:"The NATS servers on which the fabric's processes meet, with JetStream." placeholder:"URL,…"`
	CA    string `name:"tls-ca" env:"WEFT_NATS_CA" help:"Certificates that the NATS servers' TLS is checked by, where the system does not know them." placeholder:"FILE"`
	Creds string `env:"WEFT_CREDS" help:"Credentials for NATS, of all roles; each role's own in --keys without it." placeholder:"FILE"`
	Keys  string `env:"WEFT_KEYS" help:"Folder of the fabric's keys, the same for all processes: keys/ in a data folder of weft up, or made by weft auth init." placeholder:"DIR"`

	Listen    string `env:"WEFT_LISTEN" default:"127.0.0.1:8080" help:"Address for clients, where the process is an edge; port 0 picks a free one."`
	OpsListen string `name:"ops-listen" env:"WEFT_OPS_LISTEN" default:"127.0.0.1:8081" help:"Address for operators: metrics, health, profiles; port 0 picks a free one."`

	Shards   int           `env:"WEFT_SHARDS" help:"Streams that hold the logs; fixed when the fabric is made. Without it 1."`
	Replicas int           `env:"WEFT_REPLICAS" help:"Servers of the NATS cluster that keep each stream; stays as it is without it, at first 1."`
	Window   time.Duration `env:"WEFT_WINDOW" help:"How long the logs keep messages; stays as it is without it, at first 720h. SQL keeps all."`
	Dev      string        `env:"WEFT_DEV" enum:"on,off" default:"off" help:"Dev mode, where the process has the users role: one-time codes are in the reply, so that anyone can be anyone."`

	doorFlags
	signInFlags
	mediaFlags
	pushFlags
	postgresFlags
	limitFlags
	logFlags
}

// Run does the roles' work until ctx ends, then drains.
func (c *serveCmd) Run(ctx context.Context) error {
	log, err := c.logger()
	if err != nil {
		return err
	}
	var names []string
	if c.Roles != "" {
		names = strings.Split(c.Roles, ",")
	}
	roles, err := node.ParseRoles(names)
	if err != nil {
		return fmt.Errorf("--roles: %w", err)
	}
	if c.NATS == "" {
		return errors.New("--nats is missing: the URL of the NATS server on which the fabric's processes meet (weft up has one in it)")
	}
	url, err := c.postgres()
	if err != nil {
		return err
	}
	door, err := c.door(c.Listen)
	if err != nil {
		return err
	}
	limits, err := c.limits()
	if err != nil {
		return err
	}
	cfg := node.Config{
		Roles: roles, NATS: node.External{URLs: c.NATS, Creds: c.Creds, CA: c.CA}, Keys: c.Keys, Postgres: url,
		Door: door, OpsListen: c.OpsListen,
		Shards: c.Shards, Replicas: c.Replicas, Window: c.Window, Dev: c.Dev == "on", Limits: limits, EditWindow: c.EditWindow,
		StayDrained: c.AfterDrain == "stay", Log: log,
	}
	c.media(&cfg)
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
		fmt.Print("weft serves\n")
		for _, line := range [][2]string{{"open", a.Clients}, {"operators", a.Ops}, {"nats", a.NATS}, {"files", a.Media}, {"sql", a.SQL}} {
			switch {
			case line[1] == "":
				continue
			case line[0] == "operators":
				line[1] = "http://" + line[1] + "/metrics"
			}
			fmt.Printf("  %-10s %s\n", line[0], line[1])
		}
		fmt.Print("Ctrl-C drains and stops.\n")
	})
	return n.Run(ctx)
}
