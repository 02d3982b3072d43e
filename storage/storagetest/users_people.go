package storagetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

func ids(list []fabric.User) []fabric.UserID {
	ids := make([]fabric.UserID, len(list))
	for i, u := range list {
		ids[i] = u.ID
	}
	return ids
}

func testChange(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann")
	p, err := s.Profile(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	open := contract.Privacy{LastSeen: contract.CircleAll, ReadReceipts: true, Groups: contract.CircleAll}
	want(t, "a new user's profile", p, users.Profile{User: ann, Privacy: open})

	changed, err := s.Change(t.Context(), ann.ID, func(p *users.Profile) error {
		want(t, "what is changed", *p, users.Profile{User: ann, Privacy: open})
		p.Name, p.About, p.Avatar = "Ann", "weaves", "abc"
		p.Privacy = contract.Privacy{LastSeen: contract.CircleContacts, Groups: contract.CircleNone}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	after := users.Profile{
		User:    fabric.User{ID: ann.ID, Phone: ann.Phone, Name: "Ann", About: "weaves", Avatar: "abc"},
		Privacy: contract.Privacy{LastSeen: contract.CircleContacts, Groups: contract.CircleNone},
	}
	want(t, "changed", changed, after)

	no := errors.New("no")
	if _, err := s.Change(t.Context(), ann.ID, func(p *users.Profile) error { p.Name = "x"; return no }); !errors.Is(err, no) {
		t.Errorf("a change that fails: %v", err)
	}
	if p, err = s.Profile(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	want(t, "after a change that failed", p, after)
	u, err := s.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "as others read them", u, after.User)

	nobody := fabric.NewUserID()
	if _, err := s.Profile(t.Context(), nobody); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("nobody's profile: %v", err)
	}
	if _, err := s.Change(t.Context(), nobody, func(*users.Profile) error { return nil }); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("change nobody: %v", err)
	}
}

// Changes made at once are made one after the other: none is lost.
func testChangeAtOnce(t *testing.T, s Store) {
	ann := NewUser(t, s, "")
	atOnce(func() {
		if _, err := s.Change(t.Context(), ann.ID, func(p *users.Profile) error { p.Name += "x"; return nil }); err != nil {
			t.Error(err)
		}
	})
	u, err := s.User(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "name", u.Name, "xxxxxxxx")
}

func testBlocks(t *testing.T, s Store) {
	ann, bob, cem, dan := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem"), NewUser(t, s, "dan")
	block := func(other fabric.UserID, on bool, at int64, changes bool, code fabric.Code) {
		t.Helper()
		changed, err := s.Block(t.Context(), ann.ID, other, on, start+at, 2)
		var got fabric.Code
		if err != nil {
			got = fabric.CodeOf(err)
		}
		if got != code || changed != changes {
			t.Errorf("block %s %t: %v, %v; want %v, %q", other, on, changed, err, changes, code)
		}
	}
	blocks := func(what string, u fabric.UserID, list ...fabric.User) {
		t.Helper()
		got, err := s.Blocks(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		want(t, what, ids(got), ids(list))
	}
	blocked := func(by, other fabric.UserID, is bool) {
		t.Helper()
		if got, err := s.Blocked(t.Context(), by, other); err != nil || got != is {
			t.Errorf("%s has blocked %s: %v, %v; want %v", by, other, got, err, is)
		}
	}
	block(bob.ID, false, 0, false, "")
	block(bob.ID, true, 1, true, "")
	block(bob.ID, true, 2, false, "")
	block(cem.ID, true, 3, true, "")
	blocks("the last one first", ann.ID, cem, bob)
	block(dan.ID, true, 4, false, fabric.CodeConflict) // over the most
	block(cem.ID, true, 5, false, "")                  // who is there already is not over it
	block(fabric.NewUserID(), true, 6, false, fabric.CodeNotFound)
	blocked(ann.ID, bob.ID, true)
	blocked(bob.ID, ann.ID, false) // one-sided
	blocks("bob's", bob.ID)
	block(bob.ID, false, 7, true, "")
	block(bob.ID, false, 8, false, "")
	blocked(ann.ID, bob.ID, false)
	block(dan.ID, true, 9, true, "")
	blocks("afterwards", ann.ID, dan, cem)
}

func testContacts(t *testing.T, s Store) {
	ann, cem, bob, dan := NewUser(t, s, "ann"), NewUser(t, s, "cem"), NewUser(t, s, "bob"), NewUser(t, s, "dan")
	add := func(of fabric.UserID, most int, people ...fabric.UserID) {
		t.Helper()
		if err := s.AddContacts(t.Context(), of, people, most); err != nil {
			t.Fatal(err)
		}
	}
	contacts := func(what string, of fabric.UserID, people ...fabric.User) {
		t.Helper()
		got, err := s.Contacts(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		if len(got)+len(people) > 0 {
			want(t, what, got, people)
		}
	}
	contacts("of one who has none", ann.ID)
	add(ann.ID, 10, cem.ID, ann.ID) // nobody is their own contact
	add(ann.ID, 10, bob.ID, cem.ID)
	contacts("by name", ann.ID, bob, cem)
	contacts("of the one who is a contact", bob.ID)
	add(ann.ID, 2, dan.ID)
	contacts("no more than the most", ann.ID, bob, cem)
	for range 2 {
		if err := s.Forget(t.Context(), ann.ID, bob.ID); err != nil {
			t.Fatal(err)
		}
	}
	add(ann.ID, 2, dan.ID)
	contacts("after one was forgotten", ann.ID, cem, dan)
}

// Who sees and adds whom, by what they have set and who the other one is to them.
func testPrivacy(t *testing.T, s Store) {
	owner := NewUser(t, s, "owner")
	viewers := map[string]fabric.User{}
	for _, name := range []string{"stranger", "contact", "has the owner as a contact", "blocked", "blocked contact"} {
		viewers[name] = NewUser(t, s, name)
	}
	if err := s.AddContacts(t.Context(), owner.ID, []fabric.UserID{viewers["contact"].ID, viewers["blocked contact"].ID}, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.AddContacts(t.Context(), viewers["has the owner as a contact"].ID, []fabric.UserID{owner.ID}, 10); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"blocked", "blocked contact"} {
		if _, err := s.Block(t.Context(), owner.ID, viewers[name].ID, true, start, 10); err != nil {
			t.Fatal(err)
		}
	}
	nobody, other := fabric.NewUserID(), NewUser(t, s, "other")
	for circle, admitted := range map[string][]string{
		contract.CircleAll:      {"stranger", "contact", "has the owner as a contact"},
		contract.CircleContacts: {"contact"},
		contract.CircleNone:     nil,
	} {
		for name, v := range viewers {
			for _, rule := range []struct {
				what string
				set  func(*contract.Privacy)
				ask  func() ([]fabric.UserID, error)
			}{
				{
					"sees", func(p *contract.Privacy) { p.LastSeen, p.Groups = circle, contract.CircleAll },
					func() ([]fabric.UserID, error) {
						return s.Visible(t.Context(), v.ID, []fabric.UserID{owner.ID, other.ID, nobody})
					},
				},
				{
					"adds", func(p *contract.Privacy) { p.LastSeen, p.Groups = contract.CircleAll, circle },
					func() ([]fabric.UserID, error) {
						return s.MayAdd(t.Context(), v.ID, []fabric.UserID{owner.ID, other.ID, nobody})
					},
				},
			} {
				if _, err := s.Change(t.Context(), owner.ID, func(p *users.Profile) error { rule.set(&p.Privacy); return nil }); err != nil {
					t.Fatal(err)
				}
				got, err := rule.ask()
				if err != nil {
					t.Fatal(err)
				}
				may := slices.Contains(admitted, name)
				if slices.Contains(got, owner.ID) != may || !slices.Contains(got, other.ID) || slices.Contains(got, nobody) {
					t.Errorf("%q %s who admits %s: got %v, want the owner %v", name, rule.what, circle, got, may)
				}
			}
		}
	}
	// one always sees oneself
	got, err := s.Visible(t.Context(), owner.ID, []fabric.UserID{owner.ID})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "oneself", got, []fabric.UserID{owner.ID})
	for _, list := range [][]fabric.UserID{nil, {nobody}} {
		if got, err := s.Visible(t.Context(), owner.ID, list); err != nil || len(got) > 0 {
			t.Errorf("of %v: %v, %v", list, got, err)
		}
	}
}

func testReadReceipts(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	if _, err := s.Change(t.Context(), ann.ID, func(p *users.Profile) error { p.Privacy.ReadReceipts = false; return nil }); err != nil {
		t.Fatal(err)
	}
	for u, shows := range map[fabric.UserID]bool{ann.ID: false, bob.ID: true} {
		if on, err := s.ReadReceipts(t.Context(), u); err != nil || on != shows {
			t.Errorf("read receipts: %v, %v; want %v", on, err, shows)
		}
	}
}
