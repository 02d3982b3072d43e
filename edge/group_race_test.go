package edge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// People come and go while others write, on two edges. What each device got, live and by resumes, is what the log says it
// should: from each record that made its user a member up to the one that ended it, both included, once and in order.
func TestComingAndGoingAmidSends(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	edges := []*edgetest.Edge{f.Edge(t), f.Edge(t)}
	ann := f.User(t, edges[0], "ann")
	const guests, rounds, messages = 4, 6, 150
	var others []client.Grant
	for i := range guests {
		others = append(others, f.User(t, edges[0], fmt.Sprint("guest ", i)))
	}
	var c fabric.ChannelID
	type device struct {
		*edgetest.Conn
		got []uint64
		mu  sync.Mutex
	}
	take := func(d *device, o edgetest.Object) {
		if o.Event() == "message" && o.Str("channel") == string(c) {
			d.mu.Lock()
			d.got = append(d.got, o.Num("seq"))
			d.mu.Unlock()
		}
	}
	// every guest has a device on each edge; its end is a message of the direct chat that comes when all is done
	var devices [guests][2]*device
	for i, g := range others {
		for j, e := range edges {
			devices[i][j] = &device{Conn: edgetest.Connect(t, e, g, "")}
			devices[i][j].Synced()
		}
	}
	c = newGroup(t, edges[0], ann, others[0])
	var listening sync.WaitGroup
	for i, g := range others {
		for _, d := range devices[i] {
			end := string(edgetest.Direct(ann, g))
			listening.Go(func() {
				for {
					o := d.Next()
					take(d, o)
					if o.Event() == "message" && o.Str("channel") == end {
						return
					}
				}
			})
		}
	}
	a := edgetest.Connect(t, edges[0], ann, "")
	a.Synced()
	var working sync.WaitGroup
	working.Go(func() {
		for i := range messages {
			a.Send(string(c), "", fmt.Sprint(i))
		}
	})
	for i, g := range others {
		working.Go(func() {
			for n := range rounds {
				e := edges[(i+n)%2]
				path := fmt.Sprintf("/v1/groups/%s/members/%s", c, g.User.ID)
				if status, o := groupCall(t, e, ann, "PUT", path, nil); status != http.StatusCreated && status != http.StatusOK {
					t.Errorf("add: %d %v", status, o)
				}
				as := ann
				if n%2 == 1 {
					as = g // leaves
				}
				if status, o := groupCall(t, e, as, "DELETE", path, nil); status != http.StatusNoContent {
					t.Errorf("remove: %d %v", status, o)
				}
			}
		})
	}
	working.Wait()
	for _, g := range others {
		a.Send(string(g.User.ID), "", "that was all")
	}
	listening.Wait()

	for i, g := range others {
		want := spansInLog(t, f, c, g.User.ID)
		for j, d := range devices[i] {
			if what := difference(d.got, want); what != "" {
				t.Errorf("guest %d, device %d, %s", i, j, what)
			}
		}
		// a device that was away all the time gets the same
		missed, _ := edgetest.Connect(t, edges[1], g, fromBeginning(t, f)).Synced()
		away := &device{}
		for _, o := range missed {
			take(away, o)
		}
		if what := difference(away.got, want); what != "" {
			t.Errorf("guest %d's resume, %s", i, what)
		}
	}
}

// An edge that learns late that somebody came, when they have gone and come again, hands them both times, in order.
func TestComingAgainBeforeTheEdgeKnew(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	here, there := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, here, "ann"), f.User(t, here, "bob")
	a, b := edgetest.Connect(t, here, ann, ""), edgetest.Connect(t, there, bob, "")
	a.Synced()
	b.Synced()
	c := newGroup(t, here, ann)
	bobs := fmt.Sprintf("/v1/groups/%s/members/%s", c, bob.User.ID)
	change := func(method string, want int) {
		t.Helper()
		if status, o := groupCall(t, here, ann, method, bobs, nil); status != want {
			t.Fatalf("%s: %d %v", method, status, o)
		}
	}
	// Bob's edge asks what he is in the group, and the answer is lost: it asks again when he has been out and in.
	var lost atomic.Bool
	there.Link.Drop(func(_ string, payload []byte) bool {
		return bytes.Contains(payload, []byte(`"settings":`)) && bytes.Contains(payload, []byte(`"role":"member"`)) && !lost.Swap(true)
	})
	change("PUT", http.StatusCreated)
	weftest.Eventually(t, "the answer is lost", lost.Load)
	a.Send(string(c), "", "the first time")
	change("DELETE", http.StatusNoContent)
	a.Send(string(c), "", "not his")
	change("PUT", http.StatusCreated)
	last := a.Send(string(c), "", "the second time").Num("seq")
	want := spansInLog(t, f, c, bob.User.ID)
	var got []uint64
	for len(got) == 0 || got[len(got)-1] != last {
		o := b.Await("a message of the group", func(o edgetest.Object) bool { return o.Event() == "message" && o.Str("channel") == string(c) })
		got = append(got, o.Num("seq"))
	}
	if what := difference(got, want); what != "" {
		t.Error(what)
	}
}

// difference tells where what a device got is not what the log gives it, "" where it is.
func difference(got, want []uint64) string {
	if slices.Equal(got, want) {
		return ""
	}
	var missing, more []uint64
	for _, seq := range want {
		if !slices.Contains(got, seq) {
			missing = append(missing, seq)
		}
	}
	for i, seq := range got {
		if !slices.Contains(want, seq) || slices.Contains(got[:i], seq) {
			more = append(more, seq)
		}
	}
	return fmt.Sprintf("missing: %v, doubled or not theirs: %v, in order: %t; the log gives them %v", missing, more, slices.IsSorted(got), want)
}

// fromBeginning returns a cursor from which nothing was seen yet.
func fromBeginning(t *testing.T, f *edgetest.Fabric) string {
	t.Helper()
	return string(fabric.EncodeCursor(f.NATS.Fabric.ID, make(fabric.Position, f.NATS.Fabric.Shards)))
}

// spansInLog returns the seqs of a group's log that are u's to receive.
func spansInLog(t *testing.T, f *edgetest.Fabric, c fabric.ChannelID, u fabric.UserID) (seqs []uint64) {
	t.Helper()
	js := f.NATS.JetStream(t)
	shard := subjects.Shard(c, f.NATS.Fabric.Shards)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cons, err := js.OrderedConsumer(ctx, subjects.MsgStream(shard), jetstream.OrderedConsumerConfig{FilterSubjects: []string{subjects.Log(c, shard)}})
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for pending := uint64(1); pending > 0; {
		m, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		pending = meta.NumPending
		var rec fabric.Message
		if err := json.Unmarshal(m.Data(), &rec); err != nil {
			t.Fatal(err)
		}
		var change fabric.MemberChange
		if rec.Kind == fabric.MsgMember {
			if err := json.Unmarshal(rec.Body, &change); err != nil {
				t.Fatal(err)
			}
		}
		mine := false
		for _, v := range change.Users {
			mine = mine || v == u
		}
		gone := mine && (change.Event == fabric.MemberRemoved || change.Event == fabric.MemberLeft)
		if mine && !gone {
			in = true
		}
		if in {
			seqs = append(seqs, meta.Sequence.Stream)
		}
		if gone {
			in = false
		}
	}
	return seqs
}
