package edge

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// receiptEvery is how often a user's marks in one channel are written at most. The first ack after a quiet while is
// written at once; those that pile up become one write.
const receiptEvery = 100 * time.Millisecond

// receipts turns acks into high-water marks. One write of a channel's marks is on its way at a time, and what a write
// says never falls: what was stored before is read first, and when another edge's write turns out to have been lower
// than what is known here, the higher marks are written again.
type receipts struct {
	edge *Edge
	wake chan struct{}

	mu    sync.Mutex
	marks map[fabric.UserID]map[fabric.ChannelID]*mark // of users who are online here, and those still being written
	due   []*mark
}

// mark is one user's marks in one channel. Guarded by receipts.mu.
type mark struct {
	user    fabric.UserID
	channel fabric.ChannelID
	group   bool
	want    fabric.Receipt // what the user's devices say
	stored  fabric.Receipt // what the stream is known to hold
	by      *Session       // who acked last: it need not be told
	told    uint64         // what the user's sessions here were told was read
	loaded  bool
	queued  bool // in due
	writing bool
	next    time.Time // not written again before
}

func newReceipts(e *Edge) *receipts {
	return &receipts{edge: e, wake: make(chan struct{}, 1), marks: make(map[fabric.UserID]map[fabric.ChannelID]*mark)}
}

// mark takes an ack or a read.
func (s *Session) mark(m *member, r *request, read bool) {
	c, err := fabric.ParseChannelID(r.channel)
	var st standing
	if err == nil {
		st, err = s.edge.standing(s.edge.ctx, m.id, c)
	}
	if err == nil && st.kind == fabric.KindSelf {
		err = fabric.Errorf(fabric.CodeBadRequest, "there are no receipts in channel %s", c)
	}
	if err == nil && r.seq == 0 {
		err = fabric.Errorf(fabric.CodeBadRequest, "seq: want the seq of a message")
	}
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	marks := fabric.Receipt{User: m.id, Delivered: r.seq}
	if read {
		marks.Read = r.seq
	}
	shard := subjects.Shard(c, s.edge.cfg.Shards)
	if r.seq <= s.edge.live.seen[shard].Load() {
		s.acked(c, marks)
		if r.id != nil {
			s.replyRaw(r.id, []byte("{}"))
		}
		return
	}
	// A mark ahead of the log would count messages yet to come as read. This edge has not seen that seq; has the log?
	s.later(r, func(ctx context.Context) ([]byte, error) {
		head, err := s.edge.reader.Head(ctx, subjects.MsgStream(shard))
		if err != nil {
			return nil, err
		}
		if marks.Delivered > head {
			return nil, fabric.Errorf(fabric.CodeBadRequest, "seq: there is no message %d yet", marks.Delivered)
		}
		s.acked(c, marks)
		return []byte("{}"), nil
	})
}

// acked takes marks that are not ahead of the log.
func (s *Session) acked(c fabric.ChannelID, marks fabric.Receipt) {
	s.edge.receipts.want(s, c, marks)
	s.edge.acks.note(c, s.device, marks)
}

// want raises a user's marks to at least w.
func (rs *receipts) want(by *Session, c fabric.ChannelID, w fabric.Receipt) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	of := rs.marks[w.User]
	if of == nil {
		of = make(map[fabric.ChannelID]*mark)
		rs.marks[w.User] = of
	}
	mk := of[c]
	if mk == nil {
		mk = &mark{
			user: w.User, channel: c, group: c.Kind() == fabric.KindGroup,
			want: fabric.Receipt{User: w.User}, stored: fabric.Receipt{User: w.User},
		}
		of[c] = mk
	}
	higher := mk.want.Merge(w)
	if higher == mk.want {
		return
	}
	mk.want, mk.by = higher, by
	if mk.group && !mk.queued && !mk.writing {
		mk.next = later(mk.next, rs.spread(c))
	}
	rs.queue(mk)
}

