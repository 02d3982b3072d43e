package history

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
)

// indexer brings the words of what is archived into the index. It works beside the archive, not in its transaction: a
// message is found a moment after it is stored, and a flood of messages is archived first and indexed later. It takes a
// bounded share of the time, unless somebody waits for it.
type indexer struct {
	role *Role
	poke chan struct{}

	mu      sync.Mutex
	at      fabric.Position
	moved   chan struct{} // closed and replaced whenever at moves
	waiting int
}

// Bounds of the indexer.
const (
	indexAtOnce = 200
	indexRest   = 9 // times as long as it works, it rests
	indexLook   = 250 * time.Millisecond
)

func newIndexer(r *Role) *indexer {
	return &indexer{role: r, poke: make(chan struct{}, 1), at: make(fabric.Position, r.shards), moved: make(chan struct{})}
}

func (x *indexer) run(ctx context.Context) {
	at, err := fabric.Position(nil), error(nil)
	if retry(ctx, x.role.log, "read where the index stands", func() error {
		at, err = x.role.store.Indexed(ctx, x.role.shards)
		return err
	}) != nil {
		return // ctx has ended
	}
	x.move(at)
	tick := time.NewTicker(indexLook)
	defer tick.Stop()
	for {
		more := false
		if retry(ctx, x.role.log, "index messages", func() error {
			more, err = x.round(ctx)
			return err
		}) != nil {
			return
		}
		if more && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-x.poke:
		case <-tick.C:
		}
	}
}

// round indexes some of what is new in each shard, so that one that is far behind holds up no other; more says that there
// is more in any of them.
func (x *indexer) round(ctx context.Context) (more bool, err error) {
	for shard := range x.role.shards {
		archived := x.role.archived.of(shard)
		x.mu.Lock()
		behind, hurry := x.at[shard] < archived, x.waiting > 0
		x.mu.Unlock()
		if !behind || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), archiveWithin)
		n, done, err := x.role.store.Index(one, shard, indexAtOnce)
		cancel()
		if err != nil {
			return more, fmt.Errorf("shard %d: %w", shard, err)
		}
		x.role.metrics.indexed.Add(float64(n))
		if done {
			at := make(fabric.Position, x.role.shards)
			at[shard] = archived
			x.move(at)
			continue
		}
		more = true
		if !hurry {
			x.rest(ctx, indexRest*time.Since(began))
		}
	}
	return more, nil
}

// rest lets others work for a while, unless somebody begins to wait.
func (x *indexer) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-x.poke:
	case <-ctx.Done():
	}
}

// move says that all up to at is indexed. A position never falls.
func (x *indexer) move(at fabric.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for shard, seq := range at {
		x.at[shard] = max(x.at[shard], seq)
	}
	close(x.moved)
	x.moved = make(chan struct{})
}

// settle waits, for a bounded moment, until what was written before it was called can be found.
func (x *indexer) settle(ctx context.Context) error {
	heads, err := x.role.logHeads(ctx)
	if err != nil {
		return err
	}
	archived, _ := x.role.await(ctx, heads)
	wait, cancel := context.WithTimeout(ctx, searchSettle)
	defer cancel()
	x.mu.Lock()
	x.waiting++
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.waiting--
		x.mu.Unlock()
	}()
	for {
		x.mu.Lock()
		there, moved := covers(x.at, archived), x.moved
		x.mu.Unlock()
		if there {
			return nil
		}
		token(x.poke)
		select {
		case <-moved:
		case <-wait.Done():
			return ctx.Err() // late is better than nothing: what is indexed is found
		}
	}
}
