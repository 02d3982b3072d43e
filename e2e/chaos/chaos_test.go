// Package chaos kills the real thing under load and counts.
package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

const (
	kills = 20
	pairs = 8
)

// Invariants 1, 2 and 5: `weft up` is killed twenty times while pairs of users chat as fast as they are answered. What a
// sender was told is sent is in the log once; each device of the receiver has it once, in the channel's order.
func TestKilledUnderLoadLosesNothing(t *testing.T) {
	data := t.TempDir()
	p := weftest.StartWeft(t, data, "")
	address, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	chats := make([]*chat, pairs)
	for i := range chats {
		chats[i] = newChat(t, ctx, p.URL, i)
	}
	sending, stopSending := context.WithCancel(ctx)
	var senders sync.WaitGroup
	for _, c := range chats {
		senders.Go(func() { c.sendUntil(sending, t) })
	}

	for kill := range kills {
		// Not before every pair has had an answer from this process: a kill is worth something under load only.
		for _, c := range chats {
			c.waitProgress(ctx, t)
		}
		p.Kill()
		p = weftest.StartWeft(t, data, address.Host)
		t.Logf("kill %d: up again", kill+1)
	}
	for _, c := range chats {
		c.waitProgress(ctx, t)
	}
	stopSending()
	senders.Wait()

	total := 0
	for _, c := range chats {
		total += c.check(ctx, t)
	}
	t.Logf("%d messages over %d kills", total, kills)
}

// chat is a pair: ann sends, two devices of bob's receive.
type chat struct {
	channel  fabric.ChannelID
	ann      *client.Session
	bob      fabric.UserID
	devices  [2]*receiver
	progress chan struct{}

	mu    sync.Mutex
	acked map[string]fabric.Sent // by cid: what ann was told
	sent  int
}

func newChat(t *testing.T, ctx context.Context, server string, i int) *chat {
	t.Helper()
	annGrant := signIn(t, ctx, server, fmt.Sprintf("+4915112%06d", 2*i), "ann's phone")
	bobPhone := fmt.Sprintf("+4915112%06d", 2*i+1)
	bobGrant := signIn(t, ctx, server, bobPhone, "bob's phone")
	c := &chat{
		bob: bobGrant.User.ID, channel: fabric.Direct(annGrant.User.ID, bobGrant.User.ID),
		acked: make(map[string]fabric.Sent), progress: make(chan struct{}, 1),
	}
	c.ann = connect(t, ctx, server, annGrant, nil)
	for d, grant := range []client.Grant{bobGrant, signIn(t, ctx, server, bobPhone, "bob's laptop")} {
		r := &receiver{got: make(map[uint64]string)}
		c.devices[d] = r
		r.session.Store(connect(t, ctx, server, grant, r.event))
	}
	return c
}

func signIn(t *testing.T, ctx context.Context, server, phone, device string) client.Grant {
	t.Helper()
	api := client.API{URL: server}
	otp, err := api.OTP(ctx, phone)
	if err != nil {
		t.Fatalf("one-time code: %v", err)
	}
	grant, err := api.Token(ctx, client.SignIn{
		Phone: phone, Code: otp.DevCode, Device: client.NewDevice{Name: device, Platform: "test"},
	})
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return grant
}

