package edge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// do makes an HTTP call as somebody, which must be answered with a status.
func do(t testing.TB, e *edgetest.Edge, as client.Grant, method, path string, body any, status int) edgetest.Object {
	t.Helper()
	got, o := groupCall(t, e, as, method, path, body)
	if got != status {
		t.Fatalf("%s %s %v: %d %v, want %d", method, path, body, got, o, status)
	}
	return o
}

// look watches a user and returns their presence.
func look(t *testing.T, c *edgetest.Conn, u client.Grant) edgetest.Object {
	t.Helper()
	list, _ := c.Call("watch", map[string]any{"users": []fabric.UserID{u.User.ID}}).OK()["presence"].([]any)
	if len(list) != 1 {
		t.Fatalf("watch one: %v", list)
	}
	return edgetest.Object(list[0].(map[string]any))
}

func isPresence(u client.Grant, online bool) func(edgetest.Object) bool {
	return func(o edgetest.Object) bool {
		return o.Event() == "presence" && o.Str("user") == string(u.User.ID) && o["online"] == online
	}
}

func isPresenceOf(u client.Grant) func(edgetest.Object) bool {
	return func(o edgetest.Object) bool { return o.Event() == "presence" && o.Str("user") == string(u.User.ID) }
}

// know has somebody look others up, which makes them contacts.
func know(t *testing.T, e *edgetest.Edge, who client.Grant, others ...client.Grant) {
	t.Helper()
	var phones []string
	for _, o := range others {
		phones = append(phones, o.User.Phone)
	}
	found := do(t, e, who, "POST", "/v1/contacts/lookup", map[string]any{"phones": phones}, http.StatusOK)
	if n := len(found["users"].([]any)); n != len(others) {
		t.Fatalf("looked up %d, found %d", len(others), n)
	}
}

// Who sees when somebody is online and was last, and who may add them to a group: by the circle that they admit, and by
// who one is to them.
func TestWhoSeesAndAddsWhom(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	home, away := f.Edge(t), f.Edge(t)
	viewers := map[string]client.Grant{
		"stranger": f.User(t, away, "stranger"), "contact": f.User(t, away, "contact"),
		"has them as a contact": f.User(t, away, "fan"), "blocked": f.User(t, away, "blocked"), "blocked contact": f.User(t, away, "foe"),
	}
	admitted := map[string]map[string]bool{
		"all":      {"stranger": true, "contact": true, "has them as a contact": true},
		"contacts": {"contact": true},
		"none":     {},
	}
	type owner struct {
		client.Grant
		session, witness *edgetest.Conn // the witness sees the presence of its own user always
	}
	owners := map[string]*owner{}
	eyes := map[string]*edgetest.Conn{}
	groups := map[string]fabric.ChannelID{}
	for name, v := range viewers {
		eyes[name] = edgetest.Connect(t, away, v, "")
		eyes[name].Synced()
		groups[name] = newGroup(t, away, v)
	}
	for circle := range admitted {
		o := &owner{Grant: f.User(t, home, "admits "+circle)}
		owners[circle] = o
		know(t, home, o.Grant, viewers["contact"], viewers["blocked contact"])
		know(t, away, viewers["has them as a contact"], o.Grant)
		for _, name := range []string{"blocked", "blocked contact"} {
			do(t, home, o.Grant, "PUT", "/v1/blocks/"+string(viewers[name].User.ID), nil, http.StatusNoContent)
		}
		do(t, home, o.Grant, "PATCH", "/v1/me", map[string]any{"privacy": map[string]any{"last_seen": circle, "groups": circle}}, http.StatusOK)
		o.session, o.witness = edgetest.Connect(t, home, o.Grant, ""), edgetest.Connect(t, away, o.Grant, "")
		o.session.Synced()
		o.witness.Synced()
		look(t, o.witness, o.Grant)
		o.witness.Call("active", map[string]any{"on": false})
		o.session.Call("active", map[string]any{"on": false})
	}
	for _, o := range owners { // given all owners are away, and were here
		weftest.Eventually(t, "they are away", func() bool { return !present(t, f, o.User.ID, home.ID) && !present(t, f, o.User.ID, away.ID) })
		weftest.Eventually(t, "one sees oneself go", func() bool { p := look(t, o.witness, o.Grant); return p["online"] == false && p.Num("last_seen") > 0 })
	}
	for circle, o := range owners {
		for name := range viewers {
			may := admitted[circle][name]
			if p := look(t, eyes[name], o.Grant); p["online"] != false || (p.Num("last_seen") > 0) != may {
				t.Errorf("%s looks at who admits %s: %v, want last seen %v", name, circle, p, may)
			}
		}
		for o.witness.Came(isPresenceOf(o.Grant)) {
			o.witness.Event("presence")
		}
		o.session.Call("active", map[string]any{"on": true})
		o.witness.Await("the owner comes", isPresence(o.Grant, true))
		for name := range viewers {
			may := admitted[circle][name]
			if may {
				eyes[name].Await("who may sees them come", isPresence(o.Grant, true))
			}
			if eyes[name].Came(isPresenceOf(o.Grant)) {
				t.Errorf("%s heard of who admits %s, or twice", name, circle)
			}
			if p := look(t, eyes[name], o.Grant); (p["online"] == true) != may || p["last_seen"] != nil {
				t.Errorf("%s looks again at who admits %s: %v, want online %v", name, circle, p, may)
			}
			added := do(t, away, viewers[name], "POST", "/v1/groups/"+string(groups[name])+"/members",
				map[string]any{"users": []fabric.UserID{o.User.ID}}, http.StatusOK)
			if got := fmt.Sprint(added["added"], added["not_added"]); may && got != fmt.Sprintf("[%s] []", o.User.ID) ||
				!may && got != fmt.Sprintf("[] [map[code:forbidden user:%s]]", o.User.ID) {
				t.Errorf("%s adds who admits %s: %s, want %v", name, circle, got, may)
			}
		}
	}
}

