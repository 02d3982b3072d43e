package weftest

import (
	"context"
	"testing"
)

// Run runs a role until the test ends, which it must do without an error.
func Run(t testing.TB, work func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
