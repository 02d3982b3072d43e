package msglog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// logs is a fabric of one shard and what a test does to its log.
type logs struct {
	*msglog.Reader
	t  testing.TB
	js jetstream.JetStream
}

func openLogs(t testing.TB) *logs {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	nc := n.Connect(t)
	r, err := msglog.NewReader(nc, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &logs{Reader: r, t: t, js: js}
}

// write stores a payload in c's log and returns its seq.
func (l *logs) write(c fabric.ChannelID, payload string) uint64 {
	l.t.Helper()
	ack, err := l.js.Publish(context.Background(), subjects.Log(c, 0), []byte(payload), jetstream.WithMsgID(fabric.NewCID()))
	if err != nil {
		l.t.Fatal(err)
	}
	return ack.Sequence
}

func (l *logs) delete(seq uint64) {
	l.t.Helper()
	s, err := l.js.Stream(context.Background(), subjects.MsgStream(0))
	if err == nil {
		err = s.DeleteMsg(context.Background(), seq)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// places shows records as seq<prev, what most tests are about.
func places(recs []msglog.Record) string {
	var s []string
	for _, r := range recs {
		s = append(s, fmt.Sprintf("%d<%d", r.Seq, r.Prev))
	}
	return fmt.Sprint(s)
}

func newChannel() fabric.ChannelID { return fabric.Direct(fabric.NewUserID(), fabric.NewUserID()) }

func TestHead(t *testing.T) {
	l, ctx, c := openLogs(t), t.Context(), newChannel()
	want := func(head uint64) {
		t.Helper()
		got, err := l.Head(ctx, subjects.MsgStream(0))
		if err != nil || got != head {
			t.Fatalf("head is %d (%v), want %d", got, err, head)
		}
	}
	want(0)
	l.write(c, `{"n":1}`)
	l.write(c, `{"n":2}`)
	want(2)
	l.delete(2) // the tail is gone, but seq 2 was given: what is archived up to 2 is complete
	want(2)
	l.delete(1)
	want(2)
}

func TestFirst(t *testing.T) {
	l, c := openLogs(t), newChannel()
	for range 4 {
		l.write(c, `{}`)
	}
	l.delete(2)
	l.delete(4)
	for from, want := range map[uint64]uint64{0: 1, 1: 1, 2: 3, 3: 3, 4: 0, 5: 0} {
		got, err := l.First(t.Context(), subjects.MsgStream(0), from)
		if err != nil || got != want {
			t.Errorf("first from %d is %d (%v), want %d", from, got, err, want)
		}
	}
}

func TestHeadOfMissingStream(t *testing.T) {
	l := openLogs(t)
	_, err := l.Head(t.Context(), "MSG_99")
	if fabric.CodeOf(err) != fabric.CodeUnavailable {
		t.Errorf("got %v, want an error with code unavailable", err)
	}
}

func TestRange(t *testing.T) {
	l, ctx := openLogs(t), t.Context()
	c, other := newChannel(), newChannel()
	// given c's records at 1, 3, 4, 7, 9 with another channel's between them, and 4 deleted
	for seq := uint64(1); seq <= 10; seq++ {
		to := other
		if slices.Contains([]uint64{1, 3, 4, 7, 9}, seq) {
			to = c
		}
		if got := l.write(to, fmt.Sprintf(`{"n":%d}`, seq)); got != seq {
			t.Fatalf("seq %d, want %d", got, seq)
		}
	}
	l.delete(4)
	for _, tc := range []struct {
		name        string
		after, upto uint64
		limit       int
		want        string
		more        bool
	}{
		{"all", 0, 10, 10, "[1<0 3<1 7<3 9<7]", false},
		{"all, past the head", 0, 1000, 10, "[1<0 3<1 7<3 9<7]", false},
		{"after one of the channel's", 3, 10, 10, "[7<3 9<7]", false},
		{"after one of another channel's", 5, 10, 10, "[7<3 9<7]", false},
		{"after a deleted one", 4, 10, 10, "[7<3 9<7]", false},
		{"bounded by upto", 0, 7, 10, "[1<0 3<1 7<3]", false},
		{"bounded by an upto of another channel's", 0, 8, 10, "[1<0 3<1 7<3]", false},
		{"a limit cuts", 0, 10, 2, "[1<0 3<1]", true},
		{"a limit that fits cuts nothing", 0, 10, 4, "[1<0 3<1 7<3 9<7]", false},
		{"a limit that fits below upto", 1, 7, 2, "[3<1 7<3]", false},
		{"only one asked", 6, 7, 1, "[7<3]", false},
		{"nothing there", 9, 10, 10, "[]", false},
		{"past the head", 10, 20, 10, "[]", false},
		{"an empty span", 7, 7, 10, "[]", false},
		{"a span turned round", 7, 3, 10, "[]", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			recs, more, err := l.Range(ctx, c, 0, tc.after, tc.upto, tc.limit)
			if err != nil {
				t.Fatal(err)
			}
			if got := places(recs); got != tc.want || more != tc.more {
				t.Errorf("got %s, more %v; want %s, more %v", got, more, tc.want, tc.more)
			}
			for _, r := range recs {
				if want := fmt.Sprintf(`{"n":%d}`, r.Seq); string(r.Payload) != want || r.Channel != c || r.At == 0 {
					t.Errorf("record %+v, want payload %s in %s", r, want, c)
				}
			}
		})
	}
}

// A range of more bytes than one answer may have is asked for in several, and comes back whole.
func TestRangeOfManyBytes(t *testing.T) {
	l, c := openLogs(t), newChannel()
	big := make([]byte, fabric.MaxBodyBytes)
	for i := range big {
		big[i] = 'x'
	}
	const n = 40 // 2.5 MiB
	for range n {
		l.write(c, string(big))
	}
	recs, more, err := l.Range(t.Context(), c, 0, 0, n, n)
	if err != nil || more || len(recs) != n {
		t.Fatalf("%d records, more %v, %v; want %d", len(recs), more, err, n)
	}
	for i, r := range recs {
		if r.Seq != uint64(i+1) || r.Prev != uint64(i) || len(r.Payload) != len(big) {
			t.Fatalf("record %d has seq %d, prev %d and %d bytes", i, r.Seq, r.Prev, len(r.Payload))
		}
	}
}

func TestAt(t *testing.T) {
	l, ctx := openLogs(t), t.Context()
	c, other := newChannel(), newChannel()
	l.write(c, `{"n":1}`)
	l.write(other, `{}`)
	l.write(c, `{"n":3}`)
	l.write(other, `{}`)
	l.delete(4)

	for seq, prev := range map[uint64]uint64{1: 0, 3: 1} {
		r, err := l.At(ctx, c, 0, seq)
		if err != nil || r.Seq != seq || r.Prev != prev || string(r.Payload) != fmt.Sprintf(`{"n":%d}`, seq) {
			t.Errorf("seq %d is %+v (%v), want prev %d", seq, r, err, prev)
		}
	}
	for name, seq := range map[string]uint64{"another channel's": 2, "deleted": 4, "never given": 5, "none": 0} {
		if r, err := l.At(ctx, c, 0, seq); !errors.Is(err, msglog.ErrNoRecord) {
			t.Errorf("%s: got %+v (%v), want ErrNoRecord", name, r, err)
		}
	}
}

// The subjects are more than the server answers at once, and their payloads more bytes than one answer has.
func TestLastOfManySubjects(t *testing.T) {
	l, ctx := openLogs(t), t.Context()
	const n = 2500
	var of []string
	want := make(map[string]uint64)
	pad := make([]byte, 1000)
	for range n {
		subject := subjects.Log(newChannel(), 0)
		of = append(of, subject)
		if _, err := l.js.PublishAsync(subject, pad); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < n; i += 3 { // a third of them has news
		f, err := l.js.PublishAsync(of[i], pad)
		if err != nil {
			t.Fatal(err)
		}
		want[of[i]] = (<-f.Ok()).Sequence
	}
	of = append(of, subjects.Log(newChannel(), 0)) // nothing was ever written there

	all, err := l.LastOf(ctx, subjects.MsgStream(0), of, 0)
	if err != nil || len(all) != n {
		t.Fatalf("%d subjects (%v), want %d", len(all), err, n)
	}
	news, err := l.LastOf(ctx, subjects.MsgStream(0), of, n+1)
	if err != nil || len(news) != len(want) {
		t.Fatalf("%d subjects with news (%v), want %d", len(news), err, len(want))
	}
	for _, e := range news {
		if e.Seq != want[e.Subject] {
			t.Errorf("last of %s is %d, want %d", e.Subject, e.Seq, want[e.Subject])
		}
	}
	if none, err := l.LastOf(ctx, subjects.MsgStream(0), of, 1<<40); err != nil || len(none) != 0 {
		t.Errorf("past the head there are %d subjects (%v), want none", len(none), err)
	}
	// A wildcard that stands for too many is told apart from a failure.
	if _, err := l.LastOf(ctx, subjects.MsgStream(0), []string{"msg.0.*.*"}, 0); !errors.Is(err, msglog.ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany", err)
	}
}

func TestLastOfWildcardsThatTogetherAreTooMany(t *testing.T) {
	l, ctx := openLogs(t), t.Context()
	kv, err := l.js.KeyValue(ctx, subjects.BucketPresence)
	if err != nil {
		t.Fatal(err)
	}
	var of []string
	for i := range 700 { // 700 wildcards of two subjects each
		u := fabric.NewUserID()
		of = append(of, "$KV."+subjects.BucketPresence+"."+string(u)+".*")
		for _, edge := range []string{"e1", "e2"} {
			if _, err := kv.PutString(ctx, subjects.Presence(u, edge), "1"); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			if err := kv.Delete(ctx, subjects.Presence(u, "e2")); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := l.LastOf(ctx, "KV_"+subjects.BucketPresence, of, 0)
	if err != nil || len(all) != 1400 {
		t.Fatalf("%d keys (%v), want 1400", len(all), err)
	}
	deleted := 0
	for _, e := range all {
		if e.Deleted {
			deleted++
		}
	}
	if deleted != 1 {
		t.Errorf("%d keys are deleted, want 1", deleted)
	}
}

func TestEntries(t *testing.T) {
	l, ctx := openLogs(t), t.Context()
	kv, err := l.js.KeyValue(ctx, subjects.BucketPresence)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	for i := range 25 {
		u := fabric.NewUserID()
		for _, edge := range []string{"e1", "e2"} {
			key := subjects.Presence(u, edge)
			if _, err := kv.PutString(ctx, key, "old"); err != nil {
				t.Fatal(err)
			}
			if _, err := kv.PutString(ctx, key, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		want[subjects.KeySubject(subjects.BucketPresence, subjects.Presence(u, "e2"))] = true
	}
	filter := subjects.KeySubject(subjects.BucketPresence, "*.e2")
	for from, pages := uint64(0), 0; ; pages++ {
		entries, next, err := l.Entries(ctx, subjects.BucketStream(subjects.BucketPresence), filter, from, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !want[e.Subject] || string(e.Payload) == "old" {
				t.Errorf("%s %q came twice, or is not asked for", e.Subject, e.Payload)
			}
			delete(want, e.Subject)
		}
		if from = next; from == 0 {
			break
		}
		if pages > 10 {
			t.Fatal("pages without end")
		}
	}
	if len(want) > 0 {
		t.Errorf("%d keys are missing", len(want))
	}
}

func TestReceipts(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{Shards: 3})
	js := n.JetStream(t)
	r, err := msglog.NewReader(n.Connect(t), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := make(map[fabric.ChannelID][]fabric.Receipt)
	var channels []fabric.ChannelID
	for i := range 12 {
		ann, bob := fabric.NewUserID(), fabric.NewUserID()
		c := fabric.Direct(ann, bob)
		channels = append(channels, c)
		users := []fabric.UserID{ann, bob}[:i%3] // in a third of the chats nobody has any mark
		for _, u := range users {
			read := uint64(i)
			subject := subjects.Receipt(c, subjects.Shard(c, 3), u)
			for _, mark := range []uint64{read, read + 1} { // the later one replaces the first
				data := fmt.Sprintf(`{"delivered":%d,"read":%d}`, mark+10, mark)
				if _, err := js.Publish(t.Context(), subject, []byte(data)); err != nil {
					t.Fatal(err)
				}
			}
			want[c] = append(want[c], fabric.Receipt{User: u, Delivered: read + 11, Read: read + 1})
		}
	}
	got, err := r.Receipts(t.Context(), append(channels, fabric.Self(fabric.NewUserID())))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d channels have marks, want %d", len(got), len(want))
	}
	for c, marks := range want {
		if len(got[c]) != len(marks) {
			t.Errorf("%s has %d marks, want %d", c, len(got[c]), len(marks))
		}
		for _, m := range marks {
			if !slices.Contains(got[c], m) {
				t.Errorf("%s has marks %+v, want %+v", c, got[c], marks)
			}
		}
	}
}
