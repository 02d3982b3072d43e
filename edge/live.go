package edge

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// live is the one goroutine through which everything live passes: what NATS brings, and what was read from the logs to
// fill holes. It owns the tails, so a channel's messages leave it in log order whatever order they came in.
type live struct {
	edge    *Edge
	msgs    chan *nats.Msg
	control chan func() // work for the loop's goroutine
	tails   map[fabric.ChannelID]*tail
	joins   map[join]*joining
	event   []byte // the event being built; sessions copy it

	seen    []atomic.Uint64 // the highest seq seen, by shard
	repairs atomic.Int64    // holes being filled: cursors wait until there are none
}

// tail is where a channel stands on this edge: all up to seq was handed to the sessions that are here.
type tail struct {
	seq       uint64
	refs      int             // online members who hold it
	group     *group          // of a group's: it lasts as long as that is followed
	held      []msglog.Record // what came while a hole is being filled
	repairing bool
	dropped   bool // held overflowed: what was dropped is in the log
}

// maxHeld bounds what waits behind a hole; the log has the rest.
const maxHeld = 1024

func newLive(e *Edge, msgs chan *nats.Msg) *live {
	return &live{
		edge: e, msgs: msgs,
		control: make(chan func(), 256),
		tails:   make(map[fabric.ChannelID]*tail),
		joins:   make(map[join]*joining),
		seen:    make([]atomic.Uint64, e.cfg.Shards),
	}
}

func (l *live) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-l.msgs:
			l.receive(m)
		case f := <-l.control:
			f()
		}
	}
}

// do runs f in the loop's goroutine.
func (l *live) do(ctx context.Context, f func()) {
	select {
	case l.control <- f:
	case <-ctx.Done():
	}
}

func (l *live) receive(m *nats.Msg) {
	c, event, user, ok := subjects.ParseLive(m.Subject)
	if !ok {
		if u, edge, isPresence := subjects.ParsePresence(m.Subject); isPresence {
			l.edge.watches.changed(u, edge, m)
		}
		return
	}
	switch event {
	case subjects.EventMessage:
		l.message(c, m)
	case subjects.EventReceipt:
		if user == subjects.AllMembers {
			l.edge.receipts.passed(c, m.Data)
			return
		}
		l.edge.receipts.received(c, user, m.Data)
	case subjects.EventTyping:
		l.edge.typed(c, m.Data)
	case subjects.EventRead:
		l.edge.receipts.readElsewhere(c, m.Data)
	case subjects.EventAccess:
		l.edge.accessChanged(c, m.Data)
	}
}

// message takes a record that the store republished.
func (l *live) message(c fabric.ChannelID, m *nats.Msg) {
	rec, ok := recordOf(c, m)
	if !ok {
		l.edge.log.Error("a live message without its place", "subject", m.Subject)
		return
	}
	var told []msglog.Waiter
	if id := m.Header[subjects.HeaderMsgID]; len(id) == 1 {
		told = l.edge.publisher.Seen(id[0], fabric.Sent{Channel: c, Seq: rec.Seq, Prev: rec.Prev, At: rec.At})
	}
	l.take(rec, told)
}

// recordOf reads a record's place from the headers that RePublish adds (NATS ADR-28).
func recordOf(c fabric.ChannelID, m *nats.Msg) (rec msglog.Record, ok bool) {
	seq, err1 := strconv.ParseUint(one(m.Header, subjects.HeaderSequence), 10, 64)
	prev, err2 := strconv.ParseUint(one(m.Header, subjects.HeaderLastSeq), 10, 64)
	at, err3 := time.Parse(time.RFC3339Nano, one(m.Header, subjects.HeaderTime))
	if err1 != nil || err2 != nil || err3 != nil || !fabric.IsPayload(m.Data) {
		return msglog.Record{}, false
	}
	return msglog.Record{Channel: c, Seq: seq, Prev: prev, At: fabric.Millis(at), Payload: m.Data}, true
}

