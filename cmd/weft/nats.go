package main

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-im/weft/node"
)

// natsCmd runs the NATS server of a data folder with no role on it: what is not there can be put there, and nothing works
// on what is half there.
type natsCmd struct {
	Data       string        `env:"WEFT_DATA" default:"weft-data" help:"Folder that keeps everything; its keys are made if there are none." placeholder:"DIR"`
	NATSListen string        `name:"nats-listen" env:"WEFT_NATS_LISTEN" default:"127.0.0.1:4222" help:"Address for NATS clients; port 0 picks a free one."`
	Sync       time.Duration `env:"WEFT_SYNC" default:"100ms" help:"As with weft up."`

	logFlags
}

// Run serves until ctx ends.
func (c *natsCmd) Run(ctx context.Context) error {
	log, err := c.logger()
	if err != nil {
		return err
	}
	return node.RunNATS(ctx, node.Config{Data: c.Data, NATSListen: c.NATSListen, Sync: c.Sync, Log: log}, func(a node.Addresses) {
		fmt.Printf("weft's NATS server is up, and no role works on it\n  nats       %s stream ls\n  data       %s\nCtrl-C stops it.\n", natsLine(a.NATS, a.Creds), a.Data)
	})
}

// natsLine is how the nats CLI connects.
func natsLine(at, creds string) string {
	return fmt.Sprintf("nats --server nats://%s --creds %s", at, creds)
}
