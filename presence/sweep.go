package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// sweepPage is how many users are swept in one go: they bound memory, and what other writers of the store wait for.
const sweepPage = 250

// markerTTL is how long the marker of a taken presence stays.
const markerTTL = "60s"

// enqueue has an edge swept by the sweeper.
func (r *Role) enqueue(edge string) {
	r.mu.Lock()
	if !slices.Contains(r.queue, edge) {
		r.queue = append(r.queue, edge)
	}
	r.mu.Unlock()
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// sweeper sweeps one edge after the other until ctx ends. A sweep that failed is tried again.
func (r *Role) sweeper(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.woken:
		}
		r.mu.Lock()
		edges := r.queue
		r.queue = nil
		r.mu.Unlock()
		if len(edges) == 0 {
			continue
		}
		// An edge that comes back in this time is not touched, and a replica that is behind has caught up.
		if !pause(ctx, r.cfg.Slack) {
			return
		}
		for _, edge := range edges {
			n, err := r.sweep(ctx, edge)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				r.log.Error("a lapsed edge was not swept to the end, trying again", "edge", edge, "err", err)
				r.enqueue(edge)
			case n > 0:
				r.log.Info("swept a lapsed edge", "edge", edge, "users", n)
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// errAlive ends a sweep: the edge is back, and its users are its own again.
var errAlive = errors.New("the edge is alive")

// sweep takes away all presence on an edge that has no lease, and returns how many users' it was.
func (r *Role) sweep(ctx context.Context, edge string) (users int, err error) {
	bucket, err := r.js.KeyValue(ctx, subjects.BucketEdges)
	if err != nil {
		return 0, fmt.Errorf("bucket %s: %w", subjects.BucketEdges, err)
	}
	lastRenewed, err := r.lastRenewed(ctx, edge)
	if err != nil {
		return 0, err
	}
	filter := subjects.KeySubject(subjects.BucketPresence, subjects.Presence("*", edge))
	for from := uint64(0); ; {
		if err := r.mustBeGone(ctx, bucket, edge); err != nil {
			if errors.Is(err, errAlive) {
				return users, nil
			}
			return users, err
		}
		page, next, err := r.reader.Entries(ctx, subjects.BucketStream(subjects.BucketPresence), filter, from, sweepPage)
		if err != nil {
			return users, err
		}
		n, err := r.sweepUsers(ctx, page, lastRenewed)
		users += n
		if err != nil {
			return users, err
		}
		if from = next; from == 0 {
			break
		}
	}
	return users, r.forget(ctx, edge)
}

// mustBeGone returns errAlive where the edge has a lease.
func (r *Role) mustBeGone(ctx context.Context, bucket jetstream.KeyValue, edge string) error {
	if r.isAlive(edge) {
		return errAlive
	}
	switch _, err := bucket.Get(ctx, edge); {
	case err == nil:
		return errAlive
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil
	default:
		return fmt.Errorf("lease of %s: %w", edge, err)
	}
}

// lastRenewed returns when an edge's lease was last renewed, 0 where nothing tells.
func (r *Role) lastRenewed(ctx context.Context, edge string) (int64, error) {
	seen, err := r.lastSeen(ctx, []string{subjects.Renewed(edge)})
	if err != nil {
		return 0, fmt.Errorf("last renewal of %s: %w", edge, err)
	}
	return seen[subjects.Renewed(edge)].at, nil
}

// forget drops the note of an edge's last renewal: all its users are swept.
func (r *Role) forget(ctx context.Context, edge string) error {
	stream, err := r.js.Stream(ctx, subjects.BucketStream(subjects.BucketLastSeen))
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(subjects.KeySubject(subjects.BucketLastSeen, subjects.Renewed(edge))))
	}
	if err != nil {
		return fmt.Errorf("drop the last renewal of %s: %w", edge, err)
	}
	return nil
}

// seenAt is a key of the bucket of last seen.
type seenAt struct {
	at       int64
	revision uint64
}

// lastSeen reads keys of the bucket of last seen; those that are missing are zero.
func (r *Role) lastSeen(ctx context.Context, keys []string) (map[string]seenAt, error) {
	prefix := subjects.KeySubject(subjects.BucketLastSeen, "")
	of := make([]string, len(keys))
	for i, key := range keys {
		of[i] = prefix + key
	}
	lasts, err := r.reader.LastOf(ctx, subjects.BucketStream(subjects.BucketLastSeen), of, 0)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]seenAt, len(lasts))
	for _, l := range lasts {
		at, err := strconv.ParseInt(string(l.Payload), 10, 64)
		if err != nil {
			at = 0 // unreadable: whatever is written next is better
		}
		seen[strings.TrimPrefix(l.Subject, prefix)] = seenAt{at: at, revision: l.Seq}
	}
	return seen, nil
}

