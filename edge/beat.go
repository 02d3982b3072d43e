package edge

import (
	"context"
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
)

// beat does what is due now and then: it keeps the coarse clock, pings quiet connections, ends dead and silent ones,
// writes off the presence of those who left, and gives cursors to whom messages came.
func (e *Edge) beat(ctx context.Context) {
	const step = 250 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			e.clock.ms.Store(fabric.Millis(now))
			e.presence.sweep(now)
			if n%4 == 0 {
				e.dirty.cursors(e)
				e.resync.remember()
			}
			if n%4 == 2 {
				e.checkLiveness(now)
			}
		}
	}
}

// checkLiveness looks at every connection once a second.
func (e *Edge) checkLiveness(now time.Time) {
	ms := fabric.Millis(now)
	for _, s := range e.everySession() {
		quiet := ms - s.sock.lastRead.Load()
		switch {
		case s.member() == nil && ms-s.begun > int64(e.cfg.Limits.HelloMillis):
			s.close(closeUnauthorized, "no hello in time")
		case quiet > 2*heartbeat*1000+10_000:
			s.gone() // two pings unanswered: nobody is there to be told
		case quiet > heartbeat*1000 && s.quietFor(ms):
			// Where something is being written already, the peer's silence shows in that.
			s.mu.Lock()
			if s.state < stateClosing && !s.flushing {
				s.pingDue = true
				s.kick()
			}
			s.mu.Unlock()
		}
	}
}

// quietFor reports, once a heartbeat, that it is time to ping.
func (s *Session) quietFor(ms int64) bool {
	if ms-s.lastPing < heartbeat*1000 {
		return false
	}
	s.lastPing = ms
	return true
}

// pinged and ponged are called by the WebSocket's reader between two frames.
func (s *Session) pinged(context.Context, []byte) bool {
	if s.reader != nil {
		s.sock.atBoundary(s.reader.Buffered(), true)
	}
	return true // answered with a pong
}

func (s *Session) ponged(context.Context, []byte) {
	if s.reader != nil {
		s.sock.atBoundary(s.reader.Buffered(), true)
	}
}

// dirtySessions are those to whom messages came since their last cursor.
type dirtySessions struct {
	mu   sync.Mutex
	list []*Session
}

func (d *dirtySessions) add(s *Session) {
	d.mu.Lock()
	d.list = append(d.list, s)
	d.mu.Unlock()
}

// cursors gives each of them one. While a hole is being filled nobody gets one: it would name what is yet to come.
func (d *dirtySessions) cursors(e *Edge) {
	if e.live.repairs.Load() > 0 || e.resync.busy.Load() {
		return
	}
	d.mu.Lock()
	list := d.list
	d.list = nil
	d.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		if s.state == stateReady && s.catching == nil && s.dirty {
			s.cursorLocked("cursor")
		}
		s.mu.Unlock()
	}
}
