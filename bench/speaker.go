package bench

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// speaker is a member of a group who sends; what others send comes to it as to anybody.
type speaker struct {
	crowd   *crowd
	session *client.Session
	replies *recorder

	replied   atomic.Uint64
	inFlight  atomic.Int64
	delivered atomic.Uint64 // messages of the others
	receipts  atomic.Uint64
	allHave   atomic.Uint64

	mu     sync.Mutex // guards what follows; held over SendAsync, so that numbers go out in their order
	next   uint64
	body   []byte
	places []place // what was said and heard, in no order
	fault  Faults
}

// begin fills the window; from then on each reply makes room for the next message.
func (s *speaker) begin(window int) {
	for range window {
		s.send(nil)
	}
}

// send sends the next message; then, where it is not nil, is told of its reply instead of the next one being sent.
func (s *speaker) send(then func(fabric.Sent)) {
	if s.crowd.stopping.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next++
	s.say(n, then)
}

// say sends a message with this number. mu is held.
func (s *speaker) say(n uint64, then func(fabric.Sent)) {
	at := s.crowd.clock.now()
	stamp(s.body, n, at)
	s.inFlight.Add(1)
	draft := client.Draft{To: string(s.crowd.channel), Kind: fabric.MsgText, Body: s.body}
	_, err := s.session.SendAsync(draft, func(sent fabric.Sent, err error) { s.answered(n, at, sent, err, then) })
	if err != nil {
		s.inFlight.Add(-1)
		s.crowd.cancel(fmt.Errorf("send: %w", err))
	}
}

// answered is told by the session's reading goroutine.
func (s *speaker) answered(n uint64, at time.Duration, sent fabric.Sent, err error, then func(fabric.Sent)) {
	defer s.inFlight.Add(-1)
	if err != nil {
		s.crowd.cancel(refused(err)) // the first one is why the run ends; those of the closing come after it
		return
	}
	if n&beginning == 0 {
		if s.crowd.measuring.Load() {
			s.replies.record(s.crowd.clock.now() - at)
		}
		s.replied.Add(1)
		s.note(place{sent.Seq, sent.Prev})
	}
	if then != nil {
		then(sent)
		return
	}
	s.send(nil)
}

func (s *speaker) note(p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places = append(s.places, p)
}

// handle is told by the session's reading goroutine.
func (s *speaker) handle(ev client.Event) {
	switch ev := ev.(type) {
	case *client.Receipt:
		s.receipts.Add(1)
		if ev.Channel == s.crowd.channel && ev.User == "" {
			s.allHave.Store(ev.Delivered)
		}
	case *client.Message:
		n, at, ours := readBody(ev.Body, s.crowd.id)
		switch {
		case ev.Channel != s.crowd.channel || ours && n&beginning != 0:
		case ours:
			s.delivered.Add(1)
			s.note(place{ev.Seq, ev.Prev})
			if s.crowd.acks.Load() {
				s.session.Ack(ev.Channel, ev.Seq)
			}
			if s.crowd.arrived(ev.Seq) {
				s.crowd.lastHasIt(ev.Seq, at)
			}
		case ev.Kind == fabric.MsgText && ev.Seq > s.crowd.began.Load() && s.crowd.began.Load() != 0:
			s.mu.Lock()
			s.fault.add(&s.fault.Stray, "user %s: seq %d is of no message of this run", s.session.Identity().User, ev.Seq)
			s.mu.Unlock()
		}
	}
}

// check holds what was said and heard to be one chain from the run's beginning on, and returns its length and the sum of
// its seqs.
func (s *speaker) check() (n int, sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.places, func(a, b place) int { return cmp.Compare(a.seq, b.seq) })
	last := s.crowd.began.Load()
	who := s.session.Identity().User
	for _, p := range s.places {
		switch {
		case p.seq == last:
			s.fault.add(&s.fault.Doubled, "sender %s: seq %d came twice", who, p.seq)
			continue
		case p.prev != last:
			s.fault.add(&s.fault.Broken, "sender %s: seq %d names %d as its prev, but seq %d came before it", who, p.seq, p.prev, last)
		}
		last = p.seq
		n++
		sum += p.seq
	}
	// The SDK drops what comes twice; on a connection that never broke nothing may.
	if st := s.session.Stats(); st.Connections == 1 && st.Duplicates > 0 {
		s.fault.add(&s.fault.Doubled, "sender %s got %d messages twice or out of order", who, st.Duplicates)
	}
	return n, sum
}
