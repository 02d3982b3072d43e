package client_test

import (
	"archive/zip"
	"bytes"
	"image"
	"image/png"
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

func TestAPictureAnExportAndAnEnd(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := connect(t, f, e, "Ann"), connect(t, f, e, "Bob")
	ctx := t.Context()

	var picture bytes.Buffer
	mustNot(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))))
	id := must[string](t)(ann.account.UploadAvatar(ctx, "image/png", picture.Bytes()))
	if me := must[client.Me](t)(ann.account.ChangeMe(ctx, client.MePatch{Avatar: &id})); me.Avatar != id {
		t.Errorf("ann's picture is %q, want %q", me.Avatar, id)
	}
	got, kind, err := bob.account.Avatar(ctx, id)
	if err != nil || kind != "image/png" || !bytes.Equal(got, picture.Bytes()) {
		t.Errorf("bob gets %d bytes of %s, %v", len(got), kind, err)
	}
	if _, err := ann.account.UploadAvatar(ctx, "image/png", []byte("no picture")); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Errorf("what is no picture is answered with %v", err)
	}

	must[fabric.Sent](t)(ann.SendText(ctx, string(bob.id), client.Text{Text: "mine to keep"}))
	var archive bytes.Buffer
	n := must[int64](t)(ann.account.Export(ctx, &archive))
	files, err := zip.NewReader(bytes.NewReader(archive.Bytes()), n)
	if err != nil || len(files.File) == 0 {
		t.Errorf("an export of %d bytes: %v", n, err)
	}

	me := must[client.Me](t)(ann.account.Me(ctx))
	if err := ann.account.DeleteMe(ctx, "+49 151 1"); err == nil {
		t.Error("somebody else's phone confirms the end of an account")
	}
	mustNot(t, ann.account.DeleteMe(ctx, me.Phone))
	await(t, ann, "that ann is signed out", func(c *client.StateChange) bool { return c.State == client.SignedOut })
	if u := must[fabric.User](t)(bob.account.User(ctx, ann.id)); !u.Deleted || u.Avatar != "" {
		t.Errorf("bob sees %+v, want that the account is gone", u)
	}
	page := must[client.Page](t)(bob.History(ctx, fabric.Direct(ann.id, bob.id), client.HistoryQuery{}))
	if len(page.Messages) != 1 || string(page.Messages[0].Body) != `{"text":"mine to keep"}` {
		t.Errorf("bob keeps %+v", page.Messages)
	}
}
