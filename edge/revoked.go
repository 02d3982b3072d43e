package edge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// revoked knows the devices that were revoked lately: for as long as an access token of theirs could still be good. It
// follows a bucket, so an edge that was cut off from NATS learns what it missed when it is back.
type revoked struct {
	edge    *Edge
	watcher jetstream.KeyWatcher

	mu      sync.RWMutex
	devices map[string]time.Time // by key; since when
}

// newRevoked returns once everything that was in the bucket is known.
func newRevoked(ctx context.Context, e *Edge, js jetstream.JetStream) (*revoked, error) {
	bucket, err := js.KeyValue(ctx, subjects.BucketRevoked)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketRevoked, err)
	}
	r := &revoked{edge: e, devices: make(map[string]time.Time)}
	if r.watcher, err = bucket.WatchAll(e.ctx); err != nil {
		return nil, fmt.Errorf("watch bucket %s: %w", subjects.BucketRevoked, err)
	}
	for {
		select {
		case entry, ok := <-r.watcher.Updates():
			switch {
			case !ok:
				return nil, fmt.Errorf("watch bucket %s: it ended", subjects.BucketRevoked)
			case entry == nil:
				return r, nil
			}
			r.changed(entry)
		case <-ctx.Done():
			return nil, fmt.Errorf("read bucket %s: %w", subjects.BucketRevoked, ctx.Err())
		}
	}
}

func (r *revoked) run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case entry, ok := <-r.watcher.Updates():
			if !ok {
				return
			}
			if entry != nil {
				r.changed(entry)
			}
		case now := <-tick.C:
			r.forget(now)
		}
	}
}

func (r *revoked) changed(entry jetstream.KeyValueEntry) {
	if entry.Operation() != jetstream.KeyValuePut {
		return
	}
	r.mu.Lock()
	r.devices[entry.Key()] = entry.Created()
	r.mu.Unlock()
	user, device, ok := subjects.ParsePresence(entry.Key()) // the same two tokens
	if !ok {
		return
	}
	if string(entry.Value()) == subjects.RevokedDeleted {
		r.edge.presence.forget(user)
	}
	for _, s := range r.edge.hub.sessionsOf(user) {
		if s.device == fabric.DeviceID(device) {
			s.close(closeRevoked, "the device was revoked")
		}
	}
}

// forget lets go of devices whose last access token has expired.
func (r *revoked) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, since := range r.devices {
		if now.Sub(since) > r.edge.cfg.RevokedFor {
			delete(r.devices, key)
		}
	}
}

func (r *revoked) has(u fabric.UserID, d fabric.DeviceID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.devices[subjects.Revoked(u, d)]
	return ok
}
