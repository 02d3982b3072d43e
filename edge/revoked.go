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
// follows a bucket. An edge that was cut off from NATS reads all of it again as soon as it is back: the watcher alone
// would learn of what it missed only with the next change, or by a heartbeat some seconds later.
type revoked struct {
	edge    *Edge
	bucket  jetstream.KeyValue
	watcher jetstream.KeyWatcher
	again   chan struct{} // NATS is back

	mu      sync.RWMutex
	devices map[string]revocation // by key
}

// revocation is since when a device is revoked, and why, as the close of its sessions tells.
type revocation struct {
	since time.Time
	why   string
}

// revokedByUser is why a device was revoked whose user has done it; others are told by the bucket (package subjects).
const revokedByUser = "signed_out"

func whyRevoked(value string) string {
	switch value {
	case subjects.RevokedDeleted, subjects.RevokedReused, subjects.RevokedTooMany:
		return value
	}
	return revokedByUser
}

func newRevoked(e *Edge) *revoked {
	return &revoked{edge: e, devices: make(map[string]revocation), again: make(chan struct{}, 1)}
}

// open returns once everything that was in the bucket is known.
func (r *revoked) open(ctx context.Context, js jetstream.JetStream) (err error) {
	if r.bucket, err = js.KeyValue(ctx, subjects.BucketRevoked); err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketRevoked, err)
	}
	if r.watcher, err = r.bucket.WatchAll(r.edge.ctx); err != nil {
		return fmt.Errorf("watch bucket %s: %w", subjects.BucketRevoked, err)
	}
	for {
		select {
		case entry, ok := <-r.watcher.Updates():
			switch {
			case !ok:
				return fmt.Errorf("watch bucket %s: it ended", subjects.BucketRevoked)
			case entry == nil:
				return nil
			}
			r.changed(entry)
		case <-ctx.Done():
			return fmt.Errorf("read bucket %s: %w", subjects.BucketRevoked, ctx.Err())
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
		case <-r.again:
			r.readAgain(ctx)
		case entry, ok := <-r.watcher.Updates():
			if !ok {
				if ctx.Err() != nil {
					return
				}
				r.readAgain(ctx)
				continue
			}
			if entry != nil {
				r.changed(entry)
			}
		case now := <-tick.C:
			r.forget(now)
		}
	}
}

// reconnected has the bucket read again, which keeps a revocation for as long as a token could be good. Whoever was
// revoked early in a longer absence is not in it any more: so all sessions end then, and those that may say hello again
// do. Half of the time counts as longer, since it takes a while to notice that a connection is dead.
func (r *revoked) reconnected(away time.Duration) {
	if away > r.edge.cfg.RevokedFor/2 {
		list := r.edge.everySession()
		r.edge.log.Warn("NATS was away for longer than revocations are surely known: all sessions begin anew", "away", away, "sessions", len(list))
		for _, s := range list {
			s.close(closeRestart, "this server was cut off: come back")
		}
	}
	select {
	case r.again <- struct{}{}:
	default: // it will be anyway
	}
}

// readAgain follows the bucket with a new watcher, which begins with all that is in it.
func (r *revoked) readAgain(ctx context.Context) {
	const pause = 100 * time.Millisecond
	for ctx.Err() == nil {
		watcher, err := r.bucket.WatchAll(r.edge.ctx)
		if err == nil {
			if err := r.watcher.Stop(); err != nil {
				r.edge.log.Debug("the watcher of revoked devices before was gone", "err", err)
			}
			r.watcher = watcher
			return
		}
		r.edge.log.Warn("revoked devices can't be read: trying again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (r *revoked) changed(entry jetstream.KeyValueEntry) {
	if entry.Operation() != jetstream.KeyValuePut {
		return
	}
	why := whyRevoked(string(entry.Value()))
	r.mu.Lock()
	r.devices[entry.Key()] = revocation{entry.Created(), why}
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
			s.close(closeRevoked, why)
		}
	}
}

// forget lets go of devices whose last access token has expired.
func (r *revoked) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, is := range r.devices {
		if now.Sub(is.since) > r.edge.cfg.RevokedFor {
			delete(r.devices, key)
		}
	}
}

func (r *revoked) has(u fabric.UserID, d fabric.DeviceID) bool { return r.why(u, d) != "" }

// why returns why a device is revoked, "" where it is not.
func (r *revoked) why(u fabric.UserID, d fabric.DeviceID) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.devices[subjects.Revoked(u, d)].why
}
