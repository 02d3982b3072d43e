package chats_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
)

func (h *house) code(verb subjects.Verb, req any) fabric.Code {
	h.t.Helper()
	_, code := call[struct{}](h, verb, req)
	return code
}

// expect asks a verb and holds the error's code to want, "" for none.
func (h *house) expect(what string, verb subjects.Verb, req any, want fabric.Code) {
	h.t.Helper()
	if got := h.code(verb, req); got != want {
		h.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func removal(by fabric.UserID, g fabric.GroupID, member fabric.UserID) contract.ChatsRemoveRequest {
	return contract.ChatsRemoveRequest{ChatsGroupRequest: of(by, g), Member: member}
}

func roleOf(by fabric.UserID, g fabric.GroupID, member fabric.UserID, role fabric.Role) contract.ChatsRoleRequest {
	return contract.ChatsRoleRequest{ChatsGroupRequest: of(by, g), Member: member, Role: role}
}

// A group that somebody is in has an owner.
func TestLastOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	people := h.users("ann", "bob", "cem")
	ann, bob, cem := people[0], people[1], people[2]
	g := h.create(ann, bob)

	h.expect("the last owner leaves", subjects.ChatsRemove, removal(ann, g, ann), fabric.CodeConflict)
	h.expect("the last owner becomes an admin", subjects.ChatsRole, roleOf(ann, g, ann, fabric.RoleAdmin), fabric.CodeConflict)
	h.expect("an owner who is one", subjects.ChatsRole, roleOf(ann, g, ann, fabric.RoleOwner), "")
	h.give(ann, g, bob, fabric.RoleOwner)
	h.expect("one of two becomes a member", subjects.ChatsRole, roleOf(ann, g, ann, fabric.RoleMember), "")
	h.expect("the other one then", subjects.ChatsRole, roleOf(bob, g, bob, fabric.RoleMember), fabric.CodeConflict)
	h.give(bob, g, ann, fabric.RoleOwner)
	h.expect("one of two leaves", subjects.ChatsRemove, removal(ann, g, ann), "")

	// alone, the owner stays one, and may leave
	h.expect("the only member becomes an admin", subjects.ChatsRole, roleOf(bob, g, bob, fabric.RoleAdmin), fabric.CodeConflict)
	settings := contract.ChatsChangeRequest{ChatsGroupRequest: of(bob, g), Settings: &contract.SettingsChange{Join: ptr(fabric.JoinOpen)}}
	h.expect("the group is opened", subjects.ChatsChange, settings, "")
	h.expect("the only member leaves", subjects.ChatsRemove, removal(bob, g, bob), "")
	if row, err := h.db.Group(t.Context(), g.Channel()); err != nil || row.Members != 0 {
		t.Errorf("the empty group: %+v, %v", row, err)
	}
	// whoever comes to an empty group has it, who comes next has not
	for i, u := range []fabric.UserID{cem, ann} {
		got := must[contract.ChatsGroupReply](h, subjects.ChatsJoin, contract.ChatsJoinRequest{User: u, Group: g})
		if want := []fabric.Role{fabric.RoleOwner, fabric.RoleMember}[i]; got.Role != want || got.Members != i+1 {
			t.Errorf("joined: %+v, want %s", got, want)
		}
	}
	// so does who comes by an invite to a closed one
	settings.User, settings.Settings.Join = cem, ptr(fabric.JoinInvite)
	h.expect("the group is closed", subjects.ChatsChange, settings, "")
	code := must[contract.Invite](h, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: of(cem, g)}).Code
	h.remove(ann, g, ann)
	h.remove(cem, g, cem)
	h.expect("a closed one without an invite", subjects.ChatsJoin, contract.ChatsJoinRequest{User: cem, Group: g}, fabric.CodeForbidden)
	if got := must[contract.ChatsGroupReply](h, subjects.ChatsJoin, contract.ChatsJoinRequest{User: bob, Code: code}); got.Role != fabric.RoleOwner {
		t.Errorf("joined by an invite: %+v", got)
	}
	h.agrees(g, people)
}

