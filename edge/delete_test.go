package edge_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// members returns a group's members as one of them sees them.
func members(t *testing.T, e *edgetest.Edge, as client.Grant, g fabric.ChannelID) string {
	t.Helper()
	var list []string
	for _, m := range do(t, e, as, "GET", "/v1/groups/"+string(g)+"/members", nil, 200)["members"].([]any) {
		m := edgetest.Object(m.(map[string]any))
		list = append(list, sub(m, "user").Str("name")+" "+m.Str("role"))
	}
	return fmt.Sprint(list)
}

// Who deletes their account is gone at once: from every device, from groups, contacts and the eyes of others. What they
// wrote stays, and their phone registers somebody new.
func TestDeletingAnAccount(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	home, away := f.Edge(t), f.Edge(t)
	ann, bob, cem, dan := f.User(t, home, "ann"), f.User(t, away, "bob"), f.User(t, away, "cem"), f.User(t, away, "dan")
	laptop := edgetest.SignIn(t, away.URL, ann.User.Phone, "laptop")
	a, a2, b := edgetest.Connect(t, home, ann, ""), edgetest.Connect(t, away, laptop, ""), edgetest.Connect(t, away, bob, "")
	for _, s := range []*edgetest.Conn{a, a2, b} {
		s.Synced()
	}
	do(t, home, ann, "PATCH", "/v1/me", map[string]any{"about": "weaves"}, 200)
	know(t, home, ann, bob)
	know(t, away, bob, ann, cem)
	do(t, away, bob, "PUT", "/v1/blocks/"+string(dan.User.ID), nil, 204)
	weftest.Eventually(t, "bob sees her", func() bool { return look(t, b, ann)["online"] == true })
	led, alone, joined := newGroup(t, home, ann, bob, cem, dan), newGroup(t, home, ann), newGroup(t, away, bob, ann)
	do(t, home, ann, "PUT", "/v1/groups/"+string(led)+"/members/"+string(cem.User.ID), map[string]any{"role": "admin"}, 200)
	chat := edgetest.Direct(ann, bob)
	written := map[fabric.ChannelID]uint64{
		chat: a.Send(string(bob.User.ID), "", "remember me").Num("seq"), led: a.Send(string(led), "", "all of you").Num("seq"),
	}

	for _, phone := range []string{"", "no", bob.User.Phone} {
		if o := do(t, home, ann, "DELETE", "/v1/me", map[string]any{"phone": phone}, 403); o.Str("code") != string(fabric.CodeForbidden) {
			t.Errorf("confirmed by %q: %v", phone, o)
		}
	}
	if me := do(t, home, ann, "GET", "/v1/me", nil, 200); me.Str("about") != "weaves" {
		t.Errorf("after attempts that were refused: %v", me)
	}
	began := time.Now()
	do(t, home, ann, "DELETE", "/v1/me", map[string]any{"phone": ann.User.Phone}, 204)

	// she is out
	for _, s := range []*edgetest.Conn{a, a2} {
		if code := s.Closed(); code != 4403 {
			t.Errorf("a session ended with %d, want 4403", code)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the sessions ended after %s", took)
	}
	for _, g := range []client.Grant{ann, laptop} {
		outEverywhere(t, g.AccessToken, home, away)
		if o := refresh(t, home, g.RefreshToken, ""); o.status != 401 {
			t.Errorf("her refresh token: %d %v", o.status, o)
		}
	}
	// others see that she is gone, and what she wrote
	gone := fmt.Sprintf("map[deleted:true id:%s name:Deleted account]", ann.User.ID)
	if got := fmt.Sprint(map[string]any(do(t, away, bob, "GET", "/v1/users/"+string(ann.User.ID), nil, 200))); got != gone {
		t.Errorf("she is %s, want %s", got, gone)
	}
	if got := fmt.Sprint(do(t, away, bob, "GET", "/v1/channels/"+string(chat), nil, 200)["peer"]); got != gone {
		t.Errorf("in bob's list she is %s, want %s", got, gone)
	}
	for c, seq := range written {
		m := do(t, away, bob, "GET", fmt.Sprintf("/v1/channels/%s/messages/%d", c, seq), nil, 200)
		if m.Str("from") != string(ann.User.ID) || sub(m, "body").Str("text") == "" {
			t.Errorf("what she wrote: %v", m)
		}
	}
	b.Await("he sees her go", isPresence(ann, false))
	if p := look(t, b, ann); p["online"] != false || p["last_seen"] != nil {
		t.Errorf("bob looks at her: %v", p)
	}
	if got := fmt.Sprint(do(t, away, bob, "GET", "/v1/contacts", nil, 200)["users"]); got != fmt.Sprintf("[map[id:%s name:cem phone:%s]]", cem.User.ID, cem.User.Phone) {
		t.Errorf("bob's contacts: %s", got)
	}
	// her groups have an owner
	if got := members(t, away, bob, led); got != "[cem owner bob member dan member]" && got != "[cem owner dan member bob member]" {
		t.Errorf("the group that she led: %s", got)
	}
	if got := members(t, away, bob, joined); got != "[bob owner]" {
		t.Errorf("the group that she was in: %s", got)
	}
	// nobody adds her, writes to her first, or finds her
	added := do(t, away, bob, "POST", "/v1/groups/"+string(joined)+"/members", map[string]any{"users": []fabric.UserID{ann.User.ID}}, 200)
	if got := fmt.Sprint(added["added"], added["not_added"]); got != fmt.Sprintf("[] [map[code:not_found user:%s]]", ann.User.ID) {
		t.Errorf("bob adds her: %s", got)
	}
	if o := post(t, away, cem, string(ann.User.ID), fabric.NewCID(), "hi"); o.status != 404 {
		t.Errorf("cem writes to her: %d %v", o.status, o)
	}
	if found := do(t, away, cem, "POST", "/v1/contacts/lookup", map[string]any{"phones": []string{ann.User.Phone}}, 200)["users"]; len(found.([]any)) > 0 {
		t.Errorf("cem finds %v", found)
	}

	// nothing is left of when she was there, and of what her devices were told
	weftest.Eventually(t, "her presence is gone", func() bool { return !present(t, f, ann.User.ID, home.ID) && !present(t, f, ann.User.ID, away.ID) })
	seen, err := f.NATS.JetStream(t).KeyValue(t.Context(), subjects.BucketLastSeen)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seen.Get(t.Context(), string(ann.User.ID)); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("when she was last seen: %v", err)
	}

	// whoever asks again, since the answer was lost, hears the same; the rest is done if it was not
	if _, err := service.CallRaw(t.Context(), f.NATS.Connect(t), subjects.UsersDelete, contract.UsersDeleteRequest{User: ann.User.ID, Phone: ann.User.Phone}); err != nil {
		t.Errorf("delete again: %v", err)
	}

	// her phone is free
	next := edgetest.SignIn(t, home.URL, ann.User.Phone, "ada")
	if next.User.ID == ann.User.ID || next.User.Name != "ada" {
		t.Errorf("who registers with her phone: %+v", next.User)
	}
	if list := do(t, home, next, "GET", "/v1/channels", nil, 200)["channels"].([]any); len(list) != 0 {
		t.Errorf("who registers with her phone is in %v", list)
	}
	do(t, home, next, "GET", "/v1/channels/"+string(chat)+"/messages", nil, 403)
	do(t, home, next, "GET", "/v1/groups/"+string(alone), nil, 403)
}
