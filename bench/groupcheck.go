package bench

import (
	"context"
	"time"
)

// groupTally is how far a crowd has come at a moment.
type groupTally struct {
	at              time.Time
	sent, delivered uint64
	frames, bytes   uint64 // to members, senders left out
	receipts        uint64 // events
	loader          *float64
	server          sample
}

func (c *crowd) tally(ctx context.Context) groupTally {
	a := groupTally{server: c.t.sample(ctx), loader: loaderCPU(), at: time.Now()}
	for _, s := range c.senders {
		a.sent += s.replied.Load()
		a.delivered += s.delivered.Load()
		a.receipts += s.receipts.Load()
	}
	for _, m := range c.members {
		a.delivered += m.delivered.Load()
		a.receipts += m.receipts.Load()
		a.frames += m.frames.Load()
		a.bytes += m.bytes.Load()
	}
	return a
}

// open returns what is under way: sends without a reply, and deliveries.
func (c *crowd) open() (open int64) {
	var sent uint64
	for _, s := range c.senders {
		sent += s.replied.Load()
		open += s.inFlight.Load()
	}
	for _, s := range c.senders {
		open += int64(sent - s.replied.Load() - s.delivered.Load())
	}
	for _, m := range c.members {
		open += int64(sent - m.delivered.Load())
	}
	return open
}

// drain waits until everything that was sent has been answered and received, or the time is over.
func (c *crowd) drain(ctx context.Context, most time.Duration) error {
	for deadline := time.Now().Add(most); time.Now().Before(deadline); {
		if c.open() == 0 {
			return sleep(ctx, 100*time.Millisecond) // for doubles that come late
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// allHave reports whether everybody was told that everybody has the last message.
func (c *crowd) allHave() bool {
	var last uint64
	for _, m := range c.members {
		last = max(last, m.newest.Load())
	}
	for _, s := range c.senders {
		if s.allHave.Load() < last {
			return false
		}
	}
	for _, m := range c.members {
		if m.allHave.Load() < last {
			return false
		}
	}
	return true
}

// check ends the connections and adds what was wrong: each sender's replies and events, and each member's events, must be
// the same messages.
func (c *crowd) check(r *Report) {
	for _, m := range c.members {
		select {
		case <-m.over:
			r.fail("member %s was disconnected: %v", m.user.ID, m.died)
		default:
		}
	}
	for _, s := range c.senders {
		if n := s.session.Stats().Connections; n != 1 {
			r.fail("sender %s was disconnected (%d×)", s.session.Identity().User, n-1)
		}
		if n := s.inFlight.Load(); n > 0 {
			r.fail("%d sends of user %s were not answered", n, s.session.Identity().User)
		}
	}
	c.close()
	var sent int
	var sum uint64
	for i, s := range c.senders {
		n, of := s.check()
		if i == 0 {
			sent, sum = n, of
		}
		if n != sent || of != sum {
			s.fault.add(&s.fault.Lost, "sender %s knows %d messages, sender %s %d", s.session.Identity().User, n, c.senders[0].session.Identity().User, sent)
		}
		r.Faults.Merge(s.fault)
	}
	for _, m := range c.members {
		switch got := int(m.delivered.Load()) - m.fault.Doubled; {
		case got < sent:
			m.fault.add(&m.fault.Lost, "user %s got %d of %d messages", m.user.ID, got, sent)
			m.fault.Lost += sent - got - 1
		case got > sent:
			m.fault.add(&m.fault.Unanswered, "user %s got %d messages, and %d were answered", m.user.ID, got, sent)
		case m.sum != sum:
			m.fault.add(&m.fault.Broken, "user %s got as many messages as were sent, and others", m.user.ID)
		}
		r.Faults.Merge(m.fault)
	}
}
