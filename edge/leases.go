package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// leases keeps this edge's lease alive and knows which other edges are. When a lease lapses, all of that edge's users are
// offline for everyone at once: heartbeats cost one key an edge, however many users there are.
type leases struct {
	edge    *Edge
	bucket  jetstream.KeyValue
	watcher jetstream.KeyWatcher

	mu    sync.RWMutex
	edges map[string]lease
}

// lease is what an edge writes of itself, and when word of it came here.
type lease struct {
	Edge string `json:"edge"`
	At   int64  `json:"at"`   // of this renewal, Unix milliseconds
	Addr string `json:"addr"` // where its clients connect
	came time.Time
}

func newLeases(ctx context.Context, e *Edge, js jetstream.JetStream) (*leases, error) {
	bucket, err := js.KeyValue(ctx, subjects.BucketEdges)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketEdges, err)
	}
	l := &leases{edge: e, bucket: bucket, edges: make(map[string]lease)}
	if err := l.renew(); err != nil {
		return nil, err
	}
	if l.watcher, err = bucket.WatchAll(e.ctx); err != nil {
		return nil, fmt.Errorf("watch bucket %s: %w", subjects.BucketEdges, err)
	}
	return l, nil
}

// renew writes this edge's lease.
func (l *leases) renew() error {
	data, err := json.Marshal(lease{Edge: l.edge.cfg.ID, At: fabric.Millis(time.Now()), Addr: l.edge.addr})
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	msg := &nats.Msg{Subject: subjects.KeySubject(subjects.BucketEdges, l.edge.cfg.ID), Data: data}
	if err := l.edge.publisher.Put(msg, nobodyWaits{}); err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	return nil
}

// end gives the lease up.
func (l *leases) end(ctx context.Context) error {
	if err := l.bucket.Purge(ctx, l.edge.cfg.ID); err != nil {
		return fmt.Errorf("end the lease: %w", err)
	}
	return nil
}

// run renews the lease and follows the others until ctx ends.
func (l *leases) run(ctx context.Context) {
	every := l.edge.cfg.Lease / 3
	tick := time.NewTicker(min(every, time.Second))
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-l.watcher.Updates():
			if !ok {
				return
			}
			if e != nil { // nil is the end of what was there
				l.changed(e)
			}
		case now := <-tick.C:
			if now.Sub(renewed) >= every {
				renewed = now
				if err := l.renew(); err != nil {
					l.edge.log.Warn("the lease was not renewed", "err", err)
				}
			}
			l.expire(now)
		}
	}
}

func (l *leases) changed(e jetstream.KeyValueEntry) {
	id := e.Key()
	if e.Operation() != jetstream.KeyValuePut {
		l.lapse(id)
		return
	}
	var le lease
	if err := json.Unmarshal(e.Value(), &le); err != nil {
		l.edge.log.Error("a lease is not JSON", "edge", id, "err", err)
		return
	}
	// A lease that was written a while ago, by a process that is gone, has only what is left of its time.
	le.came = time.Now().Add(-min(max(time.Since(e.Created()), 0), l.edge.cfg.Lease))
	l.mu.Lock()
	_, known := l.edges[id]
	l.edges[id] = le
	l.mu.Unlock()
	if !known {
		l.edge.watches.edgeChanged(id, 0)
	}
}

// expire lapses leases that were not renewed in time; the bucket's own marker of that may come later.
func (l *leases) expire(now time.Time) {
	l.mu.RLock()
	var lapsed []string
	for id, le := range l.edges {
		if now.Sub(le.came) > l.edge.cfg.Lease+leaseSlack {
			lapsed = append(lapsed, id)
		}
	}
	l.mu.RUnlock()
	for _, id := range lapsed {
		l.lapse(id)
	}
}

func (l *leases) lapse(id string) {
	l.mu.Lock()
	le, known := l.edges[id]
	delete(l.edges, id)
	l.mu.Unlock()
	if known {
		l.edge.watches.edgeChanged(id, le.At)
	}
}

// alive reports whether an edge's lease is.
func (l *leases) alive(id string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, ok := l.edges[id]
	return ok || id == l.edge.cfg.ID
}
