package storagetest

import (
	"slices"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

func testHide(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	w := newScript(t, s, Open(t, s, ann.ID, bob.ID, start))
	one, two, three := w.say(ann.ID, "one"), w.say(ann.ID, "two"), w.say(ann.ID, "three")
	w.pin(ann.ID, three, true)
	if err := s.Star(t.Context(), bob.ID, w.channel, three, true, start, 10); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Hide(t.Context(), bob.ID, w.channel, three); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Hide(t.Context(), bob.ID, w.channel, 1000); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("hide nothing: %v", err)
	}
	want(t, "to bob", w.shows(bob.ID), "1 one; 2 two; ")
	want(t, "to ann", w.shows(ann.ID), "1 one; 2 two; 3 three pinned; ")
	want(t, "to a role that reads for itself", w.shows(""), "1 one; 2 two; 3 three pinned; ")
	v := reader(w.channel, bob.ID)
	if _, ok, err := s.Message(t.Context(), v, three); ok || err != nil {
		t.Errorf("the hidden message: %v, %v", ok, err)
	}
	for what, list := range map[string]func() ([]history.Shown, error){
		"pins": func() ([]history.Shown, error) { return s.Pins(t.Context(), v, 10) },
		"after": func() ([]history.Shown, error) {
			return s.Page(t.Context(), v, 0, &two, 10)
		},
	} {
		if got, err := list(); err != nil || len(got) != 0 {
			t.Errorf("%s: %s, %v", what, brief(got), err)
		}
	}
	stars, err := s.Starred(t.Context(), bob.ID, start, history.StarPlace{}, 10)
	if err != nil || len(stars) != 0 {
		t.Errorf("stars: %v, %v", stars, err)
	}
	e, err := s.Entry(t.Context(), bob.ID, w.channel)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the last message", e.Last.Seq, two)
	n, err := s.Unread(t.Context(), w.channel, bob.ID, one, 100)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "unread", n, 1)
	recs, err := s.Records(t.Context(), v, 0, 1000, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if r.Seq == three {
			t.Error("a resume brings the hidden message")
		}
	}
}

func testStars(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem")
	w := newScript(t, s, Open(t, s, ann.ID, bob.ID, start))
	other := w.beside(Open(t, s, ann.ID, cem.ID, start))
	star := func(c fabric.ChannelID, seq uint64, on bool, at int64) {
		t.Helper()
		if err := s.Star(t.Context(), ann.ID, c, seq, on, at, 5); err != nil {
			t.Fatal(err)
		}
	}
	one, two, three := w.say(bob.ID, "one"), other.say(cem.ID, "two"), w.say(ann.ID, "three")
	four, five, six := w.say(ann.ID, "four"), other.say(cem.ID, "five"), w.say(bob.ID, "six")
	star(w.channel, three, true, start+10)
	star(other.channel, two, true, start+20)
	star(w.channel, one, true, start+20)
	star(w.channel, four, true, start+5)
	star(other.channel, five, true, start+30)
	star(w.channel, three, true, start+40) // it has its place
	if err := s.Star(t.Context(), ann.ID, w.channel, six, true, start, 5); fabric.CodeOf(err) != fabric.CodeConflict {
		t.Errorf("one too many: %v", err)
	}
	if err := s.Star(t.Context(), ann.ID, w.channel, five, true, start, 10); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("another channel's: %v", err)
	}
	// any size of page gives them all, newest star first
	for limit := 1; limit <= 6; limit++ {
		var all []history.Shown
		for after := (history.StarPlace{}); ; {
			page, err := s.Starred(t.Context(), ann.ID, start, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Fatalf("%d stars, asked for %d", len(page), limit)
			}
			for _, m := range page {
				all, after = append(all, m.Shown), m.Place
			}
			if len(page) < limit {
				break
			}
		}
		want(t, "stars", brief(all), "5 five starred; 2 two starred; 1 one starred; 3 three starred; 4 four starred; ")
		want(t, "of channel", all[0].Channel, other.channel)
	}
	want(t, "page", w.shows(ann.ID), "1 one starred; 3 three starred; 4 four starred; 6 six; ")
	want(t, "to bob", w.shows(bob.ID), "1 one; 3 three; 4 four; 6 six; ")
	star(w.channel, one, false, 0)
	star(w.channel, one, false, 0)
	star(w.channel, six, true, start+1)
	want(t, "page", w.shows(ann.ID), "1 one; 3 three starred; 4 four starred; 6 six starred; ")
}

