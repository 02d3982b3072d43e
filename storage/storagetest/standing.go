package storagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
)

// prefsRecord is what a change of prefs has the self channel told.
func prefsRecord(u fabric.UserID, told *[]fabric.Prefs) func(fabric.Prefs) chats.Record {
	return func(p fabric.Prefs) chats.Record {
		*told = append(*told, p)
		return chats.Record{CID: fabric.NewCID(), Channel: fabric.Self(u), From: u, Kind: fabric.MsgChannel, Body: []byte(text(p))}
	}
}

func testSetPrefs(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID
	direct := Open(t, s, ann, bob, start)
	g := group(t, s, fabric.DefaultSettings(), 3, ann, bob)
	var told []fabric.Prefs
	set := func(u fabric.UserID, c fabric.ChannelID, f func(*fabric.Prefs)) error {
		return s.SetPrefs(t.Context(), u, c, f, prefsRecord(u, &told))
	}
	muted := fabric.Prefs{MutedUntil: fabric.MutedForever, Archived: true, Pinned: true, MarkedUnread: true}
	for _, c := range []fabric.ChannelID{direct, g} {
		told = nil
		for range 2 { // what is so already is not told again
			if err := set(ann, c, func(p *fabric.Prefs) { *p = muted }); err != nil {
				t.Fatal(err)
			}
		}
		want(t, "told", told, []fabric.Prefs{muted})
		all := waiting(t, s)
		last := all[len(all)-1]
		want(t, "record", fmt.Sprint(last.Channel, string(last.Body)), fmt.Sprint(fabric.Self(ann), text(muted)))
		// one field at a time
		less := muted
		less.Archived = false
		if err := set(ann, c, func(p *fabric.Prefs) { p.Archived = false }); err != nil {
			t.Fatal(err)
		}
		want(t, "told then", told, []fabric.Prefs{muted, less})
		st := standings(t, s, ann, c, direct)
		want(t, "ann's", st[c].Prefs, less)
		want(t, "bob's", standings(t, s, bob, c)[c].Prefs, fabric.Prefs{})
		for _, c := range []fabric.ChannelID{c, fabric.NewGroupID().Channel(), fabric.Direct(cem, fabric.NewUserID())} {
			if err := set(cem, c, func(*fabric.Prefs) { t.Error("ran") }); fabric.CodeOf(err) != fabric.CodeForbidden {
				t.Errorf("where cem is not: %v", err)
			}
		}
	}
	// who comes again finds nothing of what they had
	leaves(t, s, g, ann, 9)
	if err := set(ann, g, func(*fabric.Prefs) { t.Error("ran") }); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("who has left: %v", err)
	}
	joins(t, s, g, ann, 11)
	want(t, "who came again", standings(t, s, ann, g)[g].Prefs, fabric.Prefs{})
}

