package bench_test

import (
	"testing"
	"time"

	"github.com/weft-im/weft/bench"
	"github.com/weft-im/weft/weftest"
)

// A short run: nobody who acks is pushed, everybody else is, once.
func TestPush(t *testing.T) {
	r, err := bench.Push(t.Context(), bench.PushConfig{
		Dir: t.TempDir(), Channels: 200, Body: 100, Rate: 500, Duration: time.Second, Pushes: 200, Weft: weftest.Binary(t), Note: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed() {
		t.Errorf("failed: %+v", r)
	}
	if _, err := bench.Push(t.Context(), bench.PushConfig{Channels: 1, Pushes: 2, Rate: 1, Duration: time.Second, Body: 100}); err == nil {
		t.Error("more pushes than chats")
	}
}