// A message that only its sender may see is theirs alone, in every list.
func testOnly(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	c := Open(t, s, ann.ID, bob.ID, start)
	w := newScript(t, s, c)
	one := w.say(ann.ID, "one")
	two := w.add(ann.ID, fabric.MsgText, `{"text":"two"}`, func(a *history.Archival) { a.Only = true })
	w.change(ann.ID, fabric.MsgPin, history.Change{Target: one, On: true})
	want(t, "to ann", w.shows(ann.ID), "1 one pinned; 2 two; ")
	want(t, "to bob", w.shows(bob.ID), "1 one pinned; ")
	if _, ok, err := s.Message(t.Context(), reader(c, bob.ID), two); ok || err != nil {
		t.Errorf("bob reads it: %v, %v", ok, err)
	}
	for u, last := range map[fabric.UserID]uint64{ann.ID: two, bob.ID: one} {
		e, err := s.Entry(t.Context(), u, c)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "last", e.Last.Seq, last)
		recs, err := s.Records(t.Context(), reader(c, u), 0, 1000, 10)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "records", len(recs), map[fabric.UserID]int{ann.ID: 3, bob.ID: 2}[u])
	}
	n, err := s.Unread(t.Context(), c, bob.ID, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "unread", n, 1)
}

// What only its sender may see changes nothing that others see: it is told to its sender, with all that goes before and
// behind it.
func testPrivate(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	only := func(kind string, c history.Change) uint64 {
		t.Helper()
		c.Only = true
		return w.change(ann, kind, c)
	}
	one, two := w.say(ann, "one"), w.say(bob, "two")
	three := w.add(ann, fabric.MsgText, `{"text":"three"}`, func(a *history.Archival) { a.Only = true })
	four := w.say(bob, "four")
	seen := []uint64{w.react(ann, two, "👍")}
	seen = append(seen, only(fabric.MsgReaction, history.Change{Target: two, Emoji: "🎉"}))
	only(fabric.MsgReaction, history.Change{Target: three, Emoji: "🎉"})
	seen = append(seen, only(fabric.MsgEdit, history.Change{Target: one, New: []byte(`{"text":"ONE"}`)}))
	only(fabric.MsgEdit, history.Change{Target: three, New: []byte(`{"text":"THREE"}`)})
	seen = append(seen, only(fabric.MsgPin, history.Change{Target: two, On: true}))
	seen = append(seen, only(fabric.MsgDelete, history.Change{Target: two}), w.react(bob, two, "👎"), w.react(ann, two, ""))
	w.react(bob, four, "👍")
	want(t, "to bob", w.shows(bob), "1 one; 2 two 👎×1!; 4 four 👍×1!; ")
	want(t, "to ann, without what is hers alone", w.shows(ann), "1 one; 2 two 👎×1; 3 THREE edited@9 🎉×1!; 4 four 👍×1; ")
	page, err := s.Page(t.Context(), reader(w.channel, ann), 0, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(seen, []uint64{7, 9})
	slices.Sort(all)
	for u, expected := range map[fabric.UserID][]uint64{ann: all, bob: {}} {
		recs, err := s.Private(t.Context(), reader(w.channel, u), page)
		if err != nil {
			t.Fatal(err)
		}
		seqs := []uint64{}
		for _, r := range recs {
			seqs = append(seqs, r.Seq)
		}
		want(t, "private records", seqs, expected)
	}
	if none, err := s.Private(t.Context(), reader(fabric.Direct(ann, fabric.NewUserID()), ann), page); err != nil || len(none) != 0 {
		t.Errorf("of a channel that has none: %v, %v", none, err)
	}
	// an edit that nobody else sees leaves with what it edits, all the same
	w.remove(bob, one)
	late := only(fabric.MsgEdit, history.Change{Target: one, New: []byte(`{"text":"back"}`)})
	erasures, err := s.Erasures(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "erasures", erasures, []history.Erasure{{Seq: one}, {Seq: 8}, {Seq: late}})
}
