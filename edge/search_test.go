package edge_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// A search finds what one may read, as soon as it is sent, and nothing else.
func TestSearch(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	a, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, "")
	a.Synced()
	b.Synced()
	find := func(who client.Grant, q string, more ...string) (texts []string) {
		t.Helper()
		path := "/v1/search?q=" + url.QueryEscape(q)
		for _, m := range more {
			path += "&" + m
		}
		status, o := groupCall(t, e, who, "GET", path, nil)
		if status != http.StatusOK {
			t.Fatalf("search %q: %d %v", q, status, o)
		}
		for _, h := range o["hits"].([]any) {
			texts = append(texts, fmt.Sprint(h.(map[string]any)["message"].(map[string]any)["body"].(map[string]any)["text"]))
		}
		return texts
	}
	expect := func(what string, got []string, want ...string) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	direct := string(edgetest.Direct(ann, bob))
	g := newGroup(t, e, ann, bob)
	first := a.Send(direct, "", "Meet at the Café tomorrow").Num("seq")
	secret := a.Send(string(g), "", "the cafe of the group").Num("seq")
	b.Send(direct, "", "which café?")
	expect("bob", find(bob, "CAFE"), "which café?", "the cafe of the group", "Meet at the Café tomorrow")
	expect("two words, the last one begun", find(bob, "the caf"), "the cafe of the group", "Meet at the Café tomorrow")
	expect("in one channel", find(bob, "cafe", "channel="+string(g)), "the cafe of the group")
	expect("a stranger", find(cem, "cafe"))
	expect("a stranger who names the channel", find(cem, "cafe", "channel="+direct))
	if status, o := groupCall(t, e, ann, "PUT", "/v1/groups/"+string(g)+"/members/"+string(cem.User.ID), nil); status != http.StatusCreated {
		t.Fatalf("add cem: %d %v", status, o)
	}
	expect("who came later", find(cem, "cafe"))

	edit := map[string]any{"to": direct, "cid": fabric.NewCID(), "kind": "edit", "body": map[string]any{"seq": first, "body": map[string]any{"text": "Meet at the station"}}}
	if code := a.Call("send", edit).Err(); code != "" {
		t.Fatalf("edit: %s", code)
	}
	expect("after the edit", find(ann, "cafe"), "which café?", "the cafe of the group")
	expect("by its new words", find(ann, "station"), "Meet at the station")
	if status, _ := groupCall(t, e, ann, "DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d?for=all", g, secret), nil); status != http.StatusNoContent {
		t.Fatalf("delete: %d", status)
	}
	expect("after the deletion", find(ann, "cafe"), "which café?")

	for i := range 5 {
		a.Send(direct, "", fmt.Sprintf("number %d", i))
	}
	var all []string
	for cursor := ""; ; {
		_, o := groupCall(t, e, ann, "GET", "/v1/search?q=number&limit=2&cursor="+cursor, nil)
		for _, h := range o["hits"].([]any) {
			all = append(all, fmt.Sprint(h.(map[string]any)["snippet"]))
		}
		if cursor = o.Str("cursor"); cursor == "" {
			break
		}
	}
	if len(all) != 5 || all[0] != "[map[hit:true text:number] map[text: 4]]" {
		t.Errorf("page by page: %v", all)
	}
	for _, q := range []string{"", "%20", "q=...", "1+2+3+4+5+6+7+8+9"} {
		if status, o := groupCall(t, e, ann, "GET", "/v1/search?q="+q, nil); status != http.StatusBadRequest && q != "q=..." {
			t.Errorf("search %q: %d %v", q, status, o)
		}
	}
	if status, _ := groupCall(t, e, bob, "DELETE", "/v1/groups/"+string(g)+"/members/"+string(bob.User.ID), nil); status != http.StatusNoContent {
		t.Fatal("leave")
	}
	a.Send(string(g), "", "cafe without bob")
	expect("who has left", find(bob, "without"))
}
