package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// newGroup returns a group of somebody's that is not in the database yet.
func newGroup(by fabric.UserID) chats.Group {
	return chats.Group{
		Channel: fabric.NewGroupID().Channel(), Name: "weavers ✓", About: "all about\nlooms", Avatar: "abc", CreatedAt: start, CreatedBy: by,
		Settings: fabric.Settings{Send: fabric.ByAdmins, Change: fabric.ByAdmins, History: fabric.HistoryAll, Join: fabric.JoinOpen, Disappear: 86_400},
	}
}

// create writes a group with its creator as the owner.
func create(t testing.TB, s Store, g chats.Group, cid string) (c fabric.ChannelID, existed bool) {
	t.Helper()
	c, existed, err := s.CreateGroup(t.Context(), g, cid, func(tx chats.GroupTx) error {
		return tx.Add(t.Context(), []fabric.UserID{g.CreatedBy}, fabric.RoleOwner, g.CreatedAt)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, existed
}

// in runs f on a group.
func in(t testing.TB, s Store, c fabric.ChannelID, f func(context.Context, chats.GroupTx) error) {
	t.Helper()
	if err := s.InGroup(t.Context(), c, func(tx chats.GroupTx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s Store, c fabric.ChannelID) chats.Group {
	t.Helper()
	g, err := s.Group(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func testCreateGroup(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID
	g, cid := newGroup(ann), fabric.NewCID()
	c, existed := create(t, s, g, cid)
	g.Members = 1
	want(t, "made", fmt.Sprint(c, existed), fmt.Sprint(g.Channel, false))
	want(t, "group", read(t, s, c), g)

	// the same cid again is the same group, and nothing is done to it
	again := newGroup(ann)
	c, existed, err := s.CreateGroup(t.Context(), again, cid, func(chats.GroupTx) error { t.Error("ran"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	want(t, "again", fmt.Sprint(c, existed), fmt.Sprint(g.Channel, true))
	if _, err := s.Group(t.Context(), again.Channel); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("the group that was not made: %v", err)
	}
	// somebody else's is another one, and so are those without
	for _, g := range []chats.Group{newGroup(bob), newGroup(ann), newGroup(ann)} {
		with := ""
		if g.CreatedBy == bob {
			with = cid
		}
		if c, existed := create(t, s, g, with); existed || c != g.Channel {
			t.Errorf("made %s: %s, %v", g.Channel, c, existed)
		}
	}
	// what fails was not
	no, failed := errors.New("no"), newGroup(ann)
	_, _, err = s.CreateGroup(t.Context(), failed, fabric.NewCID(), func(tx chats.GroupTx) error {
		if err := tx.Add(t.Context(), []fabric.UserID{ann}, fabric.RoleOwner, start); err != nil {
			return err
		}
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("create: %v", err)
	}
	if _, err := s.Group(t.Context(), failed.Channel); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("a group that failed: %v", err)
	}
	if _, is, err := s.Member(t.Context(), failed.Channel, ann); err != nil || is {
		t.Errorf("its member: %v, %v", is, err)
	}
}

func testCreateGroupAtOnce(t *testing.T, s Store) {
	ann, cid := NewUser(t, s, "ann").ID, fabric.NewCID()
	var mu sync.Mutex
	var made int
	channels := make(map[fabric.ChannelID]bool)
	atOnce(func() {
		g := newGroup(ann)
		c, existed, err := s.CreateGroup(t.Context(), g, cid, func(tx chats.GroupTx) error {
			return tx.Add(t.Context(), []fabric.UserID{ann}, fabric.RoleOwner, start)
		})
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		channels[c] = true
		if !existed {
			made++
		}
	})
	want(t, "groups", fmt.Sprint(len(channels), made), "1 1")
}

func testInGroup(t *testing.T, s Store) {
	ann, bob, cem, dan := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID, NewUser(t, s, "dan").ID
	g := newGroup(ann)
	c, _ := create(t, s, g, "")
	nowhere := fabric.NewGroupID().Channel()
	if err := s.InGroup(t.Context(), nowhere, func(chats.GroupTx) error { t.Error("ran"); return nil }); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("no group: %v", err)
	}
	if _, err := s.Group(t.Context(), nowhere); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("no group: %v", err)
	}

	// a transaction sees what it has done
	all := []fabric.UserID{ann, bob, cem, dan, fabric.NewUserID()}
	owner, admin, member := chats.Member{Role: fabric.RoleOwner}, chats.Member{Role: fabric.RoleAdmin}, chats.Member{Role: fabric.RoleMember}
	in(t, s, c, func(ctx context.Context, tx chats.GroupTx) error {
		state := func(what string, owners, members int, is map[fabric.UserID]chats.Member) {
			t.Helper()
			got, err := tx.Members(ctx, all)
			if err != nil {
				t.Fatal(err)
			}
			n, err := tx.Owners(ctx)
			if err != nil {
				t.Fatal(err)
			}
			want(t, what, fmt.Sprint(n, tx.Group().Members, got), fmt.Sprint(owners, members, is))
		}
		state("at first", 1, 1, map[fabric.UserID]chats.Member{ann: owner})
		if err := tx.Add(ctx, []fabric.UserID{bob, cem}, fabric.RoleMember, start+1); err != nil {
			return err
		}
		if err := tx.Add(ctx, []fabric.UserID{dan}, fabric.RoleAdmin, start+1); err != nil {
			return err
		}
		if err := tx.Add(ctx, nil, fabric.RoleAdmin, start+1); err != nil {
			return err
		}
		state("others came", 1, 4, map[fabric.UserID]chats.Member{ann: owner, bob: member, cem: member, dan: admin})
		for _, u := range []fabric.UserID{bob, cem, dan} {
			if err := tx.SetRole(ctx, u, fabric.RoleOwner); err != nil {
				return err
			}
		}
		state("they are owners", 2, 4, map[fabric.UserID]chats.Member{ann: owner, bob: owner, cem: owner, dan: owner})
		if err := tx.Remove(ctx, dan, fabric.NewCID()); err != nil {
			return err
		}
		if err := tx.Remove(ctx, all[4], fabric.NewCID()); err != nil { // who is no member
			return err
		}
		if err := tx.SetRole(ctx, bob, fabric.RoleMember); err != nil {
			return err
		}
		if err := tx.SetRole(ctx, cem, fabric.RoleAdmin); err != nil {
			return err
		}
		state("and no longer", 1, 3, map[fabric.UserID]chats.Member{ann: owner, bob: member, cem: admin})

		// name, text, picture and settings change, and nothing else
		changed := tx.Group()
		changed.Name, changed.About, changed.Avatar, changed.Settings = "spinners", "", "def", fabric.DefaultSettings()
		if err := tx.Update(ctx, changed); err != nil {
			return err
		}
		want(t, "in the transaction", tx.Group(), changed)
		return nil
	})
	g.Name, g.About, g.Avatar, g.Settings, g.Members = "spinners", "", "def", fabric.DefaultSettings(), 3
	want(t, "group", read(t, s, c), g)
	is := make(map[fabric.UserID]chats.Member)
	for _, u := range all {
		m, ok, err := s.Member(t.Context(), c, u)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			is[u] = m
		}
	}
	want(t, "members", is, map[fabric.UserID]chats.Member{ann: owner, bob: member, cem: admin})

	// where f fails, nothing has happened
	no := errors.New("no")
	err := s.InGroup(t.Context(), c, func(tx chats.GroupTx) error {
		if err := tx.Remove(t.Context(), bob, fabric.NewCID()); err != nil {
			return err
		}
		if err := tx.Emit(t.Context(), chats.Record{CID: fabric.NewCID(), Channel: c, From: ann, Kind: fabric.MsgMember, Body: []byte("{}")}); err != nil {
			return err
		}
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("error: %v", err)
	}
	want(t, "group after a failure", read(t, s, c), g)
	if waiting, err := s.Outbox(t.Context(), 10); err != nil || len(waiting) != 0 {
		t.Errorf("outbox after a failure: %v, %v", waiting, err)
	}
	// nobody is a member twice
	if err := s.InGroup(t.Context(), c, func(tx chats.GroupTx) error {
		return tx.Add(t.Context(), []fabric.UserID{bob}, fabric.RoleMember, start)
	}); err == nil {
		t.Error("added a member")
	}
	want(t, "group after that", read(t, s, c), g)
	// the direct chat of members has none of this
	if _, ok, err := s.Member(t.Context(), Open(t, s, ann, bob, start), ann); err != nil || ok {
		t.Errorf("member of a direct chat: %v, %v", ok, err)
	}
}

// Transactions of a group run one after the other: what one has read is so until it ends.
func testInGroupAtOnce(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann").ID
	c, _ := create(t, s, newGroup(ann), "")
	other, _ := create(t, s, newGroup(ann), "")
	people := make(chan fabric.UserID, 8)
	for range cap(people) {
		people <- NewUser(t, s, "").ID
	}
	var inside atomic.Int32
	atOnce(func() {
		u := <-people
		for range 4 {
			if err := s.InGroup(t.Context(), c, func(tx chats.GroupTx) error {
				if inside.Add(1) > 1 {
					t.Error("two at once")
				}
				defer inside.Add(-1)
				g := tx.Group()
				g.Name += "."
				if err := tx.Update(t.Context(), g); err != nil {
					return err
				}
				there, err := tx.Members(t.Context(), []fabric.UserID{u})
				if err != nil {
					return err
				}
				if _, in := there[u]; in {
					return tx.Remove(t.Context(), u, fabric.NewCID())
				}
				return tx.Add(t.Context(), []fabric.UserID{u}, fabric.RoleMember, start)
			}); err != nil {
				t.Error(err)
			}
			if err := s.InGroup(t.Context(), other, func(chats.GroupTx) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	g := read(t, s, c)
	want(t, "name and members", fmt.Sprint(g.Name, g.Members), "weavers ✓................................"+"1")
}

// A list of members begins with owners and admins, and each of them by when they came.
func testMembers(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann")
	c, _ := create(t, s, newGroup(ann.ID), "")
	expected := []string{"ann owner 0"}
	var same []fabric.User // who came at once are in the order of their ids
	for i := range 3 {
		same = append(same, NewUser(t, s, fmt.Sprint("same ", i)))
	}
	eve, dan, cem, bob := NewUser(t, s, "eve"), NewUser(t, s, "dan"), NewUser(t, s, "cem"), NewUser(t, s, "bob")
	for _, m := range []struct {
		role fabric.Role
		at   int64
		who  []fabric.User
	}{
		{fabric.RoleMember, 5, same}, {fabric.RoleOwner, 9, []fabric.User{eve}}, {fabric.RoleMember, 1, []fabric.User{dan}},
		{fabric.RoleAdmin, 8, []fabric.User{cem}}, {fabric.RoleAdmin, 7, []fabric.User{bob}},
	} {
		in(t, s, c, func(ctx context.Context, tx chats.GroupTx) error { return tx.Add(ctx, ids(m.who), m.role, start+m.at) })
	}
	slices.SortFunc(same, func(a, b fabric.User) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	expected = append(expected, "eve owner 9", "bob admin 7", "cem admin 8", "dan member 1")
	for _, u := range same {
		expected = append(expected, u.Name+" member 5")
	}
	for limit := 1; limit <= 9; limit++ {
		var got []string
		var place chats.MemberPlace
		for {
			page, err := s.Members(t.Context(), c, place, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Fatalf("%d members, asked for %d", len(page), limit)
			}
			for _, m := range page {
				if m.User.Phone != "" {
					t.Errorf("a list of members shows the phone of %s", m.User.Name)
				}
				got = append(got, fmt.Sprintf("%s %s %d", m.User.Name, m.Role, m.JoinedAt-start))
				place = m.Place()
			}
			if len(page) < limit {
				break
			}
		}
		want(t, fmt.Sprint("members, pages of ", limit), got, expected)
	}
	if list, err := s.Members(t.Context(), fabric.NewGroupID().Channel(), chats.MemberPlace{}, 10); err != nil || len(list) != 0 {
		t.Errorf("members of no group: %v, %v", list, err)
	}
	if list, err := s.Members(t.Context(), Open(t, s, ann.ID, bob.ID, start), chats.MemberPlace{}, 10); err != nil || len(list) != 0 {
		t.Errorf("members of a direct chat: %v, %v", list, err)
	}
}

// A membership counts for those who read and write once its record is in the log.
func testMemberships(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID
	Open(t, s, ann, bob, start)
	g := group(t, s, newGroup(ann).Settings, 7, ann)
	other := group(t, s, fabric.DefaultSettings(), 9, ann)
	waits := group(t, s, fabric.DefaultSettings(), 3, bob)
	joins(t, s, waits, ann, 0)
	joins(t, s, g, bob, 12)

	expected := []contract.Membership{
		{Channel: g, Role: fabric.RoleOwner, From: 7, Settings: newGroup(ann).Settings},
		{Channel: other, Role: fabric.RoleOwner, From: 9, Settings: fabric.DefaultSettings()},
	}
	byChannel := func(a, b contract.Membership) int {
		if a.Channel < b.Channel {
			return -1
		}
		return 1
	}
	slices.SortFunc(expected, byChannel)
	got, err := s.Memberships(t.Context(), ann)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, byChannel)
	want(t, "ann's groups", got, expected)
	m, ok, err := s.Member(t.Context(), waits, ann)
	if err != nil || !ok || m != (chats.Member{Role: fabric.RoleMember}) {
		t.Errorf("a member whose record waits: %+v, %v, %v", m, ok, err)
	}
	if m, ok, err := s.Member(t.Context(), g, bob); err != nil || !ok || m != (chats.Member{Role: fabric.RoleMember, From: 12}) {
		t.Errorf("bob: %+v, %v, %v", m, ok, err)
	}

	floors := func(c fabric.ChannelID, after fabric.UserID, limit int) string {
		t.Helper()
		list, err := s.Floors(t.Context(), c, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list)
	}
	first, second := contract.Floor{User: ann, From: 7}, contract.Floor{User: bob, From: 12}
	if ann > bob {
		first, second = second, first
	}
	want(t, "floors", floors(g, "", 10), fmt.Sprint([]contract.Floor{first, second}))
	want(t, "the first floor", floors(g, "", 1), fmt.Sprint([]contract.Floor{first}))
	want(t, "the floors behind it", floors(g, first.User, 10), fmt.Sprint([]contract.Floor{second}))
	want(t, "those behind them", floors(g, second.User, 10), "[]")
	want(t, "floors where a record waits", floors(waits, "", 10), fmt.Sprint([]contract.Floor{{User: bob, From: 3}}))
	want(t, "floors of a direct chat", floors(fabric.Direct(ann, bob), "", 10), "[]")
}

// Who exists, and who is in too many groups.
func testExisting(t *testing.T, s Store) {
	ann, bob, cem, nobody := NewUser(t, s, "ann").ID, NewUser(t, s, "bob").ID, NewUser(t, s, "cem").ID, fabric.NewUserID()
	if _, err := s.Erase(t.Context(), cem, start); err != nil {
		t.Fatal(err)
	}
	all := []fabric.UserID{nobody, bob, ann, cem}
	sorted := func(list []fabric.UserID, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return fmt.Sprint(list)
	}
	want(t, "existing", sorted(s.Existing(t.Context(), all)), sorted([]fabric.UserID{ann, bob}, nil))
	want(t, "of none", sorted(s.Existing(t.Context(), nil)), "[]")

	c := group(t, s, fabric.DefaultSettings(), 1, ann, bob)
	g, _ := create(t, s, newGroup(ann), "") // counts as soon as it is written
	for range 3 {
		Open(t, s, ann, NewUser(t, s, "").ID, start) // direct chats don't
	}
	for most, expected := range map[int][]fabric.UserID{1: {ann, bob}, 2: {ann}, 3: nil} {
		want(t, fmt.Sprint("in ", most, " groups"), sorted(s.InTooMany(t.Context(), []fabric.UserID{ann, bob, nobody}, most)), sorted(expected, nil))
	}
	in(t, s, g, func(ctx context.Context, tx chats.GroupTx) error { return tx.Remove(ctx, ann, fabric.NewCID()) })
	leaves(t, s, c, bob, 5)
	want(t, "after leaving", sorted(s.InTooMany(t.Context(), []fabric.UserID{ann, bob}, 1)), fmt.Sprint([]fabric.UserID{ann}))
}
