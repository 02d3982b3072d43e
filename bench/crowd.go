package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// The numbers of the messages with which a run begins have this bit; the one from which on all is counted has both.
const (
	beginning = 1 << 62
	begins    = 1 << 61
)

// crowd is a group all of whose members are online, and what a run over it shares.
type crowd struct {
	t       Target
	id      uint32
	channel fabric.ChannelID
	clock   clock
	cancel  context.CancelCauseFunc
	senders []*speaker
	members []*member

	head    []byte // that every message of the group begins with, up to its seq
	tag     []byte // that every body of the run begins with
	bodyLen int

	began     atomic.Uint64 // the seq from which on all is counted
	measuring atomic.Bool
	stopping  atomic.Bool
	closing   atomic.Bool
	acks      atomic.Bool
	replies   *latency
	lasts     *latency
	last      *recorder
	slots     []atomic.Uint32             // how many have a message, by its seq; see arrived
	whole     atomic.Pointer[chan uint64] // told the seq of a message that all have, where somebody waits for it
	working   sync.WaitGroup
}

// slots is a power of two above how far one member may be ahead of another, in seqs: what the server queues for a session
// and the sockets hold are some ten thousand messages.
const slots = 1 << 18

// gather makes a group of the users, connects them, the first of them to send, and waits until all are live.
func gather(ctx context.Context, t Target, users []user, senders, body int, cancel context.CancelCauseFunc) (*crowd, error) {
	c := &crowd{
		t: t, id: rand.Uint32(), clock: clock{time.Now()}, cancel: cancel, bodyLen: max(body, MinBody),
		replies: newLatency(), lasts: newLatency(), slots: make([]atomic.Uint32, slots),
	}
	c.last = c.lasts.recorder()
	c.tag = newBody(body, c.id)[:numberAt]
	if err := c.found(ctx, users); err != nil {
		return nil, err
	}
	c.head = fmt.Appendf(nil, `{"ev":"message","channel":"%s","seq":`, c.channel)
	if err := c.connect(ctx, users, senders); err != nil {
		c.close()
		return nil, err
	}
	if err := c.begin(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// mostAtOnce is how many people one call may add to a group.
const mostAtOnce = 1000

// found makes the group.
func (c *crowd) found(ctx context.Context, users []user) error {
	account := client.NewAccount(client.API{URL: c.t.URL, HTTP: &http.Client{Timeout: 30 * time.Second}}, client.StaticToken(users[0].Access))
	ids := make([]fabric.UserID, 0, len(users))
	for _, u := range users[1:] {
		ids = append(ids, u.ID)
	}
	begun := time.Now()
	first := ids[:min(len(ids), mostAtOnce)]
	g, not, err := account.CreateGroup(ctx, client.NewGroup{Name: fmt.Sprintf("Bench %08x", c.id), Members: first})
	for ids = ids[len(first):]; err == nil && len(not) == 0 && len(ids) > 0; ids = ids[len(first):] {
		first = ids[:min(len(ids), mostAtOnce)]
		_, not, err = account.AddMembers(ctx, g.ID, first...)
	}
	if err == nil && len(not) > 0 {
		err = fmt.Errorf("%d people can't be added, such as %s: %s", len(not), not[0].User, not[0].Code)
	}
	if err != nil {
		return fmt.Errorf("make a group: %w", err)
	}
	c.channel = g.Channel
	c.t.note("a group of %d made in %.1f s", len(users), time.Since(begun).Seconds())
	return nil
}

// connect signs everybody on.
func (c *crowd) connect(ctx context.Context, users []user, senders int) error {
	c.senders = make([]*speaker, senders)
	c.members = make([]*member, len(users)-senders)
	buffer := min(64<<10, max(4<<10, 32<<20/len(users)))
	return parallel(ctx, signInWorkers, len(users), func(ctx context.Context, i int) error {
		if i < senders {
			return c.speaker(ctx, i, users[i])
		}
		conn, err := signOn(ctx, c.t.URL, users[i], "", nil)
		if err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
		conn.widen(buffer)
		m := &member{crowd: c, user: users[i], conn: conn, over: make(chan struct{})}
		c.members[i-senders] = m
		c.working.Go(m.read)
		return nil
	})
}

func (c *crowd) speaker(ctx context.Context, i int, u user) (err error) {
	s := &speaker{crowd: c, body: newBody(c.bodyLen, c.id), replies: c.replies.recorder()}
	s.session, err = client.Dial(client.Options{
		URL: c.t.URL, Tokens: client.StaticToken(u.Access), Handler: s.handle, Pending: 1 << 16,
	})
	if err != nil {
		return err
	}
	c.senders[i] = s
	if err := s.session.Await(ctx); err != nil {
		return fmt.Errorf("sender %d: %w", i, err)
	}
	return nil
}

// begin says something until all have heard it, and then what the run begins with.
func (c *crowd) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	announce := func(n uint64, heard func(*member) bool) error {
		seq, err := c.announce(ctx, n)
		if err != nil {
			return err
		}
		c.began.Store(seq)
		for begun := time.Now(); ; {
			missing := 0
			for _, m := range c.members {
				if !heard(m) {
					missing++
				}
			}
			if missing == 0 {
				return nil
			}
			if n&begins == 0 && time.Since(begun) > time.Second {
				return errNotYet
			}
			if err := sleep(ctx, 5*time.Millisecond); err != nil {
				return fmt.Errorf("%d of %d members hear nothing of their group", missing, len(c.members))
			}
		}
	}
	for n := uint64(beginning); ; n++ {
		err := announce(n, func(m *member) bool { return m.live.Load() })
		if err == nil {
			break
		}
		if err != errNotYet { //nolint:errorlint // it is just this one
			return err
		}
	}
	return announce(beginning|begins, func(m *member) bool { return m.ready.Load() })
}

var errNotYet = fmt.Errorf("not all members have heard of it yet")

// announce has the first sender say something that is not counted, and returns its seq. Their group may be news to the
// edge for a moment.
func (c *crowd) announce(ctx context.Context, n uint64) (uint64, error) {
	s := c.senders[0]
	body := newBody(c.bodyLen, c.id)
	stamp(body, n, c.clock.now())
	for {
		sent, err := s.session.Send(ctx, string(c.channel), fabric.MsgText, body)
		if err == nil {
			return sent.Seq, nil
		}
		if fabric.CodeOf(err) != fabric.CodeForbidden || sleep(ctx, 20*time.Millisecond) != nil {
			return 0, refused(err)
		}
	}
}

// arrived counts one more member who has the message; it returns true for the last one. A slot that is full begins anew,
// so that it counts the message that many seqs later.
func (c *crowd) arrived(seq uint64) bool {
	slot := &c.slots[seq&(slots-1)]
	if slot.Add(1) < uint32(len(c.members)+len(c.senders)-1) {
		return false
	}
	slot.Store(0)
	return true
}

// lastHasIt notes that all have a message that was sent at that time.
func (c *crowd) lastHasIt(seq uint64, at time.Duration) {
	if c.measuring.Load() {
		c.last.record(c.clock.now() - at)
	}
	if whole := c.whole.Load(); whole != nil {
		*whole <- seq
	}
}

// startAcks has each member ack every ackEvery, one after the other.
func (c *crowd) startAcks(ctx context.Context) {
	c.acks.Store(true)
	const rounds = 10 // a tenth of them at a time
	c.working.Go(func() {
		tick := time.NewTicker(ackEvery / rounds)
		defer tick.Stop()
		for part := 0; !c.closing.Load(); part = (part + 1) % rounds {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			for i := part; i < len(c.members); i += rounds {
				if c.members[i].ack() != nil {
					continue // its reader tells why
				}
			}
		}
	})
}

func (c *crowd) close() {
	c.closing.Store(true)
	for _, s := range c.senders {
		if s != nil && s.session != nil {
			s.session.Close()
		}
	}
	for _, m := range c.members {
		if m != nil {
			m.conn.close()
		}
	}
	c.working.Wait()
}
