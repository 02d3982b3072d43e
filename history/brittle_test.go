package history_test

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/weft-im/weft/history"
)

// brittle is a real store whose writes fail on demand.
type brittle struct {
	history.Store
	broken atomic.Bool
	most   atomic.Uint64 // the seq past which nothing is archived, 0 for none
}

func (b *brittle) Archive(ctx context.Context, shard int, batch history.Batch, upto uint64) error {
	if most := b.most.Load(); b.broken.Load() || most > 0 && upto > most {
		return errors.New("the disk is full")
	}
	return b.Store.Archive(ctx, shard, batch, upto)
}
