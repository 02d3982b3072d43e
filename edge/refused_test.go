package edge_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// attempt is a request of somebody who is signed in, on what is another's.
type attempt struct {
	path string // with {placeholders} of house
	body string
	want int  // the answer; where it is 4xx, the same where what is asked for does not exist
	mine bool // everybody has their own: the answer has nothing of ann's

	tus bool   // it speaks tus 1.0
	to  string // with tus, the channel that it uploads into
}

// header returns what an attempt says besides its body.
func (a attempt) header(ids []string) []string {
	if !a.tus {
		return nil
	}
	return []string{
		"Tus-Resumable", "1.0.0", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream", "Upload-Length", "5",
		"Upload-Metadata", metadata("channel", with(ids, a.to)),
	}
}

// upload are attempts at ann's upload, file those at a file that she has sent to her group.
func upload() way {
	one := []attempt{{path: "/v1/media/uploads/{upload}", body: "hello", want: 404, tus: true}}
	return way{stranger: one, removed: one}
}

func file(behind string) way {
	one := []attempt{{path: "/v1/media/{media}" + behind, want: 404}}
	return way{stranger: one, removed: one}
}

// way says who may come by a route.
type way struct {
	open     bool      // nobody needs a token
	stranger []attempt // of cem's, who is in none of ann's channels
	removed  []attempt // of ron's, who was taken out of her group
}

const message = `{"cid":"{cid}","kind":"text","body":{"text":"x"}}`

// into are attempts at every kind of channel that ann is in, each with a path behind /v1/channels/<id>.
func into(behind, body string, want int) (list []attempt) {
	for _, c := range []struct{ id, seq string }{{"{chat}", "{wrote}"}, {"g.{group}", "{said}"}, {"{self}", "1"}} {
		list = append(list, attempt{path: "/v1/channels/" + c.id + strings.ReplaceAll(behind, "{seq}", c.seq), body: body, want: want})
	}
	return list
}

// channel are the attempts at a route below a channel.
func channel(behind, body string) way {
	all := into(behind, body, 403)
	return way{stranger: all, removed: all[1:2]}
}

// group is the same of a route below a group.
func group(behind, body string) way {
	one := []attempt{{path: "/v1/groups/{group}" + behind, body: body, want: 403}}
	return way{stranger: one, removed: one}
}

func own(path string, want int, body string) way {
	return way{stranger: []attempt{{path: path, body: body, want: want, mine: true}}}
}