// sent counts a group's message as delivered to its sender and, since who writes in a group has it open, as read. The
// marks that all members have passed would else wait for those who only write.
func (rs *receipts) sent(by *Session, u fabric.UserID, sent fabric.Sent) {
	if sent.Channel.Kind() == fabric.KindGroup {
		rs.want(by, sent.Channel, fabric.Receipt{User: u, Delivered: sent.Seq, Read: sent.Seq})
	}
}

// groupReceiptEvery is how often a member's marks in one group are written at most. What everybody has is told once a
// second; more of them would change nothing.
const groupReceiptEvery = time.Second

// mostSpread bounds over how long the receipts of one message to a large group are spread.
const mostSpread = 5 * time.Second

// spread returns when a group's member writes what they ack now: those of a small group at once, those of a large one at
// random over a millisecond for each who is here, so that one message is no burst of a thousand writes.
func (rs *receipts) spread(c fabric.ChannelID) time.Time {
	const small = 32
	n := rs.edge.hub.sizeHere(c)
	if n <= small {
		return time.Time{}
	}
	return time.Now().Add(rand.N(min(time.Duration(n)*time.Millisecond, mostSpread)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// queue has mk written when it is due. mu is held.
func (rs *receipts) queue(mk *mark) {
	if mk.queued || mk.writing {
		return
	}
	mk.queued = true
	rs.due = append(rs.due, mk)
	select {
	case rs.wake <- struct{}{}:
	default:
	}
}

// run writes marks as they come due, until ctx ends.
func (rs *receipts) run(ctx context.Context) {
	tick := time.NewTicker(receiptEvery / 4)
	tick.Stop()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rs.wake:
		case <-tick.C:
		}
		if rs.writeDue(ctx, time.Now()) {
			tick.Reset(receiptEvery / 4)
		} else {
			tick.Stop()
		}
	}
}

// writeDue writes what is due at now; it reports whether anything is left for later.
func (rs *receipts) writeDue(ctx context.Context, now time.Time) bool {
	rs.mu.Lock()
	var ready, unknown []*mark
	later := rs.due[:0]
	for _, mk := range rs.due {
		switch {
		case now.Before(mk.next):
			later = append(later, mk)
		case mk.loaded:
			ready = append(ready, mk)
		default:
			unknown = append(unknown, mk)
		}
	}
	clear(rs.due[len(later):])
	rs.due = later
	rs.mu.Unlock()
	ready = append(ready, rs.load(ctx, unknown)...)
	for _, mk := range ready {
		rs.write(mk)
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.due) > 0
}

// load learns what the stream holds of marks that were not written here yet: one question a shard, however many.
func (rs *receipts) load(ctx context.Context, unknown []*mark) []*mark {
	if len(unknown) == 0 {
		return nil
	}
	byShard := make(map[int][]string)
	bySubject := make(map[string]*mark, len(unknown))
	for _, mk := range unknown {
		shard := subjects.Shard(mk.channel, rs.edge.cfg.Shards)
		subject := mk.subject(shard)
		byShard[shard] = append(byShard[shard], subject)
		bySubject[subject] = mk
	}
	for shard, of := range byShard {
		lasts, err := rs.edge.reader.LastOf(ctx, subjects.RcptStream(shard), of, 0)
		if err != nil {
			rs.edge.log.Warn("cannot read receipts; trying again", "err", err)
			rs.retry(unknown)
			return nil
		}
		rs.mu.Lock()
		for _, last := range lasts {
			var marks fabric.Receipt
			if mk := bySubject[last.Subject]; mk != nil && json.Unmarshal(last.Payload, &marks) == nil {
				marks.User, marks.Private = mk.user, false
				mk.stored = mk.stored.Merge(marks)
			}
		}
		rs.mu.Unlock()
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, mk := range unknown {
		mk.loaded = true
	}
	return unknown
}

// retry queues marks again for a moment later.
func (rs *receipts) retry(marks []*mark) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, mk := range marks {
		mk.queued, mk.next = false, time.Now().Add(10*receiptEvery)
		rs.queue(mk)
	}
}

// subject returns where a mark is stored.
func (mk *mark) subject(shard int) string {
	if mk.group {
		return subjects.GroupReceipt(mk.channel, shard, mk.user)
	}
	return subjects.Receipt(mk.channel, shard, mk.user)
}

func (rs *receipts) write(mk *mark) {
	m := rs.edge.hub.memberOf(mk.user)
	rs.mu.Lock()
	mk.queued = false
	marks := mk.want.Merge(mk.stored)
	if marks == mk.stored {
		rs.drop(mk)
		rs.mu.Unlock()
		return
	}
	every := receiptEvery
	if mk.group {
		every = groupReceiptEvery
	}
	mk.want, mk.writing, mk.next = marks, true, time.Now().Add(every)
	by := mk.by // whose ack it is: after a restart the push role knows it by this alone
	rs.mu.Unlock()
	data := strconv.AppendUint([]byte(`{"delivered":`), marks.Delivered, 10)
	data = strconv.AppendUint(append(data, `,"read":`...), marks.Read, 10)
	if !mk.group && m != nil && m.private.Load() { // in a group nobody can tell who has not read
		data = append(data, `,"private":true`...)
	}
	if by != nil {
		data = append(append(append(data, `,"device":"`...), by.device...), '"')
	}
	data = append(data, '}')
	rs.edge.metrics.receipts.Inc()
	w := &markWaiter{rs: rs, mk: mk, wrote: marks}
	shard := subjects.Shard(mk.channel, rs.edge.cfg.Shards)
	if err := rs.edge.publisher.Put(&nats.Msg{Subject: mk.subject(shard), Data: data}, w); err != nil {
		w.Published(msglog.Stored{}, err)
	}
}

type markWaiter struct {
	rs    *receipts
	mk    *mark
	wrote fabric.Receipt
}

// Published ends a write; what rose meanwhile is written next. A group's marks are not republished: what was read is told
// to the user's other sessions here.
func (w *markWaiter) Published(_ msglog.Stored, err error) {
	w.rs.mu.Lock()
	defer w.rs.mu.Unlock()
	w.mk.writing = false
	if err == nil {
		if w.mk.group && w.wrote.Read > w.mk.stored.Read {
			data, err := json.Marshal(readElsewhere{Channel: w.mk.channel, Read: w.wrote.Read})
			if err == nil {
				err = w.rs.edge.nc.Publish(subjects.ReadElsewhere(w.mk.user), data)
			}
			if err != nil {
				w.rs.edge.log.Warn("cannot tell a user's other sessions what was read", "err", err)
			}
		}
		w.mk.stored = w.mk.stored.Merge(w.wrote)
	}
	if w.mk.want.Merge(w.mk.stored) != w.mk.stored {
		w.rs.queue(w.mk)
		return
	}
	w.rs.drop(w.mk)
}

// readElsewhere says what a user has read in a group.
type readElsewhere struct {
	Channel fabric.ChannelID `json:"channel"`
	Read    uint64           `json:"read"`
}

// readElsewhere tells a user's sessions here what was read in one of them, or on another edge.
func (rs *receipts) readElsewhere(self fabric.ChannelID, data []byte) {
	var read readElsewhere
	if err := json.Unmarshal(data, &read); err != nil {
		rs.edge.log.Error("what was read is not JSON", "channel", self, "err", err)
		return
	}
	u := usersOf(self)[0]
	rs.mu.Lock()
	var by *Session
	if mk := rs.marks[u][read.Channel]; mk != nil && mk.want.Read == read.Read {
		by = mk.by
	}
	rs.mu.Unlock()
	event := appendRead(nil, read.Channel, read.Read)
	for _, s := range rs.edge.hub.sessionsOf(u) {
		if s != by {
			s.push(event)
		}
	}
}

// passed tells a group's sessions here what all of its members have.
func (rs *receipts) passed(c fabric.ChannelID, data []byte) {
	var marks fabric.Receipt
	if err := json.Unmarshal(data, &marks); err != nil {
		rs.edge.log.Error("a group's marks are not JSON", "channel", c, "err", err)
		return
	}
	g := rs.edge.hub.groupHere(c)
	if g == nil {
		return
	}
	rs.edge.metrics.groupReceipts.Inc()
	event := appendReceipt(nil, c, marks)
	rs.edge.hub.each(g, func(_ *groupMember, s *Session) { s.push(event) })
}

// drop forgets a mark that is stored, once its user is no longer here. mu is held.
func (rs *receipts) drop(mk *mark) {
	if rs.edge.hub.memberOf(mk.user) != nil {
		return
	}
	delete(rs.marks[mk.user], mk.channel)
	if len(rs.marks[mk.user]) == 0 {
		delete(rs.marks, mk.user)
	}
}

// forget lets go of what a user who left has no writes due of.
func (rs *receipts) forget(u fabric.UserID) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, mk := range rs.marks[u] {
		if !mk.queued && !mk.writing {
			rs.drop(mk)
		}
	}
}

