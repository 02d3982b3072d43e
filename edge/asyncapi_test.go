package edge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/oidc/oidctest"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/weftest"
)

// asyncapi is docs/asyncapi.yaml, and which of its messages were seen.
type asyncapi struct {
	t        *testing.T
	compiler *jsonschema.Compiler
	Channels map[string]struct {
		Address  string
		Messages map[string]struct {
			Payload struct{ Properties map[string]any }
		}
	}
	Operations map[string]struct {
		Action  string
		Channel struct {
			Ref string `json:"$ref"`
		}
	}
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct{ Enum []any }
		}
	}

	mu   sync.Mutex
	seen map[string]bool // <channel>/<message>
}

func openAsyncAPI(t *testing.T) *asyncapi {
	t.Helper()
	text, err := os.ReadFile("../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	d := &asyncapi{t: t, compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft7) // AsyncAPI's own dialect is a superset of it
	if err := json.Unmarshal(data, d); err != nil {
		t.Fatal(err)
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.compiler.AddResource("asyncapi.json", resource); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"\$ref":"#/([^"]+)"`).FindAllSubmatch(data, -1) {
		at := tree
		for part := range strings.SplitSeq(string(m[1]), "/") {
			next, _ := at.(map[string]any)
			if at = next[part]; at == nil {
				t.Fatalf("#/%s leads nowhere", m[1])
			}
		}
	}
	return d
}

