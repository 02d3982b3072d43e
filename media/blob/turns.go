package blob

import (
	"context"
	"sync/atomic"
	"time"
)

// turns has parts written one after the other, whoever's they are: ten uploads at once fill neither the connection nor the
// server with more than one does. While several want to write, twice the time that a part took passes before the next one, so
// that messages have the machine and the disk for most of the time. One upload alone waits for nobody.
type turns struct {
	turn    chan struct{} // has one token
	waiting atomic.Int32
}

// longestPause bounds the time that is left to others. A part that takes long says that the disk is behind.
const longestPause = 500 * time.Millisecond

func newTurns() *turns { return &turns{turn: make(chan struct{}, 1)} }

// take waits for the caller's turn, which ends with done.
func (t *turns) take(ctx context.Context) (done func(), err error) {
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	began := time.Now()
	return func() {
		if t.waiting.Load() > 0 {
			time.Sleep(min(2*time.Since(began), longestPause))
		}
		<-t.turn
	}, nil
}
