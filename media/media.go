// Package media is the role that keeps files: pictures, voice, documents. Edges take uploads and write their parts, and
// read them for who may load them (package blob); this role says what may be uploaded and loaded, makes an upload a file,
// and removes files that nobody names any more.
//
// It owns the bucket of uploads and the tables of files. Equal contents are kept once, by their SHA-256; each file counts
// the messages that name it, and each content its files. Which messages name a file is written by the archive, in the
// transaction in which it writes or removes the message.
//
// Invariant: while a message in a log names a file, its bytes are there. Whoever sends the message takes a hold on the file
// first (claim), which outlives the sending by far. The sweep removes a file when the database has no message that names
// it and no hold on it, and the archive has caught up with the logs since these holds were seen to be over: then a message
// that names it would be in the database. All of that is looked at again in the transaction that removes it.
package media

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

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/media/picture"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config is how the role works. Zero values mean the defaults.
type Config struct {
	Shards int // of the fabric

	Unsent time.Duration // a file that no message has named for so long is removed; default 24 h
	Grace  time.Duration // the same of one that was sent, and is named by none any more; default 1 h
	Hold   time.Duration // how long a file stays for a message on its way; default 10 min
	Link   time.Duration // how long a link is good; default 15 min

	SweepEvery  time.Duration // default 1 min
	TidyEvery   time.Duration // looks for uploads that are over; default 10 min
	OrphanEvery time.Duration // looks for bytes that nothing knows of; default 24 h
	OrphanAge   time.Duration // which are at least so old; default 48 h, and longer than an upload lives

	Scan bool // whether uploads are scanned before they become files; see subjects.MediaScan

	Concurrency int // requests at work; default 64
	Now         func() time.Time
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		std   time.Duration
	}{
		{&c.Unsent, 24 * time.Hour},
		{&c.Grace, time.Hour},
		{&c.Hold, 10 * time.Minute},
		{&c.Link, 15 * time.Minute},
		{&c.SweepEvery, time.Minute},
		{&c.TidyEvery, 10 * time.Minute},
		{&c.OrphanEvery, 24 * time.Hour},
		{&c.OrphanAge, 48 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.std
		}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 64
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Role is the media role. Run it once.
type Role struct {
	nc      *nats.Conn
	uploads jetstream.KeyValue
	parts   *blob.Parts
	blobs   blob.Store
	store   Store
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	links   links
	looker  *picture.Looker
	flights flights
	audit   *audit.Log
	ready   chan struct{}
}

// New returns the role. nc is its connection; the bytes of files go over bulk. Files stay in what open makes of their
// uploads' parts.
func New(ctx context.Context, nc, bulk *nats.Conn, store Store, open func(*blob.Parts) (blob.Store, error), cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	cfg = cfg.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	r := &Role{nc: nc, store: store, cfg: cfg, log: log, ready: make(chan struct{}), looker: picture.NewLooker()}
	r.links.role = r
	r.flights.slots, r.flights.at = make(chan struct{}, finishAtOnce), make(map[fabric.MediaID]*flight)
	if r.uploads, err = js.KeyValue(ctx, subjects.BucketUploads); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketUploads, err)
	}
	if r.parts, err = blob.NewParts(bulk, cfg.Shards); err != nil {
		return nil, err
	}
	if r.blobs, err = open(r.parts); err != nil {
		return nil, err
	}
	if r.audit, err = audit.New(nc, string(subjects.RoleMedia), log, reg); err != nil {
		return nil, err
	}
	if r.metrics, err = newMetrics(reg); err != nil {
		return nil, err
	}
	return r, nil
}

// OnNATS keeps files where their uploads are.
func OnNATS(p *blob.Parts) (blob.Store, error) { return blob.NATS{Parts: p}, nil }

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer r.flights.wg.Wait()
	r.flights.ctx = ctx
	wg.Go(func() { r.every(ctx, r.cfg.SweepEvery, "remove files that no message names", r.sweep) })
	wg.Go(func() { r.every(ctx, r.cfg.TidyEvery, "look for uploads that are over", r.tidy) })
	wg.Go(func() { r.every(ctx, r.cfg.OrphanEvery, "look for bytes that nothing knows of", r.orphans) })
	return service.Serve(ctx, r.nc, subjects.ServiceMedia, "files: uploads, who may load them", r.cfg.Concurrency, r.log, r.ready,
		func(h *service.Host) error {
			return errors.Join(
				service.Handle(h, subjects.MediaCreate, r.create),
				service.Handle(h, subjects.MediaFinish, r.finish),
				service.Handle(h, subjects.MediaDrop, r.drop),
				service.Handle(h, subjects.MediaGet, r.get),
				service.Handle(h, subjects.MediaClaim, r.claim),
				service.Handle(h, subjects.MediaLink, r.link),
			)
		})
}

// every does f at once and then every so often, until ctx ends.
func (r *Role) every(ctx context.Context, often time.Duration, what string, f func(context.Context) error) {
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			r.metrics.failures.Inc()
			r.log.Warn("cannot "+what+"; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
