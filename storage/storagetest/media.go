package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/media"
)

// shelf is a store with files in it.
type shelf struct {
	*testing.T
	s   Store
	seq uint64
}

// content returns a content by its name.
func content(name string) media.Object {
	return media.Object{
		SHA256: strings.Repeat("0", 64-len(name)) + name, Blob: fabric.NewMediaID(), Size: 7, Type: "image/png", State: contract.MediaReady,
		Width: 3, Height: 4, Preview: "LEHV6nWB", Thumb: fabric.NewMediaID(), ThumbSize: 2,
	}
}

func (w *shelf) add(u fabric.UserID, name string) (media.File, media.Object) {
	w.Helper()
	o := content(name)
	f, got, err := w.s.AddMedia(w.Context(), media.File{
		ID: fabric.NewMediaID(), User: u, Channel: fabric.Self(u), Name: name, SHA256: o.SHA256, CreatedAt: start,
	}, o)
	must(w, err)
	return f, got
}

// name archives a message that names a file, and returns its seq.
func (w *shelf) name(c fabric.ChannelID, from fabric.UserID, id fabric.MediaID, change ...func(*history.Archival)) uint64 {
	w.Helper()
	w.seq++
	m := history.Archival{Stored: message(c, w.seq, 0, from), Media: id}
	m.Kind, m.Body = fabric.MsgMedia, []byte(fmt.Sprintf(`{"media":%q}`, id))
	for _, f := range change {
		f(&m)
	}
	must(w, w.s.Archive(w.Context(), 0, history.Batch{Messages: []history.Archival{m}}, w.seq))
	return w.seq
}

func (w *shelf) delete(c fabric.ChannelID, from fabric.UserID, seq uint64) {
	w.Helper()
	w.seq++
	m := message(c, w.seq, 0, from)
	m.Kind, m.Body = fabric.MsgDelete, []byte(fmt.Sprintf(`{"seq":%d}`, seq))
	must(w, w.s.Archive(w.Context(), 0, history.Batch{Changes: []history.Change{{Stored: m, Target: seq}}}, w.seq))
}

func (w *shelf) readable(u fabric.UserID, id fabric.MediaID, now int64) bool {
	w.Helper()
	_, _, err := w.s.Readable(w.Context(), u, id, now)
	if err != nil && fabric.CodeOf(err) != fabric.CodeNotFound {
		w.Fatal(err)
	}
	return err == nil
}

func (w *shelf) idle(before, unsent, now int64) []fabric.MediaID {
	w.Helper()
	ids, err := w.s.IdleMedia(w.Context(), before, unsent, now, 100)
	must(w, err)
	return ids
}

// Far ahead of the database's own clock.
const ahead = int64(1) << 50

// Equal contents are kept once; asking twice changes nothing.
func testMedia(t *testing.T, s Store) {
	w := &shelf{T: t, s: s}
	ann, bob := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID
	one, o := w.add(ann, "aa")
	got, gotO, err := s.Media(t.Context(), one.ID)
	must(t, err)
	want(t, "the file", got, one)
	want(t, "its content", gotO, o)
	again, _, err := s.AddMedia(t.Context(), media.File{ID: one.ID, User: bob, Name: "other", SHA256: content("bb").SHA256}, content("bb"))
	must(t, err)
	want(t, "the same file again", again, one)

	spare := content("aa")
	two, o2, err := s.AddMedia(t.Context(), media.File{ID: fabric.NewMediaID(), User: bob, Channel: fabric.Self(bob), Name: "b", SHA256: spare.SHA256, CreatedAt: start}, spare)
	must(t, err)
	want(t, "the same content of somebody else's", o2, o)
	erasures, err := s.MediaErasures(t.Context(), 10)
	must(t, err)
	if len(erasures) != 2 || !slices.Contains(erasures, spare.Blob) || !slices.Contains(erasures, spare.Thumb) {
		t.Errorf("to be erased are %v, want %s and %s", erasures, spare.Blob, spare.Thumb)
	}
	stranger := fabric.NewMediaID()
	known, err := s.KnownBlobs(t.Context(), []fabric.MediaID{o.Blob, o.Thumb, spare.Blob, stranger})
	must(t, err)
	if len(known) != 3 {
		t.Errorf("known are %v", known)
	}
	must(t, s.MediaErased(t.Context(), erasures))
	if known, err = s.KnownBlobs(t.Context(), []fabric.MediaID{spare.Blob}); err != nil || len(known) != 0 {
		t.Errorf("known are %v, %v", known, err)
	}
	if _, _, err := s.Media(t.Context(), stranger); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("a file that there is not: %v", err)
	}

	// Both go, and the content with the last one.
	n, err := s.RemoveMedia(t.Context(), []fabric.MediaID{one.ID, stranger}, start)
	must(t, err)
	if erasures, err = s.MediaErasures(t.Context(), 10); n != 1 || err != nil || len(erasures) != 0 {
		t.Errorf("%d went, erasures are %v, %v", n, erasures, err)
	}
	n, err = s.RemoveMedia(t.Context(), []fabric.MediaID{one.ID, two.ID}, start)
	must(t, err)
	if erasures, err = s.MediaErasures(t.Context(), 10); n != 1 || err != nil || len(erasures) != 2 {
		t.Errorf("%d went, erasures are %v, %v", n, erasures, err)
	}
	// and is there again, under other bytes
	_, fresh := w.add(ann, "aa")
	if fresh.Blob == o.Blob {
		t.Error("a content that went has come back with its old bytes")
	}
}

