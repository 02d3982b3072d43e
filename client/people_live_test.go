package client_test

import (
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

func TestPeople(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := connect(t, f, e, "Ann"), connect(t, f, e, "Bob")
	ctx := t.Context()

	name, about, none, no := "Ann B.", "weaving", "none", false
	me := must[client.Me](t)(ann.account.ChangeMe(ctx, client.MePatch{
		Name: &name, About: &about, Privacy: &client.PrivacyPatch{Groups: &none, ReadReceipts: &no},
	}))
	want := client.Privacy{LastSeen: "all", ReadReceipts: false, Groups: "none"}
	if me.Name != name || me.About != about || me.Privacy != want {
		t.Errorf("ann is %+v now", me)
	}
	if again := must[client.Me](t)(ann.account.Me(ctx)); again != me {
		t.Errorf("ann is %+v, was told %+v", again, me)
	}
	if u := must[fabric.User](t)(bob.account.User(ctx, ann.id)); u.Name != name || u.About != about || u.Phone != "" {
		t.Errorf("bob sees %+v", u)
	}
	if _, not, err := bob.account.CreateGroup(ctx, client.NewGroup{Name: "Crew", Members: []fabric.UserID{ann.id}}); err != nil || len(not) != 1 || not[0].Code != fabric.CodeForbidden {
		t.Errorf("bob adds ann, who wants nobody to: %+v, %v", not, err)
	}

	if found := must[[]fabric.User](t)(bob.account.Lookup(ctx, me.Phone)); len(found) != 1 || found[0].ID != ann.id {
		t.Errorf("found %+v", found)
	}
	if contacts := must[[]fabric.User](t)(bob.account.Contacts(ctx)); len(contacts) != 1 || contacts[0].ID != ann.id {
		t.Errorf("bob's contacts are %+v", contacts)
	}
	mustNot(t, bob.account.ForgetContact(ctx, ann.id))
	if contacts := must[[]fabric.User](t)(bob.account.Contacts(ctx)); len(contacts) != 0 {
		t.Errorf("bob's contacts are %+v still", contacts)
	}

	mustNot(t, ann.account.Block(ctx, bob.id, true))
	if blocks := must[[]fabric.User](t)(ann.account.Blocks(ctx)); len(blocks) != 1 || blocks[0].ID != bob.id {
		t.Errorf("ann has blocked %+v", blocks)
	}
	change := await(t, ann, "that bob is blocked", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeBlocked })
	if change.User != bob.id || change.On == nil || !*change.On {
		t.Errorf("ann's devices are told %+v", change)
	}
	mustNot(t, ann.account.Block(ctx, bob.id, false))
	if blocks := must[[]fabric.User](t)(ann.account.Blocks(ctx)); len(blocks) != 0 {
		t.Errorf("ann has blocked %+v still", blocks)
	}
}
