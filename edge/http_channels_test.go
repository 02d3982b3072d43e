package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// post sends a text message over HTTP.
func post(t *testing.T, e *edgetest.Edge, from client.Grant, to, cid, text string) answer {
	t.Helper()
	return ask(t, e.URL, "POST", "/v1/channels/"+to+"/messages", from.AccessToken,
		fmt.Sprintf(`{"cid":%q,"kind":"text","body":{"text":%q}}`, cid, text))
}

func TestTheSameCIDIsTheSameMessage(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e1, "ann"), f.User(t, e1, "bob")
	chat := string(edgetest.Direct(ann, bob))
	cid := fabric.NewCID()
	first := post(t, e1, ann, string(bob.User.ID), cid, "hello")
	if first.status != http.StatusCreated || first.Str("channel") != chat || first.Num("seq") == 0 || first.Num("prev") != 0 {
		t.Fatalf("the first: %d %v", first.status, first)
	}
	// bob's is another one, though its cid is the same
	bobs := post(t, e1, bob, chat, cid, "me too")
	if bobs.status != http.StatusCreated || bobs.Num("prev") != first.Num("seq") {
		t.Errorf("bob's: %d %v", bobs.status, bobs)
	}
	// again, on both edges and by both names of the chat
	for _, e := range []*edgetest.Edge{e1, e2} {
		for _, to := range []string{chat, string(bob.User.ID)} {
			if again := post(t, e, ann, to, cid, "hello"); again.status != http.StatusOK || place(again.Object) != place(first.Object) {
				t.Errorf("again: %d %v, want 200 and %v", again.status, again, first)
			}
		}
	}
	// elsewhere the cid would be another message: the sender has one of that name already
	cem := f.User(t, e1, "cem")
	if got := post(t, e2, ann, string(cem.User.ID), cid, "hello"); got.status != http.StatusConflict || got.code() != fabric.CodeConflict {
		t.Errorf("the cid in another chat: %d %v, want 409", got.status, got)
	}
	got := messages(t, e2, ann, chat, "")
	if len(got.seqs) != 2 || got.texts[0] != "hello" || got.texts[1] != "me too" {
		t.Errorf("the chat: %v", got)
	}
}

// page is a page of messages.
type page struct {
	seqs  []uint64
	texts []string
	more  bool
}

func messages(t *testing.T, e *edgetest.Edge, g client.Grant, channel, query string) (p page) {
	t.Helper()
	got := ask(t, e.URL, "GET", "/v1/channels/"+channel+"/messages"+query, g.AccessToken, "")
	if got.status != http.StatusOK {
		t.Fatalf("messages%s: %d %v", query, got.status, got)
	}
	for _, m := range got.Object["messages"].([]any) {
		m := edgetest.Object(m.(map[string]any))
		p.seqs, p.texts = append(p.seqs, m.Num("seq")), append(p.texts, text(m))
	}
	p.more = got.Object["more"] == true
	return p
}