// A file may be loaded by its sender until it is sent, then by who may read a message that names it.
func testReadable(t *testing.T, s Store) {
	w := &shelf{T: t, s: s}
	ann, bob, cem := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID
	direct := Open(t, s, ann, bob, start)
	f, _ := w.add(ann, "aa")
	expect := func(when string, now int64, who ...fabric.UserID) {
		t.Helper()
		for i, u := range []fabric.UserID{ann, bob, cem} {
			may := false
			for _, x := range who {
				may = may || x == u
			}
			if got := w.readable(u, f.ID, now); got != may {
				t.Errorf("%s: user %d may load it: %v, want %v", when, i, got, may)
			}
		}
	}
	expect("before it is sent", start, ann)
	only := w.name(direct, ann, f.ID, func(m *history.Archival) { m.Only = true })
	expect("sent to who has blocked her", start, ann)
	w.delete(direct, ann, only)
	expect("deleted", start)
	first := w.name(direct, ann, f.ID)
	expect("sent", start, ann, bob)
	must(t, s.Hide(t.Context(), bob, direct, first))
	expect("hidden by bob", start, ann)
	w.delete(direct, ann, first)
	w.name(direct, bob, f.ID, func(m *history.Archival) { m.ExpiresAt = start + 1000 })
	expect("while it lasts", start+999, ann, bob)
	expect("when its time is over", start+1000)

	// A group shows what came since one is a member; with history=all what came before.
	for _, history := range []string{fabric.HistoryJoined, fabric.HistoryAll} {
		settings := fabric.DefaultSettings()
		settings.History = history
		g := group(t, s, settings, w.seq+1, ann)
		w.seq++
		old, _ := w.add(ann, "cc")
		w.name(g, ann, old.ID)
		joins(t, s, g, bob, w.seq+1)
		w.seq++
		if got, want := w.readable(bob, old.ID, start), history == fabric.HistoryAll; got != want {
			t.Errorf("history %s: bob may load what was sent before he came: %v, want %v", history, got, want)
		}
		w.name(g, ann, old.ID)
		if !w.readable(bob, old.ID, start) || w.readable(cem, old.ID, start) {
			t.Errorf("history %s: bob may load %v, and cem %v", history, w.readable(bob, old.ID, start), w.readable(cem, old.ID, start))
		}
		leaves(t, s, g, bob, w.seq+1)
		w.seq++
		if w.readable(bob, old.ID, start) {
			t.Errorf("history %s: bob may load it after he has left", history)
		}
	}
}

// References count: a file is idle when the last one goes, and not while it is held.
func testMediaIdle(t *testing.T, s Store) {
	w := &shelf{T: t, s: s}
	ann, bob := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID
	direct := Open(t, s, ann, bob, start)
	f, _ := w.add(ann, "aa")
	unsent, _ := w.add(ann, "bb")
	if got := w.idle(start+1, start, 0); len(got) != 0 {
		t.Errorf("idle: %v", got)
	}
	if got := w.idle(start+1, start+1, 0); len(got) != 2 {
		t.Errorf("idle, and never sent: %v", got)
	}
	one, two := w.name(direct, ann, f.ID), w.name(direct, bob, f.ID)
	w.delete(direct, ann, one)
	if got := w.idle(ahead, ahead, 0); len(got) != 1 || got[0] != unsent.ID {
		t.Errorf("idle while one names it: %v", got)
	}
	if n, err := s.RemoveMedia(t.Context(), []fabric.MediaID{f.ID}, start); n != 0 || err != nil {
		t.Errorf("%d were removed, %v", n, err)
	}
	w.delete(direct, bob, two)
	if got := w.idle(ahead, 0, 0); len(got) != 1 || got[0] != f.ID {
		t.Errorf("idle when none does: %v", got)
	}
	h := media.Hold{Media: f.ID, User: ann, CID: fabric.NewCID(), Until: start + 5}
	must(t, s.Hold(t.Context(), h))
	h.Until = start + 3 // the later one counts
	must(t, s.Hold(t.Context(), h))
	for _, tc := range []struct {
		now  int64
		held bool
	}{{start + 4, true}, {start + 5, false}} {
		held, err := s.Held(t.Context(), f.ID, tc.now)
		must(t, err)
		n := len(w.idle(ahead, 0, tc.now))
		if held != tc.held || (n == 0) != tc.held {
			t.Errorf("at %d: held %v, %d idle", tc.now-start, held, n)
		}
	}
	if n, err := s.RemoveMedia(t.Context(), []fabric.MediaID{f.ID}, start+4); n != 0 || err != nil {
		t.Errorf("%d were removed although they are held, %v", n, err)
	}
	if n, err := s.RemoveMedia(t.Context(), []fabric.MediaID{f.ID}, start+5); n != 1 || err != nil {
		t.Errorf("%d were removed, %v", n, err)
	}
	if err := s.Hold(t.Context(), h); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("a hold on what is gone: %v", err)
	}

	// What disappears takes its reference along.
	w.name(direct, ann, unsent.ID, func(m *history.Archival) { m.ExpiresAt = start + 10 })
	if got := w.idle(ahead, ahead, 0); len(got) != 0 {
		t.Errorf("idle: %v", got)
	}
	_, err := s.Expire(t.Context(), start+10, 10)
	must(t, err)
	if got := w.idle(ahead, 0, 0); len(got) != 1 || got[0] != unsent.ID {
		t.Errorf("idle after the message has disappeared: %v", got)
	}
}