// received takes marks as the stream republished them, and tells the chat's sessions here.
func (rs *receipts) received(c fabric.ChannelID, u fabric.UserID, data []byte) {
	var marks fabric.Receipt
	if err := json.Unmarshal(data, &marks); err != nil {
		rs.edge.log.Error("a receipt is not JSON", "channel", c, "err", err)
		return
	}
	seen := fabric.Receipt{User: u, Delivered: marks.Delivered, Read: marks.Read, Private: marks.Private}.For("")
	marks.User, marks.Private = u, false
	by, readRose, fell := rs.learn(c, marks)
	if fell {
		return // the higher marks are on their way
	}
	for _, member := range usersOf(c) {
		event := appendReceipt(nil, c, seen)
		if member == u {
			event = appendReceipt(event[:0], c, marks)
		}
		for _, s := range rs.edge.hub.sessionsOf(member) {
			if s == by {
				continue
			}
			s.push(event)
			if member == u && readRose {
				s.push(appendRead(nil, c, marks.Read))
			}
		}
	}
}

// learn compares marks with what is known of u's here. by is the session that caused just these; fell tells that another
// edge wrote lower ones than we know.
func (rs *receipts) learn(c fabric.ChannelID, marks fabric.Receipt) (by *Session, readRose, fell bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	mk := rs.marks[marks.User][c]
	if mk == nil {
		return nil, marks.Read > 0, false
	}
	if marks.Merge(mk.stored) != marks {
		mk.want = mk.want.Merge(mk.stored)
		mk.stored = marks
		rs.queue(mk)
		return nil, false, true
	}
	// Not by what is stored: of a write of our own that is known before it comes here.
	readRose = marks.Read > mk.told
	mk.told = max(mk.told, marks.Read)
	if marks == mk.want || mk.writing {
		by = mk.by
	}
	mk.stored, mk.want = marks, mk.want.Merge(marks)
	return by, readRose, false
}

