package edge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// groupCall makes an HTTP call as somebody and returns what came.
func groupCall(t testing.TB, e *edgetest.Edge, as client.Grant, method, path string, body any) (int, edgetest.Object) {
	t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var o edgetest.Object
	if resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
			t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
		}
	}
	return resp.StatusCode, o
}

// newGroup makes a group of somebody's with members.
func newGroup(t testing.TB, e *edgetest.Edge, owner client.Grant, members ...client.Grant) fabric.ChannelID {
	t.Helper()
	ids := make([]fabric.UserID, len(members))
	for i, m := range members {
		ids[i] = m.User.ID
	}
	status, g := groupCall(t, e, owner, "POST", "/v1/groups", map[string]any{"name": "weavers", "members": ids})
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, g)
	}
	return fabric.ChannelID(g.Str("channel"))
}

func isMessage(c fabric.ChannelID, seq uint64) func(edgetest.Object) bool {
	return func(o edgetest.Object) bool {
		return o.Event() == "message" && o.Str("channel") == string(c) && o.Num("seq") == seq
	}
}

// Everybody in a group gets what is written in it, wherever they are: on the sender's edge, on another, or later.
func TestGroupMessagesReachAll(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	here, there := f.Edge(t), f.Edge(t)
	ann, bob, cem := f.User(t, here, "ann"), f.User(t, here, "bob"), f.User(t, here, "cem")
	a, b := edgetest.Connect(t, here, ann, ""), edgetest.Connect(t, there, bob, "")
	a.Synced()
	_, cursor := b.Synced()
	c := newGroup(t, here, ann, bob, cem)
	for who, s := range map[string]*edgetest.Conn{"ann": a, "bob": b} {
		s.Await(who+" learns of the group", func(o edgetest.Object) bool {
			return o.Event() == "channel" && o.Str("change") == "added" && o.Str("channel") == string(c)
		})
		s.Await(who+" gets the record", func(o edgetest.Object) bool {
			return o.Event() == "message" && o.Str("channel") == string(c) && o.Str("kind") == "member"
		})
	}
	first := a.Send(string(c), "", "one").Num("seq")
	b.Await("the message", isMessage(c, first))
	second := b.Send(string(c), "", "two").Num("seq")
	a.Await("the answer", isMessage(c, second))

	// cem was away all the time: a first hello lists the group, a resume from before it brings all.
	l := edgetest.Connect(t, there, cem, "")
	l.Synced()
	list := l.Call("channels", nil).OK()["channels"].([]any)
	if len(list) != 1 || edgetest.Object(list[0].(map[string]any)).Num("unread") != 2 {
		t.Errorf("cem's list: %v", list)
	}
	back := edgetest.Connect(t, here, bob, cursor)
	missed, _ := back.Synced()
	var seqs []uint64
	for _, o := range missed {
		if o.Str("channel") == string(c) && o.Str("kind") == "text" {
			seqs = append(seqs, o.Num("seq"))
		}
	}
	if fmt.Sprint(seqs) != fmt.Sprint([]uint64{first, second}) {
		t.Errorf("the resume brought %v, want %d and %d", seqs, first, second)
	}
}

// Who was taken out gets the record of it and nothing behind, live and after a resume; who comes, nothing before.
func TestComingAndGoing(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	here, there := f.Edge(t), f.Edge(t)
	ann, bob, cem := f.User(t, here, "ann"), f.User(t, here, "bob"), f.User(t, here, "cem")
	a, b, l := edgetest.Connect(t, here, ann, ""), edgetest.Connect(t, there, bob, ""), edgetest.Connect(t, there, cem, "")
	a.Synced()
	_, cursor := b.Synced()
	_, before := l.Synced()
	c := newGroup(t, here, ann, bob)
	members := fmt.Sprintf("/v1/groups/%s/members/", c)
	secret := a.Send(string(c), "", "before cem").Num("seq")
	b.Await("it", isMessage(c, secret))

	if status, o := groupCall(t, here, ann, "PUT", members+string(cem.User.ID), nil); status != http.StatusCreated {
		t.Fatalf("add cem: %d %v", status, o)
	}
	added := l.Await("cem is added", func(o edgetest.Object) bool { return o.Event() == "channel" && o.Str("change") == "added" }).Num("seq")
	l.Await("the record", isMessage(c, added))
	hello := a.Send(string(c), "", "hello cem").Num("seq")
	l.Await("the first message", isMessage(c, hello))

	if status, o := groupCall(t, here, ann, "DELETE", members+string(bob.User.ID), nil); status != http.StatusNoContent {
		t.Fatalf("remove bob: %d %v", status, o)
	}
	removed := b.Await("bob is removed", func(o edgetest.Object) bool { return o.Event() == "channel" && o.Str("change") == "removed" }).Num("seq")
	b.Await("the record", isMessage(c, removed))
	after := a.Send(string(c), "", "without bob").Num("seq")
	l.Await("cem gets it", isMessage(c, after))
	if code := b.Call("send", map[string]any{"to": c, "cid": fabric.NewCID(), "kind": "text", "body": map[string]any{"text": "still here?"}}).Err(); code != fabric.CodeForbidden {
		t.Errorf("bob writes: %q, want forbidden", code)
	}
	if code := b.Call("history", map[string]any{"channel": c}).Err(); code != fabric.CodeForbidden {
		t.Errorf("bob reads: %q, want forbidden", code)
	}
	last := edgetest.Direct(ann, bob)
	end := a.Send(string(bob.User.ID), "", "bye").Num("seq") // whatever of the group were still to come, would be before this
	for {
		o := b.Next()
		if o.Event() == "message" && o.Str("channel") == string(c) && o.Num("seq") > removed {
			t.Errorf("bob got %v after the removal", o)
		}
		if o.Event() == "message" && o.Str("channel") == string(last) && o.Num("seq") == end {
			break
		}
	}
	seqsOf := func(g client.Grant, cursor string) (seqs []uint64) {
		missed, _ := edgetest.Connect(t, here, g, cursor).Synced()
		for _, o := range missed {
			if o.Str("channel") == string(c) {
				seqs = append(seqs, o.Num("seq"))
			}
		}
		return seqs
	}
	if got := seqsOf(bob, cursor); len(got) == 0 || got[len(got)-1] != removed {
		t.Errorf("bob's resume: %v, want it to end with the removal, %d", got, removed)
	}
	if got := fmt.Sprint(seqsOf(cem, before)); got != fmt.Sprint([]uint64{added, hello, removed, after}) {
		t.Errorf("cem's resume: %s, want %v", got, []uint64{added, hello, removed, after})
	}
	// cem reads from the joining on, and all once the group opens its history
	page := func() (n int, first uint64) {
		list := l.Call("history", map[string]any{"channel": c}).OK()["messages"].([]any)
		return len(list), edgetest.Object(list[0].(map[string]any)).Num("seq")
	}
	if n, first := page(); first != added || n != 4 {
		t.Errorf("cem reads %d from %d, want 4 from %d", n, first, added)
	}
	if status, o := groupCall(t, here, ann, "PATCH", "/v1/groups/"+string(c), map[string]any{"settings": map[string]any{"history": "all"}}); status != http.StatusOK {
		t.Fatalf("open the history: %d %v", status, o)
	}
	l.Await("the group opens its history", func(o edgetest.Object) bool { return o.Event() == "message" && o.Str("kind") == "group" })
	if n, first := page(); first >= added || n < 7 {
		t.Errorf("with the history open cem reads %d from %d", n, first)
	}
}
