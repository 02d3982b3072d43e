package chats

import (
	"context"
	"slices"
	"sync"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// reached knows seqs that the logs have reached: what is written from now on lies behind them. They may be old.
type reached struct {
	mu sync.Mutex
	at fabric.Position
}

// read asks the logs.
func (r *reached) read(ctx context.Context, reader *msglog.Reader) error {
	r.mu.Lock()
	at := slices.Clone(r.at)
	r.mu.Unlock()
	for shard := range at {
		head, err := reader.Head(ctx, subjects.MsgStream(shard))
		if err != nil {
			return err
		}
		at[shard] = head
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for shard, seq := range at {
		r.at[shard] = max(r.at[shard], seq)
	}
	return nil
}

// raise says that a channel's log has reached seq.
func (r *reached) raise(c fabric.ChannelID, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shard := subjects.Shard(c, len(r.at))
	r.at[shard] = max(r.at[shard], seq)
}

// of returns a seq that the channel's log has reached.
func (r *reached) of(c fabric.ChannelID) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[subjects.Shard(c, len(r.at))]
}
