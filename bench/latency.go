package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latency is a histogram that many goroutines record into, spread over a few so that they hardly meet.
type latency struct {
	next   atomic.Uint32
	shards [8]*recorder
}

// recorder is one of a latency's parts, for whoever records.
type recorder struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// From 1 µs to 10 minutes with three digits.
const (
	leastLatency  = 1
	mostLatency   = int64(10 * time.Minute / time.Microsecond)
	latencyDigits = 3
)

func newLatency() *latency {
	l := new(latency)
	for i := range l.shards {
		l.shards[i] = &recorder{h: hdrhistogram.New(leastLatency, mostLatency, latencyDigits)}
	}
	return l
}

// recorder returns a part to record into.
func (l *latency) recorder() *recorder { return l.shards[int(l.next.Add(1))%len(l.shards)] }

func (r *recorder) record(d time.Duration) {
	us := min(max(d.Microseconds(), leastLatency), mostLatency)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.h.RecordValue(us); err != nil {
		panic(err) // us is within the histogram's bounds
	}
}

// quantiles returns milliseconds.
func (l *latency) quantiles(percent ...float64) []*float64 {
	all := hdrhistogram.New(leastLatency, mostLatency, latencyDigits)
	for _, r := range l.shards {
		r.mu.Lock()
		all.Merge(r.h)
		r.mu.Unlock()
	}
	out := make([]*float64, len(percent))
	if all.TotalCount() == 0 {
		return out
	}
	for i, p := range percent {
		ms := float64(all.ValueAtPercentile(p)) / 1000
		out[i] = &ms
	}
	return out
}
