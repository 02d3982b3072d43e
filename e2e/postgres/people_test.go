// Package postgres_test runs the real weft on real PostgreSQL: in one process and in several, killed and moved.
package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

var phones atomic.Int64

// newPhone returns a phone that nobody has.
func newPhone() string { return fmt.Sprintf("+49151%08d", 30_000_000+phones.Add(1)) }

// signIn signs a device in.
func signIn(t *testing.T, server, phone string) client.Grant {
	t.Helper()
	api := client.API{URL: server}
	otp, err := api.OTP(t.Context(), phone)
	if err != nil {
		t.Fatalf("one-time code: %v", err)
	}
	grant, err := api.Token(t.Context(), client.SignIn{
		Phone: phone, Code: otp.DevCode, Device: client.NewDevice{Name: "a phone", Platform: "test"},
	})
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return grant
}

// device is a device of somebody's that holds what comes to it, and against the order in which it should.
type device struct {
	client.Grant
	*client.Session
	server string

	mu     sync.Mutex
	got    map[fabric.ChannelID][]fabric.Stored
	online map[fabric.UserID]bool // of those who are watched, as events told
	wrong  []string
}

// newDevice signs a device of a user in, and connects it.
func newDevice(t *testing.T, server, phone string) *device {
	t.Helper()
	d := dial(t, server, signIn(t, server, phone), "")
	d.await(t)
	return d
}

// dial begins a session of a device that is signed in, and does not wait for the server.
func dial(t *testing.T, server string, g client.Grant, cursor fabric.Cursor) *device {
	t.Helper()
	d := &device{server: server, Grant: g, got: make(map[fabric.ChannelID][]fabric.Stored), online: make(map[fabric.UserID]bool)}
	var err error
	d.Session, err = client.Dial(client.Options{
		URL: server, Tokens: client.NewGrants(client.API{URL: server}, g, nil), Cursor: cursor, Handler: d.event, Pending: 4096,
		Backoff: func(int) time.Duration { return 100 * time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func (d *device) await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := d.Await(ctx); err != nil {
		t.Fatalf("connect: %v", err)
	}
}

// event takes what comes: each message once, in its channel's order, none left out.
func (d *device) event(ev client.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := ev.(*client.Presence); ok {
		d.online[p.User] = p.Online
	}
	m, ok := ev.(*client.Message)
	if !ok {
		return
	}
	before := d.got[m.Channel]
	d.got[m.Channel] = append(before, m.Stored)
	if len(before) == 0 {
		return
	}
	if last := before[len(before)-1].Seq; m.Prev != last {
		d.wrong = append(d.wrong, fmt.Sprintf("%s: seq %d says that %d is before it, what came before it is %d", m.Channel, m.Seq, m.Prev, last))
	}
}

// received returns what came of a channel.
func (d *device) received(c fabric.ChannelID) []fabric.Stored {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]fabric.Stored(nil), d.got[c]...)
}

// newest returns the seq of the last message that came in a channel.
func (d *device) newest(c fabric.ChannelID) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := d.got[c]; len(got) > 0 {
		return got[len(got)-1].Seq
	}
	return 0
}

// saw returns whether a watched user is online, as far as events have told; ok is false where none has.
func (d *device) saw(u fabric.UserID) (online, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	online, ok = d.online[u]
	return online, ok
}

func (d *device) checkOrder(t *testing.T, who string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.wrong {
		t.Errorf("%s: %s", who, w)
	}
}

// sender sends into a channel, all the time, and keeps what was acked.
type sender struct {
	*device
	to fabric.ChannelID

	mu     sync.Mutex
	acked  map[string]fabric.Sent // by cid
	newest uint64
}

// progress returns how many sends were acked, and the seq of the newest of them.
func (s *sender) progress() (acked int, newest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked), s.newest
}

// sendUntil sends every so often, without waiting for answers up to a bound, until ctx ends; then it waits for the rest of
// them.
func (s *sender) sendUntil(ctx context.Context, t *testing.T, every time.Duration) {
	s.mu.Lock()
	s.acked = make(map[string]fabric.Sent)
	s.mu.Unlock()
	window := make(chan struct{}, 64)
	var open sync.WaitGroup
	defer open.Wait()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		window <- struct{}{}
		open.Add(1)
		cid := fabric.NewCID()
		_, err := s.SendAsync(client.Draft{To: string(s.to), Kind: "text", Body: fmt.Appendf(nil, `{"text":"%d"}`, n), CID: cid}, func(sent fabric.Sent, err error) {
			defer func() { <-window; open.Done() }()
			if err != nil {
				if !errors.Is(err, client.ErrClosed) { // the test is over, and has said why
					t.Errorf("a send to %s ended with %v", s.to, err)
				}
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.acked[cid] = sent
			s.newest = max(s.newest, sent.Seq)
		})
		if err != nil {
			t.Errorf("send to %s: %v", s.to, err)
			open.Done()
			return
		}
	}
}

// check holds a channel's whole history against what the sender was told: each acked message once, where it was told to
// be, in order. It returns the history.
func (s *sender) check(t *testing.T) []client.Shown {
	t.Helper()
	all := readAll(t, s.Session, s.to)
	byCID := make(map[string]uint64, len(all))
	var last uint64
	for _, m := range all {
		if m.Seq <= last {
			t.Errorf("%s: seq %d comes behind %d", s.to, m.Seq, last)
		}
		if m.Prev != last && (last > 0 || s.to.Kind() == fabric.KindDirect) { // what is before one came to a group isn't shown
			t.Errorf("%s: seq %d says that %d is before it, the history has %d there", s.to, m.Seq, m.Prev, last)
		}
		last = m.Seq
		if _, twice := byCID[m.CID]; twice {
			t.Errorf("%s: cid %s is in the history twice", s.to, m.CID)
		}
		byCID[m.CID] = m.Seq
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.acked) == 0 {
		t.Errorf("%s: nothing was acked: nothing was tried", s.to)
	}
	for cid, sent := range s.acked {
		if byCID[cid] != sent.Seq {
			t.Errorf("LOST: %s: cid %s was acked with seq %d and is at %d in the history", s.to, cid, sent.Seq, byCID[cid])
		}
	}
	return all
}

// readAll returns all of a channel's history, read page by page from its end.
func readAll(t *testing.T, s *client.Session, c fabric.ChannelID) []client.Shown {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []client.Shown
	for q := (client.HistoryQuery{Limit: 200}); ; {
		page, err := s.History(ctx, c, q)
		if err != nil {
			t.Fatalf("history of %s: %v", c, err)
		}
		all = append(page.Messages, all...)
		if !page.More {
			return all
		}
		q.Before = page.Messages[0].Seq
	}
}

// get returns what a URL answers.
func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// codeOf returns the code of a refusal, "" for any other error.
func codeOf(err error) fabric.Code {
	var e *fabric.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
