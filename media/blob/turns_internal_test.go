package blob

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	const takes = 10 * time.Millisecond
	write := func(t *testing.T, turns *turns, parts int) {
		t.Helper()
		for range parts {
			done, err := turns.take(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(takes)
			done()
		}
	}
	for _, tc := range []struct {
		what           string
		turns, uploads int
		want           time.Duration
	}{
		{"one upload waits for nobody", 1, 1, 20 * takes},
		{"nor do as many as there are turns", 4, 4, 20 * takes},
		// Each of the 60 parts but the last one is followed by a pause.
		{"more are written in turns", 1, 3, (60 + pauses*59) * takes},
	} {
		t.Run(tc.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns(tc.turns)
				began := time.Now()
				var wg sync.WaitGroup
				for range tc.uploads {
					wg.Go(func() { write(t, turns, 20) })
				}
				wg.Wait()
				if took := time.Since(began); took > tc.want || took < tc.want-(pauses+2)*takes {
					t.Errorf("it took %s, want %s", took, tc.want)
				}
			})
		})
	}
	t.Run("who does not want to wait any more is let go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			turns := newTurns(1)
			done, err := turns.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := turns.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it ended with %v", err)
			}
			began := time.Now()
			done()
			if took := time.Since(began); took != 0 {
				t.Errorf("nobody waits, and a pause of %s is made", took)
			}
		})
	})
}
