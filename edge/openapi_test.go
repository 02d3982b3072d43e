package edge_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/node/nodetest"
	"github.com/weft-im/weft/weftest"
)

const documentFile = "../docs/openapi.yaml"

// document loads docs/openapi.yaml, which must be a valid one, its examples too.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("%s is no good document: %v", documentFile, err)
	}
	return doc
}

// held calls a running server and holds what is asked and answered against the document.
type held struct {
	t      *testing.T
	url    string
	doc    *openapi3.T
	router routers.Router
	seen   map[string]bool // "operation status"
	tag    string          // of the last answer
	at     string          // the last part of its Location
}

func init() { //nolint:gochecknoinits // these are kept by the package
	for _, kind := range []string{"image/png", "image/jpeg", "image/webp", "image/gif", "application/zip", "application/offset+octet-stream", "application/octet-stream", "multipart/byteranges"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
}

func hold(t *testing.T, url string) *held {
	t.Helper()
	doc := document(t)
	doc.Servers = nil // it runs elsewhere
	// Clients ignore what they don't know, but the document is to know everything that the server says.
	for name, s := range doc.Components.Schemas {
		if s.Value.Type.Is("object") && !strings.HasSuffix(name, "Request") {
			no := false
			s.Value.AdditionalProperties.Has = &no
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &held{t: t, url: url, doc: doc, router: router, seen: map[string]bool{}}
}

// call is a request to an operation, and the status it is answered with.
type call struct {
	op    string
	want  int
	path  string
	token string
	body  string
	kind  string   // the body's; application/json where it is empty
	tag   string   // what the caller has
	head  []string // further headers, each behind its name
	wrong bool     // the document too says that this is no good request
	until bool     // it is made until it is answered so
}

// do makes a call and returns the answer.
func (h *held) do(c call) edgetest.Object {
	h.t.Helper()
	method := ""
	for _, item := range h.doc.Paths.Map() {
		for m, op := range item.Operations() {
			if op.OperationID == c.op {
				method = m
			}
		}
	}
	if method == "" {
		h.t.Fatalf("the document has no operation %s", c.op)
	}
	request := func() *http.Request {
		req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+c.path, strings.NewReader(c.body))
		if err != nil {
			h.t.Fatal(err)
		}
		if c.body == "" {
			req.Body, req.ContentLength = http.NoBody, 0
		} else {
			req.Header.Set("Content-Type", cmp.Or(c.kind, "application/json"))
		}
		if c.tag != "" {
			req.Header.Set("If-None-Match", c.tag)
		}
		for i := 0; i < len(c.head); i += 2 {
			req.Header.Set(c.head[i], c.head[i+1])
		}
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		return req
	}
	about := fmt.Sprintf("%s: %s %s %.80s", c.op, method, c.path, c.body)
	forDoc := request()
	route, params, err := h.router.FindRoute(forDoc)
	if err != nil {
		h.t.Fatalf("%s: %v", about, err)
	}
	if route.Operation.OperationID != c.op {
		h.t.Fatalf("%s: the document takes it for %s", about, route.Operation.OperationID)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: forDoc, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: func(_ context.Context, in *openapi3filter.AuthenticationInput) error {
				if !strings.HasPrefix(in.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer ") {
					return errors.New("no bearer token")
				}
				return nil
			},
			IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true,
		},
	}
	if err := openapi3filter.ValidateRequest(h.t.Context(), in); (err != nil) != c.wrong {
		h.t.Errorf("%s: by the document the request is wrong: %v (%v), want %v", about, err != nil, err, c.wrong)
	}

	resp, err := http.DefaultClient.Do(request())
	for err == nil && c.until && resp.StatusCode != c.want {
		_ = resp.Body.Close()
		resp, err = http.DefaultClient.Do(request())
	}
	if err != nil {
		h.t.Fatalf("%s: %v", about, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s: %v", about, err)
	}
	if resp.StatusCode != c.want {
		h.t.Fatalf("%s: status %d, want %d: %s", about, resp.StatusCode, c.want, body)
	}
	h.check(about, in, resp, body)
	h.seen[fmt.Sprintf("%s %d", c.op, resp.StatusCode)] = true
	h.tag, h.at = resp.Header.Get("ETag"), path.Base(resp.Header.Get("Location"))
	var o edgetest.Object
	if strings.Contains(resp.Header.Get("Content-Type"), "json") && method != http.MethodHead {
		if err := json.Unmarshal(body, &o); err != nil {
			h.t.Fatalf("%s: %v", about, err)
		}
	}
	return o
}

// check holds an answer against the document.
func (h *held) check(about string, in *openapi3filter.RequestValidationInput, resp *http.Response, body []byte) {
	h.t.Helper()
	if err := openapi3filter.ValidateResponse(h.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: in.Options,
	}); err != nil {
		h.t.Errorf("%s: the answer with %d is not as documented: %v\n%s", about, resp.StatusCode, err, body)
	}
	documented := in.Route.Operation.Responses.Status(resp.StatusCode)
	if documented != nil && len(documented.Value.Content) == 0 && len(body) != 0 {
		h.t.Errorf("%s: the answer with %d is documented without a body, and has %q", about, resp.StatusCode, body)
	}
	if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") == "application/problem+json" && in.Request.Method != http.MethodHead {
		var p struct {
			Status int         `json:"status"`
			Code   fabric.Code `json:"code"`
		}
		if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode ||
			fabric.StatusOf(p.Code) != resp.StatusCode && (p.Code != fabric.CodeBadRequest || !slices.Contains(finer, resp.StatusCode)) {
			h.t.Errorf("%s: a problem with status %d says %s", about, resp.StatusCode, body)
		}
	}
}

