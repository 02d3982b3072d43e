package chats_test

import (
	"context"
	"encoding/json"
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
)

// What can't be a name, a text, a picture or a setting is refused where a group is made and where it is changed.
func TestValuesOfGroups(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	ann := h.users("ann")[0]
	g := h.create(ann)
	picture := strings.Repeat("0a", 32)
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tc := range []struct {
		field, value string
		want         string // what it is then; "-" where it is refused
	}{
		{"name", "weavers", "weavers"},
		{"name", " \tweavers\n", "weavers"},
		{"name", "Weberinnen ✓ 織", "Weberinnen ✓ 織"},
		{"name", long(contract.MaxGroupName), long(contract.MaxGroupName)},
		{"name", long(contract.MaxGroupName + 1), "-"},
		{"name", strings.Repeat("織", contract.MaxGroupName/3+1), "-"},
		{"name", "", "-"},
		{"name", " \n ", "-"},
		{"name", "two\nlines", "-"},
		{"name", "nul\x00", "-"},
		{"name", "esc\x1b[31m", "-"},
		{"name", "del\x7f", "-"},
		{"about", "", ""},
		{"about", " two\nlines ", "two\nlines"},
		{"about", "tab\there", "-"},
		{"about", "cr\rlf", "-"},
		{"about", long(contract.MaxAbout), long(contract.MaxAbout)},
		{"about", long(contract.MaxAbout + 1), "-"},
		{"avatar", picture, picture},
		{"avatar", "", ""},
		{"avatar", strings.ToUpper(picture), "-"},
		{"avatar", picture[2:], "-"},
		{"avatar", picture + "00", "-"},
		{"avatar", "x" + picture[1:], "-"},
		{"avatar", "http://example.com/a.png", "-"},
		{"send", fabric.ByAdmins, fabric.ByAdmins},
		{"send", fabric.ByAll, fabric.ByAll},
		{"send", "", "-"},
		{"send", "owner", "-"},
		{"change", fabric.ByAdmins, fabric.ByAdmins},
		{"change", "nobody", "-"},
		{"history", fabric.HistoryAll, fabric.HistoryAll},
		{"history", "none", "-"},
		{"join", fabric.JoinOpen, fabric.JoinOpen},
		{"join", "closed", "-"},
	} {
		create := contract.ChatsCreateRequest{User: ann, Name: "weavers"}
		change := contract.ChatsChangeRequest{ChatsGroupRequest: of(ann, g)}
		var settings contract.SettingsChange
		switch tc.field {
		case "name":
			create.Name, change.Name = tc.value, &tc.value
		case "about":
			create.About, change.About = tc.value, &tc.value
		case "avatar":
			create.Avatar, change.Avatar = tc.value, &tc.value
		default:
			field := map[string]**string{"send": &settings.Send, "change": &settings.Change, "history": &settings.History, "join": &settings.Join}[tc.field]
			*field = &tc.value
			create.Settings, change.Settings = &settings, &settings
		}
		made, code := call[contract.ChatsCreateReply](h, subjects.ChatsCreate, create)
		changed, code2 := call[contract.ChatsGroupReply](h, subjects.ChatsChange, change)
		for what, got := range map[string]contract.Group{"made": made.Group, "changed": changed.Group} {
			is := map[string]string{
				"name": got.Name, "about": got.About, "avatar": got.Avatar, "send": got.Settings.Send,
				"change": got.Settings.Change, "history": got.Settings.History, "join": got.Settings.Join,
			}[tc.field]
			if code == fabric.CodeBadRequest && code2 == code {
				is = "-"
			}
			if is != tc.want {
				t.Errorf("%s with %s %q: %q, %q %q, want %q", what, tc.field, tc.value, is, code, code2, tc.want)
			}
		}
	}
	for seconds, want := range map[int]fabric.Code{0: "", 86_400: "", 604_800: "", 7_776_000: "", 1: fabric.CodeBadRequest, -86_400: fabric.CodeBadRequest} {
		settings := &contract.SettingsChange{Disappear: &seconds}
		h.expect(fmt.Sprint("made with messages that disappear in ", seconds), subjects.ChatsCreate, contract.ChatsCreateRequest{User: ann, Name: "x", Settings: settings}, want)
		h.expect(fmt.Sprint("messages disappear in ", seconds), subjects.ChatsChange, contract.ChatsChangeRequest{ChatsGroupRequest: of(ann, g), Settings: settings}, want)
	}

	many := make([]fabric.UserID, contract.MaxAddAtOnce+1)
	for i := range many {
		many[i] = fabric.NewUserID()
	}
	for what, req := range map[string]contract.ChatsCreateRequest{
		"nobody's":              {Name: "x"},
		"a cid that is none":    {User: ann, CID: "x", Name: "x"},
		"a member that is none": {User: ann, Name: "x", Members: []fabric.UserID{"*"}},
		"too many members":      {User: ann, Name: "x", Members: many},
	} {
		h.expect(what, subjects.ChatsCreate, req, fabric.CodeBadRequest)
	}
	for what, users := range map[string][]fabric.UserID{"nobody": nil, "no id": {"x"}, "too many": many} {
		h.expect("add "+what, subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: of(ann, g), Users: users}, fabric.CodeBadRequest)
	}
	h.expect("a role that is none", subjects.ChatsRole, roleOf(ann, g, ann, "king"), fabric.CodeBadRequest)
	h.expect("a group that is none", subjects.ChatsGroup, of(ann, "x"), fabric.CodeBadRequest)
	h.expect("a group by its channel", subjects.ChatsGroup, of(ann, fabric.GroupID(g.Channel())), "")
}

