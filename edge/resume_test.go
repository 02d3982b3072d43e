package edge_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

func api(e *edgetest.Edge) client.API { return client.API{URL: e.URL} }

// fill writes n messages from u into channels' logs, as an edge would, and waits until they are stored.
func fill(t testing.TB, f *edgetest.Fabric, u fabric.UserID, channels []fabric.ChannelID, n int) {
	t.Helper()
	js, err := jetstream.New(f.NATS.Connect(t), jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		t.Fatal(err)
	}
	var futures []jetstream.PubAckFuture
	for i := range n {
		c := channels[i%len(channels)]
		cid := fabric.NewCID()
		ack, err := js.PublishAsync(subjects.Log(c, subjects.Shard(c, f.NATS.Fabric.Shards)),
			fabric.AppendPayload(nil, u, cid, "text", fmt.Appendf(nil, `{"text":"%d"}`, i)), jetstream.WithMsgID(subjects.MsgID(u, cid)),
			jetstream.WithStallWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, ack)
	}
	<-js.PublishAsyncComplete()
	for _, ack := range futures {
		select {
		case err := <-ack.Err():
			t.Fatal(err)
		case <-ack.Ok():
		}
	}
}

// inOrder fails unless messages are each channel's, once, in order and without a hole after the seqs in last, which it
// moves on. It returns how many of them are there.
func inOrder(t testing.TB, messages []edgetest.Object, last map[string]uint64) int {
	t.Helper()
	for _, m := range messages {
		c := m.Str("channel")
		if m.Num("prev") != last[c] || m.Num("seq") <= last[c] {
			t.Fatalf("%s: got %d<%d after %d", c, m.Num("seq"), m.Num("prev"), last[c])
		}
		last[c] = m.Num("seq")
	}
	return len(messages)
}

// cursorAfter waits for the cursor that covers these messages: one may come between any two of them.
func cursorAfter(t testing.TB, f *edgetest.Fabric, c *edgetest.Conn, last map[string]uint64) string {
	t.Helper()
	shards := f.NATS.Fabric.Shards
	for {
		cursor := c.Event("cursor").Str("cursor")
		at, err := fabric.DecodeCursor(f.NATS.Fabric.ID, shards, fabric.Cursor(cursor))
		if err != nil {
			t.Fatal(err)
		}
		covered := true
		for channel, seq := range last {
			covered = covered && at[subjects.Shard(fabric.ChannelID(channel), shards)] >= seq
		}
		if covered {
			return cursor
		}
	}
}

func TestResume(t *testing.T) {
	for _, shards := range []int{1, 3} {
		for _, missed := range []int{0, 1, 1000, 100_000} {
			if shards > 1 && missed > 1000 {
				continue
			}
			t.Run(fmt.Sprintf("shards=%d/missed=%d", shards, missed), func(t *testing.T) {
				f := edgetest.Start(t, edgetest.Config{NATS: natsconfig.FabricConfig{Shards: shards}})
				e := f.Edge(t)
				ann := f.User(t, e, "ann")
				peers := []client.Grant{f.User(t, e, "bob"), f.User(t, e, "cem"), f.User(t, e, "dan")}
				a := edgetest.Connect(t, e, ann, "")
				a.Synced()
				var chats []fabric.ChannelID
				last := map[string]uint64{}
				for _, p := range peers {
					sent := a.Send(string(p.User.ID), "", "first")
					chats = append(chats, edgetest.Direct(ann, p))
					last[sent.Str("channel")] = sent.Num("seq")
				}
				cursor := cursorAfter(t, f, a, last)
				a.Hangup()
				fill(t, f, peers[0].User.ID, chats, missed)
				// messages of others are none of hers
				fill(t, f, peers[0].User.ID, []fabric.ChannelID{edgetest.Direct(peers[0], peers[1])}, 10)

				back := edgetest.Connect(t, f.Edge(t), ann, cursor)
				got, cursor := back.Synced()
				if n := inOrder(t, got, last); n != missed {
					t.Fatalf("missed %d, got %d", missed, n)
				}
				// and from there on: live, and a resume that brings nothing
				sent := back.Send(string(chats[0]), "", "live")
				if sent.Num("prev") != last[string(chats[0])] {
					t.Errorf("sent %v after %d", sent, last[string(chats[0])])
				}
				again, _ := edgetest.Connect(t, e, ann, cursor).Synced()
				if inOrder(t, again, last) != 1 {
					t.Errorf("the second resume brought %d messages, want what was sent since the cursor", len(again))
				}
			})
		}
	}
}