// finer are statuses that say more than the code bad_request does: of tus 1.0, and of ranges.
var finer = []int{http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable, 460}

// grantOf returns what a sign-in was answered with, as the Go client has it.
func grantOf(o edgetest.Object) client.Grant { return client.Grant{AccessToken: o.Str("access_token")} }

// signIn signs a device in, by the document.
func (h *held) signIn(phone, name string) edgetest.Object {
	h.t.Helper()
	otp := h.do(call{op: "postOTP", want: 202, path: "/v1/auth/otp", body: fmt.Sprintf(`{"phone":%q}`, phone)})
	return h.do(call{op: "postToken", want: 200, path: "/v1/auth/token", body: fmt.Sprintf(
		`{"phone":%q,"code":%q,"name":%q,"device":{"name":"%s's phone","platform":"test"}}`, phone, otp.Str("dev_code"), name, name)})
}

func sub(o edgetest.Object, field string) edgetest.Object {
	m, _ := o[field].(map[string]any)
	return m
}

// startNode starts a whole process of Weft within the test, and returns where it is.
func startNode(t *testing.T, data string, dev bool, more ...func(*node.Config)) (url string) {
	t.Helper()
	cfg := nodetest.Config(t)
	cfg.Data, cfg.Dev, cfg.Sync, cfg.Shards, cfg.Window = data, dev, 100*time.Millisecond, 1, time.Hour
	for _, f := range more {
		f(&cfg)
	}
	return nodetest.Run(t, cfg).Clients
}