// ways has a row for every route: TestTheTableHasEveryRoute.
var ways = map[string]way{
	"GET /healthz":               {open: true},
	"GET /readyz":                {open: true},
	"GET /v1/ws":                 {open: true}, // hello is TestOpsAreRefused's
	"GET /v1/limits":             {open: true},
	"GET /v1/openapi.yaml":       {open: true},
	"GET /v1/asyncapi.yaml":      {open: true},
	"GET /v1/auth/methods":       {open: true},
	"POST /v1/auth/otp":          {open: true},
	"POST /v1/auth/token":        {open: true},
	"POST /v1/auth/refresh":      {open: true},
	"POST /v1/auth/oidc/start":   {open: true},
	"POST /v1/auth/oidc/token":   {open: true},
	"POST /v1/auth/logout":       own("/v1/auth/logout", 204, ""),
	"GET /v1/me":                 own("/v1/me", 200, ""),
	"PATCH /v1/me":               own("/v1/me", 200, `{"about":"x"}`),
	"DELETE /v1/me":              {stranger: []attempt{{path: "/v1/me", body: `{"phone":"{phone}"}`, want: 403}}},
	"GET /v1/me/export":          own("/v1/me/export", 200, ""),
	"GET /v1/users/{id}":         own("/v1/users/{ann}", 200, ""), // a name is for whoever knows the id
	"GET /v1/blocks":             own("/v1/blocks", 200, ""),
	"PUT /v1/blocks/{user}":      own("/v1/blocks/{ann}", 204, ""),
	"DELETE /v1/blocks/{user}":   own("/v1/blocks/{ann}", 204, ""),
	"POST /v1/contacts/lookup":   own("/v1/contacts/lookup", 200, `{"phones":["+4915129999999"]}`),
	"GET /v1/contacts":           own("/v1/contacts", 200, ""),
	"DELETE /v1/contacts/{user}": own("/v1/contacts/{ann}", 204, ""),
	"POST /v1/avatars":           own("/v1/avatars", 400, "no picture"),
	"GET /v1/avatars/{id}":       own("/v1/avatars/"+strings.Repeat("a", 64), 404, ""),
	"GET /v1/devices":            own("/v1/devices", 200, ""),
	"DELETE /v1/devices/{id}":    {stranger: []attempt{{path: "/v1/devices/{device}", want: 404}}},

	"GET /v1/push/vapid":         own("/v1/push/vapid", 200, ""),
	"PUT /v1/devices/me/push":    own("/v1/devices/me/push", 400, `{"kind":"pigeon"}`),
	"DELETE /v1/devices/me/push": own("/v1/devices/me/push", 204, ""),

	"OPTIONS /v1/media/uploads": {open: true},
	"POST /v1/media/uploads": {stranger: []attempt{
		{path: "/v1/media/uploads", body: "hello", want: 403, tus: true, to: "g.{group}"}, {path: "/v1/media/uploads", body: "hello", want: 403, tus: true, to: "{chat}"},
	}, removed: []attempt{{path: "/v1/media/uploads", body: "hello", want: 403, tus: true, to: "g.{group}"}}},
	"HEAD /v1/media/uploads/{id}":   upload(),
	"PATCH /v1/media/uploads/{id}":  upload(),
	"DELETE /v1/media/uploads/{id}": upload(),
	"GET /v1/media/{id}":            file(""),
	"GET /v1/media/{id}/thumbnail":  file("/thumbnail"),
	"GET /v1/media/{id}/info":       file("/info"),
	"POST /v1/media/{id}/link":      file("/link"),

	"POST /v1/groups":                       own("/v1/groups", 201, `{"name":"x"}`),
	"GET /v1/groups/{id}":                   group("", ""),
	"PATCH /v1/groups/{id}":                 group("", `{"name":"x"}`),
	"GET /v1/groups/{id}/members":           group("/members", ""),
	"POST /v1/groups/{id}/members":          group("/members", `{"users":["{bob}"]}`),
	"PUT /v1/groups/{id}/members/{user}":    group("/members/{bob}", `{"role":"admin"}`),
	"DELETE /v1/groups/{id}/members/{user}": group("/members/{bob}", ""),
	"GET /v1/groups/{id}/invites":           group("/invites", ""),
	"POST /v1/groups/{id}/invites":          group("/invites", `{}`),
	"DELETE /v1/groups/{id}/invites/{code}": group("/invites/{invite}", ""),
	"GET /v1/invites/{code}":                {stranger: []attempt{{path: "/v1/invites/{ended}", want: 404}}},
	"POST /v1/invites/{code}":               {stranger: []attempt{{path: "/v1/invites/{ended}", want: 404}}},
	"GET /v1/channels":                      own("/v1/channels", 200, ""),
	"GET /v1/channels/{id}":                 channel("", ""),
	"PATCH /v1/channels/{id}":               channel("", `{"pinned":true}`),
	"GET /v1/channels/{id}/messages":        channel("/messages", ""),
	"POST /v1/channels/{id}/messages":       channel("/messages", message),
	"GET /v1/channels/{id}/messages/{seq}":  channel("/messages/{seq}", ""),
	"DELETE /v1/channels/{id}/messages/{seq}": {
		stranger: append(into("/messages/{seq}", "", 403), into("/messages/{seq}?for=all", "", 403)...),
		removed:  into("/messages/{seq}?for=all", "", 403)[1:2],
	},
	"PUT /v1/channels/{id}/messages/{seq}/star":    channel("/messages/{seq}/star", ""),
	"DELETE /v1/channels/{id}/messages/{seq}/star": channel("/messages/{seq}/star", ""),
	"GET /v1/channels/{id}/pins":                   channel("/pins", ""),
	"GET /v1/channels/{id}/receipts":               channel("/receipts", ""),
	"GET /v1/starred":                              own("/v1/starred", 200, ""),
	"GET /v1/search": {stranger: []attempt{
		{path: "/v1/search?q=loom", want: 200, mine: true}, {path: "/v1/search?q=loom&channel={chat}", want: 200, mine: true},
		{path: "/v1/search?q=loom&channel=g.{group}", want: 200, mine: true},
	}, removed: []attempt{{path: "/v1/search?q=dawn&channel=g.{group}", want: 200, mine: true}}},
}

// A route that nobody has thought about here fails, and so does a row of none.
func TestTheTableHasEveryRoute(t *testing.T) {
	served := routes(t, "../node/health.go", "clientHandler")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			served = append(served, routes(t, f)...)
		}
	}
	for _, route := range served {
		if _, ok := ways[route]; !ok && route != "/" && route != "/v1/" && !strings.HasSuffix(route, "/{what}") {
			t.Errorf("%s: who is refused?", route)
		}
	}
	for route, w := range ways {
		if !slices.Contains(served, route) {
			t.Errorf("%s is served no more", route)
		}
		if w.open == (len(w.stranger) > 0) {
			t.Errorf("%s: either it is open to all, or a stranger is refused or has their own", route)
		}
	}
}

