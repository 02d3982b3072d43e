package storagetest

import (
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
)

func service(name string) ingest.Service {
	return ingest.Service{
		Name: name, User: fabric.NewUserID(), Title: "The " + name, MayUsers: true, Rate: 2.5, Credential: "U" + name,
		Webhook: "https://hooks.example/" + name, Secret: "whsec_x", CreatedAt: 7,
	}
}

func testServices(t *testing.T, s Store) {
	ctx := t.Context()
	orders, err := s.AddService(ctx, service("orders"))
	must(t, err)
	if _, err := s.AddService(ctx, service("orders")); fabric.CodeOf(err) != fabric.CodeConflict {
		t.Errorf("a second one of the name: %v", err)
	}
	alerts, err := s.AddService(ctx, service("alerts"))
	must(t, err)
	all, err := s.Services(ctx)
	must(t, err)
	if len(all) != 2 || all[0] != alerts || all[1] != orders {
		t.Fatalf("there are %+v, want %+v and %+v", all, alerts, orders)
	}

	u, err := s.User(ctx, orders.User)
	must(t, err)
	if want := (fabric.User{ID: orders.User, Name: "The orders", Service: "orders"}); u != want {
		t.Errorf("users see %+v, want %+v", u, want)
	}
	ann := NewUser(t, s, "ann")
	Open(t, s, ann.ID, orders.User, 8)
	list, err := s.List(ctx, ann.ID, chats.Place{}, 10)
	must(t, err)
	if len(list) != 1 || list[0].Peer == nil || list[0].Peer.Service != "orders" {
		t.Errorf("Ann's list is %+v", list)
	}
	_, err = s.Block(ctx, ann.ID, orders.User, true, 9, 10)
	must(t, err)
	if blocked, err := s.Blocked(ctx, ann.ID, orders.User); err != nil || !blocked {
		t.Errorf("Ann has blocked the service: %v, %v", blocked, err)
	}

	changed, err := s.ChangeService(ctx, "orders", func(sv *ingest.Service) error {
		sv.Title, sv.MayGroups, sv.Webhook = "Orders Ltd", true, ""
		return nil
	})
	must(t, err)
	if want := func() ingest.Service { o := orders; o.Title, o.MayGroups, o.Webhook = "Orders Ltd", true, ""; return o }(); changed != want {
		t.Errorf("changed to %+v, want %+v", changed, want)
	}
	if u, err := s.User(ctx, orders.User); err != nil || u.Name != "Orders Ltd" {
		t.Errorf("users see %+v, %v", u, err)
	}
	if _, err := s.ChangeService(ctx, "nobody", func(*ingest.Service) error { return nil }); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("a change of none: %v", err)
	}

	_, err = s.ChangeService(ctx, "orders", func(sv *ingest.Service) error { sv.RemovedAt = 10; return nil })
	must(t, err)
	if all, err := s.Services(ctx); err != nil || len(all) != 1 || all[0] != alerts {
		t.Errorf("after one was removed: %+v, %v", all, err)
	}
	if there, err := s.Existing(ctx, []fabric.UserID{orders.User}); err != nil || len(there) != 0 {
		t.Errorf("the account of a removed service is there: %v, %v", there, err)
	}
	if _, err := s.ChangeService(ctx, "orders", func(*ingest.Service) error { return nil }); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("a change of a removed one: %v", err)
	}
	again, err := s.AddService(ctx, service("orders"))
	must(t, err)
	if again.User != orders.User || again.RemovedAt != 0 {
		t.Errorf("it is there again as %+v, want its account %s", again, orders.User)
	}
	if there, err := s.Existing(ctx, []fabric.UserID{orders.User}); err != nil || len(there) != 1 {
		t.Errorf("the account of one that is there again: %v, %v", there, err)
	}
}

func testServiceSends(t *testing.T, s Store) {
	ctx := t.Context()
	u, other := fabric.NewUserID(), fabric.NewUserID()
	cid := fabric.NewCID()
	c := fabric.Direct(u, other)
	for _, tc := range []struct {
		by    fabric.UserID
		note  ingest.Note
		known *ingest.Note
	}{
		{u, ingest.Note{Channel: c, At: 5}, nil},
		{u, ingest.Note{Channel: fabric.Self(u), At: 6}, &ingest.Note{Channel: c, At: 5}},
		{other, ingest.Note{Channel: c, At: 7}, nil},
	} {
		known, err := s.NoteSend(ctx, tc.by, cid, tc.note)
		must(t, err)
		if (known == nil) != (tc.known == nil) || known != nil && *known != *tc.known {
			t.Errorf("%+v by %s: known is %+v, want %+v", tc.note, tc.by, known, tc.known)
		}
	}
	for _, want := range []int{1, 0} {
		n, err := s.ForgetSends(ctx, 7, 10)
		must(t, err)
		if n != want {
			t.Errorf("%d were forgotten, want %d", n, want)
		}
	}
	known, err := s.NoteSend(ctx, u, cid, ingest.Note{Channel: c, At: 9})
	must(t, err)
	if known != nil {
		t.Errorf("what was forgotten is known: %+v", known)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
