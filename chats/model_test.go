package chats_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// valve is a store whose records wait in the outbox while it is shut, and nobody waits for them.
type valve struct {
	chats.Store
	open atomic.Bool
}

func (s *valve) Outbox(ctx context.Context, limit int) ([]chats.Waiting, error) {
	if !s.open.Load() {
		return nil, nil
	}
	return s.Store.Outbox(ctx, limit)
}

func (s *valve) Waits(ctx context.Context, cid string) (bool, error) {
	if !s.open.Load() {
		return false, nil
	}
	return s.Store.Waits(ctx, cid)
}

// model is a group as its rules have it, kept in the simplest way.
type model struct {
	name    string
	members map[fabric.UserID]fabric.Role
	change  string // who may change it
	join    string
	invites []*modelInvite
}

type modelInvite struct {
	code      string
	by        fabric.UserID
	uses      int
	used      int
	isRevoked bool
}

func (i *modelInvite) holds() bool { return !i.isRevoked && (i.uses == 0 || i.used < i.uses) }

func (m *model) leads(u fabric.UserID) bool {
	return m.members[u] == fabric.RoleOwner || m.members[u] == fabric.RoleAdmin
}

func (m *model) mayChange(u fabric.UserID) bool {
	return m.leads(u) || (m.members[u] != "" && m.change == fabric.ByAll)
}

// lastOwner reports whether u is the only owner.
func (m *model) lastOwner(u fabric.UserID) bool {
	for v, role := range m.members {
		if v != u && role == fabric.RoleOwner {
			return false
		}
	}
	return m.members[u] == fabric.RoleOwner
}

func (m *model) remove(by, u fabric.UserID) fabric.Code {
	switch {
	case m.members[by] == "", by != u && !m.leads(by):
		return fabric.CodeForbidden
	case m.members[u] == "":
		return fabric.CodeNotFound
	case by != u && m.members[u] == fabric.RoleOwner && m.members[by] != fabric.RoleOwner:
		return fabric.CodeForbidden
	case m.lastOwner(u) && len(m.members) > 1:
		return fabric.CodeConflict
	}
	delete(m.members, u)
	return ""
}

func (m *model) give(by, u fabric.UserID, role fabric.Role) fabric.Code {
	was := m.members[u]
	switch {
	case m.members[by] == "":
		return fabric.CodeForbidden
	case was == "" && (!m.mayChange(by) || (role == fabric.RoleAdmin && !m.leads(by))):
		return fabric.CodeForbidden
	case was == "" && role == fabric.RoleOwner && m.members[by] != fabric.RoleOwner:
		return fabric.CodeForbidden
	case was == "":
		if role == "" {
			role = fabric.RoleMember
		}
	case role == "":
		return ""
	case !m.leads(by), (was == fabric.RoleOwner || role == fabric.RoleOwner) && m.members[by] != fabric.RoleOwner:
		return fabric.CodeForbidden
	case role != was && m.lastOwner(u):
		return fabric.CodeConflict
	}
	m.members[u] = role
	return ""
}

func (m *model) add(by fabric.UserID, users []fabric.UserID) fabric.Code {
	if !m.mayChange(by) {
		return fabric.CodeForbidden
	}
	for _, u := range users {
		if m.members[u] == "" {
			m.members[u] = fabric.RoleMember
		}
	}
	return ""
}

// enter has u join; by is the invite, nil for none.
func (m *model) enter(u fabric.UserID, by *modelInvite) fabric.Code {
	switch {
	case by != nil && !by.holds():
		return fabric.CodeNotFound
	case m.members[u] != "":
		return ""
	case by == nil && m.join != fabric.JoinOpen:
		return fabric.CodeForbidden
	case by != nil:
		by.used++
	}
	role := fabric.RoleMember
	if len(m.members) == 0 {
		role = fabric.RoleOwner
	}
	m.members[u] = role
	return ""
}

func (m *model) revoke(by fabric.UserID, in *modelInvite) fabric.Code {
	switch {
	case m.members[by] == "":
		return fabric.CodeForbidden
	case !in.holds():
		return fabric.CodeNotFound
	case in.by != by && !m.leads(by):
		return fabric.CodeForbidden
	}
	in.isRevoked = true
	return ""
}

