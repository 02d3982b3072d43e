package natsconfig_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

func TestProvisionTwiceKeepsTheFabric(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{Shards: 3})
	again, err := natsconfig.Provision(t.Context(), n.JetStream(t), natsconfig.FabricConfig{Shards: 5})
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != n.Fabric.ID || again.Shards != 3 {
		t.Errorf("second start found %+v, want the first one's %+v: id and shards are fixed", again, n.Fabric)
	}
}

// What an operator has set stays, unless a process is told otherwise.
func TestProvisionKeepsWhatIsLeftOpen(t *testing.T) {
	first := natsconfig.FabricConfig{Window: 48 * time.Hour, Dedupe: 5 * time.Minute}
	n := weftest.StartNATS(t, first)
	js := n.JetStream(t)
	for _, tc := range []struct{ again, want natsconfig.FabricConfig }{
		{natsconfig.FabricConfig{}, first},
		{natsconfig.FabricConfig{Window: time.Hour}, natsconfig.FabricConfig{Window: time.Hour, Dedupe: 5 * time.Minute}},
	} {
		f, err := natsconfig.Provision(t.Context(), js, tc.again)
		if err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(t.Context(), subjects.MsgStream(0))
		if err != nil {
			t.Fatal(err)
		}
		is := s.CachedInfo().Config
		if is.MaxAge != tc.want.Window || is.Duplicates != tc.want.Dedupe || f.Dedupe != tc.want.Dedupe {
			t.Errorf("provisioned again with %+v: window %s, dedupe %s, told %s; want %+v", tc.again, is.MaxAge, is.Duplicates, f.Dedupe, tc.want)
		}
	}
}

func TestFind(t *testing.T) {
	js := bare(t).JetStream(t)
	find := func() (natsconfig.Fabric, []string) {
		t.Helper()
		f, err := natsconfig.Find(t.Context(), js)
		var missing natsconfig.MissingError
		if err != nil && !errors.As(err, &missing) {
			t.Fatal(err)
		}
		return f, missing
	}
	if _, missing := find(); !slices.Contains(missing, "bucket FABRIC") || !slices.Contains(missing, "stream MSG_0") || !slices.Contains(missing, "object store AVATARS") {
		t.Errorf("on an empty server there is no %q", missing)
	}
	made, err := natsconfig.Provision(t.Context(), js, natsconfig.FabricConfig{Shards: 2, Dedupe: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if f, missing := find(); f != made || missing != nil {
		t.Errorf("found %+v without %q, want %+v", f, missing, made)
	}
	s, err := js.Stream(t.Context(), subjects.MsgStream(1))
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.AllowDirect = false
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), subjects.RcptStream(0)); err != nil {
		t.Fatal(err)
	}
	if _, missing := find(); len(missing) != 2 || missing[0] != "stream RCPT_0" || !strings.Contains(missing[1], "MSG_1 that takes direct gets") {
		t.Errorf("there is no %q", missing)
	}
}

// A stored message appears on the subjects of both users of a direct chat, once to a queue group that both share, and
// carries its place and the one before it.
func TestStoredMessageIsRepublishedWithItsChain(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	nc := n.Connect(t)
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	c := fabric.Direct(ann, bob)

	live := make(chan *nats.Msg, 16)
	for _, u := range []fabric.UserID{ann, bob} {
		low, high := subjects.LiveOf(u)
		for _, s := range []string{low, high} {
			if _, err := nc.ChanQueueSubscribe(s, "edge-1", live); err != nil {
				t.Fatal(err)
			}
		}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var prev uint64
	for i := range 3 {
		cid := fabric.NewCID()
		ack, err := js.Publish(t.Context(), subjects.Log(c, 0), fabric.AppendPayload(nil, ann, cid, "text", []byte(`{"text":"hi"}`)),
			jetstream.WithMsgID(subjects.MsgID(ann, cid)))
		if err != nil {
			t.Fatal(err)
		}
		m := next(t, live)
		got, event, _, ok := subjects.ParseLive(m.Subject)
		if !ok || got != c || event != subjects.EventMessage {
			t.Fatalf("message %d came on %s", i, m.Subject)
		}
		seq, _ := strconv.ParseUint(m.Header.Get(subjects.HeaderSequence), 10, 64)
		last, _ := strconv.ParseUint(m.Header.Get(subjects.HeaderLastSeq), 10, 64)
		if seq != ack.Sequence || last != prev {
			t.Errorf("message %d has seq %d prev %d, want %d and %d", i, seq, last, ack.Sequence, prev)
		}
		prev = seq
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(live) != 0 {
		t.Errorf("%d further copies came: a queue group that both users' subscriptions share must get one", len(live))
	}
}

func next(t *testing.T, ch <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	select {
	case m := <-ch:
		return m
	case <-ctx.Done():
		t.Fatal("no message within 5 s")
		return nil
	}
}
