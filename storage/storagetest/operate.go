package storagetest

import (
	"testing"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/users"
)

// What operators find, and how many of what a user has.
func testAccounts(t *testing.T, s Store) {
	ann, bob, joan := NewUser(t, s, "Ann"), NewUser(t, s, "bob"), NewUser(t, s, "Joanna")
	account := func(u fabric.User) contract.Account {
		return contract.Account{ID: u.ID, Name: u.Name, Phone: u.Phone, CreatedAt: start, Devices: 1}
	}
	for what, tc := range map[string]struct {
		find users.Find
		want []contract.Account
	}{
		"all, newest first":          {users.Find{Most: 9}, []contract.Account{account(joan), account(bob), account(ann)}},
		"as many as are asked for":   {users.Find{Most: 1}, []contract.Account{account(joan)}},
		"those before":               {users.Find{Before: joan.ID, Most: 9}, []contract.Account{account(bob), account(ann)}},
		"a part of a name":           {users.Find{Name: "aNN", Most: 9}, []contract.Account{account(joan), account(ann)}},
		"a part of a name, before":   {users.Find{Name: "ann", Before: joan.ID, Most: 9}, []contract.Account{account(ann)}},
		"an id":                      {users.Find{ID: bob.ID, Most: 9}, []contract.Account{account(bob)}},
		"a phone":                    {users.Find{Phone: bob.Phone, Most: 9}, []contract.Account{account(bob)}},
		"what no pattern may become": {users.Find{Name: "%", Most: 9}, nil},
		"a phone that is nobody's":   {users.Find{Phone: "+15550100", Most: 9}, nil},
		"somebody's id before their": {users.Find{ID: bob.ID, Before: bob.ID, Most: 9}, nil},
	} {
		found, err := s.Accounts(t.Context(), tc.find)
		if err != nil {
			t.Fatal(err)
		}
		if len(found)+len(tc.want) > 0 {
			want(t, what, found, tc.want)
		}
	}

	Open(t, s, ann.ID, bob.ID, start)
	Open(t, s, ann.ID, joan.ID, start)
	create(t, s, newGroup(ann.ID), fabric.NewCID())
	if err := s.AddContacts(t.Context(), ann.ID, []fabric.UserID{bob.ID, joan.ID}, 9); err != nil {
		t.Fatal(err)
	}
	for _, by := range []fabric.UserID{bob.ID, joan.ID} {
		if _, err := s.Block(t.Context(), by, ann.ID, true, start, 9); err != nil {
			t.Fatal(err)
		}
	}
	for u, has := range map[fabric.UserID]users.Counts{
		ann.ID:             {Direct: 2, Groups: 1, Contacts: 2, Blocked: 2},
		bob.ID:             {Direct: 1, Blocks: 1},
		fabric.NewUserID(): {},
	} {
		got, err := s.Counts(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "what a user has", got, has)
	}

	if _, err := s.Erase(t.Context(), bob.ID, start); err != nil {
		t.Fatal(err)
	}
	found, err := s.Accounts(t.Context(), users.Find{ID: bob.ID, Most: 1})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "a deleted account", found, []contract.Account{{ID: bob.ID, Name: users.DeletedName, Deleted: true, CreatedAt: start}})
}