// The same cid again is the same group, whatever else is asked for; another person's is another one.
func TestCreateAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	people := h.users("ann", "bob")
	ann, bob, cid := people[0], people[1], fabric.NewCID()
	req := contract.ChatsCreateRequest{User: ann, CID: cid, Name: "weavers", Members: []fabric.UserID{bob}}
	first := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, req)
	req.Name, req.Members = "others", []fabric.UserID{fabric.NewUserID()}
	again := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, req)
	if first.Existed || !again.Existed || again.Group != first.Group || len(again.NotAdded) > 0 || again.Name != "weavers" || again.Members != 2 {
		t.Errorf("first %+v, again %+v", first, again)
	}
	req.User, req.Members = bob, nil
	if theirs := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, req); theirs.Existed || theirs.ID == first.ID || theirs.Name != "others" {
		t.Errorf("bob's: %+v", theirs)
	}
	for range 2 { // without one it is a new group every time
		if got := h.create(ann); got == first.ID {
			t.Error("the same group without a cid")
		}
	}

	// at once too: one makes it
	cid = fabric.NewCID()
	var made atomic.Int32
	var mu sync.Mutex
	ids := make(map[fabric.GroupID]bool)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, contract.ChatsCreateRequest{User: ann, CID: cid, Name: "at once", Members: []fabric.UserID{bob}})
			if !got.Existed {
				made.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[got.ID] = true
		})
	}
	wg.Wait()
	h.same("groups made, ids of them", fmt.Sprint(made.Load(), len(ids)), "1 1")
	for g := range ids {
		h.agrees(g, people)
		if log := h.log(g.Channel()); len(log) != 2 {
			t.Errorf("%d records in its log", len(log))
		}
	}
}