// Of those who hold a file and those who remove it at once, either the holder hears that it is gone or it stays.
func testHoldAndRemoveAtOnce(t *testing.T, s Store) {
	w := &shelf{T: t, s: s}
	ann := NewUser(t, s, "ann").ID
	for range 20 {
		f, _ := w.add(ann, "aa")
		var held error
		var removed int
		var wg sync.WaitGroup
		wg.Go(func() {
			held = s.Hold(t.Context(), media.Hold{Media: f.ID, User: ann, CID: fabric.NewCID(), Until: start + 10})
		})
		wg.Go(func() {
			var err error
			if removed, err = s.RemoveMedia(t.Context(), []fabric.MediaID{f.ID}, start); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if held != nil && fabric.CodeOf(held) != fabric.CodeNotFound {
			t.Fatal(held)
		}
		if (held == nil) == (removed == 1) {
			t.Fatalf("held: %v, removed %d", held, removed)
		}
	}
}

// The same content comes and goes at once: a file is never without its content.
func testAddAndRemoveAtOnce(t *testing.T, s Store) {
	w := &shelf{T: t, s: s}
	ann := NewUser(t, s, "ann").ID
	for range 20 {
		old, _ := w.add(ann, "aa")
		var wg sync.WaitGroup
		files := make(chan media.File, 2)
		for range 2 {
			wg.Go(func() {
				o := content("aa")
				f, _, err := s.AddMedia(t.Context(), media.File{ID: fabric.NewMediaID(), User: ann, Channel: fabric.Self(ann), Name: "x", SHA256: o.SHA256, CreatedAt: start}, o)
				if err != nil {
					t.Error(err)
				}
				files <- f
			})
		}
		wg.Go(func() {
			if _, err := s.RemoveMedia(t.Context(), []fabric.MediaID{old.ID}, start); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		close(files)
		erasures, err := s.MediaErasures(t.Context(), 1000)
		must(t, err)
		for f := range files {
			_, o, err := s.Media(t.Context(), f.ID)
			must(t, err)
			for _, gone := range erasures {
				if gone == o.Blob || gone == o.Thumb {
					t.Fatalf("the bytes of file %s are to be erased", f.ID)
				}
			}
			if _, err := s.RemoveMedia(t.Context(), []fabric.MediaID{f.ID}, start); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func testSpendMedia(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann").ID
	for _, tc := range []struct {
		day, bytes int64
		ok         bool
	}{{1, 60, true}, {1, 50, false}, {1, 40, true}, {1, 1, false}, {1, 0, true}, {2, 101, false}, {2, 100, true}} {
		ok, err := s.SpendMedia(t.Context(), ann, tc.day, tc.bytes, 100)
		must(t, err)
		if ok != tc.ok {
			t.Errorf("%d bytes on day %d: %v, want %v", tc.bytes, tc.day, ok, tc.ok)
		}
	}
}

func testLinkKeys(t *testing.T, s Store) {
	key := func(n byte, at int64) media.LinkKey { return media.LinkKey{Key: []byte{n, 0, 255}, CreatedAt: at} }
	must(t, s.AddLinkKey(t.Context(), key(1, 100), 50, 0))
	must(t, s.AddLinkKey(t.Context(), key(2, 120), 90, 0)) // the newest is new enough
	must(t, s.AddLinkKey(t.Context(), key(3, 200), 150, 0))
	keys, err := s.LinkKeys(t.Context())
	must(t, err)
	want(t, "keys", keys, []media.LinkKey{key(3, 200), key(1, 100)})
	must(t, s.AddLinkKey(t.Context(), key(4, 300), 250, 150))
	keys, err = s.LinkKeys(t.Context())
	must(t, err)
	want(t, "keys", keys, []media.LinkKey{key(4, 300), key(3, 200)})
}
