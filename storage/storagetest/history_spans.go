package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// group makes a group of users who are members from the record at `from` on.
func group(t testing.TB, s Store, settings fabric.Settings, from uint64, users ...fabric.UserID) fabric.ChannelID {
	t.Helper()
	g := chats.Group{Channel: fabric.NewGroupID().Channel(), Name: "group", Settings: settings, CreatedAt: start, CreatedBy: users[0]}
	cid := fabric.NewCID()
	if _, _, err := s.CreateGroup(t.Context(), g, "", func(tx chats.GroupTx) error {
		if err := tx.Add(t.Context(), users, fabric.RoleOwner, start); err != nil {
			return err
		}
		return tx.Emit(t.Context(), chats.Record{CID: cid, Channel: g.Channel, From: users[0], Kind: fabric.MsgMember, Body: []byte(`{}`)})
	}); err != nil {
		t.Fatal(err)
	}
	relayed(t, s, cid, chats.Relayed{Seq: from, Came: users})
	return g.Channel
}

// relayed says that the record with a cid is in its log.
func relayed(t testing.TB, s Store, cid string, r chats.Relayed) {
	t.Helper()
	waiting, err := s.Outbox(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(waiting, func(w chats.Waiting) bool { return w.CID == cid })
	if i < 0 {
		t.Fatalf("record %s does not wait", cid)
	}
	r.Num, r.CID, r.Channel = waiting[i].Num, cid, waiting[i].Channel
	if err := s.Relayed(t.Context(), []chats.Relayed{r}); err != nil {
		t.Fatal(err)
	}
}

// leaves ends u's membership by the record at upto, which is in the log unless that is 0.
func leaves(t testing.TB, s Store, c fabric.ChannelID, u fabric.UserID, upto uint64) {
	t.Helper()
	cid := change(t, s, c, func(ctx context.Context, tx chats.GroupTx, cid string) error { return tx.Remove(ctx, u, cid) })
	if upto > 0 {
		relayed(t, s, cid, chats.Relayed{Seq: upto, Went: []fabric.UserID{u}})
	}
}

// joins makes u a member by the record at from, which is in the log unless that is 0.
func joins(t testing.TB, s Store, c fabric.ChannelID, u fabric.UserID, from uint64) {
	t.Helper()
	cid := change(t, s, c, func(ctx context.Context, tx chats.GroupTx, _ string) error {
		return tx.Add(ctx, []fabric.UserID{u}, fabric.RoleMember, start)
	})
	if from > 0 {
		relayed(t, s, cid, chats.Relayed{Seq: from, Came: []fabric.UserID{u}})
	}
}

func change(t testing.TB, s Store, c fabric.ChannelID, f func(ctx context.Context, tx chats.GroupTx, cid string) error) (cid string) {
	t.Helper()
	cid = fabric.NewCID()
	if err := s.InGroup(t.Context(), c, func(tx chats.GroupTx) error {
		if err := f(t.Context(), tx, cid); err != nil {
			return err
		}
		return tx.Emit(t.Context(), chats.Record{CID: cid, Channel: c, From: tx.Group().CreatedBy, Kind: fabric.MsgMember, Body: []byte(`{}`)})
	}); err != nil {
		t.Fatal(err)
	}
	return cid
}

// What a user receives of a group is what was written while they were in it, also when that is over.
func testSpans(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	direct := Open(t, s, ann.ID, bob.ID, start)
	g := group(t, s, fabric.DefaultSettings(), 2, ann.ID)
	joins(t, s, g, bob.ID, 5)
	leaves(t, s, g, bob.ID, 8)
	joins(t, s, g, bob.ID, 20)
	leaves(t, s, g, bob.ID, 30)
	joins(t, s, g, bob.ID, 40)
	late := group(t, s, fabric.DefaultSettings(), 3, ann.ID)
	joins(t, s, late, bob.ID, 0) // its record is not in the log yet: there is nothing to be received
	gone := group(t, s, fabric.DefaultSettings(), 4, ann.ID, bob.ID)
	leaves(t, s, gone, bob.ID, 0) // all there is, until the record is there

	all := []history.Span{{Channel: direct}, {Channel: g, From: 5, Upto: 8}, {Channel: g, From: 20, Upto: 30}, {Channel: g, From: 40}, {Channel: gone, From: 4}}
	slices.SortStableFunc(all, func(a, b history.Span) int {
		switch {
		case a.Channel < b.Channel:
			return -1
		case a.Channel > b.Channel:
			return 1
		}
		return 0
	})
	// any number at a time gives them all, a channel's together
	for limit := 1; limit <= 6; limit++ {
		var got []history.Span
		for from := fabric.ChannelID(""); ; {
			part, more, err := s.Spans(t.Context(), bob.ID, from, limit)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
			if !more {
				break
			}
			if len(part) == 0 {
				t.Fatal("none, and yet more")
			}
			from = part[len(part)-1].Channel + "!" // behind it, and before any other
		}
		want(t, fmt.Sprintf("spans, %d at a time", limit), got, all)
	}

	// news are what is written within a span
	w := newScript(t, s, g)
	news := func(from uint64) (got []history.Span) {
		t.Helper()
		list, _, err := s.News(t.Context(), bob.ID, fabric.Position{from}, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, sp := range list {
			if sp.Channel == g {
				got = append(got, sp)
			}
		}
		return got
	}
	for *w.seq < 25 {
		if *w.seq == 21 { // a record that is no message counts as well
			w.pin(ann.ID, 21, true)
			continue
		}
		w.say(ann.ID, "x")
	}
	for from, expected := range map[uint64][]history.Span{
		0:  {{Channel: g, From: 5, Upto: 8}, {Channel: g, From: 20, Upto: 30}},
		7:  {{Channel: g, From: 5, Upto: 8}, {Channel: g, From: 20, Upto: 30}},
		24: {{Channel: g, From: 20, Upto: 30}},
		25: nil,
	} {
		got := news(from)
		if from == 25 { // a span may be named in which there is nothing new
			got = slices.DeleteFunc(got, func(sp history.Span) bool { return sp.Upto == 30 })
		}
		want(t, fmt.Sprintf("news behind %d", from), got, expected)
	}
	recs := func(after uint64, sp history.Span, limit int) (seqs []uint64) {
		t.Helper()
		upto := sp.Upto
		if upto == 0 {
			upto = 1000
		}
		list, err := s.Records(t.Context(), history.View{Channel: g, User: bob.ID, From: sp.From, Now: start}, after, upto, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			seqs = append(seqs, m.Seq)
		}
		return seqs
	}
	want(t, "records of the first", recs(0, history.Span{From: 5, Upto: 8}, 100), []uint64{5, 6, 7, 8})
	want(t, "some of them", recs(6, history.Span{From: 5, Upto: 8}, 1), []uint64{7})
	want(t, "those of the second", recs(20, history.Span{From: 20, Upto: 30}, 100), []uint64{21, 22, 23, 24, 25})
	want(t, "those of the third", recs(0, history.Span{From: 40}, 100), []uint64(nil))
}

// A page begins where its reader came in, and a list shows nothing older.
func testFrom(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	g := group(t, s, fabric.DefaultSettings(), 1, ann.ID)
	w := newScript(t, s, g)
	for range 4 {
		w.say(ann.ID, "old")
	}
	joins(t, s, g, bob.ID, 5)
	e, err := s.Entry(t.Context(), bob.ID, g)
	if err != nil {
		t.Fatal(err)
	}
	if e.Last != nil {
		t.Errorf("bob's list shows %+v", e.Last)
	}
	w.add(ann.ID, fabric.MsgMember, `{"text":"came"}`, nil)
	w.say(ann.ID, "new")
	v := reader(g, bob.ID)
	v.From = 5
	want(t, "page", w.view(v), "5 came; 6 new; ")
	for what, read := range map[string]func() ([]history.Shown, error){
		"before": func() ([]history.Shown, error) { return s.Page(t.Context(), v, 5, nil, 10) },
		"message": func() ([]history.Shown, error) {
			_, ok, err := s.Message(t.Context(), v, 4)
			return make([]history.Shown, b2i(ok)), err
		},
	} {
		if got, err := read(); err != nil || len(got) > 0 {
			t.Errorf("%s: %s, %v", what, brief(got), err)
		}
	}
	after := uint64(0)
	page, err := s.Page(t.Context(), v, 0, &after, 1)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the first that there is", brief(page), "5 came; ")
	if n, err := s.Unread(t.Context(), g, bob.ID, 4, 10); err != nil || n != 1 { // what the server says is nothing to be read
		t.Errorf("unread: %d, %v", n, err)
	}
	// a star of somebody who came again later is there where the message may be read
	if err := s.Star(t.Context(), ann.ID, g, 2, true, start, 10); err != nil {
		t.Fatal(err)
	}
	stars := func() string {
		t.Helper()
		list, err := s.Starred(t.Context(), ann.ID, start, history.StarPlace{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		var shown []history.Shown
		for _, m := range list {
			shown = append(shown, m.Shown)
		}
		return brief(shown)
	}
	want(t, "stars", stars(), "2 old starred; ")
	joinsAgain := func(from uint64) {
		t.Helper()
		leaves(t, s, g, ann.ID, from-1)
		want(t, "stars of who has left", stars(), "")
		joins(t, s, g, ann.ID, from)
	}
	joinsAgain(8)
	want(t, "stars of who came again", stars(), "")
	change(t, s, g, func(ctx context.Context, tx chats.GroupTx, _ string) error {
		all := tx.Group()
		all.Settings.History = fabric.HistoryAll
		return tx.Update(ctx, all)
	})
	want(t, "stars where all may be read", stars(), "2 old starred; ")
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