// The log keeps a window, SQL keeps all.
func TestResumeFromBeforeTheWindow(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	chat := edgetest.Direct(ann, bob)
	a := edgetest.Connect(t, e, ann, "")
	a.Synced()
	last := map[string]uint64{string(chat): a.Send(string(chat), "", "first").Num("seq")}
	cursor := cursorAfter(t, f, a, last)
	a.Hangup()
	fill(t, f, bob.User.ID, []fabric.ChannelID{chat}, 500)
	// a second connection's first login settles the archive
	b := edgetest.Connect(t, e, bob, "")
	b.Synced()
	stream, err := f.NATS.JetStream(t).Stream(t.Context(), subjects.MsgStream(0))
	if err != nil {
		t.Fatal(err)
	}
	// when the window has passed over all but the newest few
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(info.State.LastSeq-5)); err != nil {
		t.Fatal(err)
	}
	back := edgetest.Connect(t, e, ann, cursor)
	got, _ := back.Synced()
	if n := inOrder(t, got, last); n != 500 {
		t.Errorf("got %d, want 500", n)
	}
	if ev := b.Send(string(chat), "", "live"); ev.Num("prev") != last[string(chat)] {
		t.Errorf("after it: %v", ev)
	}
	if ev := back.Event("message"); ev.Num("prev") != last[string(chat)] {
		t.Errorf("after it came %v, want it after %d", ev, last[string(chat)])
	}
}

func TestCursorThatIsNone(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	other := edgetest.Start(t, edgetest.Config{})
	oe := other.Edge(t)
	_, foreign := edgetest.Connect(t, oe, other.User(t, oe, "eve"), "").Synced()
	for cursor, want := range map[string]fabric.Code{"nonsense": fabric.CodeBadRequest, foreign: fabric.CodeConflict} {
		c := edgetest.Dial(t, e)
		if o := c.Call("hello", map[string]any{"token": ann.AccessToken, "cursor": cursor}); o.Err() != want {
			t.Errorf("cursor %q: %v, want %s", cursor, o, want)
		}
		if o := c.Call("hello", map[string]any{"token": ann.AccessToken}); o.OK() == nil {
			t.Errorf("hello again without it: %v", o)
		}
	}
}

// A session resumes while messages come: what the past and the present both bring comes once.
func TestResumeUnderLoad(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	chat := edgetest.Direct(ann, bob)
	b := edgetest.Connect(t, e, bob, "")
	b.Synced()
	a := edgetest.Connect(t, e, ann, "")
	_, cursor := a.Synced()
	last := map[string]uint64{}
	stop, done := make(chan struct{}), make(chan struct{})
	var sent int
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				b.Send(string(chat), "", "x")
				sent++
			}
		}
	}()
	got := 0
	for range 30 {
		a.Hangup()
		a = edgetest.Connect(t, e, ann, cursor)
		var missed []edgetest.Object
		missed, cursor = a.Synced()
		got += inOrder(t, missed, last)
		// some live ones, which the cursor above does not cover: the next resume brings them again
		seen := map[string]uint64{string(chat): last[string(chat)]}
		for range rand.N(20) {
			inOrder(t, []edgetest.Object{a.Event("message")}, seen)
		}
	}
	close(stop)
	<-done
	a.Hangup()
	missed, _ := edgetest.Connect(t, e, ann, cursor).Synced()
	if got += inOrder(t, missed, last); got != sent {
		t.Errorf("%d were sent, %d came", sent, got)
	}
}

// Invariant 2 where the network between NATS and the edge loses messages, and where it breaks.
func TestGapsAreRepaired(t *testing.T) {
	for _, how := range []string{"dropped", "broken"} {
		t.Run(how, func(t *testing.T) {
			f := edgetest.Start(t, edgetest.Config{})
			e1, e2 := f.Edge(t), f.Edge(t)
			ann := f.User(t, e1, "ann")
			a := edgetest.Connect(t, e1, ann, "")
			a.Synced()
			var senders sync.WaitGroup
			const peers, each = 4, 400
			if how == "dropped" {
				var first sync.Map
				e1.Link.Drop(func(subject string, _ []byte) bool {
					c, event, _, ok := subjects.ParseLive(subject)
					_, known := first.LoadOrStore(c, true) // the first one of each always
					return ok && event == subjects.EventMessage && (!known || rand.N(4) == 0)
				})
			}
			for range peers {
				bob := f.User(t, e2, "bob")
				b := edgetest.Connect(t, e2, bob, "")
				b.Synced()
				chat := string(edgetest.Direct(ann, bob))
				senders.Go(func() {
					for i := range each {
						if i == each-1 {
							e1.Link.Drop(nil) // the last one of each comes, so that nothing ends in a hole
						}
						b.Send(chat, "", fmt.Sprint(i))
						if how == "broken" && i%100 == 50 {
							e1.Link.Break()
						}
					}
				})
			}
			last, got := map[string]uint64{}, map[string]int{}
			for range peers * each {
				m := a.Event("message")
				inOrder(t, []edgetest.Object{m}, last)
				if c := m.Str("channel"); text(m) != fmt.Sprint(got[c]) {
					t.Fatalf("%s: got %q, want %d", c, text(m), got[c])
				}
				got[m.Str("channel")]++
			}
			senders.Wait()
			switch how {
			case "dropped":
				if n := e1.Link.Dropped(); n < 100 || e1.Counter(t, "weft_edge_gaps_total") == 0 {
					t.Errorf("%d messages were dropped, %v gaps seen: the test has shown nothing", n, e1.Counter(t, "weft_edge_gaps_total"))
				}
			case "broken":
				if e1.Counter(t, "weft_edge_resyncs_total") == 0 {
					t.Error("no resync: the test has shown nothing")
				}
			}
			if cursorAfter(t, f, a, last) == "" {
				t.Error("an empty cursor")
			}
		})
	}
}
