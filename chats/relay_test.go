package chats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// A short time after which the streams forget what ids they have seen, and a lease that is longer: when another relay
// takes over, only the look into the log tells it what is there.
const (
	shortDedupe = 100 * time.Millisecond
	shortLease  = 250 * time.Millisecond
)

// forgotten waits until a shard's streams have forgotten the ids of all that was published so far.
func (h *house) forgotten() {
	h.t.Helper()
	js := h.nats.JetStream(h.t)
	for shard := range h.nats.Fabric.Shards {
		for { // a channel of this shard
			c := fabric.Self(fabric.NewUserID())
			if subjects.Shard(c, h.nats.Fabric.Shards) != shard {
				continue
			}
			id, first := fabric.NewCID(), true
			weftest.Eventually(h.t, "the stream forgets ids", func() bool {
				ack, err := js.Publish(h.t.Context(), subjects.Log(c, shard), []byte("{}"), jetstream.WithMsgID(id))
				if err != nil {
					h.t.Fatal(err)
				}
				anew := !ack.Duplicate && !first
				first = false
				return anew
			})
			break
		}
	}
}

// story is a group whose members come and go, nothing of which is in a log yet.
type story struct {
	*house
	users   []fabric.UserID
	group   fabric.GroupID
	written []chats.Waiting
}

func tell(h *house) *story {
	h.t.Helper()
	s := &story{house: h, users: h.users("ann", "bob", "cem", "dan")}
	ann, bob, cem, dan := s.users[0], s.users[1], s.users[2], s.users[3]
	h.unrelayed(func() {
		g := h.create(ann, bob, cem)
		h.add(ann, g, dan)
		h.remove(ann, g, bob)
		h.add(cem, g, bob)
		h.give(ann, g, cem, fabric.RoleAdmin)
		h.remove(bob, g, bob)
		h.add(cem, g, bob)
		name := "spinners"
		must[contract.ChatsGroupReply](h, subjects.ChatsChange, contract.ChatsChangeRequest{ChatsGroupRequest: of(cem, g), Name: &name})
		h.remove(dan, g, dan)
		s.group = g
	})
	s.written = h.waiting()
	if len(s.written) != 10 { // a group begins with two records
		h.t.Fatalf("%d records wait", len(s.written))
	}
	return s
}

// told waits until all is relayed, and holds the logs to what was written: each record once, in order.
func (s *story) ends() {
	s.t.Helper()
	s.agrees(s.group, s.users)
	var got, want []string
	for _, rec := range s.log(s.group.Channel()) {
		got = append(got, rec.CID)
	}
	for _, w := range s.written {
		want = append(want, w.CID)
	}
	s.same("the group's log", got, want)
}

var errKilled = errors.New("killed")

// killer kills a relay at a step: from then on it reaches neither the database nor NATS.
type killer struct {
	trap
	link   *edgetest.Link
	killed chan struct{}
	once   sync.Once
	count  atomic.Int32
}

func newKiller(store chats.Store, link *edgetest.Link) *killer {
	return &killer{trap: trap{Store: store}, link: link, killed: make(chan struct{})}
}

func (k *killer) kill() error {
	k.once.Do(func() {
		k.mu.Lock()
		k.trap.before = func(string) error { return errKilled }
		k.trap.after = k.trap.before
		k.mu.Unlock()
		k.link.CutOff()
		close(k.killed)
	})
	return errKilled
}

// nth kills when it is called for the n-th time with this op.
func (k *killer) nth(n int32, op string) func(string) error {
	return func(at string) error {
		if at == op && k.count.Add(1) == n {
			return k.kill()
		}
		return nil
	}
}

// isAck reports whether a message is the store's word on a published record.
func isAck(_ string, payload []byte) bool {
	return bytes.Contains(payload, []byte(`"stream":"MSG_`)) && bytes.Contains(payload, []byte(`"seq":`)) &&
		!bytes.Contains(payload, []byte(`"type"`))
}

// Wherever a relay dies, the next one finishes its work: each record is in its log once and in order, and what follows
// from it is done once.
func TestRelayKilled(t *testing.T) {
	t.Parallel()
	house := newHouse(t, natsconfig.FabricConfig{Dedupe: shortDedupe})
	for _, tc := range []struct {
		name string
		trap func(*killer)
	}{
		{"before it has the lease", func(k *killer) { k.before = k.nth(1, "lease") }},
		{"with the lease", func(k *killer) { k.after = k.nth(1, "lease") }},
		{"before it has read the outbox", func(k *killer) { k.before = k.nth(1, "outbox") }},
		{"before it publishes", func(k *killer) { k.after = k.nth(1, "outbox") }},
		{"cut off before it publishes", func(k *killer) {
			k.after = func(op string) error {
				if op == "outbox" {
					_ = k.kill() // and what was read is read
				}
				return nil
			}
		}},
		{"before the first record is known to be stored", func(k *killer) { k.link.Drop(k.ack(1)) }},
		{"before the fifth record is known to be stored", func(k *killer) { k.link.Drop(k.ack(5)) }},
		{"before it is noted that the group's records are stored", func(k *killer) { k.before = k.nth(1, "relayed") }},
		{"when that is noted", func(k *killer) { k.after = k.nth(1, "relayed") }},
		{"before the self channels' records are published", func(k *killer) { k.after = k.nth(2, "outbox") }},
		{"when a record of a self channel is stored", func(k *killer) { k.link.Drop(k.ack(12)) }},
		{"before it is noted that the self channels' records are stored", func(k *killer) { k.before = k.nth(2, "relayed") }},
		{"when that is noted too", func(k *killer) { k.after = k.nth(2, "relayed") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := house.in(t)
			s := tell(h)
			k := newKiller(h.db, &edgetest.Link{})
			tc.trap(k)
			victim := h.start(k, chats.Config{RelayLease: shortLease}, nats.SetCustomDialer(k.link))
			<-k.killed
			victim.kill()
			h.forgotten()
			h.role(h.db, chats.Config{RelayLease: shortLease})
			s.ends()
		})
	}
}