func connect(t *testing.T, ctx context.Context, server string, grant client.Grant, handler func(client.Event)) *client.Session {
	t.Helper()
	if handler == nil {
		handler = func(client.Event) {}
	}
	s, err := client.Connect(ctx, client.Options{
		URL: server, Tokens: client.NewGrants(client.API{URL: server}, grant, nil), Handler: handler,
		Backoff: func(int) time.Duration { return 50 * time.Millisecond },
	})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// sendUntil keeps a window of sends unanswered until ctx ends, then waits for the rest of the answers.
func (c *chat) sendUntil(ctx context.Context, t *testing.T) {
	window := make(chan struct{}, 16)
	var open sync.WaitGroup
	for ctx.Err() == nil {
		window <- struct{}{}
		open.Add(1)
		c.sent++
		body := json.RawMessage(fmt.Sprintf(`{"text":"%d"}`, c.sent))
		cid := fabric.NewCID()
		_, err := c.ann.SendAsync(client.Draft{To: string(c.channel), Kind: "text", Body: body, CID: cid}, func(sent fabric.Sent, err error) {
			defer func() { <-window; open.Done() }()
			var refused *fabric.Error
			switch {
			case err == nil:
				c.mu.Lock()
				c.acked[cid] = sent
				c.mu.Unlock()
				select {
				case c.progress <- struct{}{}:
				default:
				}
			case errors.As(err, &refused) && refused.Code == fabric.CodeUnavailable:
				// Told that it may not be stored: it may be, once.
			default:
				t.Errorf("a send ended with %v", err)
			}
		})
		if err != nil {
			t.Errorf("send: %v", err)
			open.Done()
			return
		}
	}
	open.Wait()
}

// waitProgress waits until some more sends were answered: the first may be from before, and how many more moves the
// kill to ever other moments.
func (c *chat) waitProgress(ctx context.Context, t *testing.T) {
	t.Helper()
	for range 2 + rand.N(30) {
		select {
		case <-c.progress:
		case <-ctx.Done():
			t.Fatal("sends are no longer answered")
		}
	}
}

// receiver is one device of bob's; it checks the order as messages come.
type receiver struct {
	session atomic.Pointer[client.Session] // nil until the first connection stands

	mu    sync.Mutex
	last  uint64
	got   map[uint64]string // cid by seq
	wrong []string
}

func (r *receiver) event(ev client.Event) {
	m, ok := ev.(*client.Message)
	if !ok {
		return
	}
	r.mu.Lock()
	if m.Seq <= r.last {
		r.wrong = append(r.wrong, fmt.Sprintf("seq %d came after %d", m.Seq, r.last))
	} else if m.Prev != r.last {
		r.wrong = append(r.wrong, fmt.Sprintf("seq %d says its prev is %d, but %d was", m.Seq, m.Prev, r.last))
	}
	r.last = m.Seq
	r.got[m.Seq] = m.CID
	r.mu.Unlock()
	if s := r.session.Load(); s != nil {
		s.Ack(m.Channel, m.Seq)
	}
}

// check waits until both devices have the newest message, and holds what they got and what the log has against what ann
// was told.
func (c *chat) check(ctx context.Context, t *testing.T) int {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	log := readAll(ctx, t, c.ann, c.channel)
	byCID := make(map[string]uint64, len(log))
	for _, m := range log {
		if first, twice := byCID[m.CID]; twice {
			t.Errorf("cid %s is in the log twice, at %d and %d", m.CID, first, m.Seq)
		}
		byCID[m.CID] = m.Seq
	}
	for cid, sent := range c.acked {
		if seq, ok := byCID[cid]; !ok {
			t.Errorf("LOST: cid %s was acked with seq %d and is not in the log", cid, sent.Seq)
		} else if seq != sent.Seq {
			t.Errorf("cid %s was acked with seq %d and lies at %d", cid, sent.Seq, seq)
		}
	}
	for d, r := range c.devices {
		r.waitFor(ctx, t, log[len(log)-1].Seq)
		r.mu.Lock()
		for _, w := range r.wrong {
			t.Errorf("device %d: %s", d, w)
		}
		for _, m := range log {
			if r.got[m.Seq] != m.CID {
				t.Errorf("device %d did not get seq %d", d, m.Seq)
			}
		}
		if len(r.got) != len(log) {
			t.Errorf("device %d got %d messages, the log has %d", d, len(r.got), len(log))
		}
		r.mu.Unlock()
	}
	return len(log)
}

func (r *receiver) waitFor(ctx context.Context, t *testing.T, seq uint64) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r.mu.Lock()
		last := r.last
		r.mu.Unlock()
		if last >= seq {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("a device has messages up to %d, the log up to %d", last, seq)
		}
	}
}

func readAll(ctx context.Context, t *testing.T, s *client.Session, c fabric.ChannelID) []client.Shown {
	t.Helper()
	var all []client.Shown
	q := client.HistoryQuery{Limit: 200}
	for {
		page, err := s.History(ctx, c, q)
		if err != nil {
			t.Fatalf("history: %v", err)
		}
		all = append(page.Messages, all...)
		if !page.More {
			break
		}
		q.Before = page.Messages[0].Seq
	}
	if len(all) == 0 {
		t.Fatal("the log is empty: nothing was tried")
	}
	return all
}
