package history

import (
	"context"
	"fmt"
	"sync"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// headFetch reads a log's head for many at once: one fetch serves all who asked before it began, so that a thousand
// clients who resume together ask the log a few times, and each still learns a head at or after its own question.
type headFetch struct {
	fetch func() (uint64, error)
	start func(func()) // starts a goroutine that somebody waits for

	mu      sync.Mutex
	running bool
	next    *round // who waits for the fetch that has not begun yet; nil if nobody
}

type round struct {
	done chan struct{} // closed when head and err are there
	head uint64
	err  error
}

// join returns the round whose fetch has not begun yet.
func (h *headFetch) join() *round {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		h.next = &round{done: make(chan struct{})}
		if !h.running {
			h.running = true
			h.start(h.run) // it ends by itself once nobody waits
		}
	}
	return h.next
}

func (h *headFetch) run() {
	for {
		h.mu.Lock()
		r := h.next
		h.next = nil
		if r == nil {
			h.running = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		r.head, r.err = h.fetch() // for all who wait: none of them may end it
		close(r.done)
	}
}

func (r *round) wait(ctx context.Context) (uint64, error) {
	select {
	case <-r.done:
		return r.head, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// logHeads returns where the logs stand, at or after the moment of the call.
func (r *Role) logHeads(ctx context.Context) (fabric.Position, error) {
	rounds := make([]*round, r.shards)
	for shard, h := range r.heads {
		rounds[shard] = h.join()
	}
	at := make(fabric.Position, r.shards)
	for shard, round := range rounds {
		head, err := round.wait(ctx)
		if err != nil {
			return nil, fmt.Errorf("head of shard %d: %w", shard, err)
		}
		at[shard] = head
	}
	return at, nil
}

// await waits a bounded moment until the archive has all up to `until`. Where it does not come that far, the shards that
// are behind are told to see why.
func (r *Role) await(ctx context.Context, until fabric.Position) (at fabric.Position, settled bool) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SettleWithin)
	defer cancel()
	at, settled = r.archived.wait(ctx, until)
	if settled {
		return at, true
	}
	r.metrics.unsettled.Inc()
	for shard, seq := range until {
		if at[shard] < seq {
			r.followers[shard].nudge()
		}
	}
	return at, false
}

func (r *Role) settle(ctx context.Context, _ contract.HistorySettleRequest) (contract.HistorySettleReply, error) {
	heads, err := r.logHeads(ctx)
	if err != nil {
		return contract.HistorySettleReply{}, err
	}
	at, settled := r.await(ctx, heads)
	return contract.HistorySettleReply{Archived: at, Settled: settled}, nil
}
