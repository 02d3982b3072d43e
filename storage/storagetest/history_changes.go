package storagetest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// script writes a channel's records one by one, as the archive brings them.
type script struct {
	t       testing.TB
	s       Store
	shard   int
	channel fabric.ChannelID
	seq     *uint64 // of the shard
	prev    uint64
	batch   *history.Batch // where it is set, records wait in it
}

func newScript(t testing.TB, s Store, c fabric.ChannelID) *script {
	return &script{t: t, s: s, channel: c, seq: new(uint64)}
}

// beside is a script of another channel of the same shard.
func (w *script) beside(c fabric.ChannelID) *script {
	return &script{t: w.t, s: w.s, shard: w.shard, channel: c, seq: w.seq}
}

func (w *script) next(from fabric.UserID, kind, body string) fabric.Stored {
	*w.seq++
	m := fabric.Stored{
		Channel: w.channel, Seq: *w.seq, Prev: w.prev, At: start + int64(*w.seq),
		Message: fabric.Message{From: from, CID: fabric.NewCID(), Kind: kind, Body: json.RawMessage(body)},
	}
	w.prev = m.Seq
	return m
}

func (w *script) archive(b history.Batch) {
	w.t.Helper()
	if w.batch != nil {
		w.batch.Messages = append(w.batch.Messages, b.Messages...)
		w.batch.Changes = append(w.batch.Changes, b.Changes...)
		return
	}
	if err := w.s.Archive(w.t.Context(), w.shard, b, *w.seq); err != nil {
		w.t.Fatal(err)
	}
}

// together archives all that f says in one batch, and returns it.
func (w *script) together(f func()) history.Batch {
	w.t.Helper()
	w.batch = new(history.Batch)
	f()
	b := *w.batch
	w.batch = nil
	w.archive(b)
	return b
}

// add archives a message that adjust has had its say about.
func (w *script) add(from fabric.UserID, kind, body string, adjust func(*history.Archival)) uint64 {
	w.t.Helper()
	a := history.Archival{Stored: w.next(from, kind, body)}
	if adjust != nil {
		adjust(&a)
	}
	w.archive(history.Batch{Messages: []history.Archival{a}})
	return a.Seq
}

func (w *script) say(from fabric.UserID, text string) uint64 {
	w.t.Helper()
	return w.add(from, fabric.MsgText, fmt.Sprintf(`{"text":%q}`, text), nil)
}

// change archives a record that changes a message.
func (w *script) change(from fabric.UserID, kind string, c history.Change) uint64 {
	w.t.Helper()
	only := c.Only
	c.Stored = w.next(from, kind, fmt.Sprintf(`{"seq":%d,"of":%q}`, c.Target, kind))
	c.Only = only
	w.archive(history.Batch{Changes: []history.Change{c}})
	return c.Seq
}

func (w *script) edit(from fabric.UserID, target uint64, text string) uint64 {
	w.t.Helper()
	return w.change(from, fabric.MsgEdit, history.Change{Target: target, New: json.RawMessage(fmt.Sprintf(`{"text":%q}`, text))})
}

func (w *script) remove(from fabric.UserID, target uint64) uint64 {
	w.t.Helper()
	return w.change(from, fabric.MsgDelete, history.Change{Target: target})
}

func (w *script) react(from fabric.UserID, target uint64, emoji string) uint64 {
	w.t.Helper()
	return w.change(from, fabric.MsgReaction, history.Change{Target: target, Emoji: emoji})
}

func (w *script) pin(from fabric.UserID, target uint64, on bool) uint64 {
	w.t.Helper()
	return w.change(from, fabric.MsgPin, history.Change{Target: target, On: on})
}

// shows returns a page as u sees it, in few words.
func (w *script) shows(u fabric.UserID) string {
	w.t.Helper()
	return w.view(reader(w.channel, u))
}