// Whatever is done to a group, it answers as its rules say, and when all is in the log, the log tells of the same members
// and roles as the database has; records wait in the outbox for as long as they may.
func TestGroupsAgainstAModel(t *testing.T) {
	t.Parallel()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("40"); err != nil { // each is a group's life; a hundred take long on PostgreSQL
			t.Fatal(err)
		}
	}
	h := newHouse(t, natsconfig.FabricConfig{})
	store := &valve{Store: h.db}
	h.role(store, chats.Config{})
	people := h.users("ann", "bob", "cem", "dan", "eve")
	rapid.Check(t, func(rt *rapid.T) {
		store.open.Store(false)
		who := rapid.SampledFrom(people)
		m := &model{name: "weavers", members: make(map[fabric.UserID]fabric.Role), change: fabric.ByAll, join: fabric.JoinInvite}
		founder := who.Draw(rt, "founder")
		g := h.create(founder, rapid.SliceOfNDistinct(who, 0, 3, rapid.ID).Draw(rt, "first members")...)
		for _, member := range must[contract.ChatsMembersReply](h, subjects.ChatsMembers, of(founder, g)).Members {
			m.members[member.User.ID] = member.Role
		}
		answers := func(what string, got, want fabric.Code) {
			rt.Helper()
			if got != want {
				rt.Fatalf("%s: %q, want %q; the group has %v", what, got, want, m.members)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) {},
			"add": func(rt *rapid.T) {
				by, users := who.Draw(rt, "by"), rapid.SliceOfN(who, 1, 3).Draw(rt, "users")
				got := h.code(subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: of(by, g), Users: users})
				answers("add", got, m.add(by, users))
			},
			"remove": func(rt *rapid.T) {
				by, u := who.Draw(rt, "by"), who.Draw(rt, "user")
				answers("remove", h.code(subjects.ChatsRemove, removal(by, g, u)), m.remove(by, u))
			},
			"leave": func(rt *rapid.T) {
				u := who.Draw(rt, "user")
				answers("leave", h.code(subjects.ChatsRemove, removal(u, g, u)), m.remove(u, u))
			},
			"role": func(rt *rapid.T) {
				by, u := who.Draw(rt, "by"), who.Draw(rt, "user")
				role := rapid.SampledFrom([]fabric.Role{"", fabric.RoleMember, fabric.RoleAdmin, fabric.RoleOwner}).Draw(rt, "role")
				answers("give "+string(role), h.code(subjects.ChatsRole, roleOf(by, g, u, role)), m.give(by, u, role))
			},
			"settings": func(rt *rapid.T) {
				by := who.Draw(rt, "by")
				change := rapid.SampledFrom([]string{fabric.ByAll, fabric.ByAdmins}).Draw(rt, "change")
				join := rapid.SampledFrom([]string{fabric.JoinInvite, fabric.JoinOpen}).Draw(rt, "join")
				want := fabric.CodeForbidden
				if m.leads(by) {
					m.change, m.join, want = change, join, ""
				}
				got := h.code(subjects.ChatsChange, contract.ChatsChangeRequest{
					ChatsGroupRequest: of(by, g), Settings: &contract.SettingsChange{Change: &change, Join: &join},
				})
				answers("settings", got, want)
			},
			"rename": func(rt *rapid.T) {
				by, name := who.Draw(rt, "by"), rapid.StringMatching("[a-z]{1,3}").Draw(rt, "name")
				want := fabric.CodeForbidden
				if m.mayChange(by) {
					m.name, want = name, ""
				}
				answers("rename", h.code(subjects.ChatsChange, contract.ChatsChangeRequest{ChatsGroupRequest: of(by, g), Name: &name}), want)
			},
			"invite": func(rt *rapid.T) {
				by, uses := who.Draw(rt, "by"), rapid.IntRange(0, 2).Draw(rt, "uses")
				in, code := call[contract.Invite](h, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: of(by, g), Uses: uses})
				want := fabric.CodeForbidden
				if m.mayChange(by) {
					want = ""
					m.invites = append(m.invites, &modelInvite{code: in.Code, by: by, uses: uses})
				}
				answers("invite", code, want)
			},
			"revoke": func(rt *rapid.T) {
				if len(m.invites) == 0 {
					rt.Skip("there is no invite")
				}
				by, in := who.Draw(rt, "by"), rapid.SampledFrom(m.invites).Draw(rt, "invite")
				got := h.code(subjects.ChatsUninvite, contract.ChatsUninviteRequest{ChatsGroupRequest: of(by, g), Code: in.code})
				answers("revoke", got, m.revoke(by, in))
			},
			"join": func(rt *rapid.T) {
				u := who.Draw(rt, "user")
				req, by := contract.ChatsJoinRequest{User: u, Group: g}, (*modelInvite)(nil)
				if len(m.invites) > 0 && rapid.Bool().Draw(rt, "by an invite") {
					by = rapid.SampledFrom(m.invites).Draw(rt, "invite")
					req.Code = by.code
				}
				answers("join", h.code(subjects.ChatsJoin, req), m.enter(u, by))
			},
			"relay": func(rt *rapid.T) { store.open.Store(rapid.Bool().Draw(rt, "open")) },
		})
		store.open.Store(true)
		if wrong := h.disagreements(g, people); len(wrong) > 0 {
			rt.Fatal(strings.Join(wrong, "\n"))
		}
		row, err := h.db.Group(t.Context(), g.Channel())
		if err != nil {
			rt.Fatal(err)
		}
		var got, want []string
		list, err := h.db.Members(t.Context(), g.Channel(), chats.MemberPlace{}, 10)
		if err != nil {
			rt.Fatal(err)
		}
		for _, member := range list {
			got = append(got, fmt.Sprint(member.User.ID, member.Role))
		}
		for u, role := range m.members {
			want = append(want, fmt.Sprint(u, role))
		}
		slices.Sort(got)
		slices.Sort(want)
		if fmt.Sprint(row.Name, row.Settings.Change, row.Settings.Join, got) != fmt.Sprint(m.name, m.change, m.join, want) {
			rt.Fatalf("%+v with %v, want %+v with %v", row, got, m, want)
		}
	})
}
