// Package edge is where clients connect: it bridges their WebSockets, and HTTP, onto NATS subjects. It owns sockets and
// sessions and no state that a crash may lose, and it opens no database: what it must know it asks other roles, and what
// its clients send is answered on the store's word.
//
// A message comes in by Session.read, is taken apart by requestDecoder, checked by admit (rules: access.go) and handed to
// msglog.Publisher; it comes back republished into live, which restores the log's order, builds the event once and gives
// it to the sessions that hub knows of. Session.flush writes it.
package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// Config is an edge's.
type Config struct {
	ID         string        // unique among the fabric's edges and in time; a subject token
	FabricID   string        // whose cursors these are
	Shards     int           // of the fabric
	Lease      time.Duration // how long this edge counts as alive after it last said so
	RevokedFor time.Duration // how long a revoked device's tokens could still be good
	Limits     Limits
	Web        http.Handler // serves what is not the API; nil serves nothing
	Bulk       *nats.Conn   // what the bytes of files go over, so that no message waits behind them; nil is the edge's own

	Now func() time.Time // by which it is told how long NATS was away; time.Now where nil

	// StayDrained has Run stay, not ready, when an operator had the edge drain. Otherwise it ends with ErrDrained.
	StayDrained bool
}

func (c Config) validate() error {
	switch {
	case !subjects.ValidEdge(c.ID) || c.FabricID == "":
		return fmt.Errorf("an edge needs an id and its fabric's, got %q and %q", c.ID, c.FabricID)
	case c.Shards < 1 || c.Shards > fabric.MaxShards:
		return fmt.Errorf("shards: want 1 to %d, got %d", fabric.MaxShards, c.Shards)
	case c.Lease < time.Second || c.RevokedFor < time.Minute:
		return fmt.Errorf("lease %s or revocation %s is too short", c.Lease, c.RevokedFor)
	}
	return c.Limits.validate()
}

// Bounds of an edge as a whole.
const (
	liveBuffer    = 1 << 16 // messages from NATS that wait for the live loop; past it they are read from the log
	openedChats   = 1 << 16 // direct chats known to be open
	resumesAtOnce = 64
	drainTime     = 8 * time.Second // for what is in flight; with the rest of a shutdown it stays under 10 s
)

// Edge is the role. It takes connections from New on and works until Run's context ends.
type Edge struct {
	cfg      Config
	nc       *nats.Conn
	verifier *auth.Verifier
	log      *slog.Logger
	metrics  *metrics
	addr     string // where clients connect, for the lease

	reader    *msglog.Reader
	publisher *msglog.Publisher
	hub       *hub
	live      *live
	receipts  *receipts
	acks      *acks
	presence  *presence
	watches   *watches
	leases    *leases
	revoked   *revoked
	callers   *callers[fabric.UserID]   // over HTTP
	devices   *callers[fabric.DeviceID] // by their sessions
	addresses *addresses
	audit     *audit.Log
	avatars   *avatars
	uploads   *uploads
	linked    chan struct{} // files that are loaded by links now
	exports   *exports
	dirty     dirtySessions
	lot       *parkingLot
	opened    *lru.Cache[opening, openedChat]
	resumes   chan struct{}
	clock     coarseClock

	unanswered atomic.Int64 // when nobody could tell of a chat last, Unix milliseconds; 0 where the last question was answered

	mu       sync.Mutex
	sessions map[uint64]*Session // every connection, signed in or not
	numbers  uint64
	ready    atomic.Bool
	begun    int64       // Unix milliseconds
	drained  atomic.Bool // nothing can be asked of it any more

	drainOnce  sync.Once
	drainAsked chan struct{} // closed by drainOnce: an operator wants it to drain

	// ctx ends when the edge has drained; wg are the goroutines that end with it or by themselves.
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	resync resync
}

