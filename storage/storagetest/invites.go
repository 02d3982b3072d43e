package storagetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// codes names invites by their codes and how often they were used.
func codes(t testing.TB, s Store, c fabric.ChannelID, now int64) (list []string) {
	t.Helper()
	found, err := s.Invites(t.Context(), c, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range found {
		list = append(list, fmt.Sprint(in.Code, " ", in.Used))
	}
	return list
}

func testInvites(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann").ID
	c, _ := create(t, s, newGroup(ann), "")
	other, _ := create(t, s, newGroup(ann), "")
	invites := []contract.Invite{
		{Code: "a", CreatedBy: ann, CreatedAt: start},
		{Code: "b", CreatedBy: ann, CreatedAt: start + 1, ExpiresAt: start + 100},
		{Code: "c", CreatedBy: ann, CreatedAt: start + 2, Uses: 2},
	}
	add := func(c fabric.ChannelID, in contract.Invite, now int64, most int) error {
		return s.AddInvite(t.Context(), c, in, now, most)
	}
	for _, in := range invites {
		if err := add(c, in, start+2, 3); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Invites(t.Context(), c, start+99)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "invites, oldest first", got, invites)
	for _, in := range invites {
		of, got, ok, err := s.Invited(t.Context(), in.Code, start+99)
		if err != nil || !ok || of != c || got != in {
			t.Errorf("invite %s: %s, %+v, %v, %v", in.Code, of, got, ok, err)
		}
	}
	if _, _, ok, err := s.Invited(t.Context(), "d", start); err != nil || ok {
		t.Errorf("no invite: %v, %v", ok, err)
	}
	want(t, "another group's", codes(t, s, other, start), []string(nil))

	// there are only so many that hold at once, in a group
	late := contract.Invite{Code: "d", CreatedBy: ann, CreatedAt: start + 99}
	if err := add(c, late, start+99, 3); fabric.CodeOf(err) != fabric.CodeConflict {
		t.Errorf("the fourth: %v", err)
	}
	if err := add(other, contract.Invite{Code: "o", CreatedBy: ann, CreatedAt: start}, start, 1); err != nil {
		t.Errorf("another group's first: %v", err)
	}

	// one that has expired does not hold
	want(t, "when b has expired", codes(t, s, c, start+100), []string{"a 0", "c 0"})
	if _, _, ok, err := s.Invited(t.Context(), "b", start+100); err != nil || ok {
		t.Errorf("b: %v, %v", ok, err)
	}
	use := func(c fabric.ChannelID, code string, now int64) (ok bool) {
		t.Helper()
		in(t, s, c, func(ctx context.Context, tx chats.GroupTx) (err error) {
			ok, err = tx.UseInvite(ctx, code, now)
			return err
		})
		return ok
	}
	revoke := func(c fabric.ChannelID, code string, now int64) bool {
		t.Helper()
		was, err := s.RevokeInvite(t.Context(), c, code, now)
		if err != nil {
			t.Fatal(err)
		}
		return was
	}
	want(t, "use b in time, and late", fmt.Sprint(use(c, "b", start+99), use(c, "b", start+100)), "true false")
	want(t, "revoke b late", revoke(c, "b", start+100), false)
	if err := add(c, late, start+100, 3); err != nil {
		t.Errorf("the third that holds: %v", err)
	}
	// one that was used up neither
	want(t, "use c", fmt.Sprint(use(c, "c", start+100), use(c, "c", start+100), use(c, "c", start+100)), "true true false")
	want(t, "when c is used up", codes(t, s, c, start+100), []string{"a 0", "d 0"})
	want(t, "revoke c late", revoke(c, "c", start+100), false)
	want(t, "use a", fmt.Sprint(use(c, "a", start+100), use(c, "a", start+100)), "true true")
	want(t, "another group's, nobody's", fmt.Sprint(use(other, "a", start+100), use(c, "o", start), use(c, "x", start)), "false false false")
	want(t, "how often a was used", codes(t, s, c, start+100), []string{"a 2", "d 0"})
	// nor one that was revoked
	want(t, "revoke another group's", revoke(other, "a", start+100), false)
	want(t, "revoke a, twice", fmt.Sprint(revoke(c, "a", start+101), revoke(c, "a", start+102)), "true false")
	want(t, "use a", use(c, "a", start+102), false)
	want(t, "in the end", codes(t, s, c, start+102), []string{"d 0"})
	want(t, "another group's still", codes(t, s, other, start+102), []string{"o 0"})
}

// An invite lets in as many as it has uses, however many come at once; there are as many invites as a group may have.
func testInvitesAtOnce(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann").ID
	c, _ := create(t, s, newGroup(ann), "")
	if err := s.AddInvite(t.Context(), c, contract.Invite{Code: "x", CreatedBy: ann, CreatedAt: start, Uses: 3}, start, 10); err != nil {
		t.Fatal(err)
	}
	var used, made, codes atomic.Int32
	atOnce(func() {
		if err := s.InGroup(t.Context(), c, func(tx chats.GroupTx) error {
			ok, err := tx.UseInvite(t.Context(), "x", start)
			if ok {
				used.Add(1)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		in := contract.Invite{Code: fmt.Sprint("c", codes.Add(1)), CreatedBy: ann, CreatedAt: start}
		switch err := s.AddInvite(t.Context(), c, in, start+1, 5); fabric.CodeOf(err) { //nolint:exhaustive // others are wrong
		case fabric.CodeConflict:
		default:
			if err != nil {
				t.Error(err)
			}
			made.Add(1)
		}
	})
	list, err := s.Invites(t.Context(), c, start+1)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "used", used.Load(), 3)
	if n := int(made.Load()); n < 4 || n > 5 || len(list) != n { // x may have been used up before the last one
		t.Errorf("%d were made, %d hold", n, len(list))
	}
}