// sweepUsers writes when the users of a page of presence keys were last seen, unless they are online elsewhere, and then
// takes the keys away. It returns how many.
func (r *Role) sweepUsers(ctx context.Context, page []msglog.Last, lastRenewed int64) (int, error) {
	prefix := subjects.KeySubject(subjects.BucketPresence, "")
	var keys []msglog.Last
	var names []string
	for _, e := range page {
		if u, _, ok := subjects.ParsePresence(strings.TrimPrefix(e.Subject, prefix)); ok && !e.Deleted {
			keys = append(keys, e)
			names = append(names, string(u))
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	elsewhere, err := r.onlineOf(ctx, names)
	if err != nil {
		return 0, fmt.Errorf("who is online elsewhere: %w", err)
	}
	seen, err := r.lastSeen(ctx, names)
	if err != nil {
		return 0, fmt.Errorf("who was seen when: %w", err)
	}
	var lastSeen, ends []*nats.Msg
	for i, key := range keys {
		at, revision := lastRenewed, key.Seq
		if at == 0 {
			at = key.At // nothing tells more than that they came online
		}
		end := &nats.Msg{Subject: key.Subject, Header: expect(revision)}
		// What a bucket's purge is (ADR-8), with a lifetime of the marker (ADR-48), as the edge itself writes it.
		end.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		end.Header.Set("KV-Operation", "PURGE")
		end.Header.Set(jetstream.MsgTTLHeader, markerTTL)
		if !elsewhere[names[i]] {
			known := seen[names[i]]
			at = max(at, known.at)
			if at > known.at {
				lastSeen = append(lastSeen, &nats.Msg{
					Subject: subjects.KeySubject(subjects.BucketLastSeen, names[i]), Header: expect(known.revision), Data: formatMillis(at),
				})
			}
			if end.Data, err = json.Marshal(presenceEnd{LastSeen: at}); err != nil {
				return 0, fmt.Errorf("encode the end of presence: %w", err)
			}
		}
		ends = append(ends, end)
	}
	// Last seen first: whoever sees the presence end can read it.
	if err := r.write(ctx, lastSeen); err != nil {
		return 0, fmt.Errorf("write last seen: %w", err)
	}
	if err := r.write(ctx, ends); err != nil {
		return 0, fmt.Errorf("take presence away: %w", err)
	}
	r.swept.Add(float64(len(keys)))
	return len(keys), nil
}

// presenceEnd is what the last message of a presence key carries.
type presenceEnd struct {
	LastSeen int64 `json:"last_seen"`
}

// expect returns headers that have a write refused if its key is no longer what was read: then somebody who knows more
// has written it, the edge that is back or another sweep.
func expect(revision uint64) nats.Header {
	return nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(revision, 10)}}
}

// outdated reports whether a write was refused because its key is no longer what was read.
func outdated(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// onlineOf returns those of the users who have presence on an edge that is alive.
func (r *Role) onlineOf(ctx context.Context, names []string) (map[string]bool, error) {
	of := make([]string, len(names))
	for i, name := range names {
		of[i] = subjects.KeySubject(subjects.BucketPresence, subjects.Presence(fabric.UserID(name), "*"))
	}
	lasts, err := r.reader.LastOf(ctx, subjects.BucketStream(subjects.BucketPresence), of, 0)
	if err != nil {
		return nil, err
	}
	online := make(map[string]bool)
	prefix := subjects.KeySubject(subjects.BucketPresence, "")
	for _, l := range lasts {
		if u, edge, ok := subjects.ParsePresence(strings.TrimPrefix(l.Subject, prefix)); ok && !l.Deleted && r.isAlive(edge) {
			online[string(u)] = true
		}
	}
	return online, nil
}

// write stores messages, all at once. One that is refused because its key has changed is none of this role's any more.
func (r *Role) write(ctx context.Context, msgs []*nats.Msg) error {
	acks := make([]jetstream.PubAckFuture, len(msgs))
	for i, m := range msgs {
		ack, err := r.js.PublishMsgAsync(m)
		if err != nil {
			return err
		}
		acks[i] = ack
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			if !outdated(err) {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