// New returns an edge that works over nc, which must be the edge's own: the edge sets its handlers, to learn when NATS
// was away.
func New(ctx context.Context, nc *nats.Conn, verifier *auth.Verifier, addr string, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Edge, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	opened, err := lru.New[opening, openedChat](openedChats)
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	msgs := make(chan *nats.Msg, liveBuffer)
	e := &Edge{
		cfg: cfg, nc: nc, verifier: verifier, log: log, addr: addr, metrics: newMetrics(reg),
		hub: newHub(nc, cfg.ID, msgs), opened: opened,
		resumes:  make(chan struct{}, resumesAtOnce),
		sessions: make(map[uint64]*Session),
		exports:  newExports(),
		linked:   make(chan struct{}, linkedAtOnce),

		begun: fabric.Millis(time.Now()), drainAsked: make(chan struct{}),
	}
	if e.callers, err = newCallers[fabric.UserID](&e.cfg.Limits, cfg.Limits.RequestsAtOnce); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	if e.devices, err = newCallers[fabric.DeviceID](&e.cfg.Limits, mostCalls); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	if e.addresses, err = newAddresses(&e.cfg.Limits); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	if e.audit, err = audit.New(nc, string(subjects.RoleEdge), log, reg); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.clock.ms.Store(fabric.Millis(time.Now()))
	e.live = newLive(e, msgs)
	e.receipts = newReceipts(e)
	e.acks = newAcks(e)
	e.presence = newPresence(e)
	e.watches = newWatches(e)
	e.revoked = newRevoked(e)
	e.resync.init(e)
	if err := e.connect(ctx, js); err != nil {
		e.stop()
		return nil, fmt.Errorf("edge: %w", err)
	}
	return e, nil
}

// connect makes what needs NATS to answer.
func (e *Edge) connect(ctx context.Context, js jetstream.JetStream) (err error) {
	if e.reader, err = msglog.NewReader(e.nc, e.cfg.Shards); err != nil {
		return err
	}
	if e.publisher, err = msglog.NewPublisher(e.nc, e.reader, e.cfg.Shards); err != nil {
		return err
	}
	for shard := range e.cfg.Shards {
		head, err := e.reader.Head(ctx, subjects.MsgStream(shard))
		if err != nil {
			return err
		}
		e.live.seen[shard].Store(head)
	}
	if err = e.revoked.open(ctx, js); err != nil {
		return err
	}
	if e.leases, err = newLeases(ctx, e, js); err != nil {
		return err
	}
	if e.avatars, err = newAvatars(ctx, js); err != nil {
		return err
	}
	bulk := e.cfg.Bulk
	if bulk == nil {
		bulk = e.nc
	}
	if e.uploads, err = newUploads(ctx, e, js, bulk); err != nil {
		return err
	}
	if e.lot, err = newParkingLot(func(s *Session) { go s.read() }); err != nil {
		return err
	}
	e.metrics.parked.Store(e.lot)
	return nil
}

// Run works until ctx ends or an operator asks for it, then drains: every client is told bye, every write in flight is
// answered. Where an operator asked, it ends with ErrDrained, or stays until ctx ends (Config.StayDrained).
func (e *Edge) Run(ctx context.Context) error {
	control, err := e.control()
	if err != nil {
		return err
	}
	e.lot.start(func(err error) { e.log.Error("idle sessions are no longer woken", "err", err) })
	e.wg.Go(func() { e.live.run(e.ctx) })
	e.wg.Go(func() { e.receipts.run(e.ctx) })
	e.wg.Go(func() { e.acks.run(e.ctx) })
	e.wg.Go(func() { e.leases.run(e.ctx) })
	e.wg.Go(func() { e.revoked.run(e.ctx) })
	e.wg.Go(func() { e.beat(e.ctx) })
	e.wg.Go(func() { e.resync.run(e.ctx) })
	e.ready.Store(true)
	select {
	case <-ctx.Done():
	case <-e.drainAsked:
	}
	e.ready.Store(false)
	e.uploads.stop()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = e.drain(drain)
	e.drained.Store(true)
	e.stop()
	e.wg.Wait()
	err = errors.Join(err, e.audit.Flush(drain), e.lot.stop(), e.publisher.Close(), e.reader.Close())
	if ctx.Err() != nil {
		return errors.Join(err, control.Stop())
	}
	e.log.Warn("this edge has drained", "stays", e.cfg.StayDrained, "err", err)
	if !e.cfg.StayDrained {
		return errors.Join(ErrDrained, control.Stop())
	}
	<-ctx.Done()
	return control.Stop()
}

// Ready reports whether the edge takes clients: it runs, and NATS is connected.
func (e *Edge) Ready() bool { return e.ready.Load() && e.nc.IsConnected() }
