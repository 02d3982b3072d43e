package blob

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// turns has few parts written at once, whoever's they are: ten uploads fill neither the connection nor the server with more
// than these. While others want to write, some times what a part took passes before a turn goes on to the next one, so that
// messages have the machine and the disk for most of the time. An upload that has no others beside it waits for nobody.
type turns struct {
	free    chan struct{} // a token for each turn
	waiting atomic.Int32
}

// pauses is how many times as long as a part took is left to others before the next one.
const pauses = 8

// longestPause bounds the time that is left to others. A part that takes long says that the disk is behind.
const longestPause = 500 * time.Millisecond

// turnsHere is how many parts a process writes at once: for half of its cores, since a part keeps about one busy.
func turnsHere() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func newTurns(n int) *turns { return &turns{free: make(chan struct{}, n)} }

// take waits for a turn, which ends with done.
func (t *turns) take(ctx context.Context) (done func(), err error) {
	select {
	case t.free <- struct{}{}: // a turn was free: nobody was made to wait
	default:
		if err := t.wait(ctx); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	return func() {
		if t.waiting.Load() > 0 {
			time.Sleep(min(pauses*time.Since(began), longestPause))
		}
		<-t.free
	}, nil
}

func (t *turns) wait(ctx context.Context) error {
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	select {
	case t.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
