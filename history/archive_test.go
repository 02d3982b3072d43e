package history_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/subjects"
)

func (p *past) page(c fabric.ChannelID) contract.HistoryPageReply {
	p.t.Helper()
	return must[contract.HistoryPageReply](p, subjects.HistoryPage, contract.HistoryPageRequest{Channel: c, Limit: 200})
}

func TestArchiveAcrossRestarts(t *testing.T) {
	p := newPast(t, 2)
	ann, bob, cem := p.store.newUser(t), p.store.newUser(t), p.store.newUser(t)
	ab, ac := p.store.open(t, ann, bob), p.store.open(t, ann, cem)
	want := map[fabric.ChannelID][]string{}
	last := map[fabric.ChannelID]uint64{}
	say := func(c fabric.ChannelID, text string) {
		seq := p.say(c, ann, text)
		want[c] = append(want[c], fmt.Sprintf("%d<%d %s", seq, last[c], text))
		last[c] = seq
	}
	// given messages that were written before the role first ran, while it ran, and while it was down
	for i := range 50 {
		say(ab, fmt.Sprint("before ", i))
	}
	for round := range 3 {
		p.start(p.store, history.Config{})
		for i := range 20 {
			say([]fabric.ChannelID{ab, ac}[i%2], fmt.Sprint("running ", round, i))
		}
		if !p.settle().Settled {
			t.Fatal("the archive does not settle at rest")
		}
		p.stop()
		for i := range 20 {
			say([]fabric.ChannelID{ac, ab}[i%2], fmt.Sprint("down ", round, i))
		}
	}
	p.start(p.store, history.Config{BatchMessages: 7})
	// then all are there, once, with their chain
	for c, want := range want {
		if got := texts(t, p.page(c).Messages); got != fmt.Sprint(want) {
			t.Errorf("%s:\n got %s\nwant %s", c, got, want)
		}
	}
}

// Two archives at once, as while a new version takes over, both read everything.
func TestTwoArchives(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	p.start(p.store, history.Config{})
	first := p.stop
	p.start(p.store, history.Config{})
	var want []string
	var last uint64
	for i := range 100 {
		seq := p.say(c, bob, fmt.Sprint(i))
		want = append(want, fmt.Sprintf("%d<%d %d", seq, last, i))
		last = seq
		if i == 50 {
			first()
		}
	}
	if got := texts(t, p.page(c).Messages); got != fmt.Sprint(want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestWhatIsNoMessageHoldsUpNothing(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	p.start(p.store, history.Config{})
	first := p.say(c, ann, "first")
	for _, payload := range []string{"", "hello", "[]", "{}", `{"from":"x","cid":"y","kind":"text","body":{}}`, `{"from":`} {
		p.write(c, []byte(payload))
	}
	p.write("not-a.channel", fabric.AppendPayload(nil, ann, fabric.NewCID(), "text", []byte(`{}`)))
	lines := "{\n\"body\":{\"text\":\"in\nlines\"},"
	p.write(c, []byte(strings.Replace(lines, "in\n", "in ", 1)+fmt.Sprintf("\n\"kind\":\"text\",\"from\":%q,\"cid\":%q}", bob, fabric.NewCID())))
	last := p.say(c, ann, "last")
	// what is no message is left out of the chain too, so that nobody looks for it
	want := fmt.Sprintf("[%d<0 first %d<%d in lines %d<%d last]", first, last-1, first, last, last-1)
	if !p.settle().Settled {
		t.Error("the archive does not settle")
	}
	if got := texts(t, p.page(c).Messages); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What the log dropped before it was archived is not waited for.
func TestHolesAreNotWaitedFor(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	stream, err := p.js.Stream(t.Context(), subjects.MsgStream(0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		p.say(c, ann, fmt.Sprint(i))
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.start(p.store, history.Config{SettleWithin: 5 * time.Second})
	if s := p.settle(); !s.Settled || s.Archived[0] != 5 {
		t.Fatalf("after a purge before the start: %+v, want settled at 5", s)
	}
	p.stop()
	for i := range 5 {
		p.say(c, ann, fmt.Sprint(i))
	}
	for seq := uint64(6); seq <= 10; seq++ {
		if err := stream.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	p.start(p.store, history.Config{SettleWithin: 5 * time.Second})
	if s := p.settle(); !s.Settled || s.Archived[0] != 10 {
		t.Fatalf("after deletes: %+v, want settled at 10", s)
	}
}

// A power cut may take the log's end, or it comes from an older copy, while the archive has more of it.
func TestLogThatLostItsEnd(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	first := p.say(c, ann, "in both")
	p.start(p.store, history.Config{})
	p.settle()
	p.stop()
	lost := fabric.Stored{Channel: c, Seq: 1000, Prev: first, At: 1, Message: fabric.Message{From: ann, CID: fabric.NewCID(), Kind: "text", Body: []byte(`{"text":"lost by the log"}`)}}
	if err := p.store.Archive(t.Context(), 0, history.Batch{Messages: []history.Archival{{Stored: lost}}}, 1000); err != nil {
		t.Fatal(err)
	}
	p.start(p.store, history.Config{})
	last := p.say(c, ann, "new")
	if last <= 1000 {
		t.Errorf("the log goes on at %d, which was archived", last)
	}
	if !p.settle().Settled {
		t.Error("the archive does not settle")
	}
	var seqs []uint64
	for _, m := range p.page(c).Messages {
		var st fabric.Stored
		if err := json.Unmarshal(m, &st); err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, st.Seq)
	}
	if fmt.Sprint(seqs) != fmt.Sprint([]uint64{first, 1000, last}) {
		t.Errorf("archived: %d, want %d, 1000 and %d", seqs, first, last)
	}
}

// A database that fails holds the archive up; nothing is lost, and meanwhile reads come from the log.
func TestDatabaseFailsForAWhile(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	db := &brittle{Store: p.store}
	p.start(db, history.Config{SettleWithin: 20 * time.Millisecond, BatchMessages: 10})
	var want []string
	var last uint64
	say := func(text string) {
		seq := p.say(c, ann, text)
		want = append(want, fmt.Sprintf("%d<%d %s", seq, last, text))
		last = seq
	}
	say("archived")
	db.broken.Store(true)
	for i := range 30 {
		say(fmt.Sprint("broken ", i))
	}
	if p.settle().Settled {
		t.Fatal("the archive says that it is settled while the database takes nothing")
	}
	if got := texts(t, p.page(c).Messages); got != fmt.Sprint(want) {
		t.Errorf("while it fails:\n got %s\nwant %s", got, want)
	}
	db.broken.Store(false)
	for deadline := time.Now().Add(20 * time.Second); !p.settle().Settled; {
		if time.Now().After(deadline) {
			t.Fatal("the archive does not recover")
		}
	}
	if got := texts(t, p.page(c).Messages); got != fmt.Sprint(want) {
		t.Errorf("after it failed:\n got %s\nwant %s", got, want)
	}
}
