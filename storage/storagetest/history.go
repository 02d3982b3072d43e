package storagetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// text is a value as JSON: what pointers point to counts.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// reader is somebody who reads a channel from its beginning.
func reader(c fabric.ChannelID, u fabric.UserID) history.View {
	return history.View{Channel: c, User: u, Now: start}
}

// stored are the messages of a page as they were archived.
func stored(page []history.Shown) []fabric.Stored {
	msgs := make([]fabric.Stored, len(page))
	for i, m := range page {
		msgs[i] = m.Stored
	}
	return msgs
}

func channelsOf(spans []history.Span) (list []fabric.ChannelID) {
	for _, sp := range spans {
		list = append(list, sp.Channel)
	}
	return list
}

func testArchive(t *testing.T, s Store) {
	at, err := s.Archived(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "before anything", at, fabric.Position{0, 0, 0})
	ann, bob := fabric.NewUserID(), fabric.NewUserID()
	c, d := fabric.Direct(ann, bob), fabric.Self(ann)
	// batches of every size around those in which rows are written
	var all []fabric.Stored
	var seq uint64
	for _, n := range []int{0, 1, 31, 32, 33, 64, 100} {
		var batch []fabric.Stored
		for range n {
			m := message([]fabric.ChannelID{c, d}[seq%2], seq+1, seq, ann)
			batch = append(batch, m)
			seq++
		}
		archive(t, s, 1, seq, batch...)
		all = append(all, batch...)
	}
	archive(t, s, 2, 7)
	if at, err = s.Archived(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	want(t, "archived", at, fabric.Position{0, seq, 7})
	heads, err := s.Heads(t.Context(), []fabric.ChannelID{c, fabric.Direct(bob, fabric.NewUserID()), d})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "heads", heads, map[fabric.ChannelID]history.Head{c: {Seq: 261}, d: {Seq: 260}})
	for _, ch := range []fabric.ChannelID{c, d} {
		page, err := s.Page(t.Context(), reader(ch, ann), 0, new(uint64), 1000)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "page", text(stored(page)), text(slices.DeleteFunc(slices.Clone(all), func(m fabric.Stored) bool { return m.Channel != ch })))
	}
	if at, err := s.Archived(t.Context(), 2); err == nil {
		t.Errorf("a fabric with fewer shards than were archived: %v, want an error", at)
	}
}

// What is archived already stays as it is, and nothing moves back.
func testArchiveAgain(t *testing.T, s Store) {
	ann := fabric.NewUserID()
	c := fabric.Direct(ann, fabric.NewUserID())
	first, second := message(c, 5, 0, ann), message(c, 9, 5, ann)
	archive(t, s, 0, 9, first, second)
	changed := message(c, 5, 0, ann)
	archive(t, s, 0, 6, changed)
	page, err := s.Page(t.Context(), reader(c, ann), 0, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "page", text(stored(page)), text([]fabric.Stored{first, second}))
	at, err := s.Archived(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "archived", at, fabric.Position{9})
	heads, err := s.Heads(t.Context(), []fabric.ChannelID{c})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "head", heads[c], history.Head{Seq: 9})
}

func testPage(t *testing.T, s Store) {
	ann := fabric.NewUserID()
	c, other := fabric.Direct(ann, fabric.NewUserID()), fabric.Direct(ann, fabric.NewUserID())
	var batch []fabric.Stored
	for seq := uint64(10); seq <= 100; seq += 10 {
		batch = append(batch, message(c, seq, seq-10, ann), message(other, seq+1, 0, ann))
	}
	archive(t, s, 0, 101, batch...)
	at := func(n uint64) *uint64 { return &n }
	for _, test := range []struct {
		before uint64
		after  *uint64
		limit  int
		want   []uint64
	}{
		{0, nil, 3, []uint64{80, 90, 100}},
		{80, nil, 3, []uint64{50, 60, 70}},
		{81, nil, 1, []uint64{80}},
		{20, nil, 3, []uint64{10}},
		{10, nil, 3, nil},
		{0, at(0), 2, []uint64{10, 20}},
		{0, at(20), 2, []uint64{30, 40}},
		{0, at(95), 2, []uint64{100}},
		{0, at(100), 2, nil},
	} {
		page, err := s.Page(t.Context(), reader(c, ann), test.before, test.after, test.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, m := range page {
			got = append(got, m.Seq)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("before %d, after %v, limit %d: %v, want %v", test.before, test.after, test.limit, got, test.want)
		}
	}
}

func testNews(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann")
	var all []fabric.ChannelID
	for range 4 {
		all = append(all, Open(t, s, ann.ID, NewUser(t, s, "peer").ID, start))
	}
	slices.Sort(all)
	// given two shards, and a channel without messages
	archive(t, s, 0, 20, message(all[0], 10, 0, ann.ID), message(all[1], 20, 0, ann.ID))
	archive(t, s, 1, 15, message(all[2], 15, 0, ann.ID))
	for _, test := range []struct {
		from  fabric.Position
		start fabric.ChannelID
		limit int
		want  []fabric.ChannelID
	}{
		{fabric.Position{0, 0}, "", 10, all[:3]},
		{fabric.Position{10, 0}, "", 10, all[1:3]},
		{fabric.Position{10, 15}, "", 10, all[1:2]},
		{fabric.Position{20, 15}, "", 10, nil},
		{fabric.Position{0, 0}, "", 2, all[:2]},
		{fabric.Position{0, 0}, all[1], 10, all[1:3]},
	} {
		spans, _, err := s.News(t.Context(), ann.ID, test.from, test.start, test.limit)
		got := channelsOf(spans)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("from %v, start %q, limit %d: %v, %v, want %v", test.from, test.start, test.limit, got, err, test.want)
		}
	}
	spans, more, err := s.Spans(t.Context(), ann.ID, all[1], 2)
	got := channelsOf(spans)
	if err != nil || !more || !slices.Equal(got, all[1:3]) {
		t.Errorf("channels: %v, %v, want %v", got, err, all[1:3])
	}
}