// one returns a header's value as it was written: nats.Header.Get would canonicalise nothing but costs no more.
func one(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// take hands a record to its channel's sessions, in log order: what was handed on already is dropped, and what comes
// behind a hole waits until the hole is filled from the log. told are the senders who had it as their reply.
func (l *live) take(rec msglog.Record, told []msglog.Waiter) {
	t := l.tails[rec.Channel]
	if t == nil {
		if t = l.newTail(rec); t == nil {
			return // nobody is here
		}
	}
	switch {
	case rec.Seq <= t.seq:
		return
	case t.repairing:
		l.hold(t, rec)
		return
	case rec.Prev > t.seq:
		l.hold(t, rec)
		l.repair(rec.Channel, t, rec.Prev)
		return
	}
	t.seq = rec.Seq
	l.deliver(rec, told)
}

// newTail begins to follow a channel for the members who are here, at the record before rec. Where a session has been
// live since before that record, it should have come, and has not: the tail begins where the session did, so that all
// that was lost since shows as a hole.
func (l *live) newTail(rec msglog.Record) *tail {
	if rec.Seq <= rec.Prev {
		return nil
	}
	shard := subjects.Shard(rec.Channel, len(l.seen))
	if g := l.edge.hub.groupHere(rec.Channel); g != nil {
		t := l.groupTail(g, shard, rec.Prev)
		l.tails[rec.Channel] = t
		return t
	}
	t := &tail{seq: rec.Prev}
	for _, u := range usersOf(rec.Channel) {
		if u == "" {
			continue
		}
		m := l.edge.hub.memberOf(u)
		if m == nil {
			continue
		}
		if m.tails == nil {
			m.tails = make(map[fabric.ChannelID]*tail)
		}
		m.tails[rec.Channel] = t
		t.refs++
		for _, s := range l.edge.hub.sessionsOf(u) {
			if began, live := s.liveSince(shard); live {
				t.seq = min(t.seq, began)
			}
		}
	}
	if t.refs == 0 {
		return nil
	}
	l.tails[rec.Channel] = t
	return t
}

// forget lets go of the channels of a member who left, and of the groups that ended with that.
func (l *live) forget(m *member, ended []*group) {
	for c, t := range m.tails {
		if t.refs--; t.refs == 0 && l.tails[c] == t {
			delete(l.tails, c)
		}
	}
	m.tails = nil
	for _, g := range ended {
		l.forgetGroup(g)
	}
}

// usersOf returns the users whose subscriptions bring a channel.
func usersOf(c fabric.ChannelID) [2]fabric.UserID {
	if low, high, ok := c.Users(); ok {
		return [2]fabric.UserID{low, high}
	}
	if a, b := c.Tokens(); a == "u" {
		return [2]fabric.UserID{fabric.UserID(b)}
	}
	return [2]fabric.UserID{}
}

// deliver builds the event once and gives it to each session of the channel on this edge.
func (l *live) deliver(rec msglog.Record, told []msglog.Waiter) {
	shard := subjects.Shard(rec.Channel, len(l.seen))
	if rec.Seq > l.seen[shard].Load() {
		l.seen[shard].Store(rec.Seq) // only this goroutine stores
	}
	l.edge.metrics.delivered.Inc()
	switch rec.Channel.Kind() {
	case fabric.KindGroup:
		l.deliverGroup(shard, rec, told)
		return
	case fabric.KindSelf:
		if fabric.HasKind(rec.Payload, fabric.MsgChannel) {
			l.deliverSelf(shard, rec)
			return
		}
	case fabric.KindDirect:
	}
	only, payload := fabric.CutOnly(rec.Payload)
	l.event = fabric.AppendMessageEvent(l.event[:0], rec.Channel, rec.Seq, rec.Prev, rec.At, payload)
	for _, u := range usersOf(rec.Channel) {
		if u == "" {
			continue
		}
		m := l.edge.hub.memberOf(u)
		if m == nil {
			continue
		}
		l.follow(m, rec.Channel)
		had := only != "" && u != only // nobody else's to see, and yet passed
		for _, s := range l.edge.hub.sessionsOf(u) {
			s.message(shard, rec, l.event, had || toldOf(told, s))
		}
	}
}

// follow counts a member who came after the channel's tail was made.
func (l *live) follow(m *member, c fabric.ChannelID) {
	if _, ok := m.tails[c]; ok {
		return
	}
	if t := l.tails[c]; t != nil {
		if m.tails == nil {
			m.tails = make(map[fabric.ChannelID]*tail)
		}
		m.tails[c] = t
		t.refs++
	}
}

// toldOf reports whether s had the message as the reply to its own send.
func toldOf(told []msglog.Waiter, s *Session) bool {
	return slices.ContainsFunc(told, func(w msglog.Waiter) bool {
		sw, ok := w.(*sendWaiter)
		return ok && sw.session == s
	})
}

func (l *live) hold(t *tail, rec msglog.Record) {
	if len(t.held) >= maxHeld {
		t.held, t.dropped = nil, true
	}
	t.held = append(t.held, rec)
}

// repair reads the hole between t and upto from the log and hands it on, then what waited behind it.
func (l *live) repair(c fabric.ChannelID, t *tail, upto uint64) {
	t.repairing = true
	l.repairs.Add(1)
	l.edge.metrics.gaps.Inc()
	after := t.seq
	l.edge.wg.Go(func() {
		defer l.repairs.Add(-1)
		e := l.edge
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
			recs, more, err := e.reader.Range(e.ctx, c, subjects.Shard(c, e.cfg.Shards), after, upto, 1000)
			if err == nil {
				done := make(chan struct{})
				l.do(e.ctx, func() {
					l.filled(t, recs, !more)
					close(done)
				})
				select {
				case <-done:
				case <-e.ctx.Done():
					return
				}
				if !more || len(recs) == 0 {
					return
				}
				after, wait = recs[len(recs)-1].Seq, 50*time.Millisecond
				continue
			}
			if e.ctx.Err() != nil {
				return
			}
			e.log.Warn("cannot read a gap from the log; trying again", "channel", c, "after", after, "err", err)
			select {
			case <-time.After(wait):
			case <-e.ctx.Done():
				return
			}
		}
	})
}

// filled hands on what was read of a hole and, at its end, what waited behind.
func (l *live) filled(t *tail, recs []msglog.Record, end bool) {
	for _, rec := range recs {
		if rec.Seq > t.seq {
			t.seq = rec.Seq
			l.deliver(rec, nil)
		}
	}
	if !end {
		return
	}
	held, dropped := t.held, t.dropped
	t.held, t.repairing, t.dropped = nil, false, false
	if len(held) > 0 && !dropped && held[0].Prev > t.seq {
		t.seq = held[0].Prev // the log has no more of the hole: it expired, and nothing is left to wait for
	}
	for _, rec := range held {
		l.take(rec, nil)
	}
}
