package msglog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Times of the publisher.
const (
	resendAfter  = 2 * time.Second        // without an answer the record is published again with the same id
	giveUpAfter  = 20 * time.Second       // and after this long its waiters are told
	lookupAfter  = 100 * time.Millisecond // acked but not seen live: its place is read from the log
	publishTick  = 50 * time.Millisecond
	lookupBudget = 5 * time.Second
)

// MaxPending bounds how many records may be unanswered at once; past it Publish refuses with CodeUnavailable.
const MaxPending = 1 << 16

// Stored is how a publish ended: the record's place, and whether it was there before.
type Stored struct {
	fabric.Sent
	Duplicate bool
}

// Waiter is told, exactly once, how a publish ended. It must not block.
type Waiter interface {
	Published(Stored, error)
}

// Publisher writes records to the channels' logs, many at once, each answered on the store's word. The same record
// published twice while the first is unanswered is one publish with two waiters.
//
// The store's word comes twice: as the ack, which knows the seq, and as the republished copy, which knows seq, prev and
// time. Whoever receives live copies hands them to Seen; a record whose copy does not come (it was a duplicate, or the
// copy was lost) is read from the log instead.
type Publisher struct {
	nc     *nats.Conn
	reader *Reader
	shards int
	inbox  string // acks come on inbox + the record's id
	sub    *nats.Subscription

	mu      sync.Mutex
	pending map[string]*publish
	puts    uint64
	refuse  bool // draining or closed
	closed  bool
	idle    chan struct{} // closed when pending is empty; nil while nobody waits for that

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

type publish struct {
	channel  fabric.ChannelID
	msg      *nats.Msg
	waiters  []Waiter
	began    time.Time
	resendAt time.Time
	ackedAt  time.Time
	acked    uint64 // the seq, once the ack came
	dup      bool
	looking  bool
	unseen   bool // no copy of it is expected
	put      bool // of Put: the ack is all there is to know
}

// NewPublisher returns a publisher on nc. Close it.
func NewPublisher(nc *nats.Conn, reader *Reader, shards int) (*Publisher, error) {
	p := &Publisher{
		nc: nc, reader: reader, shards: shards,
		inbox:   nc.NewRespInbox() + ".",
		pending: make(map[string]*publish),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	var err error
	// An id has two tokens, <sender>.<cid>, and so has the rest of an ack's subject.
	if p.sub, err = nc.Subscribe(p.inbox+"*.*", p.ack); err != nil {
		return nil, fmt.Errorf("subscribe to acks: %w", err)
	}
	if err := p.sub.SetPendingLimits(-1, -1); err != nil { // bounded by MaxPending
		return nil, fmt.Errorf("subscribe to acks: %w", err)
	}
	p.wg.Go(p.watch)
	return p, nil
}

// Publish stores payload in c's log as what from calls cid, and tells w. Where it returns an error nothing was
// published, and w is not told.
func (p *Publisher) Publish(c fabric.ChannelID, from fabric.UserID, cid string, payload []byte, w Waiter) error {
	return p.publish(c, from, cid, payload, w, false)
}

// PublishUnseen is Publish for who may be alone with the record: where nobody on nc receives the channel's live copies,
// Publish would wait for one in vain. Its place is read from the log as soon as it is stored.
func (p *Publisher) PublishUnseen(c fabric.ChannelID, from fabric.UserID, cid string, payload []byte, w Waiter) error {
	return p.publish(c, from, cid, payload, w, true)
}

func (p *Publisher) publish(c fabric.ChannelID, from fabric.UserID, cid string, payload []byte, w Waiter, unseen bool) error {
	id := subjects.MsgID(from, cid)
	now := time.Now()
	pub := &publish{
		channel: c,
		msg: &nats.Msg{
			Subject: subjects.Log(c, subjects.Shard(c, p.shards)),
			Reply:   p.inbox + id,
			Header:  nats.Header{subjects.HeaderMsgID: []string{id}},
			Data:    payload,
		},
		waiters: []Waiter{w}, began: now, resendAt: now.Add(resendAfter), unseen: unseen,
	}
	p.mu.Lock()
	if p.refuse {
		p.mu.Unlock()
		return errGoingDown
	}
	if same := p.pending[id]; same != nil {
		defer p.mu.Unlock()
		if same.channel != c {
			return errCIDInUse
		}
		same.waiters = append(same.waiters, w)
		return nil
	}
	if len(p.pending) >= MaxPending {
		p.mu.Unlock()
		return errBehind
	}
	p.pending[id] = pub
	p.mu.Unlock()
	// Outside of the lock: it can wait for the socket. Should it fail, watch tries again like after a lost ack.
	_ = p.nc.PublishMsg(pub.msg)
	return nil
}

// Put stores msg, which is no record of a channel's (a receipt, a bucket's key), and tells w when it is durable. Unlike
// Publish it also works while the publisher drains, since what a drain says goodbye with is stored by it.
func (p *Publisher) Put(msg *nats.Msg, w Waiter) error {
	now := time.Now()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return errGoingDown
	}
	if len(p.pending) >= 2*MaxPending {
		p.mu.Unlock()
		return errBehind
	}
	p.puts++
	id := "put." + strconv.FormatUint(p.puts, 10)
	msg.Reply = p.inbox + id
	p.pending[id] = &publish{msg: msg, waiters: []Waiter{w}, began: now, resendAt: now.Add(resendAfter), put: true}
	p.mu.Unlock()
	_ = p.nc.PublishMsg(msg) // as in Publish
	return nil
}

// Seen tells the publisher of a stored record that came live. It returns the waiters it told.
func (p *Publisher) Seen(id string, sent fabric.Sent) []Waiter {
	p.mu.Lock()
	pub := p.pending[id]
	if pub == nil || pub.channel != sent.Channel {
		p.mu.Unlock()
		return nil
	}
	p.remove(id)
	p.mu.Unlock()
	pub.tell(Stored{Sent: sent}, nil)
	return pub.waiters
}

// remove drops a pending publish. mu is held.
func (p *Publisher) remove(id string) {
	delete(p.pending, id)
	if p.idle != nil && len(p.pending) == 0 {
		close(p.idle)
		p.idle = nil
	}
}

func (pub *publish) tell(s Stored, err error) {
	for _, w := range pub.waiters {
		w.Published(s, err)
	}
}

// pubAck is JetStream's answer to a publish.
type pubAck struct {
	Seq       uint64          `json:"seq"`
	Duplicate bool            `json:"duplicate"`
	Error     json.RawMessage `json:"error"`
}

func (p *Publisher) ack(m *nats.Msg) {
	id, ok := strings.CutPrefix(m.Subject, p.inbox)
	if !ok {
		return
	}
	p.mu.Lock()
	pub := p.pending[id]
	if pub == nil {
		p.mu.Unlock()
		return // the usual case: its live copy came first
	}
	var ack pubAck
	// No responders (a status without data) means that no stream listens, as while a leader is elected. Like any other
	// refusal it is tried again with the same id until giveUpAfter.
	if len(m.Data) == 0 || json.Unmarshal(m.Data, &ack) != nil || ack.Error != nil || ack.Seq == 0 {
		p.mu.Unlock()
		return
	}
	if pub.put {
		p.remove(id)
		p.mu.Unlock()
		pub.tell(Stored{}, nil)
		return
	}
	pub.acked, pub.dup, pub.ackedAt = ack.Seq, ack.Duplicate, time.Now()
	if pub.dup || pub.unseen {
		p.lookup(id, pub) // a duplicate is not stored again, so no copy will come
	}
	p.mu.Unlock()
}

// lookup reads the place of an acked record from the log and tells its waiters. mu is held.
func (p *Publisher) lookup(id string, pub *publish) {
	if pub.looking || p.closed {
		return
	}
	pub.looking = true
	p.wg.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, lookupBudget)
		defer cancel()
		rec, err := p.reader.At(ctx, pub.channel, subjects.Shard(pub.channel, p.shards), pub.acked)
		p.mu.Lock()
		foreign := errors.Is(err, ErrNoRecord) // the seq is another channel's: the cid was used there
		if p.pending[id] != pub || err != nil && !foreign {
			pub.looking = false // watch tries again, unless the copy came meanwhile
			p.mu.Unlock()
			return
		}
		p.remove(id)
		p.mu.Unlock()
		if foreign {
			pub.tell(Stored{}, errCIDInUse)
			return
		}
		pub.tell(Stored{
			Sent:      fabric.Sent{Channel: pub.channel, Seq: rec.Seq, Prev: rec.Prev, At: rec.At},
			Duplicate: pub.dup,
		}, nil)
	})
}

