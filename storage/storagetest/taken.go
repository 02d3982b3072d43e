package storagetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-im/weft/users"
)

func testTake(t *testing.T, s Store) {
	hour := time.Hour.Milliseconds()
	begin := start - start%hour
	take := func(what string, at int64, over int, takes ...users.Take) {
		t.Helper()
		got, err := s.Take(t.Context(), takes, at)
		if err != nil {
			t.Fatal(err)
		}
		want(t, what, got, over)
	}
	a, b, all := users.Take{Key: "a", Most: 2}, users.Take{Key: "b", Most: 2}, users.Take{Key: "all", Most: 3}
	take("the first", begin, -1, a, all)
	take("the second", begin, -1, a, all)
	take("one too many of one key", begin, 0, a, all)
	take("which counted nothing of the other", begin, -1, b, all)
	take("one too many in all", begin, 1, b, all)
	take("which counted nothing of the other", begin, -1, b)
	take("one too many", begin, 0, b)
	take("as the next period begins, all of the last counts", begin+hour, 0, b)
	take("half an hour into it, half does", begin+hour+hour/2, -1, b)
	take("half an hour into it, half does", begin+hour+hour/2, 0, b)
	take("two periods later", begin+3*hour, -1, a, b, all)
	take("two periods later", begin+3*hour, -1, a, b, all)
}

func testTakeAtOnce(t *testing.T, s Store) {
	var had atomic.Int32
	atOnce(func() {
		for i := range 4 {
			takes := []users.Take{{Key: "x", Most: 5}, {Key: "y", Most: 1000}}
			if i%2 == 1 { // in another order
				takes[0], takes[1] = takes[1], takes[0]
			}
			over, err := s.Take(t.Context(), takes, start)
			if err != nil {
				t.Error(err)
			}
			if over < 0 {
				had.Add(1)
			}
		}
	})
	want(t, "how many were had", had.Load(), 5)
}
