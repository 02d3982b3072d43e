package chats_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// cast are the people of a matrix: who acts, whom it is done to, and a group of theirs.
type cast struct {
	*house
	owner, admin, member, past, stranger fabric.UserID
	owner2, admin2, member2, guest       fabric.UserID

	group fabric.GroupID
}

func newCast(h *house) *cast {
	u := h.users("owner", "admin", "member", "past", "stranger", "owner2", "admin2", "member2", "guest")
	return &cast{
		house: h, owner: u[0], admin: u[1], member: u[2], past: u[3], stranger: u[4],
		owner2: u[5], admin2: u[6], member2: u[7], guest: u[8],
	}
}

// found founds their group anew.
func (c *cast) found(settings fabric.Settings) {
	c.t.Helper()
	c.group = fabric.NewGroupID()
	g := chats.Group{Channel: c.group.Channel(), Name: "weavers", CreatedAt: 1, CreatedBy: c.owner, Settings: settings}
	_, _, err := c.db.CreateGroup(c.t.Context(), g, "", func(tx chats.GroupTx) error {
		for role, users := range map[fabric.Role][]fabric.UserID{
			fabric.RoleOwner: {c.owner, c.owner2}, fabric.RoleAdmin: {c.admin, c.admin2}, fabric.RoleMember: {c.member, c.member2, c.past},
		} {
			if err := tx.Add(c.t.Context(), users, role, 1); err != nil {
				return err
			}
		}
		return tx.Remove(c.t.Context(), c.past, fabric.NewCID())
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// invited writes an invite by somebody and returns its code.
func (c *cast) invited(g fabric.GroupID, by fabric.UserID) string {
	c.t.Helper()
	code := fabric.NewCID()
	if err := c.db.AddInvite(c.t.Context(), g.Channel(), contract.Invite{Code: code, CreatedBy: by, CreatedAt: 1}, 1, 1000); err != nil {
		c.t.Fatal(err)
	}
	return code
}

// act is something that u does to a group of the cast's, which they may think of only.
type act struct {
	name string
	do   func(c *cast, u fabric.UserID, g fabric.GroupID) error
	// What it is answered to owner, admin, member, past member and stranger, where all members may change the group and
	// where only admins may; "" for as in the first case. o is done, F forbidden, N not found, C a conflict.
	all, admins string
}

func tried(c *cast, verb subjects.Verb, req any) error {
	_, err := service.CallRaw(c.t.Context(), c.nc, verb, req)
	return err
}

func doing(verb subjects.Verb, req func(c *cast, of contract.ChatsGroupRequest) any) func(*cast, fabric.UserID, fabric.GroupID) error {
	return func(c *cast, u fabric.UserID, g fabric.GroupID) error {
		return tried(c, verb, req(c, contract.ChatsGroupRequest{User: u, Group: g}))
	}
}

func changing(f func(*contract.ChatsChangeRequest)) func(*cast, fabric.UserID, fabric.GroupID) error {
	return doing(subjects.ChatsChange, func(_ *cast, of contract.ChatsGroupRequest) any {
		r := contract.ChatsChangeRequest{ChatsGroupRequest: of}
		f(&r)
		return r
	})
}

func adding(who func(*cast) fabric.UserID) func(*cast, fabric.UserID, fabric.GroupID) error {
	return doing(subjects.ChatsAdd, func(c *cast, of contract.ChatsGroupRequest) any {
		return contract.ChatsAddRequest{ChatsGroupRequest: of, Users: []fabric.UserID{who(c)}}
	})
}

func removing(who func(*cast) fabric.UserID) func(*cast, fabric.UserID, fabric.GroupID) error {
	return doing(subjects.ChatsRemove, func(c *cast, of contract.ChatsGroupRequest) any {
		member := of.User
		if who != nil {
			member = who(c)
		}
		return contract.ChatsRemoveRequest{ChatsGroupRequest: of, Member: member}
	})
}

func giving(role fabric.Role, who func(*cast) fabric.UserID) func(*cast, fabric.UserID, fabric.GroupID) error {
	return doing(subjects.ChatsRole, func(c *cast, of contract.ChatsGroupRequest) any {
		member := of.User
		if who != nil {
			member = who(c)
		}
		return contract.ChatsRoleRequest{ChatsGroupRequest: of, Member: member, Role: role}
	})
}

func joining(code func(*cast) string) func(*cast, fabric.UserID, fabric.GroupID) error {
	return doing(subjects.ChatsJoin, func(c *cast, of contract.ChatsGroupRequest) any {
		return contract.ChatsJoinRequest{User: of.User, Group: of.Group, Code: code(c)}
	})
}

func revoking(code func(c *cast, u fabric.UserID) string) func(*cast, fabric.UserID, fabric.GroupID) error {
	return doing(subjects.ChatsUninvite, func(c *cast, of contract.ChatsGroupRequest) any {
		return contract.ChatsUninviteRequest{ChatsGroupRequest: of, Code: code(c, of.User)}
	})
}

func plain(_ *cast, of contract.ChatsGroupRequest) any { return of }

func owner2(c *cast) fabric.UserID  { return c.owner2 }
func admin2(c *cast) fabric.UserID  { return c.admin2 }
func member2(c *cast) fabric.UserID { return c.member2 }
func guest(c *cast) fabric.UserID   { return c.guest }
func nobody(*cast) fabric.UserID    { return fabric.NewUserID() }

// The rules of groups: who may do what.
var matrix = []act{
	{"look at the group", doing(subjects.ChatsGroup, plain), "oooFF", ""},
	{"list its members", doing(subjects.ChatsMembers, plain), "oooFF", ""},
	{"look who has read", doing(subjects.ChatsReceipts, func(_ *cast, of contract.ChatsGroupRequest) any {
		return contract.ChatsReceiptsRequest{User: of.User, Channel: of.Group.Channel()}
	}), "oooFF", ""},

	{"change the name", changing(func(r *contract.ChatsChangeRequest) { r.Name = ptr("spinners") }), "oooFF", "ooFFF"},
	{"change the name to what it is", changing(func(r *contract.ChatsChangeRequest) { r.Name = ptr("weavers") }), "oooFF", "ooFFF"},
	{"change the text", changing(func(r *contract.ChatsChangeRequest) { r.About = ptr("x") }), "oooFF", "ooFFF"},
	{"change the picture", changing(func(r *contract.ChatsChangeRequest) { r.Avatar = ptr(strings.Repeat("ab", 32)) }), "oooFF", "ooFFF"},
	{"change nothing", changing(func(*contract.ChatsChangeRequest) {}), "oooFF", ""},
	{"change who sends", changing(func(r *contract.ChatsChangeRequest) {
		r.Settings = &contract.SettingsChange{Send: ptr(fabric.ByAdmins)}
	}), "ooFFF", ""},
	{"change who changes", changing(func(r *contract.ChatsChangeRequest) {
		r.Settings = &contract.SettingsChange{Change: ptr(fabric.ByAdmins)}
	}), "ooFFF", ""},
	{"change name and settings", changing(func(r *contract.ChatsChangeRequest) {
		r.Name, r.Settings = ptr("spinners"), &contract.SettingsChange{Disappear: ptr(86_400)}
	}), "ooFFF", ""},

	{"add somebody", adding(guest), "oooFF", "ooFFF"},
	{"add who is there", adding(member2), "oooFF", "ooFFF"},
	{"add nobody", adding(nobody), "oooFF", "ooFFF"}, // who is not added is in the reply
	{"put somebody in", giving("", guest), "oooFF", "ooFFF"},
	{"put somebody in as a member", giving(fabric.RoleMember, guest), "oooFF", "ooFFF"},
	{"put somebody in as an admin", giving(fabric.RoleAdmin, guest), "ooFFF", ""},
	{"put somebody in as an owner", giving(fabric.RoleOwner, guest), "oFFFF", ""},
	{"put nobody in", giving(fabric.RoleMember, nobody), "NNNFF", "NNFFF"},

	{"remove a member", removing(member2), "ooFFF", ""},
	{"remove an admin", removing(admin2), "ooFFF", ""},
	{"remove an owner", removing(owner2), "oFFFF", ""},
	{"remove who is not there", removing(guest), "NNFFF", ""},
	{"leave", removing(nil), "oooFF", ""},

	{"ask for a role", giving("", admin2), "oooFF", ""},
	{"make a member an admin", giving(fabric.RoleAdmin, member2), "ooFFF", ""},
	{"make a member an owner", giving(fabric.RoleOwner, member2), "oFFFF", ""},
	{"make a member one", giving(fabric.RoleMember, member2), "ooFFF", ""},
	{"make an admin a member", giving(fabric.RoleMember, admin2), "ooFFF", ""},
	{"make an admin an owner", giving(fabric.RoleOwner, admin2), "oFFFF", ""},
	{"make an owner an admin", giving(fabric.RoleAdmin, owner2), "oFFFF", ""},
	{"make an owner a member", giving(fabric.RoleMember, owner2), "oFFFF", ""},
	{"make an owner one", giving(fabric.RoleOwner, owner2), "oFFFF", ""},
	{"make oneself a member", giving(fabric.RoleMember, nil), "ooFFF", ""},
	{"make oneself an admin", giving(fabric.RoleAdmin, nil), "ooFFF", ""},
	{"make oneself an owner", giving(fabric.RoleOwner, nil), "oFFFF", ""},

	{"invite", doing(subjects.ChatsInvite, func(_ *cast, of contract.ChatsGroupRequest) any {
		return contract.ChatsInviteRequest{ChatsGroupRequest: of, ExpiresIn: 60, Uses: 1}
	}), "oooFF", "ooFFF"},
	{"list invites", doing(subjects.ChatsInvites, plain), "oooFF", "ooFFF"},
	{"revoke one's own invite", revoking(func(c *cast, u fabric.UserID) string { return c.invited(c.group, u) }), "oooFF", ""},
	{"revoke another's invite", revoking(func(c *cast, _ fabric.UserID) string { return c.invited(c.group, c.owner2) }), "ooFFF", ""},
	{"revoke an invite that there is not", revoking(func(*cast, fabric.UserID) string { return "x" }), "NNNFF", ""},

	{"join", joining(func(*cast) string { return "" }), "oooFF", ""}, // who is in it is answered as if they had just come
	{"join by an invite that there is not", joining(func(*cast) string { return "x" }), "NNNNN", ""},
}

func ptr[T any](v T) *T { return &v }

// letter is an answer in the matrix.
func letter(t testing.TB, err error) string {
	t.Helper()
	var known *fabric.Error
	switch {
	case err == nil:
		return "o"
	case !errors.As(err, &known):
		t.Fatal(err)
	case known.Code == fabric.CodeForbidden:
		return "F"
	case known.Code == fabric.CodeNotFound:
		return "N"
	case known.Code == fabric.CodeConflict:
		return "C"
	}
	return string(known.Code)
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	c := newCast(newHouse(t, natsconfig.FabricConfig{}))
	c.role(c.db, chats.Config{})
	for _, by := range []string{fabric.ByAll, fabric.ByAdmins} {
		settings := fabric.DefaultSettings()
		settings.Change = by
		c.found(settings)
		for _, a := range matrix {
			want := a.all
			if by == fabric.ByAdmins && a.admins != "" {
				want = a.admins
			}
			var got string
			for _, u := range []fabric.UserID{c.owner, c.admin, c.member, c.past, c.stranger} {
				before := c.state()
				answer := letter(t, a.do(c, u, c.group))
				got += answer
				switch after := c.state(); {
				case answer == "o" && after != before:
					c.found(settings)
				case after != before:
					t.Errorf("%s was refused with %s, and yet %s became %s", a.name, answer, before, after)
				}
			}
			if got != want {
				t.Errorf("where %s may change: %s: owner, admin, member, past member and stranger get %s, want %s", by, a.name, got, want)
			}
		}
	}
	c.relayed()
}

// state is what the database has of the group.
func (c *cast) state() string {
	c.t.Helper()
	g, err := c.db.Group(c.t.Context(), c.group.Channel())
	if err != nil {
		c.t.Fatal(err)
	}
	members, err := c.db.Members(c.t.Context(), c.group.Channel(), chats.MemberPlace{}, 100)
	if err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprint(g, members)
}

// An invite, or a group that is open to all, lets in whoever comes; those who are there stay what they are.
func TestWhoMayJoin(t *testing.T) {
	t.Parallel()
	c := newCast(newHouse(t, natsconfig.FabricConfig{}))
	c.role(c.db, chats.Config{})
	open := fabric.DefaultSettings()
	open.Join, open.Change = fabric.JoinOpen, fabric.ByAdmins
	closed := fabric.DefaultSettings()
	for name, tc := range map[string]struct {
		settings fabric.Settings
		join     func() contract.ChatsJoinRequest
	}{
		"open":      {open, func() contract.ChatsJoinRequest { return contract.ChatsJoinRequest{Group: c.group} }},
		"by a code": {closed, func() contract.ChatsJoinRequest { return contract.ChatsJoinRequest{Code: c.invited(c.group, c.admin)} }},
		"code and id": {closed, func() contract.ChatsJoinRequest {
			return contract.ChatsJoinRequest{Code: c.invited(c.group, c.admin), Group: c.group}
		}},
		"code and channel": {closed, func() contract.ChatsJoinRequest {
			return contract.ChatsJoinRequest{Code: c.invited(c.group, c.admin), Group: fabric.GroupID(c.group.Channel())}
		}},
		"open, by a code": {open, func() contract.ChatsJoinRequest {
			return contract.ChatsJoinRequest{Code: c.invited(c.group, c.owner), Group: c.group}
		}},
	} {
		c.found(tc.settings)
		members := 6
		for i, u := range []fabric.UserID{c.owner, c.admin, c.member, c.past, c.stranger} {
			req := tc.join()
			req.User = u
			got := must[contract.ChatsGroupReply](c.house, subjects.ChatsJoin, req)
			role := []fabric.Role{fabric.RoleOwner, fabric.RoleAdmin}[min(i, 1)]
			if i > 1 {
				role = fabric.RoleMember
			}
			if i > 2 {
				members++
			}
			if got.ID != c.group || got.Role != role || got.Members != members {
				t.Errorf("%s: %+v, want %s of %d", name, got, role, members)
			}
		}
		other := c.invited(c.group, c.owner)
		c.found(tc.settings)
		if _, code := call[contract.ChatsGroupReply](c.house, subjects.ChatsJoin, contract.ChatsJoinRequest{User: c.stranger, Group: c.group, Code: other}); code != fabric.CodeNotFound {
			t.Errorf("%s: by another group's code: %q", name, code)
		}
	}
}

// Whoever is not in a group hears the same whether there is one or not.
func TestGroupsDoNotShow(t *testing.T) {
	t.Parallel()
	c := newCast(newHouse(t, natsconfig.FabricConfig{}))
	c.role(c.db, chats.Config{})
	c.found(fabric.DefaultSettings())
	acts := append([]act{
		{name: "access", do: doing(subjects.ChatsAccess, func(_ *cast, of contract.ChatsGroupRequest) any {
			return contract.ChatsAccessRequest{User: of.User, Channel: of.Group.Channel()}
		})},
		{name: "channel", do: doing(subjects.ChatsChannel, func(_ *cast, of contract.ChatsGroupRequest) any {
			return contract.ChatsChannelRequest{User: of.User, Channel: of.Group.Channel()}
		})},
		{name: "prefs", do: doing(subjects.ChatsPrefs, func(_ *cast, of contract.ChatsGroupRequest) any {
			return contract.ChatsPrefsRequest{ChatsChannelRequest: contract.ChatsChannelRequest{User: of.User, Channel: of.Group.Channel()}, Pinned: ptr(true)}
		})},
	}, matrix...)
	nowhere := fabric.NewGroupID()
	for _, u := range []fabric.UserID{c.past, c.stranger} {
		for _, a := range acts {
			here, there := a.do(c, u, c.group), a.do(c, u, nowhere)
			if here == nil || there == nil {
				t.Errorf("%s: %v here, %v nowhere", a.name, here, there)
				continue
			}
			if h, n := strings.ReplaceAll(here.Error(), string(c.group), ""), strings.ReplaceAll(there.Error(), string(nowhere), ""); h != n {
				t.Errorf("%s: here they hear %q, nowhere %q", a.name, h, n)
			}
		}
	}
}