// Owners who go at once do not all go.
func TestOwnersGoAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	for _, how := range []string{"leave", "become members", "remove one another"} {
		people := h.users("ann", "bob", "cem", "dan")
		g := h.create(people[0], people[1:]...)
		for _, u := range people[1:3] {
			h.give(people[0], g, u, fabric.RoleOwner)
		}
		var wg sync.WaitGroup
		for i, u := range people[:3] {
			wg.Go(func() {
				switch how {
				case "leave":
					h.code(subjects.ChatsRemove, removal(u, g, u))
				case "become members":
					h.code(subjects.ChatsRole, roleOf(u, g, u, fabric.RoleMember))
				default:
					h.code(subjects.ChatsRemove, removal(u, g, people[(i+1)%3]))
				}
			})
		}
		wg.Wait()
		owners := 0
		for _, m := range must[contract.ChatsMembersReply](h, subjects.ChatsMembers, of(people[3], g)).Members {
			if m.Role == fabric.RoleOwner {
				owners++
			}
		}
		if owners < 1 || (owners > 1 && how != "remove one another") {
			t.Errorf("owners who %s at once: %d are left", how, owners)
		}
		h.agrees(g, people)
	}
}

func TestInvites(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(1_000_000)
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{Now: clock(&now)})
	people := h.users("ann", "bob", "cem", "dan", "eve", "fay")
	ann := people[0]
	g := h.create(ann)
	request := func(expires, uses int) contract.ChatsInviteRequest {
		return contract.ChatsInviteRequest{ChatsGroupRequest: of(ann, g), ExpiresIn: expires, Uses: uses}
	}
	for what, req := range map[string]contract.ChatsInviteRequest{
		"expires before":   request(-1, 0),
		"expires late":     request(contract.MaxInviteLife+1, 0),
		"less than no use": request(0, -1),
		"too many uses":    request(0, contract.MaxInviteUses+1),
	} {
		h.expect(what, subjects.ChatsInvite, req, fabric.CodeBadRequest)
	}
	h.expect("as long and as often as can be", subjects.ChatsInvite, request(contract.MaxInviteLife, contract.MaxInviteUses), "")

	invite := func(expires, uses int) string {
		t.Helper()
		in := must[contract.Invite](h, subjects.ChatsInvite, request(expires, uses))
		want := contract.Invite{Code: in.Code, CreatedBy: ann, CreatedAt: now.Load(), Uses: uses}
		if expires > 0 {
			want.ExpiresAt = now.Load() + int64(expires)*1000
		}
		if in != want || len(in.Code) < 26 {
			t.Errorf("invite: %+v, want %+v", in, want)
		}
		return in.Code
	}
	hold := func(what, code string, u fabric.UserID, want fabric.Code) {
		t.Helper()
		h.expect(what+", looked at", subjects.ChatsInvited, contract.ChatsInvitedRequest{User: u, Code: code}, want)
		h.expect(what, subjects.ChatsJoin, contract.ChatsJoinRequest{User: u, Code: code}, want)
	}
	forEver, minute, once := invite(0, 0), invite(60, 0), invite(0, 1)
	got := must[contract.ChatsInvitedReply](h, subjects.ChatsInvited, contract.ChatsInvitedRequest{User: people[5], Code: minute})
	if want := (contract.ChatsInvitedReply{ID: g, Channel: g.Channel(), Name: "weavers", Members: 1}); got != want {
		t.Errorf("invited: %+v, want %+v", got, want)
	}
	now.Add(59_999)
	hold("just in time", minute, people[1], "")
	now.Add(1)
	hold("too late", minute, people[2], fabric.CodeNotFound)
	hold("who is in it already uses nothing up", once, people[1], "")
	hold("once", once, people[2], "")
	hold("twice", once, people[3], fabric.CodeNotFound)
	hold("for ever", forEver, people[3], "")
	h.expect("no code", subjects.ChatsInvited, contract.ChatsInvitedRequest{User: people[4]}, fabric.CodeNotFound)
	hold("a long code", strings.Repeat("x", 100), people[4], fabric.CodeNotFound)

	list := must[contract.ChatsInvitesReply](h, subjects.ChatsInvites, of(ann, g)).Invites
	if i := slices.IndexFunc(list, func(i contract.Invite) bool { return i.Code == forEver }); len(list) != 2 || i < 0 || list[i].Used != 1 {
		t.Errorf("invites: %+v", list)
	}
	uninvite := contract.ChatsUninviteRequest{ChatsGroupRequest: of(ann, g), Code: forEver}
	h.expect("revoked", subjects.ChatsUninvite, uninvite, "")
	hold("revoked", forEver, people[4], fabric.CodeNotFound)
	h.expect("revoked again", subjects.ChatsUninvite, uninvite, fabric.CodeNotFound)
	uninvite.Code = minute
	h.expect("revoked late", subjects.ChatsUninvite, uninvite, fabric.CodeNotFound)
	other := h.create(people[5])
	uninvite.Code = must[contract.Invite](h, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: of(people[5], other)}).Code
	h.expect("another group's", subjects.ChatsUninvite, uninvite, fabric.CodeNotFound)

	// a removed member may come again by one that holds; so many hold at once
	again := invite(0, 0)
	h.remove(ann, g, people[1])
	hold("who was removed", again, people[1], "")
	for n := 2; n < contract.MaxInvites; n++ {
		invite(60, 0)
	}
	h.expect("one too many", subjects.ChatsInvite, request(60, 0), fabric.CodeConflict)
	now.Add(60_000)
	h.expect("when others have expired", subjects.ChatsInvite, request(60, 0), "")
	h.agrees(g, people)
}