// Whoever shows no good token is refused by every call, in the same words whatever they ask for, and nothing happens.
func TestCallsWithoutAGoodTokenAreRefused(t *testing.T) {
	h := newHouse(t)
	before := h.quiet(t)
	for _, who := range h.impostors(t) {
		said := ""
		for route, w := range ways {
			method, _, _ := strings.Cut(route, " ")
			for _, a := range w.stranger {
				header := a.header(h.there)
				if who.token != "" {
					header = append(header, "Authorization", "Bearer "+who.token)
				}
				resp, body := fetch(t, h.edge, client.Grant{}, method, with(h.there, a.path), []byte(with(h.there, a.body)), header...)
				if method == http.MethodHead {
					if resp.status != 401 {
						t.Errorf("HEAD %s with %s: %d, want 401", a.path, who.name, resp.status)
					}
					continue
				}
				if resp.status != 401 || problemOf(t, body) != fabric.CodeUnauthenticated {
					t.Errorf("%s with %s: %d %s, want 401", a.path, who.name, resp.status, body)
				}
				if challenge := resp.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") {
					t.Errorf("%s with %s: challenge %q", a.path, who.name, challenge)
				}
				if said == "" {
					said = string(body)
				}
				if string(body) != said {
					t.Errorf("%s with %s: %s, elsewhere %s", a.path, who.name, body, said)
				}
				if leak := h.leaks(string(body)); leak != "" {
					t.Errorf("%s with %s: %s tells %q", a.path, who.name, body, leak)
				}
			}
		}
	}
	if after := h.state(t); after != before {
		t.Errorf("it has changed\n%s\nto\n%s", before, after)
	}
}

// Strangers and those who were removed are refused what is others', in the same words as where there is nothing.
func TestCallsOnWhatIsOthersAreRefused(t *testing.T) {
	h := newHouse(t)
	before := h.quiet(t)
	try := func(who client.Grant, route string, a attempt) {
		t.Helper()
		method, _, _ := strings.Cut(route, " ")
		resp, body := fetch(t, h.edge, who, method, with(h.there, a.path), []byte(with(h.there, a.body)), a.header(h.there)...)
		if resp.status != a.want {
			t.Errorf("%s, %s: %d %s, want %d", who.User.Name, method+" "+a.path, resp.status, body, a.want)
		}
		if leak := h.leaks(string(body)); leak != "" {
			t.Errorf("%s, %s: %s tells %q", who.User.Name, method+" "+a.path, body, leak)
		}
		if a.mine {
			return
		}
		nothing, none := fetch(t, h.edge, who, method, with(h.nowhere, a.path), []byte(with(h.nowhere, a.body)), a.header(h.nowhere)...)
		if there, nowhere := plain(h.there, string(body)), plain(h.nowhere, string(none)); there != nowhere || nothing.status != resp.status {
			t.Errorf("%s, %s: %d %s\nwhere there is nothing: %d %s", who.User.Name, method+" "+a.path, resp.status, there, nothing.status, nowhere)
		}
		for _, name := range []string{"Content-Type", "Cache-Control", "ETag", "Retry-After", "Allow"} {
			if resp.header.Get(name) != nothing.header.Get(name) {
				t.Errorf("%s, %s: %s %q, where there is nothing %q", who.User.Name, method+" "+a.path, name, resp.header.Get(name), nothing.header.Get(name))
			}
		}
	}
	for route, w := range ways {
		if route == "POST /v1/auth/logout" || w.open {
			continue // last
		}
		for _, a := range w.stranger {
			try(h.cem, route, a)
		}
		for _, a := range w.removed {
			try(h.ron, route, a)
		}
	}
	for _, a := range ways["POST /v1/auth/logout"].stranger {
		try(h.cem, "POST /v1/auth/logout", a)
	}
	if after := h.state(t); after != before {
		t.Errorf("it has changed\n%s\nto\n%s", before, after)
	}
}