func (k *killer) ack(n int32) func(string, []byte) bool {
	return func(subject string, payload []byte) bool {
		if !isAck(subject, payload) || k.count.Add(1) < n {
			return false
		}
		_ = k.kill()
		return true
	}
}

// A relay that ends without a word is followed by another one, once its lease has lapsed and not before.
func TestRelayTakesOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	var lapses atomic.Int64
	holder := h.role(&leased{Store: h.db, until: &lapses}, chats.Config{RelayLease: shortLease})
	users := h.users("ann", "bob")
	g := h.create(users[0])
	if err := holder.stop(); err != nil { // its store refuses to give the lease back
		t.Fatal(err)
	}
	var relayed atomic.Int64
	store := &trap{Store: h.db, before: func(op string) error {
		if op == "outbox" {
			relayed.CompareAndSwap(0, fabric.Millis(time.Now()))
		}
		return nil
	}}
	h.role(store, chats.Config{RelayLease: shortLease})
	h.add(users[0], g, users[1]) // which waits for its record
	h.agrees(g, users)
	if relayed.Load() < lapses.Load() {
		t.Errorf("relayed at %d, the lease was somebody else's until %d", relayed.Load(), lapses.Load())
	}
}

// leased is a store that notes until when a lease is given and does not take it back.
type leased struct {
	chats.Store
	until *atomic.Int64
}

func (s *leased) Lease(ctx context.Context, name, holder string, now, until int64) (bool, error) {
	if until <= now {
		return false, errors.New("no database any more")
	}
	s.until.Store(until)
	return s.Store.Lease(ctx, name, holder, now, until)
}

// A relay that is told to end leaves its lease to the next one at once.
func TestRelayGivesItsLeaseBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	users := h.users("ann", "bob")
	first := h.role(h.db, chats.Config{RelayLease: time.Hour})
	g := h.create(users[0])
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	h.role(h.db, chats.Config{})
	h.add(users[0], g, users[1])
	h.agrees(g, users)
}

// Two roles serve the same groups at once, and even where both relay at the same time each record is there once.
func TestTwoRelays(t *testing.T) {
	t.Parallel()
	for name, lease := range map[string]func(*house) chats.Store{
		"one has the lease":            func(h *house) chats.Store { return h.db },
		"both think that they have it": func(h *house) chats.Store { return greedy{h.db} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, natsconfig.FabricConfig{})
			h.role(lease(h), chats.Config{})
			h.role(lease(h), chats.Config{})
			var wg sync.WaitGroup
			for range 4 {
				users := h.users("ann", "bob", "cem", "dan")
				g := h.create(users[0])
				for _, u := range users[1:] {
					wg.Go(func() {
						for range 6 { // comes and goes
							h.add(users[0], g, u)
							h.remove(u, g, u)
						}
						h.add(users[0], g, u)
					})
				}
				defer h.agrees(g, users)
			}
			wg.Wait()
		})
	}
}

// greedy is a store that gives everybody the lease.
type greedy struct{ chats.Store }

func (greedy) Lease(context.Context, string, string, int64, int64) (bool, error) { return true, nil }

// Of more records than a relay reads at once, all that the one before it may have published are looked for: also those
// that stand behind what was written before them and committed after that one had read.
func TestRelayOfMany(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{Dedupe: shortDedupe})
	ann := h.users("ann")[0]
	var late, group fabric.GroupID
	h.unrelayed(func() { late, group = h.create(ann), h.create(ann) })
	write := func(g fabric.GroupID, n int) {
		t.Helper()
		if err := h.db.InGroup(t.Context(), g.Channel(), func(tx chats.GroupTx) error {
			for i := range n {
				if err := tx.Emit(t.Context(), chats.Record{
					CID: fabric.NewCID(), Channel: g.Channel(), From: ann, Kind: fabric.MsgGroup, Body: fmt.Appendf(nil, `{"name":"n° %d","by":"%s"}`, i, ann),
				}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(late, 100)
	write(group, 550)
	written := make(map[fabric.ChannelID][]string)
	for _, w := range h.waiting() {
		written[w.Channel] = append(written[w.Channel], w.CID)
	}
	k := newKiller(uncommitted{h.db, late.Channel()}, &edgetest.Link{})
	k.before = k.nth(1, "relayed")
	victim := h.start(k, chats.Config{RelayLease: 2 * time.Second}, nats.SetCustomDialer(k.link))
	<-k.killed
	victim.kill()
	h.forgotten()
	h.role(h.db, chats.Config{RelayLease: 2 * time.Second})
	h.relayed()
	for c, want := range written {
		var got []string
		for _, rec := range h.log(c) {
			got = append(got, rec.CID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d records in the log of %s, %d were written", len(got), c, len(want))
		}
	}
}

// uncommitted is a store in which the records of a channel do not show yet.
type uncommitted struct {
	chats.Store
	channel fabric.ChannelID
}

func (s uncommitted) Outbox(ctx context.Context, limit int) ([]chats.Waiting, error) {
	list, err := s.Store.Outbox(ctx, 10*limit)
	list = slices.DeleteFunc(list, func(w chats.Waiting) bool { return w.Channel == s.channel })
	return list[:min(limit, len(list))], err
}
