package edge

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// resync reads again what may have been lost between NATS and this edge, whenever something may have been: after a
// reconnect, or when messages came faster than they could be taken. What is read passes through the live loop like
// everything else, which hands on only what is new; so it never shows at a client, except as latency.
type resync struct {
	edge *Edge
	busy atomic.Bool // cursors wait
	wake chan struct{}

	clock func() time.Time

	mu      sync.Mutex
	since   time.Time         // when NATS went away; zero while it is here
	from    fabric.Position   // where to read from; nil when nothing is due
	history []fabric.Position // seen, a second apart, oldest first
}

// remembered is how many seconds back a resync starts where it is not known when a loss began.
const remembered = 5

func (r *resync) init(e *Edge) {
	r.edge, r.wake = e, make(chan struct{}, 1)
	if r.clock = e.cfg.Now; r.clock == nil {
		r.clock = time.Now
	}
	e.nc.SetDisconnectErrHandler(func(_ *nats.Conn, err error) {
		if e.ctx.Err() != nil {
			return // the edge is over
		}
		e.log.Warn("NATS is away", "err", err)
		r.left(r.clock())
	})
	e.nc.SetReconnectHandler(func(*nats.Conn) { r.back(r.clock()) })
	e.nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		e.log.Error("NATS reports", "err", err)
		if errors.Is(err, nats.ErrSlowConsumer) {
			r.lost(r.past())
			r.kick()
		}
	})
}

// left notes that NATS went away, back that it is here again. Wall time counts: a machine that slept was away as well.
func (r *resync) left(at time.Time) {
	r.mu.Lock()
	if r.since.IsZero() {
		r.since = at.Round(0)
	}
	r.mu.Unlock()
	r.lost(r.now())
}

func (r *resync) back(at time.Time) {
	r.mu.Lock()
	since := r.since
	r.since = time.Time{}
	r.mu.Unlock()
	if !since.IsZero() {
		r.edge.revoked.reconnected(at.Round(0).Sub(since))
	}
	r.kick()
}

// now is what was seen up to this moment: everything before it came, in order.
func (r *resync) now() fabric.Position {
	p := make(fabric.Position, len(r.edge.live.seen))
	for i := range p {
		p[i] = r.edge.live.seen[i].Load()
	}
	return p
}

// remember notes what was seen, once a second.
func (r *resync) remember() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.history) == remembered {
		r.history = slices.Delete(r.history, 0, 1)
	}
	r.history = append(r.history, r.now())
}

func (r *resync) past() fabric.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.history) > 0 {
		return r.history[0]
	}
	return make(fabric.Position, len(r.edge.live.seen))
}

// lost notes that what came after p may be incomplete.
func (r *resync) lost(p fabric.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from == nil { // an earlier loss that is not repaired yet starts earlier
		r.from = p
	}
	r.busy.Store(true)
}

func (r *resync) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *resync) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		r.mu.Lock()
		from := r.from
		r.from = nil
		r.mu.Unlock()
		if from == nil {
			continue
		}
		if err := r.read(ctx, from); err != nil && ctx.Err() == nil {
			r.edge.log.Error("a resync failed; trying again", "err", err)
			r.lost(from)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
			r.kick()
			continue
		}
		r.mu.Lock()
		if r.from == nil {
			r.busy.Store(false)
		}
		r.mu.Unlock()
	}
}

// read reads what everybody who is online here has after from, and what they watch.
func (r *resync) read(ctx context.Context, from fabric.Position) error {
	r.edge.metrics.resyncs.Inc()
	if err := r.edge.watches.reload(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, m := range r.edge.hub.all() {
		group.Go(func() error { return r.readMember(ctx, m.id, from) })
	}
	for _, c := range r.edge.hub.groupsHere() {
		group.Go(func() error { return r.readGroup(ctx, c, from) })
	}
	return group.Wait()
}

// readGroup reads what a group has after from: once, however many of its members are here.
func (r *resync) readGroup(ctx context.Context, c fabric.ChannelID, from fabric.Position) error {
	e, shard := r.edge, subjects.Shard(c, r.edge.cfg.Shards)
	upto, err := e.reader.Head(ctx, subjects.MsgStream(shard))
	if err != nil {
		return err
	}
	for after, more := from[shard], true; more && after < upto; {
		var recs []msglog.Record
		if recs, more, err = e.reader.Range(ctx, c, shard, after, upto, 1000); err != nil {
			return err
		}
		if len(recs) == 0 {
			return nil
		}
		e.live.do(ctx, func() {
			for _, rec := range recs {
				e.live.take(rec, nil)
			}
		})
		after = recs[len(recs)-1].Seq
	}
	return nil
}

func (r *resync) readMember(ctx context.Context, u fabric.UserID, from fabric.Position) error {
	req := contract.HistorySinceRequest{User: u, From: from, ForEdge: true}
	for {
		page, err := r.edge.since(ctx, req)
		if err != nil {
			return err
		}
		recs := make([]msglog.Record, 0, len(page.Messages))
		for _, object := range page.Messages {
			var st fabric.Stored
			if err := json.Unmarshal(object, &st); err != nil {
				return err
			}
			payload := fabric.AppendPayload(nil, st.From, st.CID, st.Kind, st.Body)
			if st.Only {
				payload = fabric.AppendOnlyPayload(nil, st.From, st.CID, st.Kind, st.Body)
			}
			recs = append(recs, msglog.Record{
				Channel: st.Channel, Seq: st.Seq, Prev: st.Prev, At: st.At,
				Payload: payload,
			})
		}
		r.edge.live.do(ctx, func() {
			for _, rec := range recs {
				r.edge.live.take(rec, nil)
			}
		})
		if page.Next == "" {
			return nil
		}
		req.Upto, req.Next = page.Upto, page.Next
	}
}