func TestPagesOfMessages(t *testing.T) {
	const total = 250
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	chat := string(edgetest.Direct(ann, bob))
	var seqs []uint64
	for i := range total {
		sent := post(t, e, ann, chat, fabric.NewCID(), fmt.Sprint(i))
		if sent.status != http.StatusCreated {
			t.Fatalf("send %d: %d %v", i, sent.status, sent)
		}
		seqs = append(seqs, sent.Num("seq"))
		if i%10 == 0 { // so that seqs have holes
			post(t, e, ann, string(cem.User.ID), fabric.NewCID(), "elsewhere")
		}
	}
	for _, tc := range []struct {
		query    string
		from, to int // of the messages sent
		more     bool
	}{
		{"", 200, 250, true},
		{"?limit=0", 200, 250, true},
		{"?limit=10", 240, 250, true},
		{"?limit=200", 50, 250, true},
		{"?limit=100000", 50, 250, true},
		{"?limit=18446744073709551615", 50, 250, true},
		{fmt.Sprintf("?before=%d", seqs[100]), 50, 100, true},
		{fmt.Sprintf("?before=%d&limit=100", seqs[100]), 0, 100, false},
		{fmt.Sprintf("?before=%d&limit=101", seqs[100]), 0, 100, false},
		{fmt.Sprintf("?before=%d&limit=99", seqs[100]), 1, 100, true},
		{fmt.Sprintf("?before=%d", seqs[0]), 0, 0, false},
		{fmt.Sprintf("?before=%d&limit=5", seqs[249]+1_000_000), 245, 250, true},
		{"?before=0&limit=5", 245, 250, true},
		{"?before=18446744073709551615&limit=5", 245, 250, true},
		{"?after=0", 0, 50, true},
		{"?after=0&limit=200", 0, 200, true},
		{fmt.Sprintf("?after=%d", seqs[99]), 100, 150, true},
		{fmt.Sprintf("?after=%d&limit=50", seqs[199]), 200, 250, false},
		{fmt.Sprintf("?after=%d&limit=49", seqs[199]), 200, 249, true},
		{fmt.Sprintf("?after=%d", seqs[249]), 250, 250, false},
		{"?after=18446744073709551615", 250, 250, false},
	} {
		t.Run(tc.query, func(t *testing.T) {
			got := messages(t, e, bob, chat, tc.query)
			if want := seqs[tc.from:tc.to]; !slices.Equal(got.seqs, want) || got.more != tc.more {
				t.Errorf("%v more %v\nwant %v more %v", got.seqs, got.more, want, tc.more)
			}
			for i, text := range got.texts {
				if text != fmt.Sprint(tc.from+i) {
					t.Errorf("message %d says %s", tc.from+i, text)
				}
			}
		})
	}
	for _, query := range []string{"?limit=-1", "?limit=x", "?before=1.5", "?after=18446744073709551616", "?before=1&after=1", "?before=0&after=0"} {
		if got := ask(t, e.URL, "GET", "/v1/channels/"+chat+"/messages"+query, bob.AccessToken, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", query, got.status, got)
		}
	}
	// a walk to either end brings each once
	var up, down []uint64
	for p := messages(t, e, bob, chat, "?limit=60"); ; p = messages(t, e, bob, chat, fmt.Sprintf("?limit=60&before=%d", p.seqs[0])) {
		up = append(slices.Clone(p.seqs), up...)
		if !p.more {
			break
		}
	}
	for p := messages(t, e, bob, chat, "?limit=60&after=0"); ; p = messages(t, e, bob, chat, fmt.Sprintf("?limit=60&after=%d", p.seqs[len(p.seqs)-1])) {
		down = append(down, p.seqs...)
		if !p.more {
			break
		}
	}
	if !slices.Equal(up, seqs) || !slices.Equal(down, seqs) {
		t.Errorf("walked\n%v and\n%v, want\n%v", up, down, seqs)
	}
}

func TestPagesOfChannels(t *testing.T) {
	const total = 57
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	var newestFirst []string
	var last uint64
	for i := range total {
		peer := f.User(t, e, fmt.Sprintf("peer %d", i))
		sent := post(t, e, peer, string(ann.User.ID), fabric.NewCID(), "hello")
		if sent.status != http.StatusCreated {
			t.Fatalf("send: %d %v", sent.status, sent)
		}
		last = sent.Num("at")
		newestFirst = append(newestFirst, string(edgetest.Direct(ann, peer)))
	}
	// the first one writes again, and is on top now
	again := newestFirst[0]
	for post(t, e, ann, again, fabric.NewCID(), "and hello to you").Num("at") <= last { // in the same millisecond
	}
	slices.Reverse(newestFirst)
	newestFirst = append([]string{again}, newestFirst[:total-1]...)

	for _, tc := range []struct {
		query string
		sizes []int
	}{
		{"", []int{50, 7}},
		{"limit=20", []int{20, 20, 17}},
		{"limit=19", []int{19, 19, 19}},
		{"limit=57", []int{57}},
		{"limit=100000", []int{57}},
	} {
		t.Run(tc.query, func(t *testing.T) {
			var ids []string
			var sizes []int
			cursor := ""
			for {
				got := ask(t, e.URL, "GET", "/v1/channels?"+tc.query+"&cursor="+cursor, ann.AccessToken, "")
				if got.status != http.StatusOK {
					t.Fatalf("%d %v", got.status, got)
				}
				list := got.Object["channels"].([]any)
				for _, c := range list {
					c := edgetest.Object(c.(map[string]any))
					ids = append(ids, c.Str("id"))
					if c.Str("kind") != "direct" || c.Str("name") != sub(c, "peer").Str("name") || sub(c, "last").Str("channel") != c.Str("id") || c.Num("unread") != 1 {
						t.Errorf("channel %v", c)
					}
				}
				sizes = append(sizes, len(list))
				if cursor = got.Str("cursor"); cursor == "" {
					break
				}
			}
			if !slices.Equal(ids, newestFirst) || !slices.Equal(sizes, tc.sizes) {
				t.Errorf("pages of %v: %v\nwant %v: %v", sizes, ids, tc.sizes, newestFirst)
			}
		})
	}
}

