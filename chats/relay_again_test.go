package chats_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/weftest"
)

// What fails once is tried again by the same relay.
func TestRelayTriesAgain(t *testing.T) {
	t.Parallel()
	house := newHouse(t, natsconfig.FabricConfig{Dedupe: shortDedupe})
	for _, tc := range []struct {
		name string
		trap func(s *trap, fail func(op string) func(string) error)
		link func(*edgetest.Link)
	}{
		{name: "the lease", trap: func(s *trap, fail func(string) func(string) error) { s.before = fail("lease") }},
		{name: "the lease, whose reply was lost", trap: func(s *trap, fail func(string) func(string) error) { s.after = fail("lease") }},
		{name: "the outbox", trap: func(s *trap, fail func(string) func(string) error) { s.before = fail("outbox") }},
		{name: "the note that records are stored", trap: func(s *trap, fail func(string) func(string) error) { s.before = fail("relayed") }},
		{name: "that note, whose reply was lost", trap: func(s *trap, fail func(string) func(string) error) { s.after = fail("relayed") }},
		{name: "a publish, whose reply was lost", link: func(l *edgetest.Link) {
			var lost atomic.Bool
			l.Drop(func(subject string, payload []byte) bool { return isAck(subject, payload) && !lost.Swap(true) })
		}},
		{name: "a connection that breaks", link: func(l *edgetest.Link) {
			var broke atomic.Bool
			l.Drop(func(subject string, payload []byte) bool {
				if !isAck(subject, payload) || broke.Swap(true) {
					return false
				}
				l.Break()
				return true
			})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := house.in(t)
			s := tell(h)
			store, link := &trap{Store: h.db}, &edgetest.Link{}
			if tc.trap != nil {
				tc.trap(store, func(op string) func(string) error {
					var failed atomic.Bool
					return func(at string) error {
						if at != op || failed.Swap(true) {
							return nil
						}
						return errors.New("no database today")
					}
				})
			}
			if tc.link != nil {
				tc.link(link)
			}
			h.role(store, chats.Config{RelayLease: shortLease}, nats.SetCustomDialer(link), nats.ReconnectWait(10*time.Millisecond))
			s.ends()
		})
	}
}

// away is a connection to NATS that is away for as long as a test wants.
type away struct {
	mu   sync.Mutex
	gone bool
	conn net.Conn
}

func (a *away) Dial(network, address string) (net.Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil, errors.New("away")
	}
	var err error
	a.conn, err = net.Dial(network, address)
	return a.conn, err
}

func (a *away) set(gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone = gone; gone {
		_ = a.conn.Close()
	}
}

// A relay that is cut off from NATS lets another one take over, and does not publish its own once it is back.
func TestRelayCutOffComesBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{Dedupe: shortDedupe})
	link := &away{}
	store := &blind{scribe: scribe{h.db}, db: h.db}
	victim := h.role(store, chats.Config{RelayLease: shortLease}, nats.SetCustomDialer(link), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	weftest.Eventually(t, "it has the lease and finds nothing", func() bool { return store.looks.Load() > 0 })
	s := tell(h)
	store.mu.Lock()
	store.read = sync.OnceFunc(func() { // it is about to publish
		link.set(true)
		weftest.Eventually(t, "it is away", func() bool { return !victim.nc.IsConnected() })
	})
	store.mu.Unlock()
	weftest.Eventually(t, "it is away", func() bool { return !victim.nc.IsConnected() })
	heir := h.role(h.db, chats.Config{RelayLease: shortLease})
	s.ends()
	h.forgotten()
	link.set(false)
	weftest.Eventually(t, "it is back", func() bool { return victim.nc.IsConnected() })
	if err := victim.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	s.ends()
	// and it goes on with what comes
	if err := heir.stop(); err != nil {
		t.Fatal(err)
	}
	h.give(s.users[0], s.group, s.users[1], fabric.RoleAdmin)
	h.agrees(s.group, s.users)
}

// blind is a store in which nothing waits until somebody is told that it is read.
type blind struct {
	scribe
	db    chats.Store
	looks atomic.Int32
	mu    sync.Mutex
	read  func()
}

func (s *blind) Lease(ctx context.Context, name, holder string, now, until int64) (bool, error) {
	return s.db.Lease(ctx, name, holder, now, until)
}

func (s *blind) Outbox(ctx context.Context, limit int) ([]chats.Waiting, error) {
	s.looks.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == nil {
		return nil, nil
	}
	list, err := s.db.Outbox(ctx, limit)
	s.read()
	return list, err
}
