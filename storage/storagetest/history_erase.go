package storagetest

import (
	"fmt"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// until lets a message disappear.
func until(at int64) func(*history.Archival) {
	return func(a *history.Archival) { a.ExpiresAt = at }
}

func testExpire(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	c := Open(t, s, ann.ID, bob.ID, start)
	w := newScript(t, s, c)
	w.say(ann.ID, "stays")
	soon := w.add(ann.ID, fabric.MsgText, `{"text":"soon"}`, until(start+100))
	later := w.add(ann.ID, fabric.MsgText, `{"text":"later"}`, until(start+200))
	edit := w.edit(ann.ID, soon, "soon!")
	w.react(bob.ID, soon, "👍")
	w.pin(bob.ID, soon, true)
	if err := s.Star(t.Context(), bob.ID, c, soon, true, start, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Hide(t.Context(), bob.ID, c, later); err != nil {
		t.Fatal(err)
	}
	want(t, "before", w.shows(bob.ID), "1 stays; 2 soon! edited@4 until@100 👍×1! starred pinned; ")

	// its time is over: nobody sees it, whether it is cleared away or not
	at := func(ms int64) history.View {
		return history.View{Channel: c, User: bob.ID, Now: start + ms}
	}
	seen := func(ms int64) {
		t.Helper()
		want(t, "page", w.view(at(ms)), "1 stays; ")
		if _, ok, err := s.Message(t.Context(), at(ms), soon); ok || err != nil {
			t.Errorf("the message: %v, %v", ok, err)
		}
		if pins, err := s.Pins(t.Context(), at(ms), 10); err != nil || len(pins) != 0 {
			t.Errorf("pins: %v, %v", pins, err)
		}
		if stars, err := s.Starred(t.Context(), bob.ID, start+ms, history.StarPlace{}, 10); err != nil || len(stars) != 0 {
			t.Errorf("stars: %v, %v", stars, err)
		}
	}
	seen(100)
	expire := func(ms int64, removed int) {
		t.Helper()
		n, err := s.Expire(t.Context(), start+ms, 10)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "removed", n, removed)
	}
	expire(99, 0)
	expire(100, 1)
	expire(100, 0)
	seen(0) // gone, not hidden
	want(t, "to ann", w.shows(ann.ID), "1 stays; 3 later until@200; ")
	erasures := func() []history.Erasure {
		t.Helper()
		list, err := s.Erasures(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	want(t, "erasures", erasures(), []history.Erasure{{Seq: soon}, {Seq: edit}})
	recs, err := s.Records(t.Context(), at(0), 0, 1000, 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "records", brief(recs), "1 stays; ")

	// what is erased is not erased again; what isn't stays to be
	if err := s.Erased(t.Context(), []history.Erasure{{Seq: soon}, {Seq: 1000}}); err != nil {
		t.Fatal(err)
	}
	want(t, "erasures", erasures(), []history.Erasure{{Seq: edit}})
	expire(1000, 1)
	want(t, "erasures", erasures(), []history.Erasure{{Seq: later}, {Seq: edit}})
	want(t, "to ann", w.shows(ann.ID), "1 stays; ")
}

// A few at a time, the oldest first.
func testExpireInParts(t *testing.T, s Store) {
	ann := fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, fabric.NewUserID()))
	w.together(func() {
		for i := range 7 {
			w.add(ann, fabric.MsgText, fmt.Sprintf(`{"text":"%d"}`, i), until(start+int64(100-i)))
		}
	})
	for _, left := range []string{"1 0 until@100; 2 1 until@99; 3 2 until@98; 4 3 until@97; ", "1 0 until@100; ", "", ""} {
		if _, err := s.Expire(t.Context(), start+1000, 3); err != nil {
			t.Fatal(err)
		}
		want(t, "left", w.shows(ann), left)
	}
}

// Where a channel ends stays known, whatever of it is gone: the next record's prev is what the log has.
func testHeadsStay(t *testing.T, s Store) {
	ann := fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, fabric.NewUserID()))
	head := func() uint64 {
		t.Helper()
		heads, err := s.Heads(t.Context(), []fabric.ChannelID{w.channel})
		if err != nil {
			t.Fatal(err)
		}
		return heads[w.channel].Seq
	}
	for _, part := range []struct {
		name string
		last func(target uint64) uint64
	}{
		{"the message itself", func(target uint64) uint64 { return target }},
		{"its edit", func(target uint64) uint64 { return w.edit(ann, target, "edited") }},
		{"a reaction to it", func(target uint64) uint64 { return w.react(ann, target, "👍") }},
		{"a pin of it", func(target uint64) uint64 { return w.pin(ann, target, true) }},
		{"its deletion", func(target uint64) uint64 { return w.remove(ann, target) }},
		{"an edit of what is gone", func(target uint64) uint64 {
			if _, err := s.Expire(t.Context(), start+5000, 10); err != nil {
				t.Fatal(err)
			}
			return w.edit(ann, target, "edited")
		}},
	} {
		last := part.last(w.add(ann, fabric.MsgText, `{"text":"x"}`, until(start+1000)))
		want(t, part.name+" is the head", head(), last)
		if _, err := s.Expire(t.Context(), start+5000, 10); err != nil {
			t.Fatal(err)
		}
		want(t, part.name+" is the head when it is gone", head(), last)
	}
	want(t, "nothing is left", w.shows(ann), "")
	want(t, "a channel of which nothing is left has no news", w.prev, head())
}

// How long messages of a channel last is known from what was archived of it.
func testDisappear(t *testing.T, s Store) {
	ann := fabric.NewUserID()
	c, d := fabric.Direct(ann, fabric.NewUserID()), fabric.Direct(ann, fabric.NewUserID())
	w := newScript(t, s, c)
	head := func() history.Head {
		t.Helper()
		heads, err := s.Heads(t.Context(), []fabric.ChannelID{c, d})
		if err != nil {
			t.Fatal(err)
		}
		return heads[c]
	}
	w.say(ann, "one")
	want(t, "at first", head(), history.Head{Seq: 1})
	m := w.next(ann, fabric.MsgSettings, `{"disappear":60}`)
	w.archive(history.Batch{Messages: []history.Archival{{Stored: m}}, Disappear: map[fabric.ChannelID]int{c: 60}})
	want(t, "set", head(), history.Head{Seq: 2, Disappear: 60})
	// a batch may bring it for a channel that nothing was archived of before
	other := w.beside(d)
	m = other.next(ann, fabric.MsgSettings, `{"disappear":30}`)
	w.archive(history.Batch{Messages: []history.Archival{{Stored: m}}, Disappear: map[fabric.ChannelID]int{d: 30}})
	heads, err := s.Heads(t.Context(), []fabric.ChannelID{d})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "of a new channel", heads[d], history.Head{Seq: 3, Disappear: 30})
	m = w.next(ann, fabric.MsgSettings, `{"disappear":0}`)
	w.archive(history.Batch{Messages: []history.Archival{{Stored: m}}, Disappear: map[fabric.ChannelID]int{c: 0}})
	want(t, "no longer", head(), history.Head{Seq: 4})
}
