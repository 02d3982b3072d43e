package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weft-im/weft/bench"
)

// benchCmd measures any Weft server from outside.
type benchCmd struct {
	Pairs  benchPairsCmd  `cmd:"" help:"Pairs of users chat as fast as their window allows."`
	Idle   benchIdleCmd   `cmd:"" help:"Connections that are only there."`
	Resume benchResumeCmd `cmd:"" help:"Everybody comes back at once and has missed messages."`
	Groups benchGroupsCmd `cmd:"" help:"Members of one group send to all of it."`

	Media     benchMediaCmd   `cmd:"" help:"Files go up and come down; starts a server of its own."`
	History   benchHistoryCmd `cmd:"" help:"Pages of a long past; starts a server of its own."`
	Archive   benchArchiveCmd `cmd:"" help:"The history role archives a log; needs no server."`
	Push      benchPushCmd    `cmd:"" help:"The push role looks who is owed what, and sends it; needs no server."`
	LogServer benchLogCmd     `cmd:"" hidden:""`
	Uploads   benchUploadsCmd `cmd:"" hidden:""`
}

// benchOutput is what every mode has.
type benchOutput struct {
	JSON bool `name:"json" help:"Print the figures as JSON."`
}

// benchTarget is what every mode has that drives a server.
type benchTarget struct {
	benchOutput
	URL   string `env:"WEFT_URL" default:"http://127.0.0.1:8080" help:"The server's address for clients; it must be in dev mode."`
	Ops   string `env:"WEFT_OPS" default:"http://127.0.0.1:8081" help:"Its address for operators, whose /metrics tells what it uses; empty for none."`
	Users string `help:"File that keeps the signed-in users for the next run; idle measures a server best that was started anew after they had signed in." placeholder:"FILE"`
}

type benchPairsCmd struct {
	benchTarget
	Pairs    int           `default:"50" help:"Pairs of users; one of each sends to the other."`
	Window   int           `default:"16" help:"Messages of a pair that wait for their reply."`
	Body     int           `default:"100" help:"Bytes of a body."`
	Duration time.Duration `default:"20s" help:"How long is measured."`
	WarmUp   time.Duration `name:"warm-up" default:"3s" help:"Time before that."`
	Drain    time.Duration `default:"15s" help:"How long what is under way at the end may take before it counts as lost."`

	Reconnects bool `help:"Connections may break, as where the server is killed and started again meanwhile: only messages count."`
}

// Run runs the mode.
func (c *benchPairsCmd) Run(ctx context.Context) error {
	report, err := bench.Pairs(ctx, c.target(), bench.PairsConfig{
		Pairs: c.Pairs, Window: c.Window, Body: c.Body, Duration: c.Duration, WarmUp: c.WarmUp,
		Drain: c.Drain, Reconnects: c.Reconnects,
	})
	return c.tell(report, err)
}

type benchIdleCmd struct {
	benchTarget
	Connections int           `default:"15000" help:"Authenticated connections."`
	Hold        time.Duration `default:"30s" help:"How long they are held; the server's heartbeat is within it by default."`
	Parallel    int           `default:"64" help:"Handshakes at once."`
}

// Run runs the mode.
func (c *benchIdleCmd) Run(ctx context.Context) error {
	report, err := bench.Idle(ctx, c.target(), bench.IdleConfig{Connections: c.Connections, Hold: c.Hold, Parallel: c.Parallel})
	return c.tell(report, err)
}

type benchResumeCmd struct {
	benchTarget
	Clients  int           `default:"10000" help:"Clients that come back."`
	Missed   int           `default:"10" help:"Messages that each has missed."`
	Channels int           `default:"1" help:"Chats of each over which they are spread."`
	Senders  int           `default:"50" help:"Users who sent them."`
	Body     int           `default:"100" help:"Bytes of a body."`
	Parallel int           `default:"0" help:"Connections that are being made at once; 0: all."`
	Timeout  time.Duration `default:"2m" help:"How long the last may take."`
}

