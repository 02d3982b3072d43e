package history

import "sync"

// arrival is a record as the log's consumer brought it.
type arrival struct {
	place
	subject string
	payload []byte
}

// intake gathers arrivals between the consumer, which brings one at a time, and the archive, which takes all there are.
// It is bounded: a database that is behind holds the consumer back, not the other way round.
type intake struct {
	maxMsgs, maxBytes int

	ready chan struct{} // has a token if something is there
	full  chan struct{} // has a token if no more fits

	mu     sync.Mutex
	room   sync.Cond
	recs   []arrival
	spare  []arrival // the slice that was taken before the last one: its taker is done with it
	bytes  int
	closed bool
}

func newIntake(maxMsgs, maxBytes int) *intake {
	in := &intake{maxMsgs: maxMsgs, maxBytes: maxBytes, ready: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	in.room.L = &in.mu
	return in
}

// put adds a. It waits while there is no room, and drops a once the intake is closed: the log has it.
func (in *intake) put(a arrival) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.closed && in.isFull() {
		in.room.Wait()
	}
	if in.closed {
		return
	}
	in.recs = append(in.recs, a)
	in.bytes += len(a.payload)
	if len(in.recs) == 1 {
		token(in.ready)
	}
	if in.isFull() {
		token(in.full)
	}
}

func (in *intake) isFull() bool { return len(in.recs) >= in.maxMsgs || in.bytes >= in.maxBytes }

// take returns all that has gathered. The slice is the caller's until the next take.
func (in *intake) take() []arrival {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.ready:
	default:
	}
	select {
	case <-in.full:
	default:
	}
	recs := in.recs
	clear(in.spare) // payloads must not live on in it
	in.recs, in.spare = in.spare[:0], recs
	in.bytes = 0
	in.room.Broadcast()
	return recs
}

// close lets go whoever waits in put.
func (in *intake) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.room.Broadcast()
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