// What is no good request is told so, in RFC 9457's words and with our code.
func TestRequestsThatAreNoGood(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	chat := "/v1/channels/" + string(edgetest.Direct(ann, bob)) + "/messages"
	message := func(body string) string {
		return fmt.Sprintf(`{"cid":%q,"kind":"text","body":%s}`, fabric.NewCID(), body)
	}
	for _, tc := range []struct {
		name, method, path, body string
		want                     fabric.Code // "" where it is good
	}{
		{"no body", "POST", "/v1/auth/otp", "", fabric.CodeBadRequest},
		{"no JSON", "POST", "/v1/auth/otp", "phone=1", fabric.CodeBadRequest},
		{"cut off", "POST", "/v1/auth/otp", `{"phone":"+4915123456789"`, fabric.CodeBadRequest},
		{"an array", "POST", "/v1/auth/otp", `["+4915123456789"]`, fabric.CodeBadRequest},
		{"the wrong type", "POST", "/v1/auth/otp", `{"phone":4915123456789}`, fabric.CodeBadRequest},
		{"null", "POST", "/v1/auth/otp", `null`, fabric.CodeBadRequest},
		{"two of them", "POST", "/v1/auth/otp", `{"phone":"+4915123456789"} {}`, fabric.CodeBadRequest},
		{"something after it", "POST", "/v1/auth/otp", `{"phone":"+4915123456789"}}`, fabric.CodeBadRequest},
		{"blanks after it", "POST", "/v1/auth/otp", "{\"phone\":\"+4915123456789\"} \r\n", ""},
		{"unknown fields", "POST", "/v1/auth/otp", `{"phone":"+4915123456789","x":[{}]}`, ""},
		{"too large", "POST", "/v1/auth/otp", `{"phone":"+4915123456789","x":"` + strings.Repeat("x", 80<<10) + `"}`, fabric.CodeTooLarge},
		{"blanks without end", "POST", "/v1/auth/otp", strings.Repeat(" ", 1<<20), fabric.CodeTooLarge},
		{"a name of blanks", "PATCH", "/v1/me", `{"name":"  "}`, fabric.CodeBadRequest},
		{"a name with an escape", "PATCH", "/v1/me", `{"name":"a\u001b[2J"}`, fabric.CodeBadRequest},
		{"a body at its bound", "POST", chat, message(`"` + strings.Repeat("x", fabric.MaxBodyBytes-2) + `"`), ""},
		{"a body over its bound", "POST", chat, message(`"` + strings.Repeat("x", fabric.MaxBodyBytes-1) + `"`), fabric.CodeTooLarge},
		{"a body with line feeds", "POST", chat, message("{\n\"text\":\r\n\"x\"}"), ""},
		{"a body that is no UTF-8", "POST", chat, message("{\"text\":\"\xff\xfe\"}"), fabric.CodeBadRequest},
		{"a body with a name twice", "POST", chat, message(`{"text":"x","text":"y"}`), ""},
		{"a kind with a blank", "POST", chat, strings.Replace(message("1"), "text", "te xt", 1), fabric.CodeBadRequest},
		{"a message to oneself", "POST", "/v1/channels/" + string(ann.User.ID) + "/messages", message("1"), fabric.CodeBadRequest},
		{"a chat in the wrong order", "GET", "/v1/channels/" + string(max(ann.User.ID, bob.User.ID)+"."+min(ann.User.ID, bob.User.ID)) + "/messages", "", fabric.CodeBadRequest},
		{"a channel of wildcards", "GET", "/v1/channels/*.%3E/messages", "", fabric.CodeBadRequest},
		{"a user with a slash", "GET", "/v1/users/a%2Fb", "", fabric.CodeBadRequest},
		{"an unknown path", "GET", "/v1/nothing", "", fabric.CodeNotFound},
		{"an unknown long path", "GET", "/v1/" + strings.Repeat("x", 4000), "", fabric.CodeNotFound},
		{"a path below", "GET", "/v1/me/too", "", fabric.CodeNotFound},
		{"a user without an id", "GET", "/v1/users/", "", fabric.CodeNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ask(t, e.URL, tc.method, tc.path, ann.AccessToken, tc.body)
			wantType := "application/problem+json"
			if tc.want == "" {
				wantType = "application/json"
				if got.status > 299 {
					t.Errorf("%d %v", got.status, got)
				}
			} else if got.status != fabric.StatusOf(tc.want) || got.code() != tc.want || got.Num("status") != uint64(got.status) ||
				got.Str("type") != "about:blank" || got.Str("title") != http.StatusText(got.status) || got.Str("detail") == "" || len(got.Str("detail")) > 300 {
				t.Errorf("%d %v, want %s", got.status, got, tc.want)
			}
			for header, want := range map[string]string{"Content-Type": wantType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
				if is := got.header.Get(header); is != want {
					t.Errorf("%s: %q, want %q", header, is, want)
				}
			}
		})
	}
	if me := ask(t, e.URL, "GET", "/v1/me", ann.AccessToken, ""); me.status != http.StatusOK {
		t.Errorf("ann is signed in no more: %d %v", me.status, me)
	}
}

