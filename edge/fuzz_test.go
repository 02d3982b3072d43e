package edge_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
)

// bodies are what strangers send in the place of what a route wants.
var bodies = []string{
	"", "{}", "null", "[]", `""`, "1", "{", "{}{}", "\xff", `{"\u0000":1}`, `{"cid":1,"kind":2,"body":3}`,
	`{"phone":[],"code":{},"device":[],"refresh_token":1,"attempt":{},"state":5,"redirect_uri":{}}`,
	`{"phone":"\u0000","code":"\u0000","name":"\u0000","device":{"name":"\u0000","platform":"\ud800","public_key":"U"}}`,
	`{"name":"\u0000","about":"\ud800","avatar":"\u0000","settings":{"send":1},"privacy":{"groups":[]}}`,
	`{"name":"x","members":[1,null,"\u0000"],"users":{"a":1},"role":5,"phones":["\u0000",""]}`,
	`{"muted_until":1e400,"archived":"x","pinned":1,"disappear":99999999999999999999,"expires_in":-1,"uses":1.5}`,
	`{"cid":"01890a5d-ac96-774b-bcce-b302099a8057","kind":"text","body":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`,
	`{"cid":"01890a5d-ac96-774b-bcce-b302099a8057","kind":"text","body":"\ud800"}`,
	`{"cid":"01890a5d-ac96-774b-bcce-b302099a8058","kind":"text","body":1e999}`,
	`{"cid":"01890a5d-ac96-774b-bcce-b302099a8059","kind":"edit","body":{"seq":1,"body":null}}`,
	`{"cid":"01890a5d-ac96-774b-bcce-b302099a805a","kind":"reaction","body":{"seq":18446744073709551615,"emoji":"\u0000"}}`,
	strings.Repeat(`{"a":`, 11000),
}

// FuzzHTTP holds every call, with any path, query and body, by somebody who is signed in, to this: it is answered, within
// what the document says, with no failure of the server's own, and with nothing of its inside.
func FuzzHTTP(f *testing.F) {
	fab := edgetest.Start(f, edgetest.Config{Push: &push.Config{}, Limits: func(l *edge.Limits) {
		l.ReadsPerSecond, l.JoinsPerMinute, l.StrangersPerSecond = 1<<20, 1<<16, 1<<20
	}})
	e := fab.Edge(f)
	ann, bob := fab.User(f, e, "ann"), fab.User(f, e, "bob")
	ids := []string{
		"{id}", string(edgetest.Direct(ann, bob)), "{user}", string(bob.User.ID), "{seq}", "1", "{code}", "x",
		"{group}", strings.TrimPrefix(string(newGroup(f, e, ann, bob)), "g."), "{avatar}", strings.Repeat("a", 64),
	}
	var patterns []string
	for route := range ways {
		if route == "POST /v1/auth/logout" || route == "GET /v1/me/export" || route == "GET /v1/ws" {
			continue // ann is to stay; the others have no body and tests of their own
		}
		patterns = append(patterns, route)
	}
	slices.Sort(patterns)
	for i, route := range patterns {
		_, path, _ := strings.Cut(route, " ")
		if strings.HasPrefix(path, "/v1/groups/{id}") {
			path = strings.Replace(path, "{id}", "{group}", 1)
		}
		path = strings.NewReplacer("/avatars/{id}", "/avatars/{avatar}", "/users/{id}", "/users/{user}", "/devices/{id}", "/devices/{user}").Replace(path)
		path = with(ids, path)
		if strings.HasPrefix(route, "GET") || strings.HasPrefix(route, "DELETE") {
			for _, query := range []string{"", "limit=-1&cursor=%00", "limit=99999999999999999999", "cursor=%ff&after=x&before=&seq=1e3", "q=%00&channel=%00", "q=%22(*&channel=x&cursor=AA", "for=%00", "%zz"} {
				f.Add(byte(i), path, query, []byte(nil))
			}
			for _, id := range []string{"%00", "..%2f..", "%ff", "0", "x%20y", "18446744073709551616", ">", "*", strings.Repeat("a", 3000)} {
				f.Add(byte(i), strings.NewReplacer("/1/", "/"+id+"/", ids[1], id, ids[3], id).Replace(path+"/"), "", []byte(nil))
			}
		}
		if !strings.HasPrefix(route, "GET") {
			for _, body := range bodies {
				f.Add(byte(i), path, "", []byte(body))
			}
		}
	}
	f.Fuzz(func(t *testing.T, route byte, path, query string, body []byte) {
		method, _, _ := strings.Cut(patterns[int(route)%len(patterns)], " ")
		at := e.URL + path
		if query != "" {
			at += "?" + query
		}
		u, err := url.Parse(at)
		if err != nil || u.Host != strings.TrimPrefix(e.URL, "http://") || strings.HasPrefix(u.Path, "/v1/auth/logout") || strings.HasPrefix(u.Path, "/v1/ws") {
			t.Skip("no request can be made of it, or none that is meant")
		}
		req, err := http.NewRequestWithContext(t.Context(), method, at, bytes.NewReader(body))
		if err != nil {
			t.Skip("as above")
		}
		req.Header.Set("Authorization", "Bearer "+ann.AccessToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s %s %q: %v", method, at, body, err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %s %q: %v", method, at, body, err)
		}
		if resp.StatusCode >= 500 {
			t.Fatalf("%s %s %q: %d %s", method, at, body, resp.StatusCode, answer)
		}
		if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") == "application/problem+json" && method != http.MethodHead {
			var p struct {
				Code   fabric.Code
				Detail string
			}
			if err := json.Unmarshal(answer, &p); err != nil || p.Code == "" || len(p.Detail) > 600 {
				t.Fatalf("%s %s %q: a problem that is none: %s", method, at, body, answer)
			}
			// what a client has written may be in it; what it has not may not
			if word := inside.FindString(p.Detail); word != "" && !strings.Contains(at+string(body), word) {
				t.Fatalf("%s %s %q: %s tells %q", method, at, body, answer, word)
			}
		}
	})
}