// Who is blocked is told what anybody is told: all that they may ask about ann has the same answer as about bob, who has
// blocked nobody.
func TestTheBlockedNoticeNothing(t *testing.T) {
	h := newHouse(t)
	other := []string{"{ann}", string(h.bob.User.ID), "{name}", h.bob.User.Name, "{chat}", string(edgetest.Direct(h.dan, h.bob)), "{mine}", fabric.NewCID()}
	blocker := []string{"{ann}", string(h.ann.User.ID), "{name}", h.ann.User.Name, "{chat}", string(edgetest.Direct(h.dan, h.ann)), "{mine}", fabric.NewCID()}
	mine := strings.Replace(message, "{cid}", "{mine}", 1)
	varying := func(o string) string {
		for _, field := range []string{"seq", "prev", "at", "created_at", "last_seen", "cid"} {
			o = number(field).ReplaceAllString(o, `"`+field+`":0`)
		}
		return o
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/users/{ann}", ""},
		{"POST", "/v1/channels/{ann}/messages", message},
		{"POST", "/v1/channels/{chat}/messages", mine},
		{"POST", "/v1/channels/{chat}/messages", mine}, // again
		{"GET", "/v1/channels/{chat}", ""},
		{"GET", "/v1/channels/{chat}/messages", ""},
		{"GET", "/v1/channels/{chat}/receipts", ""},
		{"GET", "/v1/channels/{chat}/pins", ""},
		{"PATCH", "/v1/channels/{chat}", `{"pinned":true}`},
		{"PUT", "/v1/blocks/{ann}", ""},
		{"DELETE", "/v1/blocks/{ann}", ""},
		{"DELETE", "/v1/contacts/{ann}", ""},
	} {
		first, a := fetch(t, h.edge, h.dan, c.method, with(blocker, c.path), []byte(with(blocker, c.body)))
		second, b := fetch(t, h.edge, h.dan, c.method, with(other, c.path), []byte(with(other, c.body)))
		if got, want := varying(plain(blocker, string(a))), varying(plain(other, string(b))); got != want || first.status != second.status {
			t.Errorf("%s %s: %d %s\nof who has not blocked them: %d %s", c.method, c.path, first.status, got, second.status, want)
		}
	}
	if got := messages(t, h.edge, h.ann, string(edgetest.Direct(h.dan, h.ann)), ""); len(got.seqs) != 0 {
		t.Errorf("ann gets %v of whom she has blocked", got)
	}
}

// A message that one may not see is one that there is not: what the blocked wrote, what was said before one joined, and
// the messages of another channel.
func TestHiddenMessagesAreNotThere(t *testing.T) {
	h := newHouse(t)
	blocked := post(t, h.edge, h.dan, string(h.ann.User.ID), fabric.NewCID(), "hear me")
	do(t, h.edge, h.ann, "PUT", with(h.there, "/v1/groups/{group}/members/")+string(h.cem.User.ID), map[string]any{}, 201)
	said := with(h.there, "{said}")
	for _, c := range []struct {
		name    string
		who     client.Grant
		channel string
		seq     string
	}{
		{"of who is blocked", h.ann, string(edgetest.Direct(h.ann, h.dan)), fmt.Sprint(blocked.Num("seq"))},
		{"from before one joined", h.cem, with(h.there, "g.{group}"), said},
		{"of another channel", h.ann, with(h.there, "{chat}"), said},
		{"of another channel, in one's own", h.cem, string(fabric.Self(h.cem.User.ID)), said},
	} {
		ids, none := []string{"{seq}", c.seq}, []string{"{seq}", "1000001"}
		for _, call := range []struct{ method, path, body string }{
			{"GET", "/messages/{seq}", ""},
			{"DELETE", "/messages/{seq}", ""},
			{"DELETE", "/messages/{seq}?for=all", ""},
			{"PUT", "/messages/{seq}/star", ""},
			{"DELETE", "/messages/{seq}/star", ""},
			{"POST", "/messages", `{"cid":"{cid}","kind":"edit","body":{"seq":{seq},"body":{"text":"x"}}}`},
			{"POST", "/messages", `{"cid":"{cid}","kind":"delete","body":{"seq":{seq}}}`},
			{"POST", "/messages", `{"cid":"{cid}","kind":"reaction","body":{"seq":{seq},"emoji":"✓"}}`},
			{"POST", "/messages", `{"cid":"{cid}","kind":"pin","body":{"seq":{seq},"on":true}}`},
		} {
			path := "/v1/channels/" + c.channel + call.path
			there, a := fetch(t, h.edge, c.who, call.method, with(ids, path), []byte(with(ids, call.body)))
			nowhere, b := fetch(t, h.edge, c.who, call.method, with(none, path), []byte(with(none, call.body)))
			if got, want := plain(ids, string(a)), plain(none, string(b)); got != want || there.status != nowhere.status || there.status < 400 {
				t.Errorf("%s, %s %s %s: %d %s\nof no message: %d %s", c.name, call.method, call.path, call.body, there.status, got, nowhere.status, want)
			}
		}
	}
}
