package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"golang.org/x/sync/errgroup"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// edgeCmd looks at edges and drains them.
type edgeCmd struct {
	Ls       edgeLsCmd       `cmd:"" help:"List edges: which are alive, with how many sessions, of which version, since when, and which drain."`
	Sessions edgeSessionsCmd `cmd:"" help:"List who is connected where."`
	Drain    edgeDrainCmd    `cmd:"" help:"Have an edge drain: it takes no new clients and tells those it has to go elsewhere."`
}

// How long edges that answer a call to all of them are waited for, in all and after the last one, and how many are asked
// at once.
const (
	discoverWithin = 2 * time.Second
	discoverPause  = 300 * time.Millisecond
	askAtOnce      = 32
)

// edgeState is an edge as `weft edge ls` tells it.
type edgeState struct {
	contract.EdgeStatus
	// State is "up", "draining" (also when it has drained, and stays), or "silent": it has a lease and does not answer.
	State   string `json:"state"`
	Renewed int64  `json:"renewed,omitempty"` // its lease, Unix milliseconds; 0 where it has none
}

// edges returns the edges that have a lease or answer, by id.
func edges(ctx context.Context, nc *nats.Conn) ([]edgeState, error) {
	known := make(map[string]*edgeState)
	if err := leased(ctx, nc, known); err != nil {
		return nil, err
	}
	if err := discovered(ctx, nc, known); err != nil {
		return nil, err
	}
	list := make([]edgeState, 0, len(known))
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for id, e := range known {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, discoverWithin)
			defer cancel()
			st, err := service.Call[contract.EdgeStatus](ctx, nc, subjects.EdgeStatus(id), contract.EdgeStatusRequest{})
			switch {
			case err != nil && fabric.CodeOf(err) != fabric.CodeUnavailable:
				return fmt.Errorf("edge %s: %w", id, err)
			case err != nil && e.Renewed == 0:
				return nil // it ended meanwhile
			case err != nil:
				e.State = "silent"
			case st.Draining:
				e.EdgeStatus, e.State = st, "draining"
			default:
				e.EdgeStatus, e.State = st, "up"
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, *e)
			return nil
		})
	}
	err := group.Wait()
	slices.SortFunc(list, func(a, b edgeState) int { return cmp.Compare(a.Edge, b.Edge) })
	return list, err
}

// leased adds the edges that have a lease.
func leased(ctx context.Context, nc *nats.Conn, known map[string]*edgeState) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	bucket, err := js.KeyValue(ctx, subjects.BucketEdges)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketEdges, err)
	}
	all, err := bucket.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketEdges, err)
	}
	defer all.Stop() //nolint:errcheck // the connection ends with the command
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("bucket %s: %w", subjects.BucketEdges, ctx.Err())
		case e, ok := <-all.Updates():
			if !ok || e == nil { // the end of what is there
				return nil
			}
			var lease struct {
				At   int64  `json:"at"`
				Addr string `json:"addr"`
			}
			if err := json.Unmarshal(e.Value(), &lease); err != nil {
				return fmt.Errorf("lease of edge %s: %w", e.Key(), err)
			}
			known[e.Key()] = &edgeState{EdgeStatus: contract.EdgeStatus{Edge: e.Key(), Addr: lease.Addr}, Renewed: lease.At}
		}
	}
}

// discovered adds the edges that answer NATS's discovery of services: those that have drained and stay, too.
func discovered(ctx context.Context, nc *nats.Conn, known map[string]*edgeState) error {
	inbox := nc.NewRespInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("discover edges: %w", err)
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection ends with the command
	if err := nc.PublishRequest(subjects.Ping(subjects.ServiceEdge), inbox, nil); err != nil {
		return fmt.Errorf("discover edges: %w", err)
	}
	for end := time.Now().Add(discoverWithin); ; {
		wait, cancel := context.WithTimeout(ctx, min(discoverPause, time.Until(end)))
		m, err := answers.NextMsgWithContext(wait)
		cancel()
		if err != nil || len(m.Data) == 0 { // no more, or nobody answers
			return ctx.Err()
		}
		var ping micro.Ping
		if err := json.Unmarshal(m.Data, &ping); err != nil {
			return fmt.Errorf("discover edges: %w", err)
		}
		if id := ping.Metadata[edge.MetadataEdge]; known[id] == nil && subjects.ValidEdge(id) {
			known[id] = &edgeState{EdgeStatus: contract.EdgeStatus{Edge: id}}
		}
	}
}

type edgeLsCmd struct {
	controlFlags
	outputFlags
}

// Run lists.
func (c *edgeLsCmd) Run(ctx context.Context) error {
	nc, err := c.connect(subjects.RoleOperator)
	if err != nil {
		return err
	}
	defer nc.Close()
	list, err := edges(ctx, nc)
	if err != nil {
		return err
	}
	return c.print(struct {
		Edges []edgeState `json:"edges"`
	}{list}, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "EDGE\tSTATE\tSESSIONS\tUSERS\tCONNECTIONS\tVERSION\tSINCE\tADDRESS")
		for _, e := range list {
			if e.State == "silent" {
				fmt.Fprintf(w, "%s\tsilent\t\t\t\t\tlease renewed %s\t%s\n", e.Edge, at(e.Renewed), e.Addr)
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", e.Edge, e.State, e.Sessions, e.Users, e.Connections, e.Version, at(e.Since), e.Addr)
		}
	})
}

