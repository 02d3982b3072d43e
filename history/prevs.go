package history

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/weft-im/weft/fabric"
)

// prevs knows the newest seq of each channel of a shard: of those with messages lately from memory, of others from the
// database. It belongs to the one goroutine that archives the shard.
type prevs struct {
	store Store
	known *simplelru.LRU[fabric.ChannelID, uint64]
}

func newPrevs(store Store, size int) *prevs {
	known, err := simplelru.NewLRU[fabric.ChannelID, uint64](size, nil)
	if err != nil {
		panic(err) // the size is positive: Config.withDefaults
	}
	return &prevs{store: store, known: known}
}

// link sets the prev of every message of the batch, which follows all that was linked before. The batch's channels fit
// into memory together. Where it fails it may be called again with the same batch.
func (p *prevs) link(ctx context.Context, batch []fabric.Stored) error {
	var unknown []fabric.ChannelID
	for i := range batch {
		if _, ok := p.known.Get(batch[i].Channel); !ok {
			p.known.Add(batch[i].Channel, 0) // so that it is asked for once
			unknown = append(unknown, batch[i].Channel)
		}
	}
	if len(unknown) > 0 {
		heads, err := p.store.Heads(ctx, unknown)
		if err != nil {
			for _, c := range unknown {
				p.known.Remove(c)
			}
			return fmt.Errorf("newest seqs of %d channels: %w", len(unknown), err)
		}
		for c, seq := range heads {
			p.known.Add(c, seq)
		}
	}
	for i := range batch {
		batch[i].Prev, _ = p.known.Get(batch[i].Channel)
		p.known.Add(batch[i].Channel, batch[i].Seq)
	}
	return nil
}