// A block and what one lets others see hold for those who look already: a block at once, the other when they look again.
func TestABlockTakesEffectAtOnce(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	home, away := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, home, "ann"), f.User(t, away, "bob")
	a, a2, b := edgetest.Connect(t, home, ann, ""), edgetest.Connect(t, away, ann, ""), edgetest.Connect(t, away, bob, "")
	for _, s := range []*edgetest.Conn{a, a2, b} {
		s.Synced()
	}
	weftest.Eventually(t, "she is online", func() bool { return look(t, b, ann)["online"] == true })
	block := "/v1/blocks/" + string(bob.User.ID)
	do(t, home, ann, "PUT", block, nil, http.StatusNoContent)
	if ev := b.Await("she is gone, for all he knows", isPresenceOf(ann)); ev["online"] != false || ev["last_seen"] != nil {
		t.Errorf("when she blocked him: %v", ev)
	}
	for who, s := range map[string]*edgetest.Conn{"here": a, "there": a2} { // her devices know
		ev := s.Await("her device "+who+" is told", func(o edgetest.Object) bool { return o.Event() == "channel" && o.Str("change") == "blocked" })
		if ev.Str("user") != string(bob.User.ID) || ev["on"] != true {
			t.Errorf("her device %s is told %v", who, ev)
		}
	}
	if b.Came(func(o edgetest.Object) bool { return o.Event() == "channel" }) {
		t.Error("he is told")
	}
	if p := look(t, b, ann); p["online"] != false || p["last_seen"] != nil {
		t.Errorf("he looks again: %v", p)
	}
	// what he writes she never sees, and he is not told
	sent := b.Send(string(ann.User.ID), "", "hello?")
	theirs := "/v1/channels/" + sent.Str("channel")
	if page := do(t, away, bob, "GET", theirs+"/messages", nil, http.StatusOK); len(page["messages"].([]any)) != 1 || strings.Contains(fmt.Sprint(page), "only") {
		t.Errorf("his history: %v", page)
	}
	if page := do(t, home, ann, "GET", theirs+"/messages", nil, http.StatusOK); len(page["messages"].([]any)) != 0 {
		t.Errorf("her history: %v", page)
	}
	b.Call("typing", map[string]any{"channel": sent.Str("channel"), "on": true})

	list := do(t, home, ann, "GET", "/v1/blocks", nil, http.StatusOK)
	if got := fmt.Sprint(list["users"]); got != fmt.Sprintf("[map[id:%s name:bob]]", bob.User.ID) {
		t.Errorf("her blocks: %s", got)
	}
	do(t, home, ann, "DELETE", block, nil, http.StatusNoContent)
	do(t, home, ann, "DELETE", block, nil, http.StatusNoContent)
	if p := look(t, b, ann); p["online"] != true {
		t.Errorf("when she has unblocked him: %v", p)
	}
	b.Send(string(ann.User.ID), "", "hello again")
	got := a.Event("message")
	if body, _ := got["body"].(map[string]any); body["text"] != "hello again" {
		t.Errorf("the first message that she gets: %v", got)
	}
	if a.Came(func(o edgetest.Object) bool { return o.Event() == "typing" }) {
		t.Error("she was told that who was blocked types")
	}

	// what she lets others see she changes while he looks
	do(t, home, ann, "PATCH", "/v1/me", map[string]any{"privacy": map[string]any{"last_seen": "none"}}, http.StatusOK)
	if p := look(t, b, ann); p["online"] != false || p["last_seen"] != nil {
		t.Errorf("when she lets nobody see: %v", p)
	}
	for _, bad := range []struct {
		path string
		code int
	}{{string(ann.User.ID), 400}, {string(fabric.NewUserID()), 404}, {"bob", 400}} {
		do(t, home, ann, "PUT", "/v1/blocks/"+bad.path, nil, bad.code)
	}
}