// Every operation is called, with what succeeds and with what is refused, and does what the document says.
func TestTheServerDoesAsTheDocumentSays(t *testing.T) {
	h := hold(t, startNode(t, t.TempDir(), true))
	ann, bob := h.signIn("+49 151 20000001", "ann"), h.signIn("+49 151 20000002", "bob")
	cem := h.signIn("+4915120000003", "cem")
	annID, bobID, nobody := sub(ann, "user").Str("id"), sub(bob, "user").Str("id"), string(fabric.NewUserID())
	access, chat := ann.Str("access_token"), string(fabric.Direct(fabric.UserID(annID), fabric.UserID(bobID)))
	theirs := string(fabric.Direct(fabric.UserID(bobID), fabric.UserID(nobody)))
	pad := strings.Repeat("x", 80<<10)
	message := func(cid, body string) string { return fmt.Sprintf(`{"cid":%q,"kind":"text","body":%s}`, cid, body) }
	cid := fabric.NewCID()

	for _, c := range []call{
		{op: "getHealth", want: 200, path: "/healthz"},
		{op: "getReadiness", want: 200, path: "/readyz"},
		{op: "getLimits", want: 200, path: "/v1/limits"},
		{op: "getWebSocket", want: 426, path: "/v1/ws"},
		{op: "getMethods", want: 200, path: "/v1/auth/methods"},
		{op: "postOIDCStart", want: 404, path: "/v1/auth/oidc/start", body: `{"redirect_uri":"https://chat.example/"}`},
		{op: "postOIDCToken", want: 404, path: "/v1/auth/oidc/token", body: `{"state":"x","code":"x"}`},

		{op: "postOTP", want: 400, path: "/v1/auth/otp", body: `{"phone":"0151"}`},
		{op: "postOTP", want: 400, path: "/v1/auth/otp", body: `{}`, wrong: true},
		{op: "postOTP", want: 400, path: "/v1/auth/otp", body: `{"phone":5}`, wrong: true},
		{op: "postOTP", want: 400, path: "/v1/auth/otp", wrong: true},
		{op: "postOTP", want: 413, path: "/v1/auth/otp", body: `{"phone":"+49 151 20000001","pad":"` + pad + `"}`},
		{op: "postToken", want: 400, path: "/v1/auth/token", body: `{"phone":"`, wrong: true},
		{op: "postToken", want: 400, path: "/v1/auth/token", body: `{"phone":"+4915120000001","code":"1","name":"` + strings.Repeat("x", 101) + `"}`, wrong: true},
		{op: "postToken", want: 400, path: "/v1/auth/token", body: `{"phone":"+4915120000001","code":"1","device":{"public_key":"UABC"}}`, wrong: true},
		{op: "postToken", want: 401, path: "/v1/auth/token", body: `{"phone":"+4915120000001","code":"no","device":{"name":"x","platform":"y"}}`},
		{op: "postToken", want: 413, path: "/v1/auth/token", body: `{"phone":"+4915120000001","code":"1","pad":"` + pad + `"}`},
		{op: "postRefresh", want: 200, path: "/v1/auth/refresh", body: fmt.Sprintf(`{"refresh_token":%q,"attempt":"1"}`, ann.Str("refresh_token"))},
		{op: "postRefresh", want: 400, path: "/v1/auth/refresh", body: `{"refresh_token":"x","attempt":"` + strings.Repeat("x", 65) + `"}`, wrong: true},
		{op: "postRefresh", want: 401, path: "/v1/auth/refresh", body: `{"refresh_token":"x"}`},
		{op: "postRefresh", want: 413, path: "/v1/auth/refresh", body: `{"refresh_token":"` + pad + `"}`},

		{op: "getMe", want: 200, path: "/v1/me", token: access},
		{op: "getMe", want: 401, path: "/v1/me", wrong: true},
		{op: "getMe", want: 401, path: "/v1/me", token: "x.y.z"},
		{op: "patchMe", want: 200, path: "/v1/me", token: access, body: `{"name":"Ann B."}`},
		{op: "patchMe", want: 200, path: "/v1/me", token: access, body: `{}`},
		{op: "patchMe", want: 400, path: "/v1/me", token: access, body: `{"privacy":{"groups":"x"}}`, wrong: true},
		{op: "patchMe", want: 400, path: "/v1/me", token: access, body: `{"name":""}`, wrong: true},
		{op: "patchMe", want: 401, path: "/v1/me", body: `{"name":"x"}`, wrong: true},
		{op: "patchMe", want: 413, path: "/v1/me", token: access, body: `{"pad":"` + pad + `"}`},
		{op: "getUser", want: 200, path: "/v1/users/" + bobID, token: access},
		{op: "getUser", want: 200, path: "/v1/users/" + annID, token: access},
		{op: "getUser", want: 400, path: "/v1/users/BOB", token: access, wrong: true},
		{op: "getUser", want: 401, path: "/v1/users/" + bobID, token: "x"},
		{op: "getUser", want: 404, path: "/v1/users/" + nobody, token: access},
		{op: "postLookup", want: 200, path: "/v1/contacts/lookup", token: access, body: `{"phones":["+49 151 20000002","+4915129999999","?"]}`},
		{op: "postLookup", want: 400, path: "/v1/contacts/lookup", token: access, body: `{"phones":[]}`, wrong: true},
		{op: "postLookup", want: 400, path: "/v1/contacts/lookup", token: access, body: `{"phones":["+4915120000002"` + strings.Repeat(`,"?"`, 100) + `]}`, wrong: true},
		{op: "postLookup", want: 401, path: "/v1/contacts/lookup", body: `{"phones":["+4915120000002"]}`, wrong: true},
		{op: "postLookup", want: 413, path: "/v1/contacts/lookup", token: access, body: `{"phones":["` + pad + `"]}`},

		{op: "getDevices", want: 200, path: "/v1/devices", token: access},
		{op: "getDevices", want: 401, path: "/v1/devices", wrong: true},
		{op: "deleteDevice", want: 400, path: "/v1/devices/x", token: access, wrong: true},
		{op: "deleteDevice", want: 401, path: "/v1/devices/" + sub(ann, "device").Str("id"), wrong: true},
		{op: "deleteDevice", want: 404, path: "/v1/devices/" + sub(bob, "device").Str("id"), token: access},

		{op: "getChannels", want: 200, path: "/v1/channels", token: access},
		{op: "postMessage", want: 201, path: "/v1/channels/" + bobID + "/messages", token: access, body: message(cid, `{"text":"hi"}`)},
		{op: "postMessage", want: 200, path: "/v1/channels/" + chat + "/messages", token: access, body: message(cid, `{"text":"hi"}`)},
		{op: "postMessage", want: 201, path: "/v1/channels/" + chat + "/messages", token: access, body: message(fabric.NewCID(), `[1,"2",null]`)},
		{op: "postMessage", want: 201, path: "/v1/channels/" + annID + "/messages", token: bob.Str("access_token"), body: message(fabric.NewCID(), `"x"`)},
		{op: "postMessage", want: 400, path: "/v1/channels/" + chat + "/messages", token: access, body: message("x", `1`), wrong: true},
		{op: "postMessage", want: 400, path: "/v1/channels/" + chat + "/messages", token: access, body: fmt.Sprintf(`{"cid":%q,"kind":"text"}`, cid), wrong: true},
		{op: "postMessage", want: 400, path: "/v1/channels/" + chat + "/messages", token: access, body: fmt.Sprintf(`{"cid":%q,"kind":"Text","body":1}`, cid), wrong: true},
		{op: "postMessage", want: 400, path: "/v1/channels/bob/messages", token: access, body: message(cid, `1`), wrong: true},
		{op: "postMessage", want: 401, path: "/v1/channels/" + chat + "/messages", body: message(cid, `1`), wrong: true},
		{op: "postMessage", want: 403, path: "/v1/channels/" + theirs + "/messages", token: access, body: message(cid, `1`)},
		{op: "postMessage", want: 403, path: "/v1/channels/u." + annID + "/messages", token: access, body: message(cid, `1`)},
		{op: "postMessage", want: 404, path: "/v1/channels/" + nobody + "/messages", token: access, body: message(cid, `1`)},
		{op: "postMessage", want: 409, path: "/v1/channels/" + sub(cem, "user").Str("id") + "/messages", token: access, body: message(cid, `1`)},
		{op: "postMessage", want: 413, path: "/v1/channels/" + chat + "/messages", token: access, body: message(cid, `"`+pad[:64<<10]+`"`)},
		{op: "postMessage", want: 413, path: "/v1/channels/" + chat + "/messages", token: access, body: message(cid, `"`+pad+`"`)},

		{op: "getChannels", want: 200, path: "/v1/channels?limit=1", token: access},
		{op: "getChannels", want: 400, path: "/v1/channels?limit=-1", token: access, wrong: true},
		{op: "getChannels", want: 400, path: "/v1/channels?cursor=!", token: access},
		{op: "getChannels", want: 401, path: "/v1/channels", token: "x"},
		{op: "getMessages", want: 200, path: "/v1/channels/" + chat + "/messages", token: access},
		{op: "getMessages", want: 200, path: "/v1/channels/" + chat + "/messages?after=0&limit=1", token: access},
		{op: "getMessages", want: 200, path: "/v1/channels/" + chat + "/messages?before=1&limit=500", token: access},
		{op: "getMessages", want: 200, path: "/v1/channels/u." + annID + "/messages", token: access},
		{op: "getMessages", want: 400, path: "/v1/channels/" + chat + "/messages?before=1&after=1", token: access},
		{op: "getMessages", want: 400, path: "/v1/channels/" + chat + "/messages?after=x", token: access, wrong: true},
		{op: "getMessages", want: 400, path: "/v1/channels/" + bobID + "/messages", token: access, wrong: true},
		{op: "getMessages", want: 401, path: "/v1/channels/" + chat + "/messages", wrong: true},
		{op: "getMessages", want: 403, path: "/v1/channels/" + theirs + "/messages", token: access},
		{op: "getReceipts", want: 200, path: "/v1/channels/" + chat + "/receipts", token: access},
		{op: "getReceipts", want: 400, path: "/v1/channels/x/receipts", token: access, wrong: true},
		{op: "getReceipts", want: 401, path: "/v1/channels/" + chat + "/receipts", wrong: true},
		{op: "getReceipts", want: 403, path: "/v1/channels/" + theirs + "/receipts", token: access},
	} {
		h.do(c)
	}

	// a list and receipts that have everything they can have
	ws := edgetest.Connect(t, &edgetest.Edge{URL: h.url}, grantOf(bob), "")
	newest := h.do(call{op: "getMessages", want: 200, path: "/v1/channels/" + chat + "/messages?limit=1", token: access})["messages"].([]any)[0]
	if read := ws.Call("read", map[string]any{"channel": chat, "seq": edgetest.Object(newest.(map[string]any)).Num("seq")}); read.Err() != "" {
		t.Fatalf("read: %v", read)
	}
	weftest.Eventually(t, "bob's mark is there", func() bool {
		o := h.do(call{op: "getReceipts", want: 200, path: "/v1/channels/" + chat + "/receipts", token: access})
		return len(o["receipts"].([]any)) > 0
	})
	h.do(call{op: "getChannels", want: 200, path: "/v1/channels", token: access})
	resp := handshake(t, h.url) //nolint:bodyclose // handshake closes it
	h.seen[fmt.Sprintf("getWebSocket %d", resp.StatusCode)] = true

	h.people(ann, bob)
	h.pushes(ann)
	h.groups(ann, bob, cem)
	h.messages(ann, bob, chat)
	h.files(ann, bob, chat)

	// 3 phones and 1 were looked up by now, and 2,000 an hour may be
	hundred := `{"phones":["?"` + strings.Repeat(`,"?"`, 99) + `]}`
	for range 19 {
		h.do(call{op: "postLookup", want: 200, path: "/v1/contacts/lookup", token: access, body: hundred})
	}
	// and exactly the rest: how long it all took does not matter then
	h.do(call{op: "postLookup", want: 200, path: "/v1/contacts/lookup", token: access, body: `{"phones":["?"` + strings.Repeat(`,"?"`, 95) + `]}`})
	h.do(call{op: "postLookup", want: 429, path: "/v1/contacts/lookup", token: access, body: hundred})

	// out
	tablet := h.signIn("+4915120000001", "tablet")
	h.do(call{op: "deleteDevice", want: 204, path: "/v1/devices/" + sub(tablet, "device").Str("id"), token: access})
	h.do(call{op: "postLogout", want: 204, path: "/v1/auth/logout", token: access})
	h.do(call{op: "postLogout", want: 401, path: "/v1/auth/logout", wrong: true})
	h.end(cem)

	// outside dev mode codes are sent, here by nobody, and only so many an hour
	public := hold(t, startNode(t, t.TempDir(), false))
	for range 5 {
		public.do(call{op: "postOTP", want: 503, path: "/v1/auth/otp", body: `{"phone":"+49 151 23456789"}`})
	}
	public.do(call{op: "postOTP", want: 429, path: "/v1/auth/otp", body: `{"phone":"+4915123456789"}`})
	maps.Copy(h.seen, public.seen)
	maps.Copy(h.seen, signInOfAnOrganisation(t).seen)
	maps.Copy(h.seen, floodOfStrangers(t).seen)

	h.sawAll()
}

// tooMany are answers that take more than a test should make: 1,000 blocks, 2,000 groups, 100,000 members.
var tooMany = []string{"putBlock 409", "postGroup 409", "postMembers 409", "acceptInvite 409"}

// sawAll checks that every answer of the document has been given, but for the server's own failures.
func (h *held) sawAll() {
	h.t.Helper()
	for at, item := range h.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				seen := h.seen[op.OperationID+" "+status] || slices.Contains(tooMany, op.OperationID+" "+status)
				if status != "500" && status != "503" && !seen {
					h.t.Errorf("%s %s was never answered with %s, as the document says that it can be", method, at, status)
				}
			}
		}
	}
}

// handshake opens a WebSocket and returns how the server answered.
func handshake(t *testing.T, url string) *http.Response {
	t.Helper()
	ws, resp, err := websocket.Dial(t.Context(), url+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{"weft.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = ws.CloseNow()
	return resp
}
