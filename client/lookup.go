package client

import (
	"context"
	"time"

	"github.com/weft-im/weft/fabric"
)

// defaultDedupe is the dedupe window of a server that does not tell its own.
const defaultDedupe = 2 * time.Minute

// dedupeWindow is for how long after its first try a message may simply be sent again: the server's window less a
// quarter, for what lies between the client's clock and the store's.
func (l Limits) dedupeWindow() time.Duration {
	window := defaultDedupe
	if l.DedupeMS > 0 {
		window = time.Duration(l.DedupeMS) * time.Millisecond
	}
	return window - window/4
}

// clockSlack is how far a message's time may lie before its first try, after the clocks' known difference.
const clockSlack = time.Minute

// lookAndSend ends a send that is in its channel's history already, and sends it again otherwise: the server would not
// recognise its cid any more.
func (s *Session) lookAndSend(c *call) {
	s.lookups.Lock() // one after the other: they are read requests that nobody hurries for
	sent, found, err := s.look(c)
	s.lookups.Unlock()
	if found || (err != nil && s.ctx.Err() == nil) {
		if s.claim(c.id) != nil {
			c.sent(sent, err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.looking = false
	if s.pending[c.id] != c || s.ctx.Err() != nil {
		return
	}
	c.tried = time.Now()
	if s.conn != nil {
		s.place(c)
	}
}

// look pages back through the channel's history until before c was first tried.
func (s *Session) look(c *call) (sent fabric.Sent, found bool, err error) {
	s.mu.Lock()
	self, oldest := s.identity.User, fabric.Millis(c.tried.Add(s.skew-clockSlack))
	s.mu.Unlock()

	channel := fabric.ChannelID(c.to)
	if peer, err := fabric.ParseUserID(c.to); err == nil {
		channel = fabric.Direct(self, peer)
	}
	for before := uint64(0); ; {
		page, err := s.lookPage(channel, before)
		if fabricCode(err) == fabric.CodeNotFound {
			return sent, false, nil // there is no such chat yet, so it is not in it
		}
		if err != nil {
			return sent, false, err
		}
		for i := len(page.Messages) - 1; i >= 0; i-- {
			m := page.Messages[i]
			if m.From == self && m.CID == c.cid {
				return fabric.Sent{Channel: m.Channel, Seq: m.Seq, Prev: m.Prev, At: m.At}, true, nil
			}
		}
		if !page.More || len(page.Messages) == 0 || page.Messages[0].At < oldest {
			return sent, false, nil
		}
		before = page.Messages[0].Seq
	}
}

// lookPage asks for a page until the server has time for it.
func (s *Session) lookPage(channel fabric.ChannelID, before uint64) (Page, error) {
	for attempt := 1; ; attempt++ {
		page, err := s.history(s.ctx, &call{inner: true}, channel, HistoryQuery{Before: before, Limit: maxPage})
		if code := fabricCode(err); code != fabric.CodeUnavailable && code != fabric.CodeRateLimited {
			return page, err
		}
		select {
		case <-time.After(s.opt.Backoff(attempt)):
		case <-s.ctx.Done():
			return page, context.Cause(s.ctx)
		}
	}
}
