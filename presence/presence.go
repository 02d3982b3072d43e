// Package presence is the role that ends what an edge could not end itself. Edges write their users' presence and keep a
// lease alive; when a lease lapses, this role writes down when the edge's users were last seen, which is when the lease
// was last renewed, and takes their presence on that edge away, which tells whoever watches them.
//
// It holds nothing that a restart may lose: the leases' last renewals stand in a bucket, and at its start it looks for
// presence on edges that have no lease. Several may run at once; whatever they write, they write only over what they
// have read.
package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// Config is when the role acts. Zero values mean the defaults.
type Config struct {
	Lease  time.Duration // how long an edge is alive after a renewal; default 10 s
	Slack  time.Duration // and how much later its users are swept; default 1 s
	Review time.Duration // how often all presence is compared with the leases; default 10 min
}

func (c Config) withDefaults() Config {
	if c.Lease == 0 {
		c.Lease = 10 * time.Second
	}
	if c.Slack == 0 {
		c.Slack = time.Second
	}
	if c.Review == 0 {
		c.Review = 10 * time.Minute
	}
	return c
}

// Role is the presence role. Run it once.
type Role struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	reader *msglog.Reader
	cfg    Config
	log    *slog.Logger

	mu    sync.Mutex
	edges map[string]lease // those that are alive, as far as is known here

	// Edges to sweep, once each: guarded by mu, and woken has a token when there are any.
	queue []string
	woken chan struct{}

	alive  prometheus.Gauge
	lapsed prometheus.Counter
	swept  prometheus.Counter
}

// lease is what is known of an edge's last renewal.
type lease struct {
	at   int64     // as the edge wrote it, Unix milliseconds
	came time.Time // when this role heard of it
}

// New returns the role.
func New(nc *nats.Conn, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(ackWithin),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) {
			if !outdated(err) {
				log.Warn("a write of presence was not stored", "subject", m.Subject, "err", err)
			}
		}))
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	r := &Role{
		nc: nc, js: js, cfg: cfg.withDefaults(), log: log,
		edges: make(map[string]lease), woken: make(chan struct{}, 1),
		alive: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weft_presence_edges", Help: "Edges whose lease is alive.",
		}),
		lapsed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_presence_ended_leases_total", Help: "Leases that lapsed or were given up.",
		}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_presence_swept_users_total", Help: "Users whose presence on a lapsed edge was taken away.",
		}),
	}
	for _, c := range []prometheus.Collector{r.alive, r.lapsed, r.swept} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if r.reader, err = msglog.NewReader(nc, 1); err != nil { // it reads buckets, which have no shards
		return nil, err
	}
	return r, nil
}

// Times of the role.
const (
	restartPause = time.Second     // before it begins again after a failure
	ackWithin    = 5 * time.Second // a write is stored, or tried again
)

// Run follows the leases until ctx ends. A sweep that it breaks off is the next start's to finish.
func (r *Role) Run(ctx context.Context) error {
	defer func() { _ = r.reader.Close() }() // its connection may be gone already
	var wg sync.WaitGroup
	wg.Go(func() { r.sweeper(ctx) })
	defer wg.Wait()
	for {
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.log.Error("cannot follow the leases, beginning again", "err", err, "after", restartPause)
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow watches the leases until ctx ends or the watch does.
func (r *Role) follow(ctx context.Context) error {
	bucket, err := r.js.KeyValue(ctx, subjects.BucketEdges)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketEdges, err)
	}
	watch, err := bucket.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", subjects.BucketEdges, err)
	}
	defer func() { _ = watch.Stop() }() // ctx ends it as well
	tick := time.NewTicker(min(r.cfg.Lease/3, time.Second))
	defer tick.Stop()
	review := time.NewTicker(r.cfg.Review)
	defer review.Stop()
	known := false // all leases that were there have come
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-watch.Updates():
			switch {
			case !ok:
				return errors.New("the watch has ended")
			case e == nil:
				known = true
				if err := r.review(ctx); err != nil {
					return err
				}
			case e.Operation() == jetstream.KeyValuePut:
				if err := r.renewed(e); err != nil {
					r.log.Error("a renewal was not noted", "edge", e.Key(), "err", err)
				}
			default:
				r.ended(e.Key())
			}
		case <-tick.C:
			r.expire(time.Now())
		case <-review.C:
			if known {
				if err := r.review(ctx); err != nil {
					return err
				}
			}
		}
	}
}

// renewed notes an edge's renewal, here and in the bucket of last seen, where it outlives this process.
func (r *Role) renewed(e jetstream.KeyValueEntry) error {
	at := fabric.Millis(e.Created())
	var value struct {
		At int64 `json:"at"`
	}
	if json.Unmarshal(e.Value(), &value) == nil && value.At > 0 {
		at = value.At
	}
	r.mu.Lock()
	r.edges[e.Key()] = lease{at: at, came: time.Now()}
	r.alive.Set(float64(len(r.edges)))
	r.mu.Unlock()
	_, err := r.js.PublishAsync(subjects.KeySubject(subjects.BucketLastSeen, subjects.Renewed(e.Key())), formatMillis(at))
	return err
}

func formatMillis(at int64) []byte { return strconv.AppendInt(nil, at, 10) }

// ended takes the end of an edge's lease: it was given up, or has lapsed.
func (r *Role) ended(edge string) {
	r.mu.Lock()
	_, known := r.edges[edge]
	delete(r.edges, edge)
	r.alive.Set(float64(len(r.edges)))
	r.mu.Unlock()
	if known {
		r.lapsed.Inc()
	}
	r.enqueue(edge)
}

// expire ends the leases that were not renewed for too long by this role's own clock, should the bucket's word of it
// have been lost. The sweep asks the bucket before it touches anything.
func (r *Role) expire(now time.Time) {
	r.mu.Lock()
	var late []string
	for edge, l := range r.edges {
		if now.Sub(l.came) > r.cfg.Lease+2*r.cfg.Slack {
			late = append(late, edge)
		}
	}
	r.mu.Unlock()
	for _, edge := range late {
		r.ended(edge)
	}
}

func (r *Role) isAlive(edge string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.edges[edge]
	return ok
}

// reviewPage is how many keys are looked at in one go: bounded memory, whatever the number of users.
const reviewPage = 1000

// review has every edge swept that has presence but no lease.
func (r *Role) review(ctx context.Context) error {
	gone := make(map[string]bool)
	prefix := subjects.KeySubject(subjects.BucketPresence, "")
	for from := uint64(0); ; {
		page, next, err := r.reader.Entries(ctx, subjects.BucketStream(subjects.BucketPresence), prefix+">", from, reviewPage)
		if err != nil {
			return fmt.Errorf("review presence: %w", err)
		}
		for _, e := range page {
			_, edge, ok := subjects.ParsePresence(e.Subject[len(prefix):])
			if ok && !e.Deleted && !r.isAlive(edge) {
				gone[edge] = true
			}
		}
		if from = next; from == 0 {
			break
		}
	}
	for edge := range gone {
		r.enqueue(edge)
	}
	return nil
}