// Run runs the mode.
func (c *benchResumeCmd) Run(ctx context.Context) error {
	report, err := bench.Resume(ctx, c.target(), bench.ResumeConfig{
		Clients: c.Clients, Missed: c.Missed, Channels: c.Channels, Senders: c.Senders, Body: c.Body,
		Parallel: c.Parallel, Timeout: c.Timeout,
	})
	return c.tell(report, err)
}

type benchGroupsCmd struct {
	benchTarget
	Members  int           `help:"Online members of the group, the senders among them; 100, and 1000 with --at-rest." placeholder:"N"`
	Senders  int           `default:"1" help:"Members who send."`
	Window   int           `default:"16" help:"Messages of a sender that wait for their reply. The server's --send-rate must allow what it comes to."`
	Body     int           `default:"100" help:"Bytes of a body."`
	Duration time.Duration `default:"20s" help:"How long is measured."`
	WarmUp   time.Duration `name:"warm-up" default:"3s" help:"Time before that."`
	Drain    time.Duration `default:"15s" help:"How long what is under way at the end may take before it counts as lost."`
	Ack      bool          `help:"Each member acks what it has, as a phone does; tells what receipts cost."`

	AtRest bool          `name:"at-rest" help:"One message at a time: tells when the last member has it."`
	Rounds int           `default:"20" help:"With --at-rest: messages."`
	Pause  time.Duration `default:"250ms" help:"With --at-rest: time before each."`
}

// Run runs the mode.
func (c *benchGroupsCmd) Run(ctx context.Context) error {
	if c.AtRest {
		report, err := bench.GroupsAtRest(ctx, c.target(), bench.AtRestConfig{
			Members: cmp.Or(c.Members, 1000), Rounds: c.Rounds, Pause: c.Pause, Body: c.Body,
		})
		return c.tell(report, err)
	}
	report, err := bench.Groups(ctx, c.target(), bench.GroupsConfig{
		Members: cmp.Or(c.Members, 100), Senders: c.Senders, Window: c.Window, Body: c.Body, Duration: c.Duration,
		WarmUp: c.WarmUp, Drain: c.Drain, Ack: c.Ack,
	})
	return c.tell(report, err)
}

type benchHistoryCmd struct {
	benchOutput
	Postgres string `env:"WEFT_POSTGRES" help:"URL of an empty database; SQLite without it." placeholder:"URL"`
	Dir      string `help:"Folder for the data, which the next run finds filled; a temporary one by default." placeholder:"DIR"`
	Messages int    `default:"1000000" help:"Messages of the chat."`
	Total    int    `default:"10000000" help:"Messages of all chats, this one's among them."`
	Body     int    `default:"100" help:"Bytes of a body."`
	Page     int    `default:"50" help:"Messages of a page."`
	Rounds   int    `default:"2000" help:"Pages of each sort."`
}

// Run runs the mode.
func (c *benchHistoryCmd) Run(ctx context.Context) error {
	report, err := bench.History(ctx, bench.HistoryConfig{
		Postgres: c.Postgres, Dir: c.Dir, Messages: c.Messages, Others: max(0, c.Total-c.Messages), Body: c.Body,
		Page: c.Page, Rounds: c.Rounds, Note: note,
	})
	return c.tell(report, err)
}

type benchArchiveCmd struct {
	benchOutput
	Postgres string        `env:"WEFT_POSTGRES" help:"URL of an empty database; SQLite without it." placeholder:"URL"`
	Dir      string        `help:"Folder for the log and SQLite; a temporary one by default." placeholder:"DIR"`
	Messages int           `default:"1000000" help:"Messages in the log when the role starts."`
	Channels int           `default:"10000" help:"Chats over which they are spread."`
	Body     int           `default:"100" help:"Bytes of a body."`
	Rate     float64       `default:"24000" help:"Messages a second that are written afterwards, while the role runs; 0 for none."`
	Duration time.Duration `default:"30s" help:"For how long."`
}

