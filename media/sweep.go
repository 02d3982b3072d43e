package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// sweepAtOnce bounds what is removed in one transaction.
const sweepAtOnce = 200

// sweep removes files that no message names, and the bytes of what was removed. See the package's invariant.
func (r *Role) sweep(ctx context.Context) error {
	for ctx.Err() == nil {
		now := r.cfg.Now()
		ids, err := r.store.IdleMedia(ctx, now.Add(-r.cfg.Grace).UnixMilli(), now.Add(-r.cfg.Unsent).UnixMilli(), now.UnixMilli(), sweepAtOnce)
		if err != nil {
			return fmt.Errorf("files that no message names: %w", err)
		}
		if len(ids) == 0 {
			break
		}
		// Who had a hold on one of them has sent by now: what was sent must be in the database.
		settled, err := r.settle(ctx)
		if err != nil {
			return err
		}
		if !settled {
			return errors.New("the archive is behind the logs")
		}
		n, err := r.store.RemoveMedia(ctx, ids, now.UnixMilli())
		if err != nil {
			return fmt.Errorf("remove %d files: %w", len(ids), err)
		}
		r.metrics.removed.Add(float64(n))
		if n == 0 { // they are named again, or held
			break
		}
	}
	return r.erase(ctx)
}

// erase removes the bytes of what is in the database no more. Doing it again after a crash does no harm.
func (r *Role) erase(ctx context.Context) error {
	for ctx.Err() == nil {
		blobs, err := r.store.MediaErasures(ctx, sweepAtOnce)
		if err != nil || len(blobs) == 0 {
			return err
		}
		for _, id := range blobs {
			if err := r.remove(ctx, id); err != nil {
				return err
			}
		}
		if err := r.store.MediaErased(ctx, blobs); err != nil {
			return fmt.Errorf("note what was removed: %w", err)
		}
		r.metrics.erased.Add(float64(len(blobs)))
	}
	return nil
}

// remove takes a blob away, and what may be left of its upload.
func (r *Role) remove(ctx context.Context, id fabric.MediaID) error {
	return errors.Join(r.blobs.Remove(ctx, id), r.parts.Remove(ctx, id))
}

// tidy ends uploads whose time is over, and brings those to their end that were broken off in it.
func (r *Role) tidy(ctx context.Context) error {
	keys, err := r.uploads.ListKeys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	defer func() { _ = keys.Stop() }()
	var errs []error
	for key := range keys.Keys() {
		u, id, ok := subjects.ParseUpload(key)
		if !ok {
			continue
		}
		if err := r.tidyOne(ctx, u, id); err != nil && fabric.CodeOf(err) != fabric.CodeNotFound {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (r *Role) tidyOne(ctx context.Context, u fabric.UserID, id fabric.MediaID) error {
	e, err := r.upload(ctx, u, id)
	if err != nil {
		return err
	}
	now := r.cfg.Now().UnixMilli()
	switch {
	case e.Step == stepGone:
		return r.end(ctx, e)
	case e.Step == stepDone && now-e.CreatedAt > r.cfg.TidyEvery.Milliseconds():
		_, err := r.flights.join(ctx, e.ID, func(ctx context.Context) (contract.Media, error) {
			return r.complete(ctx, e, contract.MediaFinishRequest{})
		})
		return err
	case e.Step == stepOpen && now > e.ExpiresAt:
		if err := r.end(ctx, e); err != nil {
			return err
		}
		r.metrics.uploads.WithLabelValues("expired").Inc()
	}
	return nil
}

// orphans removes bytes that neither an upload nor a content knows of. There are such where a part was written while its
// upload was removed. They are as old as their id, and older than any upload gets.
func (r *Role) orphans(ctx context.Context) error {
	before := r.cfg.Now().Add(-r.cfg.OrphanAge)
	var old []fabric.MediaID
	seen := make(map[fabric.MediaID]bool)
	collect := func(id fabric.MediaID) error {
		if !seen[id] && createdAt(id).Before(before) {
			seen[id] = true
			old = append(old, id)
		}
		if len(old) < sweepAtOnce {
			return ctx.Err()
		}
		defer func() { old = old[:0] }()
		return r.orphansOf(ctx, old)
	}
	if err := errors.Join(r.blobs.Each(ctx, collect), r.parts.Each(ctx, collect)); err != nil {
		return err
	}
	return r.orphansOf(ctx, old)
}

// createdAt returns when an id was made (RFC 9562, 5.7), or a time to come for one that does not say.
func createdAt(id fabric.MediaID) time.Time {
	u, err := uuid.Parse(string(id))
	if err != nil || u.Version() != 7 {
		return time.Now().Add(time.Hour)
	}
	return time.Unix(u.Time().UnixTime())
}

func (r *Role) orphansOf(ctx context.Context, ids []fabric.MediaID) error {
	if len(ids) == 0 {
		return nil
	}
	// Uploads first: one that is not there any more has become a file before it went, which the database knows then.
	uploads, err := r.uploading(ctx)
	if err != nil {
		return err
	}
	known, err := r.store.KnownBlobs(ctx, ids)
	if err != nil {
		return fmt.Errorf("known blobs: %w", err)
	}
	for _, id := range ids {
		if uploads[id] || slices.Contains(known, id) {
			continue
		}
		if err := r.remove(ctx, id); err != nil {
			return err
		}
		r.metrics.orphans.Inc()
		r.log.Info("bytes that nothing knew of were removed", "blob", id)
	}
	return nil
}

// uploading returns the uploads that are not finished.
func (r *Role) uploading(ctx context.Context) (map[fabric.MediaID]bool, error) {
	all := make(map[fabric.MediaID]bool)
	keys, err := r.uploads.ListKeys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	defer func() { _ = keys.Stop() }()
	for key := range keys.Keys() {
		if _, id, ok := subjects.ParseUpload(key); ok {
			all[id] = true
		}
	}
	return all, ctx.Err()
}
