package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/presence"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// house is a fabric's presence as edges and the role see it.
type house struct {
	t                      testing.TB
	nats                   *weftest.NATS
	nc                     *nats.Conn
	edges, users, lastSeen jetstream.KeyValue
	ends                   chan *nats.Msg // every change of presence
}

func newHouse(t testing.TB) *house {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	h := &house{t: t, nats: n, nc: n.Connect(t), ends: make(chan *nats.Msg, 4096)}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	for name, kv := range map[string]*jetstream.KeyValue{
		subjects.BucketEdges: &h.edges, subjects.BucketPresence: &h.users, subjects.BucketLastSeen: &h.lastSeen,
	} {
		if *kv, err = js.KeyValue(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.nc.ChanSubscribe("pres.>", h.ends); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) start() (stop func()) {
	h.t.Helper()
	role, err := presence.New(h.nats.Connect(h.t), presence.Config{Lease: time.Minute, Slack: 20 * time.Millisecond},
		weftest.Logger(h.t), prometheus.NewRegistry())
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- role.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("role ended with %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

// renew writes an edge's lease, which lapses after ttl.
func (h *house) renew(edge string, at int64, ttl time.Duration) {
	h.t.Helper()
	m := nats.NewMsg(subjects.KeySubject(subjects.BucketEdges, edge))
	m.Header.Set(jetstream.MsgTTLHeader, ttl.String())
	m.Data = fmt.Appendf(nil, `{"edge":%q,"at":%d,"addr":"127.0.0.1:1"}`, edge, at)
	if _, err := h.nc.RequestMsg(m, 5*time.Second); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) online(u fabric.UserID, edge string) {
	h.t.Helper()
	if _, err := h.users.PutString(h.t.Context(), subjects.Presence(u, edge), `{"at":1}`); err != nil {
		h.t.Fatal(err)
	}
}

// awaitEnd waits until presence was taken away as often as users are named, and returns what each end told of last seen.
func (h *house) awaitEnds(n int) map[string]int64 {
	h.t.Helper()
	ends := make(map[string]int64)
	timeout := time.After(15 * time.Second)
	for len(ends) < n {
		select {
		case m := <-h.ends:
			if m.Header.Get("KV-Operation") != "PURGE" {
				continue
			}
			var end struct {
				LastSeen int64 `json:"last_seen"`
			}
			if len(m.Data) > 0 {
				if err := json.Unmarshal(m.Data, &end); err != nil {
					h.t.Fatalf("end of presence %q: %v", m.Data, err)
				}
			}
			ends[strings.TrimPrefix(m.Subject, "pres.")] = end.LastSeen
		case <-timeout:
			h.t.Fatalf("presence was taken away of %d users within 15 s, want %d", len(ends), n)
		}
	}
	return ends
}

func (h *house) seen(u fabric.UserID) int64 {
	h.t.Helper()
	return h.number(string(u))
}

// number returns what the bucket of last seen has at a key, 0 if nothing.
func (h *house) number(key string) int64 {
	h.t.Helper()
	e, err := h.lastSeen.Get(h.t.Context(), key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0
	}
	if err != nil {
		h.t.Fatal(err)
	}
	at, err := strconv.ParseInt(string(e.Value()), 10, 64)
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}

func (h *house) isOnline(u fabric.UserID, edge string) bool {
	h.t.Helper()
	_, err := h.users.Get(h.t.Context(), subjects.Presence(u, edge))
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		h.t.Fatal(err)
	}
	return err == nil
}

// awaitNoted waits until the role has noted an edge's renewal.
func (h *house) awaitNoted(edge string, at int64) {
	h.t.Helper()
	w, err := h.lastSeen.Watch(h.t.Context(), subjects.Renewed(edge))
	if err != nil {
		h.t.Fatal(err)
	}
	defer w.Stop()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-w.Updates():
			if e != nil && string(e.Value()) == strconv.FormatInt(at, 10) {
				return
			}
		case <-timeout:
			h.t.Fatalf("the renewal of %s at %d was not noted", edge, at)
		}
	}
}

func TestLapsedLease(t *testing.T) {
	h := newHouse(t)
	h.start()
	const renewed = 1_700_000_000_000
	ann, bob, cem, dia := fabric.NewUserID(), fabric.NewUserID(), fabric.NewUserID(), fabric.NewUserID()
	// given ann, bob and cem on e1, bob on e2 as well, dia on e2 only, and cem who was seen later by somebody else
	h.renew("e2", renewed+1, time.Minute)
	h.renew("e1", renewed, time.Second)
	for _, u := range []fabric.UserID{ann, bob, cem} {
		h.online(u, "e1")
	}
	h.online(bob, "e2")
	h.online(dia, "e2")
	if _, err := h.lastSeen.PutString(t.Context(), string(cem), strconv.Itoa(renewed+500)); err != nil {
		t.Fatal(err)
	}
	// when e1's lease lapses
	ends := h.awaitEnds(3)
	// then whoever was only there was last seen when it was renewed
	for u, want := range map[fabric.UserID]int64{ann: renewed, bob: 0, cem: renewed + 500, dia: 0} {
		if got := h.seen(u); got != want {
			t.Errorf("last seen is %d, want %d", got, want)
		}
		if got := ends[subjects.Presence(u, "e1")]; got != want {
			t.Errorf("watchers were told %d, want %d", got, want)
		}
		if h.isOnline(u, "e1") {
			t.Error("presence on the lapsed edge is still there")
		}
	}
	if !h.isOnline(bob, "e2") || !h.isOnline(dia, "e2") {
		t.Error("presence on a living edge was taken away")
	}
}

func TestLeaseGivenUp(t *testing.T) {
	h := newHouse(t)
	h.start()
	ann := fabric.NewUserID()
	h.renew("e1", 1000, time.Minute)
	h.online(ann, "e1")
	h.awaitNoted("e1", 1000)
	if err := h.edges.Purge(t.Context(), "e1"); err != nil {
		t.Fatal(err)
	}
	h.awaitEnds(1)
	if got := h.seen(ann); got != 1000 {
		t.Errorf("last seen is %d, want 1000", got)
	}
}

// The role was down when the edge died, or died with it. It finds many users there.
func TestSweepAfterRestart(t *testing.T) {
	h := newHouse(t)
	stop := h.start()
	h.renew("e1", 1000, time.Minute)
	h.renew("e1", 2000, time.Minute)
	h.awaitNoted("e1", 2000)
	stop()
	if err := h.edges.Delete(t.Context(), "e1"); err != nil {
		t.Fatal(err)
	}
	const n = 600 // more than a page
	users := make([]fabric.UserID, n)
	for i := range users {
		users[i] = fabric.NewUserID()
		h.online(users[i], "e1")
	}
	eve := fabric.NewUserID()
	h.online(eve, "e0") // an edge of which nothing is known any more
	e, err := h.users.Get(t.Context(), subjects.Presence(eve, "e0"))
	if err != nil {
		t.Fatal(err)
	}
	h.start()
	h.awaitEnds(n + 1)
	for _, u := range users {
		if got := h.seen(u); got != 2000 {
			t.Fatalf("last seen is %d, want 2000", got)
		}
	}
	if got := h.seen(eve); got != fabric.Millis(e.Created()) {
		t.Errorf("last seen is %d, want %d, when she came online", got, fabric.Millis(e.Created()))
	}
}

func TestTwoRoles(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.start()
	h.renew("e1", 1000, time.Minute)
	h.awaitNoted("e1", 1000)
	const n = 300
	users := make([]fabric.UserID, n)
	for i := range users {
		users[i] = fabric.NewUserID()
		h.online(users[i], "e1")
	}
	if err := h.edges.Purge(t.Context(), "e1"); err != nil {
		t.Fatal(err)
	}
	h.awaitEnds(n)
	for _, u := range users {
		if h.isOnline(u, "e1") || h.seen(u) != 1000 {
			t.Fatalf("online %v, last seen %d; want offline and 1000", h.isOnline(u, "e1"), h.seen(u))
		}
	}
}

// An edge that was thought dead and is back keeps its users.
func TestEdgeThatIsBack(t *testing.T) {
	h := newHouse(t)
	h.renew("e2", 1, time.Minute)
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	h.online(ann, "e1") // dead
	h.online(bob, "e2")
	h.start()
	h.awaitEnds(1) // ann's
	if err := h.edges.Delete(t.Context(), "e2"); err != nil {
		t.Fatal(err)
	}
	h.renew("e2", 2, time.Minute)
	h.awaitNoted("e2", 2)
	// whatever is swept after this is swept after e2 was looked at
	cem := fabric.NewUserID()
	h.online(cem, "e3")
	h.renew("e3", 3, time.Minute)
	h.awaitNoted("e3", 3)
	if err := h.edges.Delete(t.Context(), "e3"); err != nil {
		t.Fatal(err)
	}
	h.awaitEnds(1)
	if !h.isOnline(bob, "e2") || h.seen(bob) != 0 {
		t.Error("the user of an edge that is back was swept")
	}
}