func (w *script) view(v history.View) string {
	w.t.Helper()
	page, err := w.s.Page(w.t.Context(), v, 0, nil, 1000)
	if err == nil {
		err = w.s.Decorate(w.t.Context(), v, page)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return brief(page)
}

// brief is messages in few words: seq text, and what is more to them.
func brief(list []history.Shown) string {
	s := ""
	for _, m := range list {
		var body struct{ Text string }
		if json.Unmarshal(m.Body, &body) != nil || body.Text == "" {
			body.Text = m.Kind + string(m.Body)
		}
		s += fmt.Sprintf("%d %s", m.Seq, body.Text)
		for _, f := range []struct {
			name string
			at   int64
		}{{"edited", m.EditedAt}, {"deleted", m.DeletedAt}, {"until", m.ExpiresAt}} {
			if f.at != 0 {
				s += fmt.Sprintf(" %s@%d", f.name, f.at-start)
			}
		}
		for _, r := range m.Reactions {
			s += fmt.Sprintf(" %s×%d", r.Emoji, r.Count)
			if r.Mine {
				s += "!"
			}
		}
		if m.Starred {
			s += " starred"
		}
		if m.Pinned {
			s += " pinned"
		}
		s += "; "
	}
	return s
}

func testEdit(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	other := w.beside(fabric.Direct(ann, fabric.NewUserID()))
	first, foreign := w.say(ann, "one"), other.say(ann, "elsewhere")
	w.edit(ann, first, "two")
	w.edit(bob, first, "bob's")            // not his to edit
	w.edit(ann, foreign, "from next door") // another channel's
	w.edit(ann, 1000, "of nothing")
	want(t, "after edits", w.shows(bob), "1 two edited@3; ")
	w.edit(ann, first, "three")
	want(t, "edited again", w.shows(bob), "1 three edited@7; ")
	want(t, "the other channel", other.shows(ann), "2 elsewhere; ")
	w.remove(ann, first)
	w.edit(ann, first, "back")
	want(t, "an edit of what was deleted", w.shows(bob), "1 deleted{} deleted@8; ")
}

func testDelete(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	other := w.beside(fabric.Direct(ann, fabric.NewUserID()))
	one, _, foreign := w.say(ann, "one"), w.say(ann, "two"), other.say(ann, "elsewhere")
	edited := w.edit(ann, one, "one!")
	w.react(bob, one, "👍")
	w.pin(bob, one, true)
	if err := s.Star(t.Context(), bob, w.channel, one, true, start, 10); err != nil {
		t.Fatal(err)
	}
	want(t, "before", w.shows(bob), "1 one! edited@4 👍×1! starred pinned; 2 two; ")
	w.remove(bob, one)     // who may is checked before it is published
	w.remove(ann, foreign) // but not another channel's
	want(t, "deleted", w.shows(bob), "1 deleted{} deleted@7; 2 two; ")
	want(t, "the other channel", other.shows(ann), "3 elsewhere; ")
	w.remove(ann, one)
	w.react(bob, one, "👎")
	w.pin(bob, one, true)
	want(t, "nothing changes it any more", w.shows(bob), "1 deleted{} deleted@7; 2 two; ")
	// its body and that of its edit are to leave the log, and nothing else
	erasures, err := s.Erasures(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "erasures", erasures, []history.Erasure{{Shard: 0, Seq: one}, {Shard: 0, Seq: edited}})
	// and whoever resumes gets no edit of it
	recs, err := s.Records(t.Context(), reader(w.channel, bob), 0, 1000, 100)
	if err != nil {
		t.Fatal(err)
	}
	kinds := ""
	for _, r := range recs {
		kinds += fmt.Sprintf("%d %s, ", r.Seq, r.Kind)
	}
	want(t, "records", kinds, "1 deleted, 2 text, 5 reaction, 6 pin, 7 delete, 8 delete, 9 delete, 10 reaction, 11 pin, ")
}

// An edit that comes behind the deletion has its text in the log like the others: it must not stay.
func testLateEdit(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	one := w.say(ann, "one")
	w.remove(ann, one)
	late := w.edit(ann, one, "back again")
	erasures, err := s.Erasures(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "erasures", erasures, []history.Erasure{{Seq: one}, {Seq: late}})
	recs, err := s.Records(t.Context(), reader(w.channel, bob), 0, 1000, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if r.Kind == fabric.MsgEdit {
			t.Errorf("a resume brings %d %s", r.Seq, r.Body)
		}
	}
	heads, err := s.Heads(t.Context(), []fabric.ChannelID{w.channel})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the head stays", heads[w.channel].Seq, late)
}

func testReactions(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	one, two := w.say(ann, "one"), w.say(bob, "two")
	w.react(ann, one, "👍")
	w.react(bob, one, "🎉")
	w.react(bob, two, "👍")
	w.react(bob, 1000, "👍")
	want(t, "to bob", w.shows(bob), "1 one 👍×1 🎉×1!; 2 two 👍×1!; ")
	w.react(bob, one, "👍") // one's only one
	want(t, "to ann", w.shows(ann), "1 one 👍×2!; 2 two 👍×1; ")
	w.react(ann, one, "")
	w.react(ann, one, "") // there is none any more
	want(t, "taken back", w.shows(ann), "1 one 👍×1; 2 two 👍×1; ")
	// of many the first are named, in the order in which they came, and all are counted
	many := make([]fabric.UserID, history.ReactionUsers+5)
	for i := range many {
		many[i] = fabric.NewUserID()
		w.react(many[i], two, "🎉")
	}
	page, err := s.Page(t.Context(), reader(w.channel, many[22]), 0, nil, 10)
	if err == nil {
		err = s.Decorate(t.Context(), reader(w.channel, many[22]), page)
	}
	if err != nil {
		t.Fatal(err)
	}
	want(t, "reactions", page[1].Reactions, []history.Reaction{
		{Emoji: "👍", Count: 1, Users: []fabric.UserID{bob}},
		{Emoji: "🎉", Count: 25, Users: many[:history.ReactionUsers], Mine: true},
	})
}

func testPins(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	pins := func() string {
		t.Helper()
		list, err := s.Pins(t.Context(), reader(w.channel, bob), 100)
		if err != nil {
			t.Fatal(err)
		}
		return brief(list)
	}
	one, two, three := w.say(ann, "one"), w.say(bob, "two"), w.say(bob, "three")
	w.pin(ann, one, true)
	w.pin(bob, two, true)
	w.pin(bob, three, true)
	w.pin(bob, 1000, true)
	want(t, "pins", pins(), "3 three pinned; 2 two pinned; 1 one pinned; ")
	w.pin(bob, one, true) // again: it is the newest now
	w.pin(bob, two, false)
	want(t, "pins", pins(), "1 one pinned; 3 three pinned; ")
	want(t, "page", w.shows(bob), "1 one pinned; 2 two; 3 three pinned; ")
	late := reader(w.channel, bob)
	late.From = two
	list, err := s.Pins(t.Context(), late, 100)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "to who came later", brief(list), "3 three pinned; ")
	// the oldest pin gives way
	for i := range contract.MaxPins - 1 {
		w.pin(ann, w.say(ann, fmt.Sprint(i)), true)
	}
	if list, err = s.Pins(t.Context(), reader(w.channel, bob), 1000); err != nil {
		t.Fatal(err)
	}
	want(t, "how many there are", len(list), contract.MaxPins)
	want(t, "the oldest", list[len(list)-1].Seq, one)
}

