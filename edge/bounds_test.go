package edge_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/weftest"
)

// Invariant 4: who does not read is cut off at the bound of their queue, costs nobody else anything, and has lost nothing.
func TestSlowReaderIsCutOff(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) { l.QueueBytes = 256 << 10 }})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	a, b, c := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, ""), edgetest.Connect(t, e, cem, "")
	a.Synced()
	_, cursor := b.Synced()
	c.Synced()

	// when ann writes to bob, who does not read, until he is cut off, and beside it to cem
	large := strings.Repeat("x", 60_000)
	cut := func() bool { return e.Counter(t, "weft_edge_slow_sessions_total") > 0 }
	sent := 0
	var slowest time.Duration
	for !cut() {
		a.Send(string(bob.User.ID), "", large)
		if sent++; sent > 2000 {
			t.Fatalf("bob was not cut off after %d MB", sent*len(large)>>20)
		}
		began := time.Now()
		a.Send(string(cem.User.ID), "", "hi")
		c.Event("message")
		slowest = max(slowest, time.Since(began))
	}
	// then cem saw no delay, and bob, when he reads at last, is told why
	if slowest > 2*time.Second {
		t.Errorf("cem waited up to %s", slowest)
	}
	if code := b.Closed(); code != 4408 {
		t.Errorf("closed with %d, want 4408", code)
	}
	// and his resume brings all
	missed, _ := edgetest.Connect(t, e, bob, cursor).Synced()
	if n := inOrder(t, missed, map[string]uint64{}); n != sent {
		t.Errorf("%d were sent, the resume brings %d", sent, n)
	}
}

// A reader that reads, if slowly, gets a resume larger than its queue may be.
func TestResumeIsNoSlowReader(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) { l.QueueBytes = 1 << 20 }})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a := edgetest.Connect(t, e, ann, "")
	_, cursor := edgetest.Connect(t, e, bob, "").Synced()
	const n = 200
	for range n {
		a.Send(string(bob.User.ID), "", strings.Repeat("x", 60_000))
	}
	missed, _ := edgetest.Connect(t, e, bob, cursor).Synced()
	if got := inOrder(t, missed, map[string]uint64{}); got != n {
		t.Errorf("got %d of %d", got, n)
	}
}

func TestParkedSessionWakes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sessions park on Linux only")
	}
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, "")
	a.Synced()
	b.Synced()
	parked := func(n float64) func() bool {
		return func() bool { return e.Counter(t, "weft_edge_parked_sessions") == n }
	}
	for range 3 {
		weftest.Eventually(t, "both sessions are parked", parked(2))
		// a parked session is written to without being woken
		sent := a.Send(string(bob.User.ID), "", "wake up")
		if ev := b.Event("message"); place(ev) != place(sent) {
			t.Errorf("bob got %v", ev)
		}
		// a request that comes in pieces wakes it as well
		weftest.Eventually(t, "both sessions are parked", parked(2))
		b.Raw(`{"op":"ping","id":77,"pad":"` + strings.Repeat("x", 100_000) + `"}`)
		if b.Reply(77).OK() == nil {
			t.Error("no pong")
		}
	}
	weftest.Eventually(t, "both sessions are parked", parked(2))
	b.Hangup()
	weftest.Eventually(t, "the session is gone", func() bool { return e.Counter(t, "weft_edge_connections") == 1 })
	weftest.Eventually(t, "only one is parked", parked(1))
}

// Invariant 5: an edge that is stopped under load answers what it took on, tells everybody bye, and loses nothing.
func TestDrain(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e, other := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, other, bob, "")
	a.Synced()
	b.Synced()
	a.Send(string(bob.User.ID), "", "first")
	const n = 500
	ids := make([]int, n)
	cids := make([]string, n)
	var stopped sync.WaitGroup
	for i := range n {
		cids[i] = newCID()
		ids[i] = a.Ask("send", map[string]any{"to": bob.User.ID, "cid": cids[i], "kind": "text", "body": i})
		if i == n/2 {
			a.Reply(ids[n/4]) // a good part of them is with the store by now
			stopped.Go(func() {
				if err := e.Stop(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	// every send before bye has its answer, one way or the other
	answers, ok := map[float64]bool{}, 0
	bye := a.Await("bye", func(o edgetest.Object) bool {
		if id, isReply := o["id"].(float64); isReply {
			answers[id] = o["ok"] != nil
		}
		return o.Event() == "bye"
	})
	if bye.Str("reason") != "drain" || bye.Num("retry_ms") == 0 {
		t.Errorf("bye: %v", bye)
	}
	if code := a.Closed(); code != 1012 {
		t.Errorf("closed with %d, want 1012", code)
	}
	stopped.Wait()
	for _, sent := range answers {
		if sent {
			ok++
		}
	}
	if ok < n/4 {
		t.Errorf("only %d of %d were sent: the test has shown nothing", ok, n)
	}
	// whoever was told so has been sent, once; ann comes back elsewhere and sends the rest again
	back := edgetest.Connect(t, other, ann, "")
	back.Synced()
	for i, id := range ids {
		if !answers[float64(id)] {
			back.Call("send", map[string]any{"to": bob.User.ID, "cid": cids[i], "kind": "text", "body": i})
		}
	}
	got := map[string]int{}
	for range n + 1 {
		got[b.Event("message").Str("cid")]++
	}
	for i, cid := range cids {
		if got[cid] != 1 {
			t.Errorf("message %d came %d times", i, got[cid])
		}
	}
}
