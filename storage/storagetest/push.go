package storagetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
)

// reached returns how a signed-in device is reached.
func reached(of signed, hash string) push.Target {
	return push.Target{
		User: of.ID, Device: of.device, Kind: push.KindFCM, Address: `{"token":"` + hash + `"}`, Hash: hash, Show: push.ShowAll, Mentions: true, CreatedAt: start,
	}
}

func targetsOf(t *testing.T, s Store, users ...fabric.UserID) []push.Target {
	t.Helper()
	list, err := s.PushTargets(t.Context(), users)
	must(t, err)
	return list
}

func testPushTargets(t *testing.T, s Store) {
	ctx := t.Context()
	ann, _ := signIn(t, s, "+4915150000001", "ann", start, 16)
	bob, _ := signIn(t, s, "+4915150000002", "bob", start, 16)
	phone, laptop := reached(ann, "phone"), reached(bob, "laptop")
	must(t, s.SetPush(ctx, phone))
	must(t, s.SetPush(ctx, laptop))
	want(t, "Ann's", targetsOf(t, s, ann.ID, fabric.NewUserID()), []push.Target{phone})
	want(t, "of both", len(targetsOf(t, s, ann.ID, bob.ID)), 2)
	one, err := s.PushTarget(ctx, bob.device)
	must(t, err)
	want(t, "Bob's", *one, laptop)

	// what is said anew takes the place of what was
	phone.Kind, phone.Hash, phone.Show, phone.Mentions = push.KindAPNs, "phone 2", push.ShowNone, false
	must(t, s.SetPush(ctx, phone))
	want(t, "anew", targetsOf(t, s, ann.ID), []push.Target{phone})

	// a browser in which Bob signs in after Ann is Bob's
	laptop.Hash = "phone 2"
	must(t, s.SetPush(ctx, laptop))
	want(t, "Ann's by now", len(targetsOf(t, s, ann.ID)), 0)
	want(t, "Bob's by now", targetsOf(t, s, bob.ID), []push.Target{laptop})

	// nobody sets it for another's device, or one that is not there
	for what, wrong := range map[string]push.Target{
		"another's": {User: ann.ID, Device: bob.device, Hash: "x"}, "none": {User: ann.ID, Device: fabric.NewDeviceID(), Hash: "x"},
	} {
		if err := s.SetPush(ctx, wrong); fabric.CodeOf(err) != fabric.CodeNotFound {
			t.Errorf("%s device: %v", what, err)
		}
	}

	for _, tc := range []struct {
		hash string
		was  bool
	}{{"an older one", false}, {"phone 2", true}, {"phone 2", false}} {
		was, err := s.RemovePush(ctx, bob.device, tc.hash)
		must(t, err)
		want(t, "removed "+tc.hash, was, tc.was)
	}
	must(t, s.SetPush(ctx, laptop))
	was, err := s.RemovePush(ctx, bob.device, "")
	must(t, err)
	want(t, "removed whatever it is", was, true)
	if none, err := s.PushTarget(ctx, bob.device); err != nil || none != nil {
		t.Errorf("what was removed: %+v, %v", none, err)
	}

	// a device that is revoked, or whose account ends, is reached no more
	must(t, s.SetPush(ctx, phone))
	must(t, s.SetPush(ctx, reached(bob, "laptop")))
	must(t, s.Revoke(ctx, ann.ID, ann.device, start+1))
	want(t, "revoked", len(targetsOf(t, s, ann.ID)), 0)
	if err := s.SetPush(ctx, phone); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("a revoked device: %v", err)
	}
	_, err = s.Erase(ctx, bob.ID, start+2)
	must(t, err)
	want(t, "erased", len(targetsOf(t, s, bob.ID)), 0)
}