// watch publishes again what stays unanswered, looks up what was acked but not seen, and gives up in the end.
func (p *Publisher) watch() {
	tick := time.NewTicker(publishTick)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			again, gaveUp := p.sweep(now)
			for _, msg := range again {
				_ = p.nc.PublishMsg(msg) // a failure is the next sweep's to see
			}
			for _, pub := range gaveUp {
				pub.tell(Stored{}, errNoAnswer)
			}
		}
	}
}

var errCIDInUse = fabric.Errorf(fabric.CodeConflict,
	"this cid is that of another message in another channel: a message needs a cid of its own")

var (
	errGoingDown = fabric.Errorf(fabric.CodeUnavailable, "this server is going down: reconnect and send again")
	errBehind    = fabric.Errorf(fabric.CodeUnavailable, "the store is behind: send again in a moment")
)

var errNoAnswer = fabric.Errorf(fabric.CodeUnavailable,
	"the store did not answer in time: send again with the same cid, it is stored once")

func (p *Publisher) sweep(now time.Time) (again []*nats.Msg, gaveUp []*publish) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, pub := range p.pending {
		switch {
		case now.Sub(pub.began) > giveUpAfter:
			p.remove(id)
			gaveUp = append(gaveUp, pub)
		case pub.acked != 0:
			if now.Sub(pub.ackedAt) > lookupAfter {
				p.lookup(id, pub)
			}
		case now.After(pub.resendAt):
			pub.resendAt = now.Add(resendAfter)
			again = append(again, pub.msg)
		}
	}
	return again, gaveUp
}

// Drain takes no further records and waits until every one at work is answered, or ctx ends.
func (p *Publisher) Drain(ctx context.Context) error {
	p.mu.Lock()
	p.refuse = true
	n := len(p.pending)
	if n == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("of %d records at work some were not answered: %w", n, ctx.Err())
	}
}

// Close ends the publisher. Waiters that were not told yet are told that it is unavailable.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.refuse, p.closed = true, true
	p.mu.Unlock()
	p.stop()
	err := p.sub.Unsubscribe()
	p.wg.Wait()
	p.mu.Lock()
	left := p.pending
	p.pending = map[string]*publish{}
	p.mu.Unlock()
	for _, pub := range left {
		pub.tell(Stored{}, errNoAnswer)
	}
	return err
}
