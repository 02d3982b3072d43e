package history_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/subjects"
)

func seqs(t testing.TB, objects []json.RawMessage) []uint64 {
	t.Helper()
	var all []uint64
	for _, o := range objects {
		var m fabric.Stored
		if err := json.Unmarshal(o, &m); err != nil {
			t.Fatalf("message object %s: %v", o, err)
		}
		all = append(all, m.Seq)
	}
	return all
}

// missed is all pages of what a user has missed.
type missed struct {
	objects []json.RawMessage
	seqs    []uint64
	upto    fabric.Position
	pages   int
}

func (p *past) since(u fabric.UserID, from fabric.Position) missed {
	p.t.Helper()
	var all missed
	for req := (contract.HistorySinceRequest{User: u, From: from}); ; all.pages++ {
		r := must[contract.HistorySinceReply](p, subjects.HistorySince, req)
		if r.Messages == nil {
			p.t.Fatal("messages is null")
		}
		if req.Upto != nil && !slices.Equal(req.Upto, r.Upto) {
			p.t.Fatalf("upto moved from %v to %v between pages", req.Upto, r.Upto)
		}
		all.objects = append(all.objects, r.Messages...)
		all.seqs = append(all.seqs, seqs(p.t, r.Messages)...)
		all.upto = r.Upto
		if r.Next == "" {
			all.pages++
			return all
		}
		if len(r.Messages) == 0 {
			p.t.Fatal("an empty page that is not the last")
		}
		req.Upto, req.Next = r.Upto, r.Next
	}
}

func TestSince(t *testing.T) {
	p := newPast(t, 1)
	p.start(p.store, history.Config{})
	ann, bob, cem := p.store.newUser(t), p.store.newUser(t), p.store.newUser(t)
	ab, ac, bc := p.store.open(t, ann, bob), p.store.open(t, ann, cem), p.store.open(t, bob, cem)
	p.say(ab, ann, "seen") // 1
	p.say(ac, cem, "seen") // 2
	first := p.since(ann, nil)
	if len(first.seqs) != 0 || !slices.Equal(first.upto, fabric.Position{2}) {
		t.Errorf("without a position: %+v, want no messages, up to 2", first)
	}
	p.say(bc, bob, "not hers") // 3
	p.say(ac, ann, "own")      // 4
	p.say(ab, bob, "news")     // 5
	p.say(ac, cem, "more")     // 6
	got := p.since(ann, first.upto)
	want := []string{"[5<1 news 4<2 own 6<4 more]", "[4<2 own 6<4 more 5<1 news]"}
	if s := texts(t, got.objects); !slices.Contains(want, s) || got.upto[0] != 6 {
		t.Errorf("got %s up to %v, want one of %s up to 6", s, got.upto, want)
	}
	if again := p.since(ann, got.upto); len(again.seqs) != 0 || again.upto[0] != 6 {
		t.Errorf("at the head: %+v, want nothing", again)
	}
	if ahead := p.since(ann, fabric.Position{1 << 40}); len(ahead.seqs) != 0 || ahead.upto[0] != 6 {
		t.Errorf("ahead of the log: %+v, want nothing, up to 6", ahead)
	}
	if _, err := ask[contract.HistorySinceReply](p, subjects.HistorySince,
		contract.HistorySinceRequest{User: ann, From: fabric.Position{1, 2}}); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Errorf("a position of two shards: got %v, want bad_request", err)
	}
	if _, err := ask[contract.HistorySinceReply](p, subjects.HistorySince,
		contract.HistorySinceRequest{User: ann, From: fabric.Position{1}, Next: "x"}); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Errorf("a next of nowhere: got %v, want bad_request", err)
	}
}

// Many channels and more messages than a page has, with another write between two pages: each message once, in its
// channel's order.
func TestSincePages(t *testing.T) {
	for _, settled := range []bool{true, false} {
		t.Run(fmt.Sprintf("settled %v", settled), func(t *testing.T) {
			p := newPast(t, 3)
			db := &brittle{Store: p.store}
			p.start(db, history.Config{SettleWithin: 50 * time.Millisecond})
			ann := p.store.newUser(t)
			var channels []fabric.ChannelID
			for range 230 {
				channels = append(channels, p.store.open(t, ann, p.store.newUser(t)))
			}
			want := make(map[fabric.ChannelID][]uint64)
			from := p.since(ann, nil).upto
			for i := range 1500 {
				if i == 700 {
					p.settle()
					db.broken.Store(!settled)
				}
				c := channels[i*i%len(channels)]
				want[c] = append(want[c], p.say(c, ann, fmt.Sprint(i)))
			}
			got := p.since(ann, from)
			if got.pages < 3 {
				t.Errorf("%d pages: a page has too many messages", got.pages)
			}
			have := make(map[fabric.ChannelID][]uint64)
			for _, o := range got.objects {
				var m fabric.Stored
				if err := json.Unmarshal(o, &m); err != nil {
					t.Fatal(err)
				}
				if n := len(have[m.Channel]); n > 0 && have[m.Channel][n-1] != m.Prev {
					t.Fatalf("%s: %d has prev %d, before it came %d", m.Channel, m.Seq, m.Prev, have[m.Channel][n-1])
				}
				have[m.Channel] = append(have[m.Channel], m.Seq)
			}
			for c, seqs := range want {
				if !slices.Equal(have[c], seqs) {
					t.Errorf("%s: got %v, want %v", c, have[c], seqs)
				}
			}
			if len(have) != len(want) {
				t.Errorf("messages of %d channels, want %d", len(have), len(want))
			}
		})
	}
}

// Whatever is written when, archived or not: a device that resumes again and again gets each message of its channels
// once, in its channel's order, and nothing of others'.
func TestSinceAgainstAList(t *testing.T) {
	p := newPast(t, 2)
	db := &brittle{Store: p.store}
	p.start(db, history.Config{SettleWithin: 5 * time.Millisecond})
	rapid.Check(t, func(rt *rapid.T) {
		ann, bob := p.store.newUser(t), p.store.newUser(t)
		hers := []fabric.ChannelID{p.store.open(t, ann, bob), p.store.open(t, ann, p.store.newUser(t)), p.store.open(t, ann, p.store.newUser(t))}
		his := p.store.open(t, bob, p.store.newUser(t))
		at := p.since(ann, nil).upto
		want := make(map[fabric.ChannelID][]uint64)
		have := make(map[fabric.ChannelID][]uint64)
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 9), 1, 30).Draw(rt, "steps") {
			switch {
			case step < 6:
				c := hers[step%3]
				want[c] = append(want[c], p.say(c, ann, "hers"))
			case step == 6:
				p.say(his, bob, "his")
			case step == 7:
				db.broken.Store(true)
			case step == 8:
				db.broken.Store(false)
			default:
				got := p.since(ann, at)
				at = got.upto
				for _, o := range got.objects {
					var m fabric.Stored
					if err := json.Unmarshal(o, &m); err != nil {
						rt.Fatal(err)
					}
					have[m.Channel] = append(have[m.Channel], m.Seq)
				}
			}
		}
		got := p.since(ann, at)
		for _, o := range got.objects {
			var m fabric.Stored
			if err := json.Unmarshal(o, &m); err != nil {
				rt.Fatal(err)
			}
			have[m.Channel] = append(have[m.Channel], m.Seq)
		}
		for _, c := range append(hers, his) {
			if !slices.Equal(have[c], want[c]) {
				rt.Fatalf("%s: got %v, want %v", c, have[c], want[c])
			}
		}
	})
	db.broken.Store(false)
}
