package node

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errAway = errors.New("connection refused")

// What a start stands on is waited for, for a while.
func TestWait(t *testing.T) {
	n := &Node{log: slog.New(slog.DiscardHandler)}
	for _, tc := range []struct {
		name  string
		away  time.Duration // then it is there
		again bool          // whether it may help to try again
		want  string
		took  time.Duration
	}{
		{"it is there", 0, true, "", 0},
		{"it comes late", 10 * time.Second, true, "", 10 * time.Second},
		{"it does not come", time.Hour, true, "the database weft at db.example: waited in vain for 30s: connection refused", 30 * time.Second},
		{"it says no", time.Hour, false, "connection refused", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := n.wait(t.Context(), "the database weft at db.example", func(context.Context) (bool, error) {
					if time.Since(began) < tc.away {
						return tc.again, errAway
					}
					return false, nil
				})
				if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
					t.Errorf("it ended with %v, want %q", err, tc.want)
				}
				if took := time.Since(began); took < tc.took || took > tc.took+2*pauseAtStart {
					t.Errorf("it took %s, want %s", took, tc.took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		err := n.wait(ctx, "the database", func(context.Context) (bool, error) { return true, errAway })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whoever starts it has gone: %v", err)
		}
	})
}

func TestNATSIsNamedWithoutItsPassword(t *testing.T) {
	n := &Node{cfg: Config{NATS: External{URLs: "nats://weft:s3cret@one:4222, tls://token@two:4222,three"}}}
	if got := n.natsHosts(); got != "one:4222, two:4222, three" || strings.Contains(got, "s3cret") {
		t.Errorf("got %s", got)
	}
}
