package edge

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// catchUp is a session's way to live. With a cursor it reads what was missed, page by page, while live messages wait. Once a read reaches
// the logs' heads, whatever was held and lies behind them follows, and the session is live. What both brought is
// delivered once, because a read answers for everything up to the heads it names, and nothing behind them.
type catchUp struct {
	held      []heldMessage
	heldBytes int
	overflow  bool // held was dropped: read again from where the last read ended
}

type heldMessage struct {
	channel   fabric.ChannelID
	shard     int
	seq, prev uint64
	event     []byte // nil where the session had it as a reply
}

// maxHeldBytes bounds the live messages that wait for a session's resume; past it the log is read once more instead.
const maxHeldBytes = 256 << 10

// message gives a live message to the session; had says that the session got it as the reply to its own send.
func (s *Session) message(shard int, rec msglog.Record, event []byte, had bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateReady || shard >= len(s.position) && s.catching == nil {
		return
	}
	if c := s.catching; c != nil {
		switch {
		case c.overflow:
		case c.heldBytes+len(event) > maxHeldBytes:
			c.held, c.heldBytes, c.overflow = nil, 0, true
		default:
			held := heldMessage{channel: rec.Channel, shard: shard, seq: rec.Seq, prev: rec.Prev}
			if !had {
				held.event = slices.Clone(event)
			}
			c.held = append(c.held, held)
			c.heldBytes += len(event)
		}
		return
	}
	s.messageLocked(shard, rec.Seq, event, had)
}

// liveSince tells the seq behind which everything of a shard comes to the session live; live is false while it catches
// up, which looks after itself.
func (s *Session) liveSince(shard int) (seq uint64, live bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateReady || s.catching != nil || shard >= len(s.base) {
		return 0, false
	}
	return s.base[shard], true
}

// messageLocked queues a live message of a session that is not catching up. mu is held.
func (s *Session) messageLocked(shard int, seq uint64, event []byte, had bool) {
	if seq <= s.base[shard] {
		return
	}
	if !had {
		s.pushLocked(event)
	}
	s.position[shard] = max(s.position[shard], seq)
	if !s.dirty {
		s.dirty = true
		s.edge.dirty.add(s)
	}
}

// resume brings the session from its cursor to live.
func (s *Session) resume(ctx context.Context, from fabric.Position) {
	began := time.Now()
	for {
		upto, err := s.readSince(ctx, from)
		if err != nil {
			if !errors.Is(err, errSessionOver) && ctx.Err() == nil {
				s.edge.log.Error("a resume failed", "user", s.member().id, "err", err)
				s.close(closeRestart, "cannot resume now: try again")
			}
			return
		}
		if s.goLive(upto) {
			s.edge.metrics.resume.Observe(time.Since(began).Seconds())
			return
		}
		from = upto
	}
}

// readSince queues all that the user's channels have after from, and returns up to where that is.
func (s *Session) readSince(ctx context.Context, from fabric.Position) (fabric.Position, error) {
	req := contract.HistorySinceRequest{User: s.member().id, From: from}
	for {
		page, err := s.edge.since(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Messages {
			if err := s.pushMissed(ctx, object); err != nil {
				return nil, err
			}
		}
		if page.Next == "" {
			return page.Upto, nil
		}
		req.Upto, req.Next = page.Upto, page.Next
	}
}

// pushMissed queues the event of a message object. It waits while half of the queue is full: a resume of any length goes
// at its client's pace, and is no slow client for being long.
func (s *Session) pushMissed(ctx context.Context, object []byte) error {
	event, isEvent := channelEventOf(object)
	for {
		s.mu.Lock()
		if s.state >= stateClosing {
			s.mu.Unlock()
			return errSessionOver
		}
		if queued := s.queued(); queued == 0 || queued+len(object) < s.edge.cfg.Limits.QueueBytes/2 {
			break
		}
		s.mu.Unlock()
		if err := s.waitDrained(ctx); err != nil {
			return err
		}
	}
	defer s.mu.Unlock()
	if b := s.roomFor(len(object) + 32); b != nil {
		if isEvent {
			b.b = append(append(b.b, event...), '\n')
		} else {
			b.b = append(fabric.AppendEventOf(b.b, object), '\n')
		}
		s.kick()
	}
	return nil
}

// since asks the history service, again while it is unavailable: the client is connected and waits, and has nothing
// better to do. The number of questions at once is bounded for the edge as a whole.
func (e *Edge) since(ctx context.Context, req contract.HistorySinceRequest) (contract.HistorySinceReply, error) {
	if req.From != nil { // the heads alone cost next to nothing: whoever is new does not wait for those who are back
		select {
		case e.resumes <- struct{}{}:
			defer func() { <-e.resumes }()
		case <-ctx.Done():
			return contract.HistorySinceReply{}, ctx.Err()
		}
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		reply, err := service.Call[contract.HistorySinceReply](call, e.nc, subjects.HistorySince, req)
		cancel()
		if err == nil && len(reply.Upto) != e.cfg.Shards {
			return reply, fabric.Errorf(fabric.CodeInternal, "history answers for %d shards, the fabric has %d", len(reply.Upto), e.cfg.Shards)
		}
		if err == nil || fabric.CodeOf(err) != fabric.CodeUnavailable {
			return reply, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return reply, ctx.Err()
		}
	}
}

// goLive ends the resume at upto. It reports false where not all of the live messages behind upto are held, because
// there were too many or because NATS lost some: they are in the logs.
func (s *Session) goLive(upto fabric.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.catching
	if c == nil || s.state != stateReady {
		return true // over
	}
	if c.overflow || !c.whole(upto) {
		s.catching = &catchUp{}
		return false
	}
	s.catching = nil
	s.base = upto
	s.position = slices.Clone(upto)
	for _, held := range c.held {
		s.messageLocked(held.shard, held.seq, held.event, held.event == nil)
	}
	s.cursorLocked("synced")
	return true
}

// whole reports whether the held messages follow one another, or upto, without a hole.
func (c *catchUp) whole(upto fabric.Position) bool {
	last := make(map[fabric.ChannelID]uint64, len(c.held))
	for _, h := range c.held {
		if h.prev > max(last[h.channel], upto[h.shard]) {
			return false
		}
		last[h.channel] = h.seq
	}
	return true
}

// cursorLocked queues an event that carries the session's cursor. mu is held.
func (s *Session) cursorLocked(event string) {
	s.dirty = false
	if b := s.roomFor(256); b != nil {
		b.b = append(b.b, `{"ev":"`...)
		b.b = append(b.b, event...)
		b.b = append(b.b, `","cursor":"`...)
		b.b = append(b.b, fabric.EncodeCursor(s.edge.cfg.FabricID, s.position)...)
		b.b = append(b.b, "\"}\n"...)
		s.kick()
	}
}