func standings(t testing.TB, s Store, u fabric.UserID, channels ...fabric.ChannelID) map[fabric.ChannelID]chats.Standing {
	t.Helper()
	st, err := s.Standings(t.Context(), u, channels)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func testSetDisappear(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID
	c, other := Open(t, s, ann, bob, start), Open(t, s, ann, cem, start)
	set := func(u fabric.UserID, c fabric.ChannelID, seconds int) error {
		r := chats.Record{CID: fabric.NewCID(), Channel: c, From: u, Kind: fabric.MsgSettings, Body: fmt.Appendf(nil, `{"disappear":%d}`, seconds)}
		return s.SetDisappear(t.Context(), u, c, seconds, r)
	}
	for _, step := range []struct {
		u       fabric.UserID
		seconds int
	}{{ann, 86_400}, {ann, 86_400}, {bob, 86_400}, {bob, 7 * 86_400}, {ann, 0}, {bob, 0}, {bob, 86_400}} {
		if err := set(step.u, c, step.seconds); err != nil {
			t.Fatal(err)
		}
		for _, u := range []fabric.UserID{ann, bob} { // it is both's
			want(t, "disappear", standings(t, s, u, c)[c].Disappear, step.seconds)
		}
	}
	want(t, "another chat's", standings(t, s, ann, other)[other].Disappear, 0)
	var told []string
	for _, w := range waiting(t, s) {
		told = append(told, string(w.Body))
	}
	want(t, "told", told, []string{`{"disappear":86400}`, `{"disappear":604800}`, `{"disappear":0}`, `{"disappear":86400}`})
	for _, c := range []fabric.ChannelID{c, fabric.Direct(cem, fabric.NewUserID())} {
		if err := set(cem, c, 0); fabric.CodeOf(err) != fabric.CodeForbidden {
			t.Errorf("where cem is not: %v", err)
		}
	}
}

// How somebody stands in channels is told of those that they are in.
func testStandings(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID
	ab, ac := Open(t, s, ann, bob, start), Open(t, s, ann, cem, start)
	if _, err := s.Block(t.Context(), ann, bob, true, start, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Block(t.Context(), cem, ann, true, start, 10); err != nil {
		t.Fatal(err)
	}
	row := newGroup(ann)
	c, _ := create(t, s, row, "")
	in(t, s, c, func(ctx context.Context, tx chats.GroupTx) error {
		return tx.Add(ctx, []fabric.UserID{bob}, fabric.RoleAdmin, start)
	})
	row.Members = 2
	theirs := group(t, s, fabric.DefaultSettings(), 5, bob)
	gone := group(t, s, fabric.DefaultSettings(), 6, bob)
	joins(t, s, gone, ann, 7)
	leaves(t, s, gone, ann, 8)

	show := func(st chats.Standing) string {
		s := fmt.Sprint(st.Role, " from ", st.From, " disappear ", st.Disappear, " blocked ", st.Blocked, " ", st.Prefs)
		if st.Group != nil {
			s += text(*st.Group)
		}
		return s
	}
	st := standings(t, s, ann, ab, ac, c, theirs, gone, fabric.NewGroupID().Channel(), fabric.Direct(bob, cem))
	want(t, "channels", len(st), 3)
	none := chats.Standing{Role: fabric.RoleMember}
	blocked := none
	blocked.Blocked = true
	// a direct chat has no roles: whatever is said there counts for nothing
	want(t, "whom ann has blocked", strings.TrimPrefix(show(st[ab]), string(st[ab].Role)), strings.TrimPrefix(show(blocked), "member"))
	want(t, "who has blocked ann", strings.TrimPrefix(show(st[ac]), string(st[ac].Role)), strings.TrimPrefix(show(none), "member"))
	want(t, "ann's group", show(st[c]), show(chats.Standing{Role: fabric.RoleOwner, Disappear: row.Settings.Disappear, Group: &row}))
	want(t, "bob in it", show(standings(t, s, bob, c)[c]), show(chats.Standing{Role: fabric.RoleAdmin, Disappear: row.Settings.Disappear, Group: &row}))
	want(t, "bob's group", standings(t, s, bob, theirs)[theirs].From, 5)
	want(t, "none", len(standings(t, s, ann)), 0)
}

// One channel as the list has it.
func testEntry(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem")
	ab, bc := Open(t, s, ann.ID, bob.ID, start), Open(t, s, bob.ID, cem.ID, start)
	Open(t, s, ann.ID, cem.ID, start+1)
	g := group(t, s, fabric.DefaultSettings(), 2, ann.ID, bob.ID)
	late := group(t, s, fabric.DefaultSettings(), 3, ann.ID)
	joins(t, s, late, bob.ID, 0)
	leaver := group(t, s, fabric.DefaultSettings(), 4, ann.ID, bob.ID)
	leaves(t, s, leaver, bob.ID, 0)
	m := message(ab, 8, 0, ann.ID)
	archive(t, s, 0, 8, m)

	entry := func(u fabric.UserID, c fabric.ChannelID) string {
		t.Helper()
		e, err := s.Entry(t.Context(), u, c)
		if err != nil {
			return string(fabric.CodeOf(err))
		}
		return text(e)
	}
	peer := func(u fabric.User) *fabric.User { return &fabric.User{ID: u.ID, Name: u.Name} }
	direct := func(u fabric.User) string {
		return text(chats.Entry{ID: ab, Kind: fabric.KindDirect, Name: u.Name, Peer: peer(u), At: m.At, Last: &m})
	}
	want(t, "ann's chat with bob", entry(ann.ID, ab), direct(bob))
	want(t, "bob's with ann", entry(bob.ID, ab), direct(ann))
	want(t, "cem's with bob", entry(cem.ID, bc), text(chats.Entry{ID: bc, Kind: fabric.KindDirect, Name: "bob", Peer: peer(bob), At: start}))
	want(t, "a group", entry(bob.ID, g), text(chats.Entry{ID: g, Kind: fabric.KindGroup, At: start}))
	for what, code := range map[string]string{
		"others' chat":                         entry(ann.ID, bc),
		"others' group":                        entry(cem.ID, g),
		"a group whose record waits":           entry(bob.ID, late),
		"a group that bob has left":            entry(bob.ID, leaver),
		"a group that there is not":            entry(bob.ID, fabric.NewGroupID().Channel()),
		"a chat that there is not":             entry(bob.ID, fabric.Direct(bob.ID, fabric.NewUserID())),
		"the chat of somebody who there isn't": entry(fabric.NewUserID(), ab),
	} {
		want(t, what, code, string(fabric.CodeForbidden))
	}
	// the list has the same, and nothing that bob is not in
	list, err := s.List(t.Context(), bob.ID, chats.Place{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, text(e))
	}
	for i, e := range list {
		want(t, "the same", entry(bob.ID, e.ID), got[i])
	}
	want(t, "how many", len(list), 3)
}