// Whatever part of a batch was archived before, all of it once is what comes of it.
func testChangesAgain(t *testing.T, s Store) {
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	w := newScript(t, s, fabric.Direct(ann, bob))
	all := w.together(func() {
		one, two := w.say(ann, "one"), w.say(bob, "two")
		w.edit(ann, one, "first")
		w.react(bob, one, "👍")
		w.pin(bob, two, true)
		w.edit(ann, one, "second")
		w.react(bob, one, "🎉")
		w.pin(bob, two, false)
		w.react(bob, two, "👍")
		w.remove(bob, two)
	})
	expected := "1 second edited@6 🎉×1; 2 deleted{} deleted@10; "
	want(t, "archived", w.shows(ann), expected)
	for range 2 {
		if err := s.Archive(t.Context(), 0, all, *w.seq); err != nil {
			t.Fatal(err)
		}
		want(t, "archived again", w.shows(ann), expected)
	}
	// another archive's batch ends elsewhere
	third := w.say(ann, "three")
	part := history.Batch{Messages: all.Messages[1:], Changes: all.Changes[2:], Disappear: map[fabric.ChannelID]int{w.channel: 5}}
	if err := s.Archive(t.Context(), 0, part, third-1); err != nil {
		t.Fatal(err)
	}
	want(t, "a part again", w.shows(ann), expected+"11 three; ")
	heads, err := s.Heads(t.Context(), []fabric.ChannelID{w.channel})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "head", heads[w.channel], history.Head{Seq: third})
	erasures, err := s.Erasures(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "erasures", erasures, []history.Erasure{{Seq: 2}})
}

// Changes count for where a channel ends, for its news, and for nothing else that lists show.
func testChangesAreNoMessages(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	c := Open(t, s, ann.ID, bob.ID, start)
	w := newScript(t, s, c)
	one := w.say(ann.ID, "one")
	pinned := w.pin(ann.ID, one, true)
	heads, err := s.Heads(t.Context(), []fabric.ChannelID{c})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "head", heads[c], history.Head{Seq: pinned})
	for from, news := range map[uint64]int{0: 1, one: 1, pinned: 0} {
		spans, _, err := s.News(t.Context(), bob.ID, fabric.Position{from}, "", 10)
		if err != nil || len(spans) != news {
			t.Errorf("news behind %d: %v, %v, want %d", from, spans, err, news)
		}
	}
	e, err := s.Entry(t.Context(), bob.ID, c)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "last", e.Last.Seq, one)
	want(t, "at", e.At, start+int64(one))
	n, err := s.Unread(t.Context(), c, bob.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "unread", n, 1)
}
