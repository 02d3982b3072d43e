package bench_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/bench"
	"github.com/weft-im/weft/fabric"
)

const chat fabric.ChannelID = "chat"

// flow is what happens to five messages with seqs 10, 20 … 50 and numbers 0 … 4: the order in which they come.
func flow(c *bench.Checker, replied []uint64, received ...uint64) bench.Faults {
	for _, n := range replied {
		c.Sent(n, fabric.Sent{Channel: chat, Seq: 10 * (n + 1), Prev: 10 * n})
	}
	for _, n := range received {
		c.Received(chat, n, 10*(n+1), 10*n)
	}
	return c.Finish()
}

var all = []uint64{0, 1, 2, 3, 4}

func TestCheckerCatches(t *testing.T) {
	cases := map[string]struct {
		run  func(*bench.Checker) bench.Faults
		want bench.Faults
	}{
		"nothing where nothing is wrong": {
			run: func(c *bench.Checker) bench.Faults { return flow(c, all, 0, 1, 2, 3, 4) },
		},
		"loss in the middle, and the chain that it breaks": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all, 0, 1, 3, 4) },
			want: bench.Faults{Lost: 1, Broken: 1},
		},
		"loss at the end, which no chain shows": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all, 0, 1, 2) },
			want: bench.Faults{Lost: 2},
		},
		"loss at the beginning": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all, 1, 2, 3, 4) },
			want: bench.Faults{Lost: 1},
		},
		"loss of everything": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all) },
			want: bench.Faults{Lost: 5},
		},
		"doubling at once": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all, 0, 1, 1, 2, 3, 4) },
			want: bench.Faults{Doubled: 1},
		},
		"doubling much later": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all, 0, 1, 2, 3, 4, 0) },
			want: bench.Faults{Doubled: 1},
		},
		"misorder": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all, 0, 2, 1, 3, 4) },
			want: bench.Faults{Broken: 1, Misordered: 1}, // 2 breaks the chain, 1 is out of order, 3 follows 2 as it should
		},
		"a message without a reply": {
			run:  func(c *bench.Checker) bench.Faults { return flow(c, all[:4], 0, 1, 2, 3, 4) },
			want: bench.Faults{Unanswered: 1},
		},
		"two sides that were told different places": {
			run: func(c *bench.Checker) bench.Faults {
				c.Received(chat, 0, 10, 0)
				c.Sent(0, fabric.Sent{Channel: chat, Seq: 20, Prev: 0})
				return c.Finish()
			},
			want: bench.Faults{Broken: 1},
		},
		"a stranger": {
			run: func(c *bench.Checker) bench.Faults {
				c.Stray(chat, 5)
				return flow(c, all, 0, 1, 2, 3, 4)
			},
			want: bench.Faults{Stray: 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := tc.run(new(bench.Checker))
			if got.Any() != (len(got.Examples) > 0) {
				t.Errorf("%+v: what is wrong is told in words, and only that", got)
			}
			examples := got.Examples
			got.Examples = nil
			if !equal(got, tc.want) {
				t.Errorf("got %+v (%q), want %+v", got, examples, tc.want)
			}
		})
	}
}

func equal(a, b bench.Faults) bool {
	return a.Lost == b.Lost && a.Doubled == b.Doubled && a.Misordered == b.Misordered && a.Broken == b.Broken &&
		a.Unanswered == b.Unanswered && a.Stray == b.Stray
}

// Whatever is dropped, doubled or swapped on the way, the checker does not miss it; and it does not cry over what is whole,
// whichever of reply and event comes first.
func TestCheckerMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 200).Draw(t, "messages")
		order := make([]uint64, count)
		for i := range order {
			order[i] = uint64(i)
		}
		i := rapid.IntRange(0, count-1).Draw(t, "where")
		harm := rapid.SampledFrom([]string{"none", "drop", "double", "swap"}).Draw(t, "harm")
		switch harm {
		case "drop":
			order = append(order[:i], order[i+1:]...)
		case "double":
			order = append(order, uint64(i))
		case "swap":
			if i == 0 {
				harm = "none"
			} else {
				order[i-1], order[i] = order[i], order[i-1]
			}
		}
		var c bench.Checker
		replied := uint64(0)
		reply := func() {
			c.Sent(replied, fabric.Sent{Channel: chat, Seq: 10 * (replied + 1), Prev: 10 * replied})
			replied++
		}
		for _, n := range order {
			for replied < uint64(count) && rapid.Bool().Draw(t, "reply first") {
				reply()
			}
			c.Received(chat, n, 10*(n+1), 10*n)
		}
		for replied < uint64(count) {
			reply()
		}
		if got := c.Finish(); got.Any() != (harm != "none") {
			t.Fatalf("harm %s at %d of %d: %+v", harm, i, count, got)
		}
	})
}
