package edge_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

func TestAPathWithAnotherMethod(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	id := string(ann.User.ID)
	for _, c := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"POST", "/v1/me", 405, "GET, HEAD, PATCH, DELETE"},
		{"PUT", "/v1/me", 405, "GET, HEAD, PATCH, DELETE"},
		{"OPTIONS", "/v1/me", 405, "GET, HEAD, PATCH, DELETE"},
		{"DELETE", "/v1/users/" + id, 405, "GET, HEAD"},
		{"WEAVE", "/v1/channels", 405, "GET, HEAD"},
		{"GET", "/v1/auth/otp", 405, "POST"},
		{"GET", "/v1/auth/logout", 405, "POST"},
		{"POST", "/v1/ws", 405, "GET, HEAD"},
		{"POST", "/v1/blocks/" + id, 405, "PUT, DELETE"},
		{"GET", "/v1/nothing", 404, ""},
		{"POST", "/v1/", 404, ""},
		{"GET", "/v1/me/x", 404, ""},
		{"HEAD", "/v1/me", 200, ""},
	} {
		resp, body := fetch(t, e, ann, c.method, c.path, nil)
		if resp.status != c.want || resp.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", c.method, c.path, resp.status, resp.header.Get("Allow"), c.want, c.allow)
		}
		wantCode := map[int]fabric.Code{405: fabric.CodeBadRequest, 404: fabric.CodeNotFound}[c.want]
		if wantCode != "" && (problemOf(t, body) != wantCode || resp.header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s %s: %s", c.method, c.path, body)
		}
	}
}

// What one has is not sent again for as long as it is the same.
func TestTags(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	g := newGroup(t, e, ann, bob)
	sent := post(t, e, ann, string(bob.User.ID), fabric.NewCID(), "hi")
	chat := "/v1/channels/" + sent.Str("channel")
	invite := do(t, e, ann, "POST", "/v1/groups/"+string(g)+"/invites", map[string]any{}, 201).Str("code")
	for path, change := range map[string]func(){
		"/v1/me":                           func() { do(t, e, ann, "PATCH", "/v1/me", map[string]any{"about": "x"}, 200) },
		"/v1/users/" + string(bob.User.ID): func() { do(t, e, bob, "PATCH", "/v1/me", map[string]any{"name": "Bob"}, 200) },
		"/v1/groups/" + string(g):          func() { do(t, e, ann, "PATCH", "/v1/groups/"+string(g), map[string]any{"about": "x"}, 200) },
		"/v1/invites/" + invite:            func() { do(t, e, ann, "PATCH", "/v1/groups/"+string(g), map[string]any{"name": "x"}, 200) },
		chat:                               func() { do(t, e, ann, "PATCH", chat, map[string]any{"archived": true}, 200) },
		fmt.Sprintf("%s/messages/%d", chat, sent.Num("seq")): func() {
			do(t, e, ann, "PUT", fmt.Sprintf("%s/messages/%d/star", chat, sent.Num("seq")), nil, 204)
		},
	} {
		resp, body := fetch(t, e, ann, "GET", path, nil)
		tag := resp.header.Get("ETag")
		if resp.status != 200 || len(tag) < 10 || tag[0] != '"' || resp.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %d %v", path, resp.status, resp.header)
		}
		for _, header := range []string{tag, "*", `"x", ` + tag, "W/" + tag} {
			if resp, body := fetch(t, e, ann, "GET", path, nil, "If-None-Match", header); resp.status != 304 || len(body) > 0 || resp.header.Get("ETag") != tag {
				t.Errorf("%s, If-None-Match %s: %d %s", path, header, resp.status, body)
			}
		}
		if resp, again := fetch(t, e, ann, "GET", path, nil, "If-None-Match", `"x"`); resp.status != 200 || !bytes.Equal(again, body) {
			t.Errorf("%s with another tag: %d", path, resp.status)
		}
		change()
		if resp, _ := fetch(t, e, ann, "GET", path, nil, "If-None-Match", tag); resp.status != 200 || resp.header.Get("ETag") == tag {
			t.Errorf("%s after a change: %d", path, resp.status)
		}
	}
	// errors have none
	if resp, _ := fetch(t, e, ann, "GET", "/v1/users/"+string(fabric.NewUserID()), nil, "If-None-Match", "*"); resp.status != 404 || resp.header.Get("ETag") != "" {
		t.Errorf("nobody: %d %v", resp.status, resp.header)
	}
}

func TestTheDocumentsAreServed(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	for _, name := range []string{"openapi.yaml", "asyncapi.yaml"} {
		want, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		resp, body := fetch(t, e, client.Grant{}, "GET", "/v1/"+name, nil)
		if resp.status != 200 || resp.header.Get("Content-Type") != "application/yaml" || !bytes.Equal(body, want) {
			t.Errorf("%s: %d %v, %d bytes of %d", name, resp.status, resp.header, len(body), len(want))
		}
		if resp, _ := fetch(t, e, client.Grant{}, "GET", "/v1/"+name, nil, "If-None-Match", resp.header.Get("ETag")); resp.status != 304 {
			t.Errorf("%s again: %d", name, resp.status)
		}
	}
}
