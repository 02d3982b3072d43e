package storagetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/users"
)

// Of an erased user nothing is left but what they wrote to others.
func testErase(t *testing.T, s Store) {
	first, _ := signIn(t, s, "+4915100000001", "ann", start, 16)
	second, _ := signIn(t, s, "+4915100000001", "x", start, 16)
	ann, bob, cem := first.User, NewUser(t, s, "bob"), NewUser(t, s, "cem")
	if _, err := s.Change(t.Context(), ann.ID, func(p *users.Profile) error { p.About, p.Avatar = "weaves", "abc"; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]fabric.UserID{{ann.ID, bob.ID}, {bob.ID, ann.ID}, {bob.ID, cem.ID}} {
		if err := s.AddContacts(t.Context(), pair[0], []fabric.UserID{pair[1]}, 10); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Block(t.Context(), pair[0], pair[1], true, start, 10); err != nil {
			t.Fatal(err)
		}
	}
	code := auth.CodeHash(ann.Phone, "1")
	if err := s.SaveCode(t.Context(), users.Code{Phone: ann.Phone, Hash: code, ExpiresAt: start + 100}); err != nil {
		t.Fatal(err)
	}
	chat, self := Open(t, s, ann.ID, bob.ID, start), fabric.Self(ann.ID)
	said, heard, told := message(chat, 3, 0, ann.ID), message(chat, 4, 3, bob.ID), message(self, 5, 0, ann.ID)
	archive(t, s, 0, 5, said, heard, told)

	devices, err := s.Erase(t.Context(), ann.ID, start+10)
	if err != nil {
		t.Fatal(err)
	}
	all := []fabric.DeviceID{first.device, second.device}
	slices.Sort(devices)
	slices.Sort(all)
	want(t, "devices", devices, all)

	u, err := s.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	if u.Phone == ann.Phone {
		t.Errorf("the phone is still %s", u.Phone)
	}
	u.Phone = ""
	deleted := fabric.User{ID: ann.ID, Name: users.DeletedName, Deleted: true}
	want(t, "who is left", u, deleted)
	if found, err := s.ByPhones(t.Context(), []string{ann.Phone}); err != nil || len(found) > 0 {
		t.Errorf("by the phone: %v, %v", found, err)
	}
	if _, err := s.Change(t.Context(), ann.ID, func(*users.Profile) error { return nil }); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("change the deleted account: %v", err)
	}
	for _, d := range []signed{first, second} {
		if _, err := s.Rotate(t.Context(), rotation(d.token, d.token.Next(), "")); !errors.Is(err, users.ErrNoGrant) {
			t.Errorf("rotate: %v", err)
		}
	}
	if left, err := s.Devices(t.Context(), ann.ID); err != nil || len(left) > 0 {
		t.Errorf("devices: %v, %v", left, err)
	}
	if err := s.TryCode(t.Context(), ann.Phone, code, start, 5); !errors.Is(err, users.ErrWrongCode) {
		t.Errorf("the code: %v", err)
	}
	for _, of := range []struct {
		u    fabric.User
		want []fabric.UserID
	}{{ann, nil}, {bob, []fabric.UserID{cem.ID}}} {
		contacts, err1 := s.Contacts(t.Context(), of.u.ID)
		blocks, err2 := s.Blocks(t.Context(), of.u.ID)
		if err := errors.Join(err1, err2); err != nil || !slices.Equal(ids(contacts), of.want) || !slices.Equal(ids(blocks), of.want) {
			t.Errorf("%s: contacts %v, blocks %v, %v; want %v", of.u.Name, contacts, blocks, err, of.want)
		}
	}
	for what, ask := range map[string]func() ([]fabric.UserID, error){
		"existing": func() ([]fabric.UserID, error) { return s.Existing(t.Context(), []fabric.UserID{ann.ID, bob.ID}) },
		"visible": func() ([]fabric.UserID, error) {
			return s.Visible(t.Context(), cem.ID, []fabric.UserID{ann.ID, bob.ID})
		},
		"may add": func() ([]fabric.UserID, error) { return s.MayAdd(t.Context(), ann.ID, []fabric.UserID{ann.ID, bob.ID}) },
	} {
		got, err := ask()
		switch {
		case err != nil:
			t.Error(err)
		case what == "visible" && len(got) > 0: // cem is blocked by bob
			t.Errorf("%s: %v", what, got)
		case what != "visible":
			want(t, what, got, []fabric.UserID{bob.ID})
		}
	}

	// the conversation is there, by a deleted account
	page := func(c fabric.ChannelID) []history.Shown {
		t.Helper()
		got, err := s.Page(t.Context(), history.View{Channel: c, User: bob.ID, Now: start}, 0, nil, 10)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := page(chat); len(got) != 2 || got[0].Seq != said.Seq || string(got[0].Body) != string(said.Body) {
		t.Errorf("the conversation: %+v", got)
	}
	if got := page(self); len(got) > 0 {
		t.Errorf("what the devices were told: %+v", got)
	}
	list, err := s.List(t.Context(), bob.ID, chats.Place{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Peer == nil || *list[0].Peer != deleted {
		t.Errorf("bob's list: %s", text(list))
	}

	// again changes nothing, and names the devices again
	again, err := s.Erase(t.Context(), ann.ID, start+20)
	if err != nil || len(again) != 2 {
		t.Errorf("erase again: %v, %v", again, err)
	}
	if _, err := s.Erase(t.Context(), fabric.NewUserID(), start); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("erase nobody: %v", err)
	}

	// the phone registers somebody else
	next, _ := signIn(t, s, "+4915100000001", "ada", start+30, 16)
	if next.ID == ann.ID || next.Name != "ada" || next.About != "" || next.Deleted {
		t.Errorf("who registers next: %+v", next.User)
	}
}