// What a group's log tells: every change once, and nothing of what was so already.
func TestWhatTheLogTells(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	people := h.users("ann", "bob", "cem", "dan")
	ann, bob, cem, dan := people[0], people[1], people[2], people[3]
	g := must[contract.ChatsCreateReply](h, subjects.ChatsCreate, contract.ChatsCreateRequest{
		User: ann, Name: "weavers", About: "looms", Members: []fabric.UserID{bob}, Settings: &contract.SettingsChange{Join: ptr(fabric.JoinOpen)},
	}).ID
	change := func(by fabric.UserID, f func(*contract.ChatsChangeRequest)) {
		t.Helper()
		req := contract.ChatsChangeRequest{ChatsGroupRequest: of(by, g)}
		f(&req)
		must[contract.ChatsGroupReply](h, subjects.ChatsChange, req)
	}
	for range 2 { // the second time it is so
		change(bob, func(r *contract.ChatsChangeRequest) { r.Name, r.About = ptr(" spinners "), ptr("looms") })
		change(ann, func(r *contract.ChatsChangeRequest) {
			r.About, r.Settings = ptr(""), &contract.SettingsChange{Disappear: ptr(86_400)}
		})
		h.add(bob, g, cem)
		h.give(ann, g, cem, fabric.RoleAdmin)
		must[contract.ChatsGroupReply](h, subjects.ChatsJoin, contract.ChatsJoinRequest{User: dan, Group: g})
	}
	h.remove(cem, g, bob)
	h.remove(dan, g, dan)
	h.give(ann, g, dan, fabric.RoleOwner) // who is not there is added
	h.expect("what is refused is not told", subjects.ChatsChange, contract.ChatsChangeRequest{ChatsGroupRequest: of(bob, g), Name: ptr("x")}, fabric.CodeForbidden)

	var got []string
	names := strings.NewReplacer(string(ann), "ann", string(bob), "bob", string(cem), "cem", string(dan), "dan", `"`, "")
	for _, rec := range h.log(g.Channel()) {
		got = append(got, names.Replace(fmt.Sprintf("%s: %s %s", rec.From, rec.Kind, rec.Body)))
	}
	want := []string{
		"ann: group {name:weavers,about:looms,settings:{send:all,change:all,history:joined,join:open,disappear:0},by:ann}",
		"ann: member {event:created,users:[ann,bob],by:ann}",
		"bob: group {name:spinners,by:bob}",
		"ann: group {about:,settings:{send:all,change:all,history:joined,join:open,disappear:86400},by:ann}",
		"bob: member {event:added,users:[cem],by:bob}",
		"ann: member {event:role,users:[cem],by:ann,role:admin}",
		"dan: member {event:joined,users:[dan],by:dan}",
		"cem: member {event:removed,users:[bob],by:cem}",
		"dan: member {event:left,users:[dan],by:dan}",
		"ann: member {event:added,users:[dan],by:ann,role:owner}",
	}
	// about looms was changed to nothing, so that bob's second change is one
	i := slices.Index(want, "dan: member {event:joined,users:[dan],by:dan}") + 1
	want = slices.Insert(want, i, "bob: group {about:looms,by:bob}", "ann: group {about:,by:ann}")
	h.same("log", strings.Join(got, "\n"), strings.Join(want, "\n"))
	h.agrees(g, people)

	// the self channels name the group and who did it
	for _, rec := range h.log(fabric.Self(bob)) {
		var change fabric.ChannelChange
		if err := json.Unmarshal(rec.Body, &change); err != nil {
			t.Fatal(err)
		}
		change.Seq = 0
		want := fabric.ChannelChange{Channel: g.Channel(), Change: fabric.ChangeAdded, By: ann, Name: "weavers"}
		if change.Change == fabric.ChangeRemoved {
			want = fabric.ChannelChange{Channel: g.Channel(), Change: fabric.ChangeRemoved, By: cem}
		}
		if change != want || rec.Kind != fabric.MsgChannel || rec.From != bob {
			t.Errorf("bob's self channel: %s from %s: %+v, want %+v", rec.Kind, rec.From, change, want)
		}
	}
}

// Pages of members of any size bring all of them, each once.
func TestPagesOfMembers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(h.db, chats.Config{})
	people := h.users("ann", "bob", "cem", "dan", "eve")
	ann := people[0]
	g := h.create(ann, people[1:4]...)
	h.add(ann, g, people[4])
	h.give(ann, g, people[4], fabric.RoleAdmin)
	h.give(ann, g, people[2], fabric.RoleOwner)
	page := func(limit int, cursor string) contract.ChatsMembersReply {
		t.Helper()
		return must[contract.ChatsMembersReply](h, subjects.ChatsMembers, contract.ChatsMembersRequest{ChatsGroupRequest: of(ann, g), Limit: limit, Cursor: cursor})
	}
	whole := page(0, "")
	var order []string
	for _, m := range whole.Members {
		order = append(order, m.User.Name+" "+string(m.Role))
	}
	h.same("members", order, []string{"ann owner", "cem owner", "eve admin", "bob member", "dan member"})
	for limit := 1; limit <= 6; limit++ {
		var got []contract.GroupMember
		for cursor := ""; ; {
			p := page(limit, cursor)
			got = append(got, p.Members...)
			if cursor = p.Cursor; cursor == "" {
				break
			}
			if len(p.Members) != limit {
				t.Fatalf("%d members of %d, and yet there are more", len(p.Members), limit)
			}
		}
		h.same(fmt.Sprint("pages of ", limit), got, whole.Members)
	}
	for _, cursor := range []string{"?", "MQ", "MSAyIDM"} {
		h.expect("a cursor that is none", subjects.ChatsMembers, contract.ChatsMembersRequest{ChatsGroupRequest: of(ann, g), Cursor: cursor}, fabric.CodeBadRequest)
	}
}

