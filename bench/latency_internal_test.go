package bench

import (
	"math"
	"testing"
	"time"
)

func TestLatencyQuantiles(t *testing.T) {
	l := newLatency()
	if q := l.quantiles(50); q[0] != nil {
		t.Errorf("of nothing the median is %v, want unknown", *q[0])
	}
	for ms := 1; ms <= 1000; ms++ { // over all parts
		l.recorder().record(time.Duration(ms) * time.Millisecond)
	}
	for i, want := range []float64{500, 990, 999} {
		got := l.quantiles(50, 99, 99.9)[i]
		if got == nil || math.Abs(*got-want) > want/500 {
			t.Errorf("quantile %d is %v, want %v", i, got, want)
		}
	}
}

func TestLatencyTakesWhatIsOutOfBounds(t *testing.T) {
	l := newLatency()
	l.recorder().record(-time.Second)
	l.recorder().record(time.Hour)
	q := l.quantiles(0, 100)
	if *q[0] > 0.002 || math.Abs(*q[1]-600_000) > 1000 {
		t.Errorf("from %v ms to %v ms, want the bounds", *q[0], *q[1])
	}
}

func TestBodyCarriesItsNumberAndClock(t *testing.T) {
	const run = 0xfeedbeef
	for _, size := range []int{0, MinBody, 100, 5000} {
		b := newBody(size, run)
		if len(b) != max(size, MinBody) {
			t.Errorf("asked for %d bytes, got %d", size, len(b))
		}
		stamp(b, math.MaxUint64-1, 90*time.Minute)
		n, at, ok := readBody(b, run)
		if !ok || n != math.MaxUint64-1 || at != 90*time.Minute {
			t.Errorf("%s reads as %d, %s, %v", b, n, at, ok)
		}
		if _, _, ok := readBody(b, run+1); ok {
			t.Errorf("%s is taken for another run's", b)
		}
	}
	for _, b := range []string{``, `{}`, `{"text":"hello"}`, `{"text":"feedbeef000000000000000g00000000000000000"}`} {
		if _, _, ok := readBody([]byte(b), run); ok {
			t.Errorf("%s is taken for a run's", b)
		}
	}
}