// Run runs the mode.
func (c *benchArchiveCmd) Run(ctx context.Context) error {
	report, err := bench.Archive(ctx, bench.ArchiveConfig{
		Postgres: c.Postgres, Dir: c.Dir, Messages: c.Messages, Channels: c.Channels, Body: c.Body,
		Rate: c.Rate, Duration: c.Duration, Note: note,
	})
	return c.tell(report, err)
}

type benchMediaCmd struct {
	benchOutput
	Dir     string        `help:"Folder for the data; a temporary one by default." placeholder:"DIR"`
	MiB     int64         `name:"mib" default:"1024" help:"MiB of a file."`
	Uploads int           `default:"10" help:"Uploads at once."`
	Pairs   int           `default:"10" help:"Pairs of users who chat meanwhile."`
	Every   time.Duration `default:"50ms" help:"How often each pair sends."`
	Calm    time.Duration `default:"5s" help:"How long the chat is measured without uploads; it is again and again, and twice as long with them, until they are through."`
}

// Run runs the mode.
func (c *benchMediaCmd) Run(ctx context.Context) error {
	report, err := bench.Media(ctx, bench.MediaConfig{
		Dir: c.Dir, Bytes: c.MiB << 20, Uploads: c.Uploads, Pairs: c.Pairs, Every: c.Every, Calm: c.Calm, Note: note,
	})
	return c.tell(report, err)
}

// benchUploadsCmd is the process that uploads files while media measures a chat.
type benchUploadsCmd struct{}

// Run uploads until its orders end.
func (c *benchUploadsCmd) Run(ctx context.Context) error {
	return bench.ServeUploads(ctx, os.Stdin, os.Stdout)
}

// benchLogCmd is the process with the log that archive starts beside itself.
type benchLogCmd struct {
	Dir      string `required:""`
	Channels int    `required:""`
	Body     int    `required:""`
}

// Run serves the log until its orders end.
func (c *benchLogCmd) Run(ctx context.Context) error {
	return bench.ServeLog(ctx, bench.LogConfig{Dir: c.Dir, Channels: c.Channels, Body: c.Body}, os.Stdin, os.Stdout)
}

func (c *benchTarget) target() bench.Target {
	return bench.Target{URL: c.URL, Ops: c.Ops, Users: c.Users, Note: note}
}

func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// tell prints a report. A run that found fault is an error, after its figures.
func (c *benchOutput) tell(report *bench.Report, err error) error {
	if report == nil {
		return err
	}
	write := report.WriteTable
	if c.JSON {
		write = report.WriteJSON
	}
	if writeErr := write(os.Stdout); writeErr != nil {
		return errors.Join(err, fmt.Errorf("print the report: %w", writeErr))
	}
	switch {
	case err != nil:
	case report.CutShort != "":
		err = errors.New("the run was cut short: " + report.CutShort)
	case report.Failed():
		err = errors.New("the run failed: what it measured is worth nothing")
	}
	return err
}

type benchPushCmd struct {
	benchOutput
	Dir      string        `help:"Folder for the log and SQLite; a temporary one by default." placeholder:"DIR"`
	Channels int           `default:"50000" help:"Direct chats; everybody in them has a device that can be pushed to."`
	Body     int           `default:"100" help:"Bytes of a body."`
	Rate     float64       `default:"24000" help:"Messages a second that are written and acked in time, so that nobody is owed a push."`
	Duration time.Duration `default:"20s" help:"For how long."`
	Pushes   int           `default:"50000" help:"Pushes that are sent afterwards, to a push service in this process."`
}

// Run runs the mode.
func (c *benchPushCmd) Run(ctx context.Context) error {
	report, err := bench.Push(ctx, bench.PushConfig{
		Dir: c.Dir, Channels: c.Channels, Body: c.Body, Rate: c.Rate, Duration: c.Duration, Pushes: c.Pushes, Note: note,
	})
	return c.tell(report, err)
}
