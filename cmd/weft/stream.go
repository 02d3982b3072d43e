package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/subjects"
)

// streamCmd looks at the fabric's streams and buckets, makes and changes them.
type streamCmd struct {
	Ls        streamLsCmd        `cmd:"" help:"List streams: what is in them, their replicas, and how far behind those are who follow them."`
	Provision streamProvisionCmd `cmd:"" help:"Make the streams and buckets that are missing, and bring those that are there to what this weft needs."`
	Set       streamSetCmd       `cmd:"" help:"Change how long the logs keep messages, or how many servers keep each stream."`
}

// provisionTimeout bounds making and changing streams: with new replicas a cluster has to elect.
const provisionTimeout = time.Minute

type streamLsCmd struct {
	controlFlags
	outputFlags
}

// streamState is a stream as `weft stream ls` tells it.
type streamState struct {
	Name      string          `json:"name"`
	Messages  uint64          `json:"messages"`
	Bytes     uint64          `json:"bytes"`
	FirstAt   int64           `json:"first_at,omitempty"` // of the oldest message, Unix milliseconds
	LastAt    int64           `json:"last_at,omitempty"`
	Window    int64           `json:"window_s,omitempty"` // how long it keeps messages, seconds; 0 for ever
	Replicas  int             `json:"replicas"`
	Leader    string          `json:"leader,omitempty"`
	Behind    []replicaState  `json:"behind"` // replicas that have not got all, or are away
	Consumers []consumerState `json:"consumers"`
}

type replicaState struct {
	Server  string `json:"server"`
	Lag     uint64 `json:"lag"` // operations
	Offline bool   `json:"offline"`
}

// consumerState is somebody who follows a stream.
type consumerState struct {
	Name    string `json:"name"`
	Pending uint64 `json:"pending"` // messages that it has not been given
	Unacked int    `json:"unacked"` // that it was given and has not confirmed
}

// Run lists.
func (c *streamLsCmd) Run(ctx context.Context) error {
	list, err := c.streams(ctx)
	if err != nil {
		return err
	}
	media, others, err := c.media(ctx)
	if err != nil {
		return err
	}
	if others {
		files, err := media.streams(ctx)
		if err != nil { // what there is of the others is worth knowing all the more
			fmt.Fprintln(os.Stderr, "weft: the NATS servers that keep files:", err)
		}
		list = append(list, files...)
	}
	slices.SortFunc(list, func(a, b streamState) int { return cmp.Compare(a.Name, b.Name) })
	return c.print(struct {
		Streams []streamState `json:"streams"`
	}{list}, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "STREAM\tMESSAGES\tBYTES\tWINDOW\tREPLICAS\tOLDEST\tFOLLOWED BY (PENDING)")
		for _, s := range list {
			replicas := fmt.Sprint(s.Replicas)
			for _, r := range s.Behind {
				replicas += fmt.Sprintf(", %s %d behind", r.Server, r.Lag)
			}
			var window, oldest string
			if s.Window > 0 {
				window = (time.Duration(s.Window) * time.Second).String()
			}
			if s.FirstAt > 0 {
				oldest = at(s.FirstAt)
			}
			var by []string
			for _, f := range s.Consumers {
				by = append(by, fmt.Sprintf("%s (%d)", f.Name, f.Pending+uint64(f.Unacked)))
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", s.Name, s.Messages, s.Bytes, window, replicas, oldest, strings.Join(by, ", "))
		}
	})
}