// An invite lets in as many as it has uses, also when more come at once.
func TestInviteAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	people := h.users("ann", "1", "2", "3", "4", "5", "6", "7", "8")
	g := h.create(people[0])
	in := must[contract.Invite](h, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: of(people[0], g), Uses: 3})
	var joined, late atomic.Int32
	var wg sync.WaitGroup
	for _, u := range people[1:] {
		wg.Go(func() {
			switch h.code(subjects.ChatsJoin, contract.ChatsJoinRequest{User: u, Code: in.Code}) { //nolint:exhaustive // others count as neither
			case "":
				joined.Add(1)
			case fabric.CodeNotFound:
				late.Add(1)
			}
		})
	}
	wg.Wait()
	h.same("joined and came late", fmt.Sprint(joined.Load(), late.Load()), "3 5")
	h.agrees(g, people)
}

// Whoever may not be added is named with the reason, and nobody else is kept out by that.
func TestNotAdded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(few{h.db, 3}, chats.Config{})
	names := []string{"ann", "all", "contacts", "knows ann", "none", "none but knows ann", "has blocked ann", "is blocked by ann", "gone", "crowded"}
	people := h.users(names...)
	ann := people[0]
	ctx := t.Context()
	groups := func(u fabric.UserID, who string) {
		t.Helper()
		if _, err := h.db.Change(ctx, u, func(p *users.Profile) error { p.Privacy.Groups = who; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	groups(people[2], contract.CircleContacts)
	groups(people[3], contract.CircleContacts)
	groups(people[4], contract.CircleNone)
	groups(people[5], contract.CircleNone)
	for _, i := range []int{3, 5} {
		if err := h.db.AddContacts(ctx, people[i], []fabric.UserID{ann}, 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.db.AddContacts(ctx, ann, people[1:], 10); err != nil { // whom ann knows says nothing
		t.Fatal(err)
	}
	for _, pair := range [][2]fabric.UserID{{people[6], ann}, {ann, people[7]}} {
		if _, err := h.db.Block(ctx, pair[0], pair[1], true, 1, 10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.db.Erase(ctx, people[8], 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h.create(people[9])
	}
	nobody := fabric.NewUserID()
	want := map[fabric.UserID]fabric.Code{
		people[1]: "", people[2]: fabric.CodeForbidden, people[3]: "", people[4]: fabric.CodeForbidden, people[5]: fabric.CodeForbidden,
		people[6]: fabric.CodeForbidden, people[7]: "", people[8]: fabric.CodeNotFound, people[9]: fabric.CodeConflict, nobody: fabric.CodeNotFound,
	}
	everybody := append(append([]fabric.UserID{}, people...), nobody, people[1]) // ann and somebody twice
	check := func(what string, members []contract.GroupMember, not []contract.NotAdded) {
		t.Helper()
		got := make(map[fabric.UserID]fabric.Code)
		for _, m := range members {
			if m.User.ID != ann {
				got[m.User.ID] = ""
			}
		}
		for _, n := range not {
			got[n.User] = n.Code
		}
		h.same(what, got, want)
	}
	list := func(g fabric.GroupID) []contract.GroupMember {
		t.Helper()
		return must[contract.ChatsMembersReply](h, subjects.ChatsMembers, of(ann, g)).Members
	}
	made := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, contract.ChatsCreateRequest{User: ann, Name: "made", Members: everybody})
	check("made with all of them", list(made.ID), made.NotAdded)

	g := h.create(ann)
	added := must[contract.ChatsAddReply](h, subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: of(ann, g), Users: everybody[1:]})
	check("added", list(g), added.NotAdded)
	h.same("how many were added", len(added.Added), 3)
	again := must[contract.ChatsAddReply](h, subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: of(ann, g), Users: people[1:2]})
	if again.Added == nil || len(again.Added) > 0 || again.NotAdded == nil || len(again.NotAdded) > 0 {
		t.Errorf("added again: %+v", again)
	}

	g = h.create(ann)
	for u, code := range want {
		h.expect("put in", subjects.ChatsRole, roleOf(ann, g, u, ""), code)
	}
	// by themselves they may come
	code := must[contract.Invite](h, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: of(ann, g)}).Code
	for _, u := range people[2:7] {
		h.expect("joined", subjects.ChatsJoin, contract.ChatsJoinRequest{User: u, Code: code}, "")
	}
	h.agrees(g, people[:8])
}

// few is a store in which few groups are too many.
type few struct {
	chats.Store
	most int
}

func (s few) InTooMany(ctx context.Context, users []fabric.UserID, _ int) ([]fabric.UserID, error) {
	return s.Store.InTooMany(ctx, users, s.most)
}

func TestTooManyGroups(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(few{h.db, 2}, chats.Config{})
	people := h.users("ann", "bob")
	ann, bob := people[0], people[1]
	h.create(ann)
	cid := fabric.NewCID()
	last := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, contract.ChatsCreateRequest{User: ann, CID: cid, Name: "last"})
	h.expect("one too many", subjects.ChatsCreate, contract.ChatsCreateRequest{User: ann, Name: "x"}, fabric.CodeConflict)
	again := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, contract.ChatsCreateRequest{User: ann, CID: cid, Name: "last"})
	if again.ID != last.ID || !again.Existed {
		t.Errorf("the last one again: %+v", again)
	}
	g := h.create(bob)
	code := must[contract.Invite](h, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: of(bob, g), Uses: 1}).Code
	join := contract.ChatsJoinRequest{User: ann, Code: code}
	h.expect("joined", subjects.ChatsJoin, join, fabric.CodeConflict)
	h.remove(ann, last.ID, ann)
	h.expect("joined with one less", subjects.ChatsJoin, join, "") // the use was not counted
	h.expect("joined again", subjects.ChatsJoin, join, fabric.CodeNotFound)
	h.expect("where one is", subjects.ChatsJoin, contract.ChatsJoinRequest{User: ann, Group: g}, "")
}