func appendReceipt(b []byte, c fabric.ChannelID, r fabric.Receipt) []byte {
	b = append(b, `{"ev":"receipt","channel":"`...)
	b = append(b, c...)
	if r.User != "" { // of a group as a whole there is none
		b = append(b, `","user":"`...)
		b = append(b, r.User...)
	}
	b = append(b, `","delivered":`...)
	b = strconv.AppendUint(b, r.Delivered, 10)
	b = append(b, `,"read":`...)
	b = strconv.AppendUint(b, r.Read, 10)
	return append(b, '}')
}

func appendRead(b []byte, c fabric.ChannelID, seq uint64) []byte {
	b = append(b, `{"ev":"channel","channel":"`...)
	b = append(b, c...)
	b = append(b, `","change":"read","read":`...)
	b = strconv.AppendUint(b, seq, 10)
	return append(b, '}')
}

// drain writes what is due and waits until it is stored, or ctx ends.
func (rs *receipts) drain(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		rs.mu.Lock()
		for _, mk := range rs.due {
			mk.next = time.Time{}
		}
		busy := len(rs.due) > 0
		for _, of := range rs.marks {
			for _, mk := range of {
				busy = busy || mk.writing
			}
		}
		rs.mu.Unlock()
		if !busy {
			return
		}
		select {
		case rs.wake <- struct{}{}:
		default:
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
