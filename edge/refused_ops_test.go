package edge_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// request is what somebody asks over the WebSocket of what is another's.
type request struct {
	fields string // of the object, with {placeholders} of house
	want   fabric.Code
	mine   bool // everybody has their own, or it says nothing of anybody
}

// asks are who is refused an op.
type asks struct {
	early    bool // also before hello
	stranger []request
	removed  []request
}

// below are requests on every kind of channel that ann is in.
func below(fields string, want fabric.Code) asks {
	var all []request
	for _, c := range []string{"{chat}", "g.{group}", "{self}"} {
		all = append(all, request{fields: fmt.Sprintf(`"channel":%q,`, c) + fields, want: want})
	}
	return asks{stranger: all, removed: all[1:2]}
}

// opsTable has a row for every op: TestOpsAreRefused.
var opsTable = map[string]asks{
	"hello": {early: true, stranger: []request{{fields: `"token":"x"`, want: fabric.CodeConflict, mine: true}}},
	"ping":  {early: true, stranger: []request{{fields: `"x":1`, mine: true}}},
	"send": {stranger: []request{
		{fields: `"to":"{chat}","cid":"{cid}","kind":"text","body":{"text":"x"}`, want: fabric.CodeForbidden},
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"text","body":{"text":"x"}`, want: fabric.CodeForbidden},
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"edit","body":{"seq":{said},"body":{"text":"x"}}`, want: fabric.CodeForbidden},
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"delete","body":{"seq":{said}}`, want: fabric.CodeForbidden},
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"reaction","body":{"seq":{said},"emoji":"✓"}`, want: fabric.CodeForbidden},
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"pin","body":{"seq":{said},"on":true}`, want: fabric.CodeForbidden},
		{fields: `"to":"{chat}","cid":"{cid}","kind":"reaction","body":{"seq":{wrote},"emoji":"✓"}`, want: fabric.CodeForbidden},
		{fields: `"to":"{self}","cid":"{cid}","kind":"channel","body":{}`, want: fabric.CodeForbidden},
	}, removed: []request{
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"text","body":{"text":"x"}`, want: fabric.CodeForbidden},
		{fields: `"to":"g.{group}","cid":"{cid}","kind":"reaction","body":{"seq":{said},"emoji":"✓"}`, want: fabric.CodeForbidden},
	}},
	"ack":      below(`"seq":1`, fabric.CodeForbidden),
	"read":     below(`"seq":1`, fabric.CodeForbidden),
	"typing":   below(`"on":true`, fabric.CodeForbidden),
	"history":  below(`"limit":10`, fabric.CodeForbidden),
	"receipts": below(`"limit":10`, fabric.CodeForbidden),
	"channels": {stranger: []request{{fields: `"limit":10`, mine: true}}},
	"watch":    {stranger: []request{{fields: `"users":["{ann}"]`, mine: true}}}, // by their privacy: TestWhoSeesAndAddsWhom
	"unwatch":  {stranger: []request{{fields: `"users":["{ann}"]`}}},
	"active":   {stranger: []request{{fields: `"on":true`, mine: true}}},
	"join": {
		stranger: []request{{fields: `"channel":"g.{group}"`, want: fabric.CodeForbidden}, {fields: `"code":"{ended}"`, want: fabric.CodeNotFound}},
		removed:  []request{{fields: `"channel":"g.{group}"`, want: fabric.CodeForbidden}},
	},
	"leave": {
		stranger: []request{{fields: `"channel":"g.{group}"`, want: fabric.CodeForbidden}},
		removed:  []request{{fields: `"channel":"g.{group}"`, want: fabric.CodeForbidden}},
	},
}

// Every op has a row, and none has one that there is not.
func TestTheTableHasEveryOp(t *testing.T) {
	all := func(n ast.Node) bool { _, list := n.(*ast.CompositeLit); return list }
	cases := func(n ast.Node) bool { _, is := n.(*ast.CaseClause); return is }
	decoded, done := literals(t, "request.go", "ops", all), literals(t, "ops.go", "do", cases)
	if len(decoded) == 0 || len(done) == 0 {
		t.Fatal("there are no ops")
	}
	for _, op := range append(decoded, done...) {
		if _, ok := opsTable[op]; !ok {
			t.Errorf("%s: who is refused?", op)
		}
	}
	for op := range opsTable {
		if !slices.Contains(done, op) {
			t.Errorf("there is no op %s any more", op)
		}
	}
}

