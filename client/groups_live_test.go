package client_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// live is a signed-in user with a session on a real server.
type live struct {
	*client.Session
	account *client.Account
	id      fabric.UserID
	seen    []client.Event
}

func connect(t *testing.T, f *edgetest.Fabric, e *edgetest.Edge, name string) *live {
	t.Helper()
	g := f.User(t, e, name)
	s, err := client.Connect(t.Context(), client.Options{URL: e.URL, Tokens: client.StaticToken(g.AccessToken), AckDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &live{Session: s, account: s.Account(), id: g.User.ID}
}

// await returns the next event of type E for which is is true; others are passed over.
func await[E client.Event](t *testing.T, u *live, what string, is func(E) bool) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		select {
		case ev := <-u.Events():
			u.seen = append(u.seen, ev)
			if e, ok := ev.(E); ok && is(e) {
				return e
			}
		case <-ctx.Done():
			t.Fatalf("%s did not come; what came: %+v", what, u.seen)
		}
	}
}

// record waits for a record of a channel with this kind.
func record(t *testing.T, u *live, c fabric.ChannelID, kind string) *client.Message {
	t.Helper()
	return await(t, u, "a record of kind "+kind, func(m *client.Message) bool { return m.Channel == c && m.Kind == kind })
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func mustNot(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAGroupFromItsMakingToItsEnd(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem, dan := connect(t, f, e, "Ann"), connect(t, f, e, "Bob"), connect(t, f, e, "Cem"), connect(t, f, e, "Dan")
	ctx := t.Context()

	g, not, err := ann.account.CreateGroup(ctx, client.NewGroup{Name: "Crew", Members: []fabric.UserID{bob.id, fabric.NewUserID()}})
	mustNot(t, err)
	if g.Role != fabric.RoleOwner || g.Members != 2 || len(not) != 1 || not[0].Code != fabric.CodeNotFound {
		t.Fatalf("the group is %+v, not added are %+v", g, not)
	}
	added := await(t, bob, "that bob was added", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeAdded })
	if added.Channel != g.Channel || added.Name != "Crew" || added.By != ann.id {
		t.Errorf("bob is told %+v", added)
	}

	sent := must[fabric.Sent](t)(ann.SendText(ctx, string(g.Channel), client.Text{Text: "welcome"}))
	got := record(t, bob, g.Channel, "text")
	if got.Seq != sent.Seq || got.From != ann.id {
		t.Errorf("bob gets %+v, ann sent %+v", got, sent)
	}
	bob.Read(g.Channel, got.Seq)
	all := await(t, ann, "that all have read it", func(r *client.Receipt) bool { return r.Channel == g.Channel && r.Read >= sent.Seq })
	if all.User != "" {
		t.Errorf("the group's receipt is of user %s", all.User)
	}
	info := must[client.ReceiptPage](t)(ann.ReceiptPage(ctx, g.Channel, client.ReceiptQuery{Seq: sent.Seq}))
	if !slices.ContainsFunc(info.Receipts, func(r fabric.Receipt) bool { return r.User == bob.id && r.Read == sent.Seq }) {
		t.Errorf("the message's info is %+v", info)
	}

	if _, _, err := bob.account.AddMembers(ctx, g.ID, cem.id); err != nil {
		t.Fatal(err)
	}
	if m := record(t, ann, g.Channel, fabric.MsgMember); m.From != bob.id {
		t.Errorf("ann gets %+v", m)
	}
	if role := must[fabric.Role](t)(ann.account.SetRole(ctx, g.ID, bob.id, fabric.RoleAdmin)); role != fabric.RoleAdmin {
		t.Errorf("bob's role is %s", role)
	}
	members := must[client.MemberPage](t)(cem.account.Members(ctx, g.ID, 2, ""))
	if len(members.Members) != 2 || members.Members[0].User.ID != ann.id || members.Members[1].User.ID != bob.id || members.Cursor == "" {
		t.Errorf("the first members are %+v", members)
	}
	if rest := must[client.MemberPage](t)(cem.account.Members(ctx, g.ID, 2, members.Cursor)); len(rest.Members) != 1 || rest.Members[0].User.ID != cem.id {
		t.Errorf("the others are %+v", rest)
	}

	name, admins := "The crew", fabric.ByAdmins
	if changed := must[client.Group](t)(bob.account.ChangeGroup(ctx, g.ID, client.GroupPatch{
		Name: &name, Settings: &client.SettingsPatch{Send: &admins},
	})); changed.Name != name || changed.Settings.Send != admins {
		t.Errorf("the group is %+v now", changed)
	}
	record(t, cem, g.Channel, fabric.MsgGroup)
	if _, err := cem.SendText(ctx, string(g.Channel), client.Text{Text: "me too"}); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("cem's message ends with %v, want forbidden", err)
	}

	invite := must[client.Invite](t)(bob.account.Invite(ctx, g.ID, client.NewInvite{Uses: 1}))
	if in := must[client.Invitation](t)(dan.account.Invitation(ctx, invite.Code)); in.Name != name || in.Members != 3 {
		t.Errorf("the invitation is %+v", in)
	}
	if joined := must[client.Group](t)(dan.account.JoinByInvite(ctx, invite.Code)); joined.ID != g.ID || joined.Role != fabric.RoleMember {
		t.Errorf("dan joins %+v", joined)
	}
	await(t, dan, "that dan is in", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeAdded })
	mustNot(t, dan.Leave(ctx, g.Channel))
	await(t, dan, "that dan has left", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeRemoved })
	if err := dan.Join(ctx, g.Channel, invite.Code); err == nil {
		t.Error("an invite for one lets somebody in twice")
	}

	mustNot(t, bob.account.RemoveMember(ctx, g.ID, cem.id))
	await(t, cem, "that cem was removed", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeRemoved })
	if _, err := cem.account.Group(ctx, g.ID); fabric.CodeOf(err) != fabric.CodeForbidden && fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("cem asks for the group and gets %v", err)
	}
	if err := ann.Leave(ctx, g.Channel); fabric.CodeOf(err) != fabric.CodeConflict {
		t.Errorf("the last owner leaves with %v, want conflict", err)
	}
	if invites := must[[]client.Invite](t)(ann.account.Invites(ctx, g.ID)); len(invites) > 1 {
		t.Errorf("invites that hold: %+v", invites)
	}
}

func TestPrefsReachAllDevices(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := connect(t, f, e, "Ann"), connect(t, f, e, "Bob")
	sent := must[fabric.Sent](t)(bob.SendText(t.Context(), string(ann.id), client.Text{Text: "hello"}))
	forever, yes := int64(fabric.MutedForever), true
	c := must[client.Channel](t)(ann.account.SetPrefs(t.Context(), sent.Channel, client.PrefsPatch{MutedUntil: &forever, MarkedUnread: &yes}))
	want := fabric.Prefs{MutedUntil: fabric.MutedForever, MarkedUnread: true}
	if c.Prefs != want || c.Peer == nil || c.Peer.ID != bob.id || c.Last == nil || c.Last.Seq != sent.Seq {
		t.Errorf("the channel is %+v", c)
	}
	change := await(t, ann, "the change", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangePrefs })
	if change.Channel != sent.Channel || change.Prefs == nil || *change.Prefs != want {
		t.Errorf("ann's devices are told %+v", change)
	}
	if again := must[client.Channel](t)(ann.account.Channel(t.Context(), sent.Channel)); again.Prefs != want {
		t.Errorf("the channel is %+v afterwards", again)
	}
}