// check validates a value against the schema at a place in the document.
func (d *asyncapi) check(place string, raw []byte) {
	schema, err := d.compiler.Compile("asyncapi.json#/" + place)
	if err != nil {
		d.t.Errorf("no schema is at %s for %s: %v", place, raw, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		d.t.Errorf("%s should be as %s says and is no JSON: %q", place, raw, err)
		return
	}
	if err := schema.Validate(value); err != nil {
		d.t.Errorf("%s is not as %s says: %v", raw, place, err)
	}
}

// hold validates one message of a channel.
func (d *asyncapi) hold(channel, message string, raw []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.Channels[channel].Messages[message]; !ok {
		d.t.Errorf("channel %s of the document has no message %s for %s", channel, message, raw)
		return
	}
	d.check("channels/"+channel+"/messages/"+message+"/payload", raw)
	d.seen[channel+"/"+message] = true
}

// told holds what the server tells a client.
func (d *asyncapi) told(op string, raw []byte) {
	var o struct {
		Ev string          `json:"ev"`
		OK json.RawMessage `json:"ok"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		d.t.Error(err)
	}
	switch {
	case o.Ev != "":
		d.hold("session", o.Ev+"Event", raw)
	case o.OK != nil:
		d.hold("session", op+"Reply", raw)
	default:
		d.hold("session", "error", raw)
	}
}

// listen holds everything that passes on NATS. The function that it returns waits for what passed before its call.
func (d *asyncapi) listen(nc *nats.Conn) (heard func()) {
	d.t.Helper()
	addresses := map[string]*regexp.Regexp{}
	for name, c := range d.Channels {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(c.Address), `\{who\}`, `.+`) // one token or two
		addresses[name] = regexp.MustCompile("^" + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, `[^.]+`) + "$")
	}
	passed := make(chan *nats.Msg, 1<<16) // one channel for all keeps their order
	var subs []*nats.Subscription
	for _, subject := range []string{"msg.>", "live.>", "rcpt.>", "grcpt.>", "pres.>", "$KV.>", "weft.>", "svc.>", "audit.>", "push.>", "acked.>", subjects.SendOTP, "_INBOX.>"} {
		sub, err := nc.ChanSubscribe(subject, passed)
		if err != nil {
			d.t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	if err := nc.Flush(); err != nil {
		d.t.Fatal(err)
	}
	return func() {
		d.t.Helper()
		if err := nc.Flush(); err != nil {
			d.t.Fatal(err)
		}
		for _, sub := range subs {
			if err := sub.Unsubscribe(); err != nil {
				d.t.Fatal(err)
			}
			if n, err := sub.Dropped(); err == nil && n > 0 {
				d.t.Fatalf("%d messages on %s were lost to this test", n, sub.Subject)
			}
		}
		asked := map[string]string{} // the channel of a request, by the subject of its reply
		for len(passed) > 0 {
			d.pass(<-passed, addresses, asked)
		}
	}
}

func (d *asyncapi) pass(m *nats.Msg, addresses map[string]*regexp.Regexp, asked map[string]string) {
	if strings.HasPrefix(m.Subject, "_INBOX.") {
		channel, ok := asked[m.Subject]
		switch code := m.Header.Get(micro.ErrorCodeHeader); {
		case !ok: // JetStream's word, not a service's
		case code != "":
			d.check("components/schemas/error", fmt.Appendf(nil, `{"code":%q,"message":%q}`, code, m.Header.Get(micro.ErrorHeader)))
		default:
			d.hold(channel, "reply", m.Data)
		}
		return
	}
	for channel, address := range addresses {
		if !address.MatchString(m.Subject) {
			continue
		}
		messages := d.Channels[channel].Messages
		_, request := messages["request"]
		_, gone := messages["gone"]
		_, kick := messages["kick"]
		ended := m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != ""
		switch {
		case request:
			asked[m.Reply] = channel
			d.hold(channel, "request", m.Data)
		case ended && len(m.Data) == 0: // a key's end, which says all by its headers
		case kick && len(m.Data) == 0: // which says all by its subject
			d.hold(channel, "kick", []byte("null"))
		case gone && ended:
			d.hold(channel, "gone", m.Data)
		case gone:
			d.hold(channel, "here", m.Data)
		default:
			raw := m.Data
			if channel == "revoked" || channel == "acked" || channel == "pushChanged" { // which are text
				raw = strconv.AppendQuote(nil, string(raw))
			}
			for only := range messages {
				d.hold(channel, only, raw)
			}
		}
		return
	}
	d.t.Errorf("no channel of the document has subject %s", m.Subject)
}

func TestTheServerTalksAsTheDocumentSays(t *testing.T) {
	doc := openAsyncAPI(t)
	at := oidctest.Start(t, "dora")
	issuer, err := oidc.New(at.Config)
	web := pushtest.StartWebPush(t)
	if err != nil {
		t.Fatal(err)
	}
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) { l.TypingPerMin = 1 }, Ingest: &ingest.Config{}, OIDC: issuer, Push: &push.Config{Delay: 100 * time.Millisecond, Services: []string{web.URL}}})
	nc := f.NATS.Connect(t)
	heard := doc.listen(f.NATS.Connect(t))
	here, there := f.Edge(t), f.Edge(t)
	here.Seen, there.Seen = doc.told, doc.told
	ann, bob := f.User(t, here, "ann"), f.User(t, here, "bob")
	laptop := edgetest.SignIn(t, here.URL, ann.User.Phone, "laptop")
	chat := edgetest.Direct(ann, bob)

	type fields = map[string]any
	say := func(c *edgetest.Conn, op string, with fields) edgetest.Object {
		t.Helper()
		said := fields{"op": op, "id": 1}
		maps.Copy(said, with)
		raw, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		doc.hold("session", op, raw)
		return c.Call(op, with)
	}
	refused := func(want fabric.Code, got edgetest.Object) {
		t.Helper()
		if got.Err() != want {
			t.Errorf("want the refusal %s, got %v", want, got)
		}
	}

	// who is here
	a, a2, b := edgetest.Dial(t, here), edgetest.Dial(t, there), edgetest.Dial(t, there)
	say(a, "hello", fields{"token": ann.AccessToken})
	say(a2, "hello", fields{"token": laptop.AccessToken})
	_, cursor := a.Synced()
	a2.Synced()
	say(a, "watch", fields{"users": []fabric.UserID{bob.User.ID}})
	say(b, "hello", fields{"token": bob.AccessToken})
	b.Synced()
	a.Event("presence")

	// they talk
	say(a, "send", fields{"to": chat, "cid": fabric.NewCID(), "kind": "text", "body": fields{"text": "hi"}})
	got := b.Event("message")
	b.Event("cursor")
	say(b, "typing", fields{"channel": chat, "on": true})
	a.Event("typing")
	refused(fabric.CodeRateLimited, say(b, "typing", fields{"channel": chat, "on": false}))
	say(b, "ack", fields{"channel": chat, "seq": got.Num("seq")})
	a.Event("receipt")
	answer := b.Send(string(chat), "", "hello")
	a2.Event("message")
	say(a, "read", fields{"channel": chat, "seq": answer.Num("seq")})
	a2.Event("channel")
	b.Event("receipt")

	// they look back
	say(a, "history", fields{"channel": chat, "limit": 1})
	say(a, "channels", fields{"limit": 1})
	say(a, "receipts", fields{"channel": chat})
	say(a, "ping", nil)
	say(a, "active", fields{"on": false})
	late := edgetest.Dial(t, here)
	say(late, "hello", fields{"token": ann.AccessToken, "cursor": cursor})
	if missed, _ := late.Synced(); len(missed) != 2 {
		t.Errorf("a resume brought %d messages, want 2", len(missed))
	}

	talkOfGroups(t, doc, say, nc, ann, bob, a, b)
	talkOfPeople(t, nc, ann, bob, f.User(t, here, "cem"))
	talkOfServices(t, nc, ann, a)
	talkOfFiles(t, nc, here.URL, ann, bob, a)
	signInByIssuer(t, nc, at, "dora")
	talkOfPushes(t, nc, web, f.User(t, here, "ella"), a)
	say(a, "watch", fields{"users": []fabric.UserID{bob.User.ID}}) // since he had blocked her

	// what is refused
	refused(fabric.CodeForbidden, say(a, "join", fields{"channel": "g." + fabric.NewCID()}))
	refused(fabric.CodeForbidden, say(a, "leave", fields{"channel": "g." + fabric.NewCID()}))
	refused(fabric.CodeNotFound, say(a, "send", fields{"to": fabric.NewCID(), "cid": fabric.NewCID(), "kind": "text", "body": nil}))
	refused(fabric.CodeConflict, say(a, "hello", fields{"token": ann.AccessToken}))
	refused(fabric.CodeForbidden, say(a, "history", fields{"channel": fabric.Self(bob.User.ID)}))
	refused(fabric.CodeTooLarge, say(a, "send", fields{"to": chat, "cid": fabric.NewCID(), "kind": "text", "body": strings.Repeat("x", fabric.MaxBodyBytes)}))
	refused(fabric.CodeUnauthenticated, say(edgetest.Dial(t, here), "hello", fields{"token": "none"}))
	refused(fabric.CodeBadRequest, a.Call("sing", nil))
	a.Raw("nonsense")
	a.Await("the error", func(o edgetest.Object) bool { return o["err"] != nil && o["id"] == nil })

	// what services are asked that no session asks
	for _, q := range []struct {
		verb subjects.Verb
		req  any
	}{
		{subjects.UsersRefresh, contract.UsersRefreshRequest{RefreshToken: ann.RefreshToken, Attempt: "1"}},
		{subjects.UsersGet, contract.UsersGetRequest{Viewer: ann.User.ID, User: bob.User.ID}},
		{subjects.UsersUpdate, contract.UsersUpdateRequest{User: ann.User.ID, Name: &ann.User.Name}},
		{subjects.UsersLookup, contract.UsersLookupRequest{User: ann.User.ID, Phones: []string{bob.User.Phone}}},
		{subjects.UsersDevices, contract.UsersDevicesRequest{User: ann.User.ID, Device: ann.Device.ID}},
		{subjects.UsersRevoke, contract.UsersRevokeRequest{User: ann.User.ID, Device: laptop.Device.ID}},
		{subjects.HistorySettle, contract.HistorySettleRequest{}},
	} {
		if _, err := service.CallRaw(t.Context(), nc, q.verb, q.req); err != nil {
			t.Errorf("%s: %v", q.verb, err)
		}
	}

	// what operators ask; the last is the end of an edge
	operate(t, nc, there, ann, bob, f.User(t, here, "eve"))
	<-there.Done()
	b.Event("bye")
	a.Await("bob's end", func(o edgetest.Object) bool {
		return o.Event() == "presence" && o["online"] == false && o["last_seen"] != nil
	})
	say(a, "unwatch", fields{"users": []fabric.UserID{bob.User.ID}})
	heard()
	doc.hold("fabric", "value", []byte(strconv.Quote(f.NATS.Fabric.ID)))
	askForCode(t, doc)

	for name, c := range doc.Channels {
		for message := range c.Messages {
			if !doc.seen[name+"/"+message] {
				t.Errorf("message %s of channel %s is in the document, and nobody said it", message, name)
			}
		}
	}
}

// askForCode has a users role ask for a text message, as it does where dev mode is off.
func askForCode(t *testing.T, doc *asyncapi) {
	t.Helper()
	server := weftest.StartNATS(t, natsconfig.FabricConfig{})
	keys, err := auth.OpenKeys(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	role, err := users.New(t.Context(), server.Connect(t), enginetest.Open(t), keys.Issuer(), users.Config{}, weftest.Logger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- role.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-role.Ready()
	nc := server.Connect(t)
	answers := []string{`{}`, `{"err":{"code":"unavailable","message":"no network"}}`}
	for _, answer := range answers {
		doc.check("channels/sendOTP/messages/reply/payload", []byte(answer))
	}
	if _, err := nc.Subscribe(subjects.SendOTP, func(m *nats.Msg) {
		if err := m.Respond([]byte(answers[0])); err != nil {
			t.Error(err)
		}
		answers = answers[1:]
	}); err != nil {
		t.Fatal(err)
	}
	heard := doc.listen(server.Connect(t))
	for _, want := range []fabric.Code{"", fabric.CodeUnavailable} {
		_, err := service.CallRaw(t.Context(), nc, subjects.UsersOTP, contract.UsersOTPRequest{Phone: "+4915123456789"})
		if got := codeOf(err); got != want {
			t.Errorf("asking for a code: want %q, got %v", want, err)
		}
	}
	heard()
}

func codeOf(err error) fabric.Code {
	if err == nil {
		return ""
	}
	return fabric.CodeOf(err)
}
