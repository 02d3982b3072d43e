package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// waiting returns all that is in the outbox.
func waiting(t testing.TB, s Store) []chats.Waiting {
	t.Helper()
	list, err := s.Outbox(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// cids names the records that wait.
func cids(t testing.TB, s Store) (list []string) {
	t.Helper()
	for _, w := range waiting(t, s) {
		list = append(list, w.CID)
	}
	return list
}

func testOutbox(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID
	c, _ := create(t, s, newGroup(ann), "")
	other, _ := create(t, s, newGroup(bob), "")
	on := true
	records := []chats.Record{
		{CID: fabric.NewCID(), Channel: c, After: 1<<48 - 1, From: ann, Kind: fabric.MsgGroup, Body: []byte(`{"name":"n° 1 \u0000 ✓"}`)},
		{CID: fabric.NewCID(), Channel: c, From: bob, Kind: fabric.MsgMember, Body: []byte(`{}`), Told: []chats.Told{
			{Users: []fabric.UserID{ann, bob}, Change: fabric.ChannelChange{Channel: c, Change: fabric.ChangeAdded, By: ann, Name: "✓"}},
			{Users: []fabric.UserID{bob}, Change: fabric.ChannelChange{Channel: c, Change: fabric.ChangeStarred, On: &on, Prefs: &fabric.Prefs{MutedUntil: -1}}},
		}},
		{CID: fabric.NewCID(), Channel: other, From: bob, Kind: fabric.MsgGroup, Body: []byte(`{}`)},
		{CID: fabric.NewCID(), Channel: c, From: ann, Kind: fabric.MsgGroup, Body: []byte(`{}`)},
	}
	var order []string
	for _, r := range records {
		emit(t, s, r)
		order = append(order, r.CID)
	}
	got := waiting(t, s)
	want(t, "the order", cids(t, s), order)
	var last int64
	for i, w := range got {
		if w.Num <= last {
			t.Errorf("number %d behind %d", w.Num, last)
		}
		last = w.Num
		want(t, "record", text(w.Record), text(records[i]))
	}
	some, err := s.Outbox(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the first two", text(some), text(got[:2]))

	// a record that is there already stays as it is
	again := records[3]
	again.Kind, again.Body = fabric.MsgMember, []byte(`{"event":"left"}`)
	emit(t, s, again)
	want(t, "after one came twice", text(waiting(t, s)), text(got))

	waits := func(cid string) bool {
		t.Helper()
		is, err := s.Waits(t.Context(), cid)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	want(t, "waits", fmt.Sprint(waits(order[1]), waits(fabric.NewCID())), "true false")

	// what is in its log is out of the outbox, and what follows from it is in it, behind all others
	next := []chats.Record{
		{CID: fabric.NewCID(), Channel: fabric.Self(ann), From: ann, Kind: fabric.MsgChannel, Body: []byte(`{}`)},
		{CID: fabric.NewCID(), Channel: fabric.Self(bob), From: bob, Kind: fabric.MsgChannel, Body: []byte(`{}`)},
	}
	done := []chats.Relayed{
		{Num: got[0].Num, CID: got[0].CID, Channel: c, Seq: 5},
		{Num: got[1].Num, CID: got[1].CID, Channel: c, Seq: 6, Next: next},
	}
	rest := []string{order[2], order[3], next[0].CID, next[1].CID}
	for range 2 { // the second time nothing happens
		if err := s.Relayed(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		want(t, "what waits then", cids(t, s), rest)
	}
	want(t, "waits", waits(order[1]), false)
	// not either where only one of number and cid fits
	if err := s.Relayed(t.Context(), []chats.Relayed{
		{Num: got[2].Num, CID: fabric.NewCID(), Channel: other, Seq: 7, Next: []chats.Record{{CID: fabric.NewCID(), Channel: other, From: ann, Kind: "x", Body: []byte("{}")}}},
		{Num: got[2].Num + 1000, CID: got[2].CID, Channel: other, Seq: 7},
	}); err != nil {
		t.Fatal(err)
	}
	want(t, "what waits still", cids(t, s), rest)
	// numbers are not used twice: a relay that is late must not take another record out
	all := waiting(t, s)
	for _, w := range all {
		relayed(t, s, w.CID, chats.Relayed{Seq: 9})
	}
	emit(t, s, chats.Record{CID: fabric.NewCID(), Channel: c, From: ann, Kind: "x", Body: []byte("{}")})
	if w := waiting(t, s); len(w) != 1 || w[0].Num <= all[len(all)-1].Num {
		t.Errorf("waiting behind number %d: %+v", all[len(all)-1].Num, w)
	}
}

func emit(t testing.TB, s Store, r chats.Record) {
	t.Helper()
	in(t, s, r.Channel, func(ctx context.Context, tx chats.GroupTx) error { return tx.Emit(ctx, r) })
}

// stays returns u's stretches of a group's log.
func stays(t testing.TB, s Store, c fabric.ChannelID, u fabric.UserID) (list []string) {
	t.Helper()
	spans, _, err := s.Spans(t.Context(), u, c, 100)
	if err != nil {
		t.Fatal(err)
	}
	spans = slices.DeleteFunc(spans, func(sp history.Span) bool { return sp.Channel != c })
	slices.SortFunc(spans, func(a, b history.Span) int { return int(a.From) - int(b.From) })
	for _, sp := range spans {
		list = append(list, fmt.Sprint(sp.From, "-", sp.Upto))
	}
	return list
}

// Who comes and goes several times before anything is in the log, has each stay where its own records are: whatever their
// cids are, and in how many steps the log gets them.
func testRelayedLate(t *testing.T, s Store) {
	for _, atOnce := range []bool{false, true} {
		ann, bob, cem := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID
		c, _ := create(t, s, newGroup(ann), "")
		var done []chats.Relayed
		later := fabric.NewCID()
		step := func(cid string, users []fabric.UserID, comes bool) {
			t.Helper()
			in(t, s, c, func(ctx context.Context, tx chats.GroupTx) error {
				if comes {
					if err := tx.Add(ctx, users, fabric.RoleMember, start); err != nil {
						return err
					}
				} else if err := tx.Remove(ctx, users[0], cid); err != nil {
					return err
				}
				return tx.Emit(ctx, chats.Record{CID: cid, Channel: c, From: ann, Kind: fabric.MsgMember, Body: []byte("{}")})
			})
			all := waiting(t, s)
			d := chats.Relayed{Num: all[len(all)-1].Num, CID: cid, Channel: c, Seq: uint64(10 * (len(done) + 1))}
			if comes {
				d.Came = users
			} else {
				d.Went = users
			}
			done = append(done, d)
		}
		step(fabric.NewCID(), []fabric.UserID{bob, cem}, true) // 10
		step(fabric.NewCID(), []fabric.UserID{bob}, false)     // 20
		step(fabric.NewCID(), []fabric.UserID{bob}, true)      // 30
		step(later, []fabric.UserID{bob}, false)               // 40, whose cid was made before all others
		step(fabric.NewCID(), []fabric.UserID{bob}, true)      // 50
		want(t, "before", fmt.Sprint(stays(t, s, c, bob), stays(t, s, c, cem)), "[] []")
		after := []string{
			"[10-0] [10-0]", "[10-20] [10-0]", "[10-20 30-0] [10-0]", "[10-20 30-40] [10-0]", "[10-20 30-40 50-0] [10-0]",
		}
		if atOnce {
			if err := s.Relayed(t.Context(), done); err != nil {
				t.Fatal(err)
			}
		} else {
			for i := range done {
				if err := s.Relayed(t.Context(), done[i:i+1]); err != nil {
					t.Fatal(err)
				}
				want(t, fmt.Sprint("after ", i+1), fmt.Sprint(stays(t, s, c, bob), stays(t, s, c, cem)), after[i])
			}
		}
		want(t, "in the end", fmt.Sprint(stays(t, s, c, bob), stays(t, s, c, cem)), after[4])
		if m, ok, err := s.Member(t.Context(), c, bob); err != nil || !ok || m.From != 50 {
			t.Errorf("bob: %+v, %v, %v", m, ok, err)
		}
		// again, with other seqs: nothing changes
		for i := range done {
			done[i].Seq += 1000
		}
		if err := s.Relayed(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		want(t, "done twice", fmt.Sprint(stays(t, s, c, bob), stays(t, s, c, cem)), after[4])
	}
}

// Relays that note the same records at once do so once.
func testRelayedAtOnce(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann").ID
	c, _ := create(t, s, newGroup(ann), "")
	other, _ := create(t, s, newGroup(ann), "")
	for i := range 6 {
		r := chats.Record{CID: fabric.NewCID(), Channel: c, From: ann, Kind: "x", Body: []byte("{}")}
		if i%2 == 1 {
			r.Channel = other
		}
		emit(t, s, r)
	}
	var turn atomic.Int32
	all := waiting(t, s)
	atOnce(func() {
		var done []chats.Relayed
		for i, w := range all {
			done = append(done, chats.Relayed{
				Num: w.Num, CID: w.CID, Channel: w.Channel, Seq: uint64(i + 1), Came: []fabric.UserID{ann},
				Next: []chats.Record{{CID: fabric.NewCID(), Channel: fabric.Self(ann), From: ann, Kind: "y", Body: []byte("{}")}},
			})
		}
		if turn.Add(1)%2 == 0 {
			slices.Reverse(done)
		}
		if err := s.Relayed(t.Context(), done); err != nil {
			t.Error(err)
		}
	})
	want(t, "what follows", len(cids(t, s)), len(all))
}

func testLease(t *testing.T, s Store) {
	for _, step := range []struct {
		name, holder string
		now, until   int64
		held         bool
	}{
		{"relay", "a", 100, 200, true},
		{"relay", "b", 100, 200, false},
		{"relay", "a", 150, 250, true}, // renewed
		{"relay", "b", 200, 300, false},
		{"relay", "b", 249, 349, false},
		{"other", "b", 150, 250, true}, // another lease
		{"relay", "b", 250, 350, true}, // it has lapsed
		{"relay", "a", 260, 360, false},
		{"relay", "a", 270, 270, false}, // who does not hold it can't give it back
		{"relay", "c", 280, 380, false},
		{"relay", "b", 290, 290, true}, // given back
		{"relay", "c", 290, 390, true},
		{"relay", "c", 500, 600, true}, // nobody else wanted it
	} {
		held, err := s.Lease(t.Context(), step.name, step.holder, step.now, step.until)
		if err != nil || held != step.held {
			t.Errorf("%s for %s at %d: %v, %v", step.name, step.holder, step.now, held, err)
		}
	}
	var held atomic.Int32
	var holders atomic.Int32
	atOnce(func() {
		ok, err := s.Lease(t.Context(), "new", fmt.Sprint(holders.Add(1)), 100, 200)
		if err != nil {
			t.Error(err)
		}
		if ok {
			held.Add(1)
		}
	})
	want(t, "holders at once", held.Load(), 1)
}
