// Package history is the role that keeps what was written: it follows the channels' logs into the database (the
// archive) and answers what is asked of the past: a page of a channel, what a device has missed, whether the archive
// has caught up. It is the only one who writes messages into SQL, and the one who says whether a record may change
// another (admit), applies those that did, and clears away what was deleted or whose time is over, from SQL and from the
// logs.
//
// What it promises. Every record of a log is archived once, with the seq before it in its channel, whatever crashes
// when: the position up to which a shard is archived stands in the same transaction as its messages, and the archive
// reads the log from there on, in order, without acks (an ordered consumer). A read answers for everything that was in
// the logs when it was asked: it first settles, that is, it asks the logs for their heads and waits until the archive
// has them, at rest a few milliseconds; where the archive is further behind, what it lacks is read from the logs.
package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config bounds what the role does at once. Zero values mean the defaults.
type Config struct {
	BatchMessages int           // most messages of one transaction; default 8,000
	BatchBytes    int           // most bytes of their payloads; default 8 MiB
	Linger        time.Duration // least time between two transactions of a shard, in which messages gather; default 15 ms
	KnownChannels int           // channels of a shard whose newest seq is held in memory; default 131,072
	SettleWithin  time.Duration // how long a read waits for the archive before it turns to the log; default 500 ms
	Concurrency   int           // requests at work at once; default 64
	EditWithin    time.Duration // how long after it was written a message may be edited; default 15 min
	SweepEvery    time.Duration // how often messages are cleared away whose time is over; default 5 s
	Now           func() time.Time
}

func (c Config) withDefaults() Config {
	setDefault(&c.BatchMessages, 8000)
	setDefault(&c.BatchBytes, 8<<20)
	setDefault(&c.Linger, 15*time.Millisecond)
	setDefault(&c.KnownChannels, 1<<17)
	setDefault(&c.SettleWithin, 500*time.Millisecond)
	setDefault(&c.Concurrency, 64)
	setDefault(&c.EditWithin, 15*time.Minute)
	setDefault(&c.SweepEvery, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	// A batch looks up its channels before it uses them: they must all fit.
	c.KnownChannels = max(c.KnownChannels, c.BatchMessages)
	return c
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Role is the history role. Run it once.
type Role struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	store   Store
	reader  *msglog.Reader
	shards  int
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	archived  *progress
	heads     []*headFetch // by shard
	followers []*follower  // by shard
	eraser    *eraser
	indexer   *indexer

	ready chan struct{} // closed once it serves

	life context.Context // of what outlives the request that began it; it ends with Run
	end  context.CancelFunc
	wg   sync.WaitGroup
}

// New returns the role of a fabric with that many shards.
func New(nc *nats.Conn, store Store, shards int, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	if shards < 1 || shards > fabric.MaxShards {
		return nil, fmt.Errorf("shards: want 1 to %d, got %d", fabric.MaxShards, shards)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	reader, err := msglog.NewReader(nc, shards)
	if err != nil {
		return nil, err
	}
	r := &Role{
		nc: nc, js: js, store: store, reader: reader, shards: shards, cfg: cfg.withDefaults(), log: log, metrics: m,
		archived: newProgress(shards), ready: make(chan struct{}),
	}
	r.life, r.end = context.WithCancel(context.Background())
	r.eraser, r.indexer = newEraser(r), newIndexer(r)
	for shard := range shards {
		stream := subjects.MsgStream(shard)
		r.heads = append(r.heads, &headFetch{
			fetch: func() (uint64, error) { return reader.Head(r.life, stream) },
			start: r.wg.Go,
		})
		r.followers = append(r.followers, newFollower(r, shard))
	}
	return r, nil
}

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run archives and serves until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	defer func() {
		r.end()
		r.wg.Wait()
		_ = r.reader.Close() // its connection may be gone already
	}()
	if err := r.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for _, f := range r.followers {
		wg.Go(func() {
			if err := f.run(ctx); err != nil {
				stop(fmt.Errorf("archive shard %d: %w", f.shard, err))
			}
		})
	}
	wg.Go(func() { r.eraser.run(ctx) })
	wg.Go(func() { r.indexer.run(ctx) })
	host, err := r.serve()
	if err != nil {
		stop(err)
	} else {
		close(r.ready)
	}
	<-ctx.Done()
	if host != nil {
		err = host.Stop() // before the archive ends: requests at work may wait for it
	}
	stop(nil)
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return err
}

// skipped is how far behind the archive a log goes on that has lost its end: devices may have seen more of it than was
// archived, and a message must not get a seq that a cursor has passed.
const skipped = 1 << 20

// goOn makes a log that ends before what is archived of it go on behind that. It has lost its end to a power cut (see
// nats-config's SyncInterval), or was restored from an older copy. All that it still holds is archived, since the
// archive has no holes, so nothing is lost by it; without it new messages would get seqs that archived ones have.
func (r *Role) goOn(ctx context.Context, stream string, head, archived uint64) error {
	s, err := r.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(archived+skipped)); err != nil {
		return fmt.Errorf("move %s behind the archive: %w", stream, err)
	}
	r.log.Warn("a log ended before what is archived of it: it goes on behind that", "stream", stream, "log", head, "archived", archived)
	return nil
}

// start reads where the archive stands and makes sure that no log is behind it. It tries until ctx ends.
func (r *Role) start(ctx context.Context) error {
	return retry(ctx, r.log, "read where the archive stands", func() error {
		at, err := r.store.Archived(ctx, r.shards)
		if err != nil {
			return err
		}
		if len(at) != r.shards {
			return fmt.Errorf("the store answers for %d shards, the fabric has %d", len(at), r.shards)
		}
		for shard, seq := range at {
			head, err := r.reader.Head(ctx, subjects.MsgStream(shard))
			if err != nil {
				return err
			}
			if head < seq {
				if err := r.goOn(ctx, subjects.MsgStream(shard), head, seq); err != nil {
					return err
				}
			}
			r.archived.move(shard, seq)
		}
		return nil
	})
}

func (r *Role) serve() (*service.Host, error) {
	host, err := service.New(r.nc, subjects.ServiceHistory, "messages of the past: pages, what was missed", r.cfg.Concurrency, r.log)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		service.Handle(host, subjects.HistoryPage, r.page),
		service.Handle(host, subjects.HistorySince, r.since),
		service.Handle(host, subjects.HistorySettle, r.settle),
		service.Handle(host, subjects.HistoryMessage, r.message),
		service.Handle(host, subjects.HistoryAdmit, r.admit),
		service.Handle(host, subjects.HistoryHide, r.hide),
		service.Handle(host, subjects.HistoryStar, r.star),
		service.Handle(host, subjects.HistoryStarred, r.starred),
		service.Handle(host, subjects.HistoryPins, r.pins),
		service.Handle(host, subjects.HistorySearch, r.search),
	)
	if err == nil {
		err = r.nc.Flush() // the server knows of the endpoints before anybody is told that they are there
	}
	return host, err
}
