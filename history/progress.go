package history

import (
	"context"
	"slices"
	"sync"

	"github.com/weft-im/weft/fabric"
)

// progress is how far each shard is archived, and lets others wait for it.
type progress struct {
	mu    sync.Mutex
	at    fabric.Position
	moved chan struct{} // closed and replaced whenever at moves
}

func newProgress(shards int) *progress {
	return &progress{at: make(fabric.Position, shards), moved: make(chan struct{})}
}

// move says that the shard is archived up to seq. A position never falls.
func (p *progress) move(shard int, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq <= p.at[shard] {
		return
	}
	p.at[shard] = seq
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *progress) of(shard int) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[shard]
}

// wait returns the position once it has reached `until` in every shard, or where it is when ctx ends.
func (p *progress) wait(ctx context.Context, until fabric.Position) (at fabric.Position, reached bool) {
	for {
		p.mu.Lock()
		at, moved := slices.Clone(p.at), p.moved
		p.mu.Unlock()
		if covers(at, until) {
			return at, true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return at, false
		}
	}
}

// covers reports whether p is at or past q in every shard.
func covers(p, q fabric.Position) bool {
	for shard, seq := range q {
		if p[shard] < seq {
			return false
		}
	}
	return true
}