// edgeSession is a session and where it is.
type edgeSession struct {
	Edge string `json:"edge"`
	contract.EdgeSession
}

// sessions returns who is connected, to one edge or all ("") and of one user or all (""), by edge and time.
func (f controlFlags) sessions(ctx context.Context, only string, u fabric.UserID) ([]edgeSession, error) {
	nc, err := f.connect(subjects.RoleOperator)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	asked := []edgeState{{EdgeStatus: contract.EdgeStatus{Edge: only}, State: "up"}}
	if only == "" {
		if asked, err = edges(ctx, nc); err != nil {
			return nil, err
		}
	}
	pages := make([][]edgeSession, len(asked))
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for i, e := range asked {
		if e.State == "silent" {
			continue
		}
		group.Go(func() (err error) {
			pages[i], err = sessionsOf(ctx, nc, e.Edge, u)
			if only == "" && fabric.CodeOf(err) == fabric.CodeUnavailable { // it ended meanwhile
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return append([]edgeSession{}, slices.Concat(pages...)...), nil
}

// sessionsOf returns all sessions of one edge.
func sessionsOf(ctx context.Context, nc *nats.Conn, id string, u fabric.UserID) (list []edgeSession, err error) {
	if !subjects.ValidEdge(id) {
		return nil, fmt.Errorf("there is no edge %q", id)
	}
	for req := (contract.EdgeSessionsRequest{User: u}); ; {
		ctx, cancel := context.WithTimeout(ctx, connectWithin)
		page, err := service.Call[contract.EdgeSessionsReply](ctx, nc, subjects.EdgeSessions(id), req)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("edge %s: %w", id, err)
		}
		for _, s := range page.Sessions {
			list = append(list, edgeSession{id, s})
		}
		if req.After = page.More; req.After == 0 {
			return list, nil
		}
	}
}

func tellSessions(w *tabwriter.Writer, list []edgeSession) {
	fmt.Fprintln(w, "EDGE\tUSER\tDEVICE\tADDRESS\tSINCE\tIN FRONT\tQUEUED")
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d B\n", s.Edge, s.User, s.Device, s.Address, at(s.Since), yes(s.Active), s.Queued)
	}
}

type edgeSessionsCmd struct {
	controlFlags
	outputFlags

	Edge string `arg:"" optional:"" help:"Only of this one." placeholder:"EDGE"`
	User string `help:"Only of this user: an id, a phone, a part of a name that only they have." placeholder:"USER"`
}

// Run lists.
func (c *edgeSessionsCmd) Run(ctx context.Context) (err error) {
	var u fabric.UserID
	if c.User != "" {
		if u, err = (userArg{c.User}).one(ctx, c.controlFlags); err != nil {
			return err
		}
	}
	list, err := c.sessions(ctx, c.Edge, u)
	if err != nil {
		return err
	}
	return c.print(struct {
		Sessions []edgeSession `json:"sessions"`
	}{list}, func(w *tabwriter.Writer) { tellSessions(w, list) })
}

type edgeDrainCmd struct {
	controlFlags
	outputFlags

	Edge string        `arg:"" help:"Its id, as weft edge ls lists it." placeholder:"EDGE"`
	Wait time.Duration `default:"30s" help:"How long to wait until its clients have gone; 0 for not at all." placeholder:"TIME"`
}

// Run has the edge drain, and waits until it has.
func (c *edgeDrainCmd) Run(ctx context.Context) error {
	if !subjects.ValidEdge(c.Edge) {
		return fmt.Errorf("there is no edge %q", c.Edge)
	}
	nc, err := c.connect(subjects.RoleOperator)
	if err != nil {
		return err
	}
	defer nc.Close()
	ask, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	reply, err := service.Call[contract.EdgeDrainReply](ask, nc, subjects.EdgeDrain(c.Edge), contract.EdgeDrainRequest{By: operator()})
	if err != nil {
		return fmt.Errorf("edge %s: %w (weft edge ls lists those that are there)", c.Edge, err)
	}
	if c.Wait > 0 {
		if err := drained(ctx, nc, c.Edge, c.Wait); err != nil {
			return err
		}
	}
	return c.print(reply, func(w *tabwriter.Writer) {
		after := "its process ends"
		if reply.Stays {
			after = "its process stays, not ready: end it when it suits"
		}
		fmt.Fprintf(w, "Edge %s drains: %d connection(s) were told to go; %s.\n", c.Edge, reply.Connections, after)
	})
}

// drained waits until an edge has no connections, or does not answer any more.
func drained(ctx context.Context, nc *nats.Conn, id string, within time.Duration) error {
	const pause = 100 * time.Millisecond
	for end := time.Now().Add(within); ; {
		ask, cancel := context.WithTimeout(ctx, connectWithin)
		st, err := service.Call[contract.EdgeStatus](ask, nc, subjects.EdgeStatus(id), contract.EdgeStatusRequest{})
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && fabric.CodeOf(err) == fabric.CodeUnavailable:
			return nil // it has ended
		case err != nil:
			return err
		case st.Draining && st.Connections == 0:
			return nil
		case time.Now().After(end):
			return errors.New("edge " + id + " drains, but some of its clients are still there")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
