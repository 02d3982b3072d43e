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

// erase overwrites records in their logs.
func (e *eraser) erase(ctx context.Context, list []Erasure) error {
	streams := make(map[int]jetstream.Stream)
	for _, x := range list {
		s := streams[x.Shard]
		if s == nil {
			var err error
			if s, err = e.role.js.Stream(ctx, subjects.MsgStream(x.Shard)); err != nil {
				return fmt.Errorf("log of shard %d: %w", x.Shard, err)
			}
			streams[x.Shard] = s
		}
		if err := s.SecureDeleteMsg(ctx, x.Seq); err != nil && !gone(err) {
			return fmt.Errorf("erase %d from the log of shard %d: %w", x.Seq, x.Shard, err)
		}
	}
	if err := e.role.store.Erased(ctx, list); err != nil {
		return fmt.Errorf("note what was erased: %w", err)
	}
	e.role.metrics.erased.Add(float64(len(list)))
	return nil
}

// gone reports whether a record could not be erased because the log has none there (any more).
func gone(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrMsgNotFound) || (errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeMessageNotFound || api.ErrorCode == errCodeDeleteFailed))
}

// errCodeDeleteFailed is the server's JSStreamMsgDeleteFailedF, which is what it says of a message that is not there.
const errCodeDeleteFailed = 10057
