package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/subjects"
)

// eraser clears away messages whose time is over, and erases from the logs what has gone from the database. What is to
// be erased stands in the database from the same transaction on in which it goes, so nothing is forgotten over a crash;
// erasing twice does no harm.
type eraser struct {
	role  *Role
	kicks chan struct{}
}

// eraseAtOnce bounds what is cleared away in one transaction.
const eraseAtOnce = 200

func newEraser(r *Role) *eraser { return &eraser{role: r, kicks: make(chan struct{}, 1)} }

// kick says that there may be something to erase.
func (e *eraser) kick() { token(e.kicks) }

func (e *eraser) run(ctx context.Context) {
	tick := time.NewTicker(e.role.cfg.SweepEvery)
	defer tick.Stop()
	for {
		if err := e.sweep(ctx); err != nil && ctx.Err() == nil {
			e.role.log.Warn("cannot clear away what is to be seen no more; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.kicks:
		case <-tick.C:
		}
	}
}

func (e *eraser) sweep(ctx context.Context) error {
	for {
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), archiveWithin)
		n, err := e.role.store.Expire(one, e.role.cfg.Now().UnixMilli(), eraseAtOnce)
		cancel()
		if err != nil {
			return fmt.Errorf("messages whose time is over: %w", err)
		}
		e.role.metrics.expired.Add(float64(n))
		if n < eraseAtOnce || ctx.Err() != nil {
			break
		}
	}
	for ctx.Err() == nil {
		list, err := e.role.store.Erasures(ctx, eraseAtOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := e.erase(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// erase overwrites records in their logs. One that a log does not let go holds up no others; it is tried again.
func (e *eraser) erase(ctx context.Context, list []Erasure) error {
	streams := make(map[int]jetstream.Stream)
	done := make([]Erasure, 0, len(list))
	var failed error
	for _, x := range list {
		err := e.eraseOne(ctx, streams, x)
		if err == nil {
			done = append(done, x)
			continue
		}
		failed = fmt.Errorf("erase %d from the log of shard %d: %w", x.Seq, x.Shard, err)
		if !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
			break // nobody answers
		}
	}
	if len(done) > 0 {
		if err := e.role.store.Erased(ctx, done); err != nil {
			return errors.Join(failed, fmt.Errorf("note what was erased: %w", err))
		}
		e.role.metrics.erased.Add(float64(len(done)))
	}
	return failed
}

func (e *eraser) eraseOne(ctx context.Context, streams map[int]jetstream.Stream, x Erasure) error {
	s := streams[x.Shard]
	if s == nil {
		var err error
		if s, err = e.role.js.Stream(ctx, subjects.MsgStream(x.Shard)); err != nil {
			return err
		}
		streams[x.Shard] = s
	}
	err := s.SecureDeleteMsg(ctx, x.Seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		// It may have been erased before a crash, or the log's window has passed it: then there is nothing to be done.
		if _, found := s.GetMsg(ctx, x.Seq); errors.Is(found, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	return err
}