func TestProfiles(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	other := edgetest.Connect(t, e, edgetest.SignIn(t, e.URL, ann.User.Phone, "laptop"), "")
	other.Synced()
	me := do(t, e, ann, "PATCH", "/v1/me", map[string]any{
		"name": " Ann ", "about": "weaves ✓", "privacy": map[string]any{"read_receipts": false, "groups": "contacts"},
	}, http.StatusOK)
	want := fmt.Sprintf("map[about:weaves ✓ id:%s name:Ann phone:%s privacy:map[groups:contacts last_seen:all read_receipts:false]]", ann.User.ID, ann.User.Phone)
	if got := fmt.Sprint(map[string]any(me)); got != want {
		t.Errorf("changed:\n got %s\nwant %s", got, want)
	}
	if got := fmt.Sprint(map[string]any(do(t, e, ann, "GET", "/v1/me", nil, 200))); got != want {
		t.Errorf("read again:\n got %s\nwant %s", got, want)
	}
	if got := fmt.Sprint(map[string]any(do(t, e, bob, "GET", "/v1/users/"+string(ann.User.ID), nil, 200))); got !=
		fmt.Sprintf("map[about:weaves ✓ id:%s name:Ann]", ann.User.ID) {
		t.Errorf("as others see her: %s", got)
	}
	ev := other.Event("channel")
	if ev.Str("change") != "profile" || ev.Str("channel") != string(fabric.Self(ann.User.ID)) {
		t.Errorf("her other device is told %v", ev)
	}
	do(t, e, ann, "PATCH", "/v1/me", map[string]any{"name": "Ann"}, 200)
	if other.Came(func(o edgetest.Object) bool { return o.Event() == "channel" }) {
		t.Error("her other device is told of what did not change")
	}
	for _, bad := range []map[string]any{
		{"name": ""}, {"name": strings.Repeat("x", 101)}, {"name": "a\x1b[2J"},
		{"about": strings.Repeat("x", 301)}, {"avatar": "x"}, {"avatar": strings.Repeat("a", 64)}, {"avatar": strings.Repeat("A", 64)},
		{"privacy": map[string]any{"last_seen": "everybody"}}, {"privacy": map[string]any{"groups": ""}}, {"privacy": map[string]any{"read_receipts": "no"}},
	} {
		bad["about"] = fmt.Sprint(bad["about"], "!")
		if o := do(t, e, ann, "PATCH", "/v1/me", bad, 400); o.Str("code") != string(fabric.CodeBadRequest) {
			t.Errorf("%v: %v", bad, o)
		}
	}
	if got := fmt.Sprint(map[string]any(do(t, e, ann, "GET", "/v1/me", nil, 200))); got != want {
		t.Errorf("after changes that were refused:\n got %s\nwant %s", got, want)
	}
}

func TestContacts(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	contacts := func(want ...client.Grant) {
		t.Helper()
		var list []string
		for _, g := range want {
			list = append(list, fmt.Sprintf("map[id:%s name:%s phone:%s]", g.User.ID, g.User.Name, g.User.Phone))
		}
		if got := fmt.Sprint(do(t, e, ann, "GET", "/v1/contacts", nil, 200)["users"]); got != "["+strings.Join(list, " ")+"]" {
			t.Errorf("contacts %s, want %s", got, list)
		}
	}
	contacts()
	do(t, e, bob, "PUT", "/v1/blocks/"+string(ann.User.ID), nil, 204)
	know(t, e, ann, cem, bob, ann) // who has blocked her is found as before
	contacts(bob, cem)
	do(t, e, ann, "DELETE", "/v1/contacts/"+string(bob.User.ID), nil, 204)
	do(t, e, ann, "DELETE", "/v1/contacts/"+string(bob.User.ID), nil, 204)
	contacts(cem)
	do(t, e, ann, "DELETE", "/v1/contacts/x", nil, 400)
}