// streams returns what the servers at --nats have.
func (f controlFlags) streams(ctx context.Context) ([]streamState, error) {
	nc, js, err := f.jetstream(subjects.RoleOperator)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	list := []streamState{}
	found := js.ListStreams(ctx)
	for info := range found.Info() {
		st, err := stateOf(ctx, js, info)
		if err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	return list, nil
}

func stateOf(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) (streamState, error) {
	st := streamState{
		Name: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes, Window: int64(info.Config.MaxAge.Seconds()),
		Replicas: info.Config.Replicas, Behind: []replicaState{}, Consumers: []consumerState{},
	}
	if info.State.Msgs > 0 {
		st.FirstAt, st.LastAt = info.State.FirstTime.UnixMilli(), info.State.LastTime.UnixMilli()
	}
	if info.Cluster != nil {
		st.Leader = info.Cluster.Leader
		for _, r := range info.Cluster.Replicas {
			if !r.Current || r.Offline || r.Lag > 0 {
				st.Behind = append(st.Behind, replicaState{r.Name, r.Lag, r.Offline})
			}
		}
	}
	s, err := js.Stream(ctx, st.Name)
	if err != nil {
		return st, fmt.Errorf("stream %s: %w", st.Name, err)
	}
	found := s.ListConsumers(ctx)
	for ci := range found.Info() {
		// Those that watch buckets and read pages are many and come and go; who works on a log is named.
		if name := ci.Name; ci.Config.Durable != "" || strings.HasPrefix(name, subjects.ArchiveConsumer) {
			st.Consumers = append(st.Consumers, consumerState{name, ci.NumPending, ci.NumAckPending})
		}
	}
	if err := found.Err(); err != nil {
		return st, fmt.Errorf("consumers of %s: %w", st.Name, err)
	}
	return st, nil
}

// settings are what streams can be brought to.
type settings struct {
	Replicas int           `help:"Servers of the NATS cluster that keep each stream and bucket; stays as it is without it, at first 1."`
	Window   time.Duration `help:"How long the logs keep messages; stays as it is without it, at first 720h. SQL keeps all."`
	Dedupe   time.Duration `help:"How long the logs know a resend of a message; stays as it is without it, at first 2m."`
}

func (s settings) validate() error {
	switch {
	case s.Replicas < 0 || s.Replicas > 5:
		return fmt.Errorf("--replicas: want 1 to 5, got %d", s.Replicas)
	case s.Window != 0 && s.Window < time.Hour:
		return fmt.Errorf("--window: want 1h or more, got %s", s.Window)
	case s.Dedupe != 0 && (s.Dedupe < time.Second || s.Dedupe > 10*time.Minute):
		return fmt.Errorf("--dedupe: want 1s to 10m, got %s", s.Dedupe)
	}
	return nil
}

type streamProvisionCmd struct {
	controlFlags
	outputFlags
	settings

	Shards int `help:"Streams that hold the logs; fixed when they are made. Without it as weft auth init was told."`
}

// Run makes streams and buckets, and tells the fabric which keys sign access tokens.
func (c *streamProvisionCmd) Run(ctx context.Context) error {
	if err := c.validate(); err != nil {
		return err
	}
	k, err := c.keys()
	if err != nil {
		return err
	}
	f, err := c.provision(ctx, cmp.Or(c.Shards, k.Shards()), c.settings)
	if err != nil {
		return err
	}
	if err := c.tellClients(ctx, k); err != nil {
		return err
	}
	tell := func() error {
		return c.print(fabricState{f.ID, f.Shards, f.Dedupe.Milliseconds()}, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "Fabric %s is there, with %d shard(s).\n", f.ID, f.Shards)
		})
	}
	if f.Shards == k.Shards() {
		return tell()
	}
	if !k.Master() {
		return fmt.Errorf("the roles' permissions are for %d shard(s): run `weft auth init DIR --shards %d` and `weft auth push` where the keys were made", k.Shards(), f.Shards)
	}
	if k, err = auth.OpenKeys(c.keysDir(), f.Shards); err != nil {
		return err
	}
	if err := c.push(ctx, k.Accounts()[k.FabricAccount()]); err != nil {
		return err
	}
	return tell()
}

// fabricState is a fabric as JSON.
type fabricState struct {
	ID       string `json:"id"`
	Shards   int    `json:"shards"`
	DedupeMS int64  `json:"dedupe_ms"`
}

type streamSetCmd struct {
	controlFlags
	outputFlags
	settings
}

// Run changes streams of a fabric that is there.
func (c *streamSetCmd) Run(ctx context.Context) error {
	if c.settings == (settings{}) {
		return errors.New("nothing is to be changed: give --window, --replicas or --dedupe")
	}
	if err := c.validate(); err != nil {
		return err
	}
	nc, js, err := c.jetstream(subjects.RoleProvision)
	if err != nil {
		return err
	}
	defer nc.Close()
	look, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if _, err := js.Stream(look, subjects.MsgStream(0)); err != nil {
		return fmt.Errorf("there is no fabric to change: %w", err)
	}
	f, err := c.provision(ctx, 0, c.settings)
	if err != nil {
		return err
	}
	return c.print(fabricState{f.ID, f.Shards, f.Dedupe.Milliseconds()}, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "The streams of fabric %s are changed.\n", f.ID)
	})
}

// provision brings the fabric to settings, and writes down that it did.
func (f controlFlags) provision(ctx context.Context, shards int, to settings) (natsconfig.Fabric, error) {
	var none natsconfig.Fabric
	nc, js, err := f.jetstream(subjects.RoleProvision)
	if err != nil {
		return none, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	cfg := natsconfig.FabricConfig{Shards: shards, Replicas: to.Replicas, Window: to.Window, Dedupe: to.Dedupe}
	media, others, err := f.media(ctx)
	if err != nil {
		return none, err
	}
	if others {
		there, files, err := media.jetstream(subjects.RoleProvision)
		if err != nil {
			return none, err
		}
		defer there.Close()
		cfg.Media, cfg.MediaAt = files, node.Hosts(media.NATS)
	}
	is, err := natsconfig.Provision(ctx, js, cfg)
	if err != nil {
		return none, err
	}
	var changed []string
	for name, v := range map[string]any{"replicas": to.Replicas, "window": to.Window, "dedupe": to.Dedupe} {
		if text := fmt.Sprint(v); text != "0" && text != "0s" {
			changed = append(changed, name+" "+text)
		}
	}
	slices.Sort(changed)
	return is, auditOn(ctx, nc, subjects.RoleProvision, audit.Event{
		What: audit.StreamsChanged, Detail: strings.TrimSpace(strings.Join(changed, ", ") + " by " + operator()),
	})
}

// auditOn writes an event over a connection of a role's, and waits until it is there.
func auditOn(ctx context.Context, nc *nats.Conn, role subjects.Role, e audit.Event) error {
	log, err := audit.New(nc, string(role), slog.Default(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	log.Write(e)
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	return log.Flush(ctx)
}
