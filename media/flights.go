package media

import (
	"context"
	"sync"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// How long whoever has sent an upload's last byte is let wait, and how long it may take all in all to make it a file: to
// have it scanned, and to bring it to another store.
const (
	finishWait   = 7 * time.Second
	finishWithin = 30 * time.Minute
	finishAtOnce = 32
)

// flights are uploads that are becoming files. Each is at work once, however often it is asked for, and goes on when who
// asked has given up: they ask again.
type flights struct {
	ctx   context.Context //nolint:containedctx // the role's
	slots chan struct{}
	wg    sync.WaitGroup

	mu sync.Mutex
	at map[fabric.MediaID]*flight
}

type flight struct {
	done  chan struct{}
	media contract.Media
	err   error
}

// join starts f for an upload, unless it is at work already, and waits for a while.
func (fs *flights) join(ctx context.Context, id fabric.MediaID, f func(context.Context) (contract.Media, error)) (contract.Media, error) {
	fs.mu.Lock()
	fl := fs.at[id]
	if fl == nil {
		select {
		case fs.slots <- struct{}{}:
		default:
			fs.mu.Unlock()
			return contract.Media{}, fabric.Errorf(fabric.CodeUnavailable, "too many uploads are being finished: try again")
		}
		fl = &flight{done: make(chan struct{})}
		fs.at[id] = fl
		fs.wg.Go(func() {
			ctx, cancel := context.WithTimeout(fs.ctx, finishWithin)
			defer cancel()
			fl.media, fl.err = f(ctx)
			fs.mu.Lock()
			delete(fs.at, id)
			fs.mu.Unlock()
			close(fl.done)
			<-fs.slots
		})
	}
	fs.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, finishWait)
	defer cancel()
	select {
	case <-fl.done:
		return fl.media, fl.err
	case <-ctx.Done():
		return contract.Media{}, fabric.Errorf(fabric.CodeUnavailable, "upload %s is there, and still being put away: ask again", id)
	}
}
