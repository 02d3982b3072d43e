// Package ingest is the role that speaks for internal services: it takes what they publish to svc.<name>.send.<a>.<b>,
// writes it to the channels' logs as messages of the service's account, and brings what users write to that account to
// svc.<name>.inbox.<user>, or posts it to the service's webhook.
//
// What it promises. A yes says that the message is in the channel's log, and where; a no is typed, and nothing was stored.
// The same cid of a service is the same message for a week. Whose name a service speaks in follows from the subject that
// NATS let it publish to, never from what it says. What users write to a service stays for a week until it is taken.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config is how the role works. Zero values mean the defaults.
type Config struct {
	Shards      int           // of the fabric; default 1
	Dedupe      time.Duration // how long the logs know a resend; default 2 minutes
	Remember    time.Duration // how long a service's cid is known; default 7 days
	Concurrency int           // messages at work at once; default 256
	Webhooks    Webhooks
	Now         func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.Dedupe == 0 {
		c.Dedupe = 2 * time.Minute
	}
	if c.Remember == 0 {
		c.Remember = 7 * 24 * time.Hour
	}
	if c.Concurrency == 0 {
		c.Concurrency = 256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Webhooks = c.Webhooks.withDefaults()
	return c
}

// Times of the role.
const (
	callTimeout = 5 * time.Second
	reloadEvery = 30 * time.Second // services, where word of a change was lost
	forgetEvery = 10 * time.Minute
	forgetAtOne = 1000
)

// Role is the ingest role. Run it once.
type Role struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	store Store
	cfg   Config
	log   *slog.Logger
	audit *audit.Log
	ready chan struct{}

	reader    *msglog.Reader
	publisher *msglog.Publisher

	mu       sync.RWMutex
	loading  sync.Mutex               // while services are read anew
	services map[string]*known        // by name
	accounts map[fabric.UserID]string // names by account
	hooks    map[string]*hook         // by the service's name
	filters  string                   // what the consumers of the logs were told last
	share    float64                  // of a service's rate that this process may let pass

	groups *expirable.LRU[fabric.ChannelID, struct{}] // that were there lately

	ctx  context.Context // ends with Run
	stop context.CancelFunc
	wg   sync.WaitGroup

	sent     *prometheus.CounterVec
	received prometheus.Counter
	posted   *prometheus.CounterVec
}

// known is a service with what this process counts of it.
type known struct {
	Service

	rate *rate.Limiter
}

// New returns the role of a fabric whose streams are there.
func New(nc *nats.Conn, store Store, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	cfg = cfg.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	r := &Role{
		nc: nc, js: js, store: store, cfg: cfg, log: log, ready: make(chan struct{}), share: 1,
		groups:   expirable.NewLRU[fabric.ChannelID, struct{}](1<<12, nil, time.Minute),
		hooks:    make(map[string]*hook),
		services: make(map[string]*known), accounts: make(map[fabric.UserID]string),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_ingest_sends_total", Help: "What internal services have sent, by the service and by how it ended.",
		}, []string{"service", "result"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_ingest_received_total", Help: "What users have written to internal services.",
		}),
		posted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_ingest_posts_total", Help: "Posts to services' webhooks, by the service and by how they ended.",
		}, []string{"service", "result"}),
	}
	if r.audit, err = audit.New(nc, string(subjects.RoleIngest), log, reg); err != nil {
		return nil, err
	}
	if r.reader, err = msglog.NewReader(nc, cfg.Shards); err != nil {
		return nil, err
	}
	if r.publisher, err = msglog.NewPublisher(nc, r.reader, cfg.Shards); err != nil {
		return nil, errors.Join(err, r.reader.Close())
	}
	for _, c := range []prometheus.Collector{r.sent, r.received, r.posted} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r, nil
}

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	defer r.stop()
	if err := r.reload(ctx); err != nil {
		return err
	}
	sends, err := r.take()
	if err != nil {
		return err
	}
	changed, err := r.nc.Subscribe(subjects.ServicesChanged, func(*nats.Msg) { r.mustReload() })
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.ServicesChanged, err)
	}
	inboxes, err := r.follow()
	if err != nil {
		return err
	}
	r.wg.Go(r.tend)
	err = service.Serve(ctx, r.nc, subjects.ServiceServices, "internal services: what they send and are sent", 8, r.log, r.ready, r.register)
	err = errors.Join(err, changed.Unsubscribe(), sends.Drain())
	inboxes()
	r.stop()
	r.endHooks()
	r.wg.Wait()
	return errors.Join(err, r.audit.Drain(ctx), r.publisher.Close(), r.reader.Close())
}

// tend does what is due now and then until the role ends.
func (r *Role) tend() {
	reload, forget := time.NewTicker(reloadEvery), time.NewTicker(forgetEvery)
	defer reload.Stop()
	defer forget.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-reload.C:
			r.countProcesses()
			r.mustReload()
		case <-forget.C:
			r.forget()
		}
	}
}

// forget lets go of cids that are older than they are remembered.
func (r *Role) forget() {
	before := fabric.Millis(r.cfg.Now().Add(-r.cfg.Remember))
	for r.ctx.Err() == nil {
		n, err := r.store.ForgetSends(r.ctx, before, forgetAtOne)
		if err != nil {
			r.log.Error("what services sent long ago is not forgotten", "err", err)
			return
		}
		if n < forgetAtOne {
			return
		}
	}
}

func (r *Role) service(name string) *known {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.services[name]
}

func (r *Role) mustReload() {
	if err := r.reload(r.ctx); err != nil && r.ctx.Err() == nil {
		r.log.Error("services stay as they were known", "err", err)
	}
}

// reload reads the services anew, keeps what was counted of those that are the same, and has the consumers bring what is
// written to them.
func (r *Role) reload(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	list, err := r.store.Services(ctx)
	if err != nil {
		return fmt.Errorf("services: %w", err)
	}
	r.mu.Lock()
	services, accounts := make(map[string]*known, len(list)), make(map[fabric.UserID]string, len(list))
	for _, s := range list {
		limit, burst := rate.Limit(s.Rate*r.share), max(1, int(s.Rate*r.share))
		k := &known{Service: s, rate: rate.NewLimiter(limit, burst)}
		if was := r.services[s.Name]; was != nil { // what it has taken counts
			k.rate = was.rate
			k.rate.SetLimit(limit)
			k.rate.SetBurst(burst)
		}
		services[s.Name], accounts[s.User] = k, s.Name
	}
	r.services, r.accounts = services, accounts
	r.mu.Unlock()
	if err := r.filter(ctx, list); err != nil {
		return err
	}
	return r.updateHooks(ctx, services)
}
