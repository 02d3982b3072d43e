package history

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Pauses between two tries.
const (
	firstPause = 50 * time.Millisecond
	mostPause  = 5 * time.Second
)

// retry does f until it succeeds or ctx ends. It waits longer each time and logs each failure.
func retry(ctx context.Context, log *slog.Logger, what string, f func() error) error {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		wait := pause/2 + rand.N(pause) // so that many who wait for one database do not come at once
		log.Error("cannot "+what+", trying again", "err", err, "after", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
