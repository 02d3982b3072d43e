package history

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/weft-im/weft/fabric"
)

// prevs knows where each channel of a shard ends: of those with messages lately from memory, of others from the database.
// It belongs to the one goroutine that archives the shard.
type prevs struct {
	store ArchiveStore
	known *simplelru.LRU[fabric.ChannelID, Head]
}

func newPrevs(store ArchiveStore, size int) *prevs {
	known, err := simplelru.NewLRU[fabric.ChannelID, Head](size, nil)
	if err != nil {
		panic(err) // the size is positive: Config.withDefaults
	}
	return &prevs{store: store, known: known}
}

// learn reads where the batch's channels end, as far as it is not known. They fit into memory together.
func (p *prevs) learn(ctx context.Context, batch []fabric.Stored) error {
	var unknown []fabric.ChannelID
	for i := range batch {
		if _, ok := p.known.Get(batch[i].Channel); !ok {
			p.known.Add(batch[i].Channel, Head{}) // so that it is asked for once
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
		for c, head := range heads {
			p.known.Add(c, head)
		}
	}
	return nil
}

// next returns where the channel of m ended before it, and notes that it ends with m. learn was called with it.
func (p *prevs) next(m *fabric.Stored) Head {
	head, _ := p.known.Get(m.Channel)
	next := Head{Seq: m.Seq, Disappear: head.Disappear}
	if seconds, ok := disappearOf(m); ok {
		next.Disappear = seconds
	}
	p.known.Add(m.Channel, next)
	return head
}