func testPushMembers(t *testing.T, s Store) {
	ctx := t.Context()
	ann, _ := signIn(t, s, "+4915150000001", "ann", start, 16)
	var members []fabric.UserID
	var all []push.Target
	for i := range 5 {
		phone := fmt.Sprintf("+49151500001%02d", i)
		m, _ := signIn(t, s, phone, fmt.Sprint("m", i), start, 16)
		members = append(members, m.ID)
		if i == 3 {
			continue // nothing reaches this one
		}
		for _, d := range []string{"phone", "laptop"} {
			if d == "laptop" {
				m, _ = signIn(t, s, phone, "", start, 16)
			}
			target := reached(m, fmt.Sprint(d, i))
			must(t, s.SetPush(ctx, target))
			all = append(all, target)
		}
	}
	c := group(t, s, fabric.DefaultSettings(), 7, members...)
	late := []fabric.UserID{ann.ID}
	must(t, s.SetPush(ctx, reached(ann, "late")))
	in(t, s, c, func(ctx context.Context, tx chats.GroupTx) error { return tx.Add(ctx, late, fabric.RoleMember, start) }) // her record is not in the log yet
	must(t, s.SetPrefs(ctx, members[0], c, func(p *fabric.Prefs) { p.MutedUntil = fabric.MutedForever },
		func(fabric.Prefs) chats.Record {
			return chats.Record{CID: fabric.NewCID(), Channel: fabric.Self(members[0]), Body: []byte("{}")}
		}))
	var found []push.Member
	for {
		var after push.Member
		if len(found) > 0 {
			after = found[len(found)-1]
		}
		page, err := s.PushMembers(ctx, c, after.User, after.Device, 3)
		must(t, err)
		found = append(found, page...)
		if len(page) < 3 {
			break
		}
	}
	if len(found) != len(all) {
		t.Fatalf("%d devices, want %d: %+v", len(found), len(all), found)
	}
	for i, m := range found { // users and devices have ids that ascend
		want(t, "device", m.Target, all[i])
		want(t, "from", m.From, uint64(7))
		want(t, "muted", m.MutedUntil == fabric.MutedForever, m.User == members[0])
	}
}

func testPushStandings(t *testing.T, s Store) {
	ctx := t.Context()
	ann, bob, cem := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem")
	c := Open(t, s, ann.ID, bob.ID, start)
	g := newGroup(cem.ID)
	group, _ := create(t, s, g, fabric.NewCID())
	_, err := s.Block(ctx, ann.ID, bob.ID, true, start, 10)
	must(t, err)
	must(t, s.SetPrefs(ctx, bob.ID, c, func(p *fabric.Prefs) { p.MutedUntil = 99 },
		func(fabric.Prefs) chats.Record {
			return chats.Record{CID: fabric.NewCID(), Channel: fabric.Self(bob.ID), Body: []byte("{}")}
		}))
	got, err := s.PushStandings(ctx, []push.Ask{
		{User: bob.ID, Channel: c, Sender: ann.ID}, {User: ann.ID, Channel: c, Sender: bob.ID},
		{User: cem.ID, Channel: group, Sender: ann.ID}, {User: fabric.NewUserID(), Channel: c, Sender: fabric.NewUserID()},
	})
	must(t, err)
	want(t, "standings", got, []push.Standing{
		{Member: true, MutedUntil: 99, Sender: "ann"}, {Member: true, Blocked: true, Sender: "bob"},
		{Member: true, Sender: "ann", Group: g.Name}, {},
	})
	names, err := s.PushNames(ctx, []fabric.UserID{ann.ID, fabric.NewUserID()})
	must(t, err)
	want(t, "names", names, map[fabric.UserID]string{ann.ID: "ann"})
	by, err := s.PushBlockers(ctx, []fabric.UserID{cem.ID, ann.ID}, bob.ID)
	must(t, err)
	want(t, "who has blocked Bob", by, []fabric.UserID{ann.ID})
}

func testPushKept(t *testing.T, s Store) {
	ctx := t.Context()
	at, err := s.PushPositions(ctx)
	must(t, err)
	want(t, "at first", len(at), 0)
	must(t, s.SetPushPositions(ctx, map[int]uint64{0: 5, 3: 1 << 40}))
	must(t, s.SetPushPositions(ctx, map[int]uint64{0: 6}))
	at, err = s.PushPositions(ctx)
	must(t, err)
	want(t, "positions", at, map[int]uint64{0: 6, 3: 1 << 40})

	for _, fresh := range []string{"first", "second"} {
		key, err := s.PushKey(ctx, "k", fresh)
		must(t, err)
		want(t, "key", key, "first")
	}
}