// Access is answered once the record of a membership is in the log.
func TestAccess(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	people := h.users("ann", "bob", "cem")
	ann, bob, cem := people[0], people[1], people[2]
	var g fabric.GroupID
	h.unrelayed(func() {
		g = h.create(ann, bob, cem)
		h.remove(cem, g, cem)
		h.give(ann, g, bob, fabric.RoleAdmin)
	})
	h.role(h.db, chats.Config{})
	got := must[contract.Membership](h, subjects.ChatsAccess, contract.ChatsAccessRequest{User: bob, Channel: g.Channel()})
	log := h.log(g.Channel())
	want := contract.Membership{Channel: g.Channel(), Role: fabric.RoleAdmin, From: log[1].seq, Settings: fabric.DefaultSettings()}
	if got != want {
		t.Errorf("access: %+v, want %+v", got, want)
	}
	all := must[contract.ChatsMembershipsReply](h, subjects.ChatsMemberships, contract.ChatsMembershipsRequest{User: bob})
	if len(all.Groups) != 1 || all.Groups[0] != want || !all.ReadReceipts {
		t.Errorf("memberships: %+v, want %+v", all, want)
	}
	if all := must[contract.ChatsMembershipsReply](h, subjects.ChatsMemberships, contract.ChatsMembershipsRequest{User: cem}); all.Groups == nil || len(all.Groups) > 0 {
		t.Errorf("memberships of who has left: %+v", all)
	}
	for what, tc := range map[string]struct {
		u    fabric.UserID
		c    fabric.ChannelID
		want fabric.Code
	}{
		"who has left":      {cem, g.Channel(), fabric.CodeForbidden},
		"nobody":            {fabric.NewUserID(), g.Channel(), fabric.CodeForbidden},
		"no group":          {ann, fabric.NewGroupID().Channel(), fabric.CodeForbidden},
		"a direct chat":     {ann, fabric.Direct(ann, bob), fabric.CodeBadRequest},
		"one's own channel": {ann, fabric.Self(ann), fabric.CodeBadRequest},
		"no channel":        {ann, "x", fabric.CodeBadRequest},
		"no user":           {"x", g.Channel(), fabric.CodeBadRequest},
	} {
		h.expect(what, subjects.ChatsAccess, contract.ChatsAccessRequest{User: tc.u, Channel: tc.c}, tc.want)
	}
	floors := must[contract.ChatsFloorsReply](h, subjects.ChatsFloors, contract.ChatsFloorsRequest{Channel: g.Channel()})
	slices.SortFunc(people[:2], func(a, b fabric.UserID) int { return strings.Compare(string(a), string(b)) })
	h.same("floors", floors.Members, []contract.Floor{{User: people[0], From: want.From}, {User: people[1], From: want.From}})
}

// A group takes no more than it may have, and somebody who comes by themselves while they are put in is told of.
func TestComingAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, natsconfig.FabricConfig{})
	h.role(&late{Store: full{h.db}}, chats.Config{})
	people := h.users("ann", "bob", "cem", "dan")
	ann, bob := people[0], people[1]
	g := h.create(ann, bob)
	// to the first look they are not there
	if got := must[contract.ChatsRoleReply](h, subjects.ChatsRole, roleOf(ann, g, bob, fabric.RoleMember)); got != (contract.ChatsRoleReply{User: bob, Role: fabric.RoleMember}) {
		t.Errorf("put in who has just come: %+v", got)
	}
	other := h.create(ann, bob)
	h.expect("put in as an admin who has just come", subjects.ChatsRole, roleOf(ann, other, bob, fabric.RoleAdmin), fabric.CodeConflict)
	third := h.create(ann, bob)
	h.give(ann, third, bob, "")

	// the group is full with two more
	h.expect("three", subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: of(ann, g), Users: append(people[2:], h.users("eve")...)}, fabric.CodeConflict)
	h.add(ann, g, people[2:]...)
	h.agrees(g, people)
}

// full is a store whose groups have room for two more than two members.
type full struct{ chats.Store }

func (s full) InGroup(ctx context.Context, c fabric.ChannelID, f func(chats.GroupTx) error) error {
	return s.Store.InGroup(ctx, c, func(t chats.GroupTx) error { return f(fullTx{t}) })
}

type fullTx struct{ chats.GroupTx }

func (t fullTx) Group() chats.Group {
	g := t.GroupTx.Group()
	g.Members += fabric.MaxGroupMembers - 4
	return g
}

// late is a store that finds a member other than the owner only when it looks for the second time.
type late struct {
	chats.Store
	seen sync.Map
}

func (s *late) Member(ctx context.Context, c fabric.ChannelID, u fabric.UserID) (chats.Member, bool, error) {
	m, ok, err := s.Store.Member(ctx, c, u)
	if _, again := s.seen.LoadOrStore(string(c)+string(u), true); !again && m.Role != fabric.RoleOwner {
		return chats.Member{}, false, err
	}
	return m, ok, err
}