// Before hello nothing is done for anybody, and hello is for whoever has a good token.
func TestOpsWithoutAGoodTokenAreRefused(t *testing.T) {
	h := newHouse(t)
	before := h.quiet(t)
	for op, row := range opsTable {
		if row.early {
			continue
		}
		for _, r := range row.stranger {
			c := edgetest.Dial(t, h.edge)
			c.Raw(with(h.there, fmt.Sprintf(`{"op":%q,"id":7,%s}`, op, r.fields)))
			if o := c.Reply(7); o.Err() != fabric.CodeUnauthenticated {
				t.Errorf("%s before hello: %v", op, o)
			}
			if code := c.Closed(); code != 4401 {
				t.Errorf("%s before hello: closed with %d, want 4401", op, code)
			}
		}
	}
	for _, who := range h.impostors(t) {
		c := edgetest.Dial(t, h.edge)
		o := c.Call("hello", map[string]any{"token": who.token})
		if o.Err() != fabric.CodeUnauthenticated {
			t.Errorf("hello with %s: %v", who.name, o)
		}
		if text := fmt.Sprint(o); h.leaks(text) != "" {
			t.Errorf("hello with %s: %s tells %q", who.name, text, h.leaks(text))
		}
		if code := c.Closed(); int(code) != who.close {
			t.Errorf("hello with %s: closed with %d, want %d", who.name, code, who.close)
		}
	}
	if after := h.state(t); after != before {
		t.Errorf("it has changed\n%s\nto\n%s", before, after)
	}
}

// Strangers and the removed are refused what is others', in the same words as where there is nothing, and their connection
// stays.
func TestOpsOnWhatIsOthersAreRefused(t *testing.T) {
	h := newHouse(t)
	before := h.quiet(t)
	witness := edgetest.Connect(t, h.edge, h.ann, "")
	witness.Synced()
	for _, who := range []client.Grant{h.cem, h.ron} {
		c := edgetest.Connect(t, h.edge, who, "")
		c.Synced()
		n := 0
		say := func(ids []string, op string, r request) edgetest.Object {
			t.Helper()
			n++
			c.Raw(with(ids, fmt.Sprintf(`{"op":%q,"id":"r%d",%s}`, op, n, r.fields)))
			o := c.Await("its answer", func(o edgetest.Object) bool { return o.Str("id") == fmt.Sprintf("r%d", n) })
			delete(o, "id")
			return o
		}
		for op, row := range opsTable {
			requests := row.stranger
			if who.User.ID == h.ron.User.ID {
				requests = row.removed
			}
			for _, r := range requests {
				there := say(h.there, op, r)
				text, err := json.Marshal(there)
				if err != nil {
					t.Fatal(err)
				}
				if there.Err() != r.want {
					t.Errorf("%s, %s %s: %s, want %q", who.User.Name, op, r.fields, text, r.want)
				}
				if leak := h.leaks(string(text)); leak != "" {
					t.Errorf("%s, %s %s: %s tells %q", who.User.Name, op, r.fields, text, leak)
				}
				if r.mine {
					continue
				}
				none, err := json.Marshal(say(h.nowhere, op, r))
				if err != nil {
					t.Fatal(err)
				}
				if got, want := plain(h.there, string(text)), plain(h.nowhere, string(none)); got != want {
					t.Errorf("%s, %s %s: %s\nwhere there is nothing: %s", who.User.Name, op, r.fields, got, want)
				}
			}
		}
	}
	if witness.Came(func(o edgetest.Object) bool { return o.Event() != "" && o.Event() != "cursor" }) {
		t.Error("ann was told of it")
	}
	if after := h.state(t); after != before {
		t.Errorf("it has changed\n%s\nto\n%s", before, after)
	}
}