// The name of the scheme is no matter of case (RFC 9110, 11.1).
func TestTheSchemeInAnyCase(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	for header, want := range map[string]int{
		"Bearer " + ann.AccessToken: http.StatusOK,
		"bearer " + ann.AccessToken: http.StatusOK,
		"Basic " + ann.AccessToken:  http.StatusUnauthorized,
		"Bearer":                    http.StatusUnauthorized,
		ann.AccessToken:             http.StatusUnauthorized,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var o edgetest.Object
		err = json.NewDecoder(resp.Body).Decode(&o)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want {
			t.Errorf("%.12s…: %d %v %v, want %d", header, resp.StatusCode, o, err, want)
		}
	}
}

// Over HTTP a user has the rates that a session has.
func TestRatesOverHTTP(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) {
		l.SendsPerSecond, l.SendBurst, l.OpsPerSecond, l.OpsBurst = 1, 2, 1, 6
	}})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	path := "/v1/channels/" + string(edgetest.Direct(ann, bob)) + "/messages"
	var statuses []int
	for range 3 {
		got := ask(t, e.URL, http.MethodPost, path, ann.AccessToken, `{"cid":"`+newCID()+`","kind":"text","body":1}`)
		statuses = append(statuses, got.status)
	}
	for range 5 {
		statuses = append(statuses, ask(t, e.URL, http.MethodGet, "/v1/me", ann.AccessToken, "").status)
	}
	if first, last := fmt.Sprint(statuses[:3]), statuses[7]; first != "[201 201 429]" || last != 429 {
		t.Errorf("two sends and six requests at once are allowed: %v", statuses)
	}
	if got := ask(t, e.URL, http.MethodGet, "/v1/me", cem.AccessToken, ""); got.status != 200 {
		t.Errorf("another user: %d", got.status)
	}
	// what does not fit its field is named without our types
	got := ask(t, e.URL, http.MethodPatch, "/v1/me", cem.AccessToken, `{"name":5}`)
	if got.status != 400 || !strings.Contains(got.Str("detail"), "name is not what belongs there") {
		t.Errorf("a mistyped field: %v", got)
	}
}
