// Command weft runs a messaging fabric, and drives one to measure it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/weft-im/weft/service"
)

type cli struct {
	Up      upCmd        `cmd:"" help:"Run everything: NATS, SQL, all roles and the web client."`
	Serve   serveCmd     `cmd:"" help:"Run some of the roles, or all, against a NATS server and a PostgreSQL that are there."`
	Auth    authCmd      `cmd:"" help:"The fabric's keys, accounts and credentials on NATS."`
	User    userCmd      `cmd:"" help:"Users: find them, end their sessions, delete them."`
	Push    pushCmd      `cmd:"" help:"Notifications of devices whose app is not there."`
	Service serviceCmd   `cmd:"" help:"Internal services: programs that write to users over NATS."`
	Edge    edgeCmd      `cmd:"" help:"Edges: which are there, who is connected where, drain one."`
	Stream  streamCmd    `cmd:"" help:"The fabric's streams and buckets on NATS."`
	NATS    natsCmd      `cmd:"" name:"nats" help:"Run only the NATS server of a data folder: to restore a backup into it."`
	Bench   benchCmd     `cmd:"" help:"Drive a Weft server over real WebSockets and measure it."`
	Import  importCmd    `cmd:"" help:"Bring what others have kept into a fabric."`
	Move    moveCmd      `cmd:"" help:"Move a fabric's SQL from its data folder to PostgreSQL."`
	Media   mediaNATSCmd `cmd:"" name:"media-nats" hidden:"" help:"The process of the NATS server for files; weft up starts it."`
	Version versionCmd   `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal drains; a second one, when the drain takes too long for whoever waits, ends the process as usual.
	context.AfterFunc(ctx, stop)
	var c cli
	k := kong.Parse(&c,
		kong.Name("weft"),
		kong.Description("A messaging fabric on NATS. Start with: weft up"),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "weft:", err)
		os.Exit(1) //nolint:gocritic // stop only resets signal handling
	}
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("weft", service.Version)
	return nil
}