// A token that is bound to a key is good with the signature of this connection's nonce, and with nothing else.
func TestASignatureIsGoodOnce(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	newKey := func() (nkeys.KeyPair, string) {
		t.Helper()
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return pair, public
	}
	key, public := newKey()
	stolen, _ := newKey()
	const phone = "+4915120000007"
	in := ask(t, e.URL, "POST", "/v1/auth/token", "", fmt.Sprintf(
		`{"phone":%q,"code":%q,"name":"ann","device":{"name":"phone","platform":"test","public_key":%q}}`, phone, code(t, e, phone), public))
	token := in.Str("access_token")
	if token == "" {
		t.Fatalf("sign in: %v", in)
	}
	sign := func(key nkeys.KeyPair, text string) string {
		t.Helper()
		sig, err := key.Sign([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(sig)
	}
	// dial returns a connection with its nonce, and one that is in with it
	dial := func() (*edgetest.Conn, string) {
		c, info := edgetest.DialInfo(t, e)
		return c, info.Str("nonce")
	}
	in1, earlier := dial()
	replayed := sign(key, earlier)
	if o := in1.Call("hello", map[string]any{"token": token, "sig": replayed}); o.OK() == nil {
		t.Fatalf("the right signature: %v", o)
	}
	in1.Synced()
	other, others := dial() // its nonce is open while another one uses it
	for _, tc := range []struct {
		name string
		sig  func(nonce string) string
	}{
		{"none", func(string) string { return "" }},
		{"of a nonce before", func(string) string { return replayed }},
		{"of another connection's nonce", func(string) string { return sign(key, others) }},
		{"by another key", func(nonce string) string { return sign(stolen, nonce) }},
		{"of nothing", func(string) string { return sign(key, "") }},
		{"of the token", func(string) string { return sign(key, token) }},
		{"cut off", func(nonce string) string { return sign(key, nonce)[:80] }},
		{"no base64", func(string) string { return strings.Repeat("!", 86) }},
		{"the nonce itself", func(nonce string) string { return nonce }},
	} {
		c, nonce := dial()
		if nonce == earlier || len(nonce) < 20 {
			t.Errorf("the nonce %q is no new one", nonce)
		}
		o := c.Call("hello", map[string]any{"token": token, "sig": tc.sig(nonce)})
		if o.Err() != fabric.CodeUnauthenticated {
			t.Errorf("a signature %s: %v", tc.name, o)
		}
		if got := c.Closed(); got != 4401 {
			t.Errorf("a signature %s: closed with %d, want 4401", tc.name, got)
		}
	}
	if o := other.Call("hello", map[string]any{"token": token, "sig": sign(key, others)}); o.OK() == nil {
		t.Errorf("the other one's own: %v", o)
	}
	if pong := in1.Call("ping", nil); pong.OK() == nil {
		t.Errorf("the session that is in: %v", pong)
	}
}

// Clocks of those who sign and those who check may be a minute apart, either way; then a token is over.
func TestClocksMayDiffer(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	if left := time.Until(time.UnixMilli(ann.ExpiresAt)); left > auth.AccessLife || left < auth.AccessLife-time.Minute || auth.AccessLife != 15*time.Minute {
		t.Errorf("a token is good for %s, want 15 minutes", left)
	}
	for _, tc := range []struct {
		ahead time.Duration // of the clock of who signed
		after time.Duration // how long ago
		good  bool
	}{
		{0, 0, true},
		{time.Minute, 0, true},
		{-time.Minute, 0, true},
		{0, auth.AccessLife - 10*time.Second, true},
		{-time.Minute, auth.AccessLife - 10*time.Second, true},
		{0, auth.AccessLife + auth.Skew + 2*time.Second, false},
		{time.Minute, auth.AccessLife + 2*time.Minute + 2*time.Second, false},
	} {
		token, _, err := f.NATS.Keys.Issuer().Issue(ann.User.ID, ann.Device.ID, "", time.Now().Add(tc.ahead-tc.after))
		if err != nil {
			t.Fatal(err)
		}
		c := edgetest.Dial(t, e)
		if o := c.Call("hello", map[string]any{"token": token}); (o.OK() != nil) != tc.good {
			t.Errorf("a clock %s ahead, %s ago: hello %v, want it good: %v", tc.ahead, tc.after, o, tc.good)
		}
		if got := ask(t, e.URL, "GET", "/v1/me", token, ""); (got.status == 200) != tc.good {
			t.Errorf("a clock %s ahead, %s ago: HTTP %d, want it good: %v", tc.ahead, tc.after, got.status, tc.good)
		}
	}
}
