package users_test

import (
	"encoding/json"
	"testing"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/weftest"
)

// event returns the newest event of the users role in the audit log.
func (d *directory) event(what audit.What) (e audit.Event) {
	d.t.Helper()
	stream, err := d.nats.JetStream(d.t).Stream(d.t.Context(), subjects.AuditStream)
	if err != nil {
		d.t.Fatal(err)
	}
	weftest.Eventually(d.t, "the audit log has "+string(what), func() bool {
		m, err := stream.GetLastMsgForSubject(d.t.Context(), subjects.Audit(string(subjects.RoleUsers), string(what)))
		return err == nil && json.Unmarshal(m.Data, &e) == nil
	})
	return e
}

func TestOperatorsFindUsers(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	ann := d.signIn("+4915123456780", "Ann").User
	d.signIn("+4915123456780", "Ann") // on a second device
	bob := d.signIn("+4915123456781", "bob").User
	find := func(req contract.UsersFindRequest) contract.UsersFindReply {
		t.Helper()
		reply, code := ask[contract.UsersFindReply](d, subjects.UsersFind, req)
		if code != "" {
			t.Fatalf("find %+v: %s", req, code)
		}
		return reply
	}
	for query, want := range map[string]fabric.UserID{
		"ANN": ann.ID, string(ann.ID): ann.ID, "+49 151 23456780": ann.ID, "+4915123456781": bob.ID,
	} {
		got := find(contract.UsersFindRequest{Query: query})
		if len(got.Users) != 1 || got.Users[0].ID != want || got.More {
			t.Errorf("find %q: %+v", query, got)
		}
	}
	if got := find(contract.UsersFindRequest{Query: "+4915123456799"}); len(got.Users) != 0 || got.Users == nil {
		t.Errorf("nobody's phone: %+v", got)
	}
	page := find(contract.UsersFindRequest{Limit: 1})
	if len(page.Users) != 1 || page.Users[0].ID != bob.ID || !page.More {
		t.Fatalf("the newest: %+v", page)
	}
	page = find(contract.UsersFindRequest{Limit: 1, Before: bob.ID})
	if len(page.Users) != 1 || page.Users[0].ID != ann.ID || page.More {
		t.Fatalf("and the one before: %+v", page)
	}
	if a := page.Users[0]; a.Devices != 2 || a.Phone != "+49*********80" || a.CreatedAt == 0 {
		t.Errorf("an account is shown as %+v", a)
	}
	for _, bad := range []contract.UsersFindRequest{{Limit: -1}, {Limit: contract.MaxFound + 1}, {Query: "a\nb"}} {
		if _, code := ask[contract.UsersFindReply](d, subjects.UsersFind, bad); code != fabric.CodeBadRequest {
			t.Errorf("find %+v: %s", bad, code)
		}
	}

	shown, code := ask[contract.UsersShowReply](d, subjects.UsersShow, contract.UsersShowRequest{User: ann.ID})
	if code != "" || len(shown.SignedIn) != 2 || shown.Phone != "+49*********80" {
		t.Errorf("show: %+v, %s", shown, code)
	}
	if _, code := ask[contract.UsersShowReply](d, subjects.UsersShow, contract.UsersShowRequest{User: fabric.NewUserID()}); code != fabric.CodeNotFound {
		t.Errorf("nobody is shown: %s", code)
	}
}

func TestOperatorsSignUsersOut(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	first, second, third := d.signIn("+4915123456780", "ann"), d.signIn("+4915123456780", "ann"), d.signIn("+4915123456780", "ann")
	ann := first.User.ID
	bucket, err := d.nats.JetStream(t).KeyValue(t.Context(), subjects.BucketRevoked)
	if err != nil {
		t.Fatal(err)
	}
	ended := func(g contract.UsersTokenReply, want bool) {
		t.Helper()
		_, code := ask[contract.UsersTokenReply](d, subjects.UsersRefresh, contract.UsersRefreshRequest{RefreshToken: g.RefreshToken})
		_, err := bucket.Get(t.Context(), subjects.Revoked(ann, g.Device.ID))
		if (code == fabric.CodeUnauthenticated) != want || (err == nil) != want {
			t.Errorf("device %s: refresh %q, bucket %v; want it ended: %v", g.Device.ID, code, err, want)
		}
	}
	signOut := func(req contract.UsersSignOutRequest, n int) {
		t.Helper()
		reply, code := ask[contract.UsersSignOutReply](d, subjects.UsersSignOut, req)
		if code != "" || len(reply.Devices) != n {
			t.Errorf("sign out: %+v, %s", reply, code)
		}
	}
	signOut(contract.UsersSignOutRequest{User: ann, Device: first.Device.ID, By: "otto"}, 1)
	ended(first, true)
	if e := d.event(audit.UserSignedOut); e.Other != ann || e.Device != first.Device.ID || e.Detail != "1 devices, by otto" || e.User != "" {
		t.Errorf("audit: %+v", e)
	}
	signOut(contract.UsersSignOutRequest{User: ann, By: "otto"}, 2)
	ended(second, true)
	ended(third, true)
	for what, req := range map[string]contract.UsersSignOutRequest{
		"nobody": {User: fabric.NewUserID()}, "another's device": {User: d.signIn("+4915123456781", "bob").User.ID, Device: first.Device.ID},
	} {
		if _, code := ask[contract.UsersSignOutReply](d, subjects.UsersSignOut, req); code != fabric.CodeNotFound {
			t.Errorf("%s: %s", what, code)
		}
	}
}
