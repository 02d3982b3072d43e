package bench

import (
	"fmt"
	"sync"

	"github.com/weft-im/weft/fabric"
)

// Checker follows messages of one receiver: every message whose sender got its reply reaches the receiver once, in the
// order of its channel, each naming the one before it as its prev. Senders number the messages of a channel from 0.
// Its methods may be called from any goroutine, Received in the order in which one connection brought the messages.
type Checker struct {
	mu      sync.Mutex
	streams map[fabric.ChannelID]*stream
	faults  Faults
}

// stream is a channel as its sender's replies and its receiver's events tell it.
type stream struct {
	last     uint64           // seq of the message received last
	begun    bool             // one was received, so last is known
	received []uint64         // a bit for each number
	replied  map[uint64]place // what the sender was told, until it is received
	waiting  map[uint64]place // what was received, until its sender is told
}

type place struct{ seq, prev uint64 }

// Sent notes the reply to message n of a channel.
func (c *Checker) Sent(n uint64, sent fabric.Sent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stream(sent.Channel)
	at := place{sent.Seq, sent.Prev}
	if got, ok := st.waiting[n]; ok {
		delete(st.waiting, n)
		c.compare(sent.Channel, n, at, got)
		return
	}
	st.replied[n] = at
}

// Received notes that message n of a channel came, with this seq and prev.
func (c *Checker) Received(channel fabric.ChannelID, n, seq, prev uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stream(channel)
	if st.has(n) {
		c.faults.add(&c.faults.Doubled, "channel %s: message %d (seq %d) came twice", channel, n, seq)
		return
	}
	st.set(n)
	switch {
	case !st.begun:
	case seq <= st.last:
		c.faults.add(&c.faults.Misordered, "channel %s: seq %d came after seq %d", channel, seq, st.last)
	case prev != st.last:
		c.faults.add(&c.faults.Broken, "channel %s: seq %d names %d as its prev, but seq %d came before it", channel, seq, prev, st.last)
	}
	st.begun, st.last = true, max(st.last, seq)
	got := place{seq, prev}
	if told, ok := st.replied[n]; ok {
		delete(st.replied, n)
		c.compare(channel, n, told, got)
		return
	}
	st.waiting[n] = got
}

// Stray notes a message that nobody sent in this run: the cursor should have been past it.
func (c *Checker) Stray(channel fabric.ChannelID, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.add(&c.faults.Stray, "channel %s: seq %d is of no message of this run", channel, seq)
}

// Open returns how many messages are known to one side only: replied and not received, received and not replied.
func (c *Checker) Open() (replied, received int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.streams {
		replied += len(st.replied)
		received += len(st.waiting)
	}
	return replied, received
}

// Finish says that nothing more comes, and returns what was wrong.
func (c *Checker) Finish() Faults {
	c.mu.Lock()
	defer c.mu.Unlock()
	for channel, st := range c.streams {
		for n, at := range st.replied {
			c.faults.add(&c.faults.Lost, "channel %s: message %d (seq %d) was acknowledged and never came", channel, n, at.seq)
		}
		for n, at := range st.waiting {
			c.faults.add(&c.faults.Unanswered, "channel %s: message %d (seq %d) came, but its sender got no reply", channel, n, at.seq)
		}
	}
	c.streams = nil
	return c.faults
}

func (c *Checker) compare(channel fabric.ChannelID, n uint64, told, got place) {
	if told != got {
		c.faults.add(&c.faults.Broken, "channel %s: message %d: its sender was told seq %d after %d, its receiver seq %d after %d",
			channel, n, told.seq, told.prev, got.seq, got.prev)
	}
}

func (c *Checker) stream(channel fabric.ChannelID) *stream {
	st, ok := c.streams[channel]
	if !ok {
		if c.streams == nil {
			c.streams = make(map[fabric.ChannelID]*stream)
		}
		st = &stream{replied: make(map[uint64]place), waiting: make(map[uint64]place)}
		c.streams[channel] = st
	}
	return st
}

func (st *stream) has(n uint64) bool {
	return n/64 < uint64(len(st.received)) && st.received[n/64]&(1<<(n%64)) != 0
}

func (st *stream) set(n uint64) {
	for n/64 >= uint64(len(st.received)) {
		st.received = append(st.received, 0)
	}
	st.received[n/64] |= 1 << (n % 64)
}

// Faults count what was wrong, with some of it in words.
type Faults struct {
	Lost       int      `json:"lost"`       // acknowledged, never received
	Doubled    int      `json:"doubled"`    // received twice
	Misordered int      `json:"misordered"` // received after one with a greater seq
	Broken     int      `json:"broken"`     // the prev is not the one received before, or the two sides were told different places
	Unanswered int      `json:"unanswered"` // received, but the sender was never told
	Stray      int      `json:"stray"`      // received without having been sent in this run
	Examples   []string `json:"examples,omitempty"`
}

// maxExamples bounds how much is told in words.
const maxExamples = 10

func (f *Faults) add(count *int, format string, args ...any) {
	*count++
	if len(f.Examples) < maxExamples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// Any reports whether anything was wrong.
func (f *Faults) Any() bool {
	return f.Lost+f.Doubled+f.Misordered+f.Broken+f.Unanswered+f.Stray > 0
}

// Merge adds what o counted.
func (f *Faults) Merge(o Faults) {
	f.Lost += o.Lost
	f.Doubled += o.Doubled
	f.Misordered += o.Misordered
	f.Broken += o.Broken
	f.Unanswered += o.Unanswered
	f.Stray += o.Stray
	f.Examples = append(f.Examples, o.Examples[:min(len(o.Examples), maxExamples-len(f.Examples))]...)
}
