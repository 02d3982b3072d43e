package edge_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// asyncapi is docs/asyncapi.yaml: what is in it, and which of its schemas were seen to hold.
type asyncapi struct {
	t        *testing.T
	compiler *jsonschema.Compiler
	Channels map[string]struct {
		Address  string
		Messages map[string]any
	}
	Operations map[string]any
	Components struct {
		Messages map[string]struct {
			Payload struct {
				Ref string `json:"$ref"`
			}
		}
		Schemas map[string]any
	}

	mu   sync.Mutex
	held map[string]int
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
	doc := &asyncapi{t: t, compiler: jsonschema.NewCompiler(), held: map[string]int{}}
	if err := json.Unmarshal(data, doc); err != nil {
		t.Fatal(err)
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.compiler.AddResource("asyncapi.json", resource); err != nil {
		t.Fatal(err)
	}
	doc.refs(tree, data)
	return doc
}

// refs fails for references that lead nowhere.
func (d *asyncapi) refs(tree any, data []byte) {
	for _, m := range regexp.MustCompile(`"\$ref":"#/([^"]+)"`).FindAllSubmatch(data, -1) {
		at := tree
		for part := range strings.SplitSeq(string(m[1]), "/") {
			next, _ := at.(map[string]any)
			if at = next[part]; at == nil {
				d.t.Errorf("#/%s leads nowhere", m[1])
				break
			}
		}
	}
}

// hold validates a value against a schema of the document.
func (d *asyncapi) hold(name string, raw []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Components.Schemas[name] == nil {
		d.t.Errorf("the document has no schema %s for %s", name, raw)
		return
	}
	schema, err := d.compiler.Compile("asyncapi.json#/components/schemas/" + name)
	if err != nil {
		d.t.Fatalf("schema %s: %v", name, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		d.t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		d.t.Errorf("%s is not as %s says: %v", raw, name, err)
	}
	d.held[name]++
}

// seen holds what the server said.
func (d *asyncapi) seen(op string, raw []byte) {
	var o struct {
		Ev string          `json:"ev"`
		OK json.RawMessage `json:"ok"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		d.t.Error(err)
	}
	switch {
	case o.Ev != "":
		d.hold(o.Ev+"Event", raw)
	case o.OK != nil:
		d.hold("reply", raw)
		d.hold(op+"Reply", o.OK)
	default:
		d.hold("error", raw)
	}
}

func TestTheServerTalksAsTheDocumentSays(t *testing.T) {
	doc := openAsyncAPI(t)
	f := edgetest.Start(t, edgetest.Config{})
	e, other := f.Edge(t), f.Edge(t)
	e.Seen, other.Seen = doc.seen, doc.seen

	// what passes on NATS
	nc := f.NATS.Connect(t)
	for subject, schema := range map[string]string{
		"msg.>": "record", "live.*.*.msg": "record", "rcpt.>": "marks", "live.*.*.typing": "typingLive",
	} {
		if _, err := nc.Subscribe(subject, func(m *nats.Msg) {
			if !strings.HasPrefix(m.Subject, "rcpt.") || len(m.Data) > 0 {
				doc.hold(schema, m.Data)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}

	// a conversation in which everything is said
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	laptop := edgetest.SignIn(t, e.URL, ann.User.Phone, "laptop")
	chat := edgetest.Direct(ann, bob)
	say := func(c *edgetest.Conn, schema, op string, fields map[string]any) edgetest.Object {
		t.Helper()
		said := map[string]any{"op": op, "id": 1}
		for k, v := range fields {
			said[k] = v
		}
		raw, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		doc.hold(schema, raw)
		return c.Call(op, fields)
	}
	a, a2, b := edgetest.Dial(t, e), edgetest.Dial(t, other), edgetest.Dial(t, other)
	say(a, "hello", "hello", map[string]any{"token": ann.AccessToken})
	say(a2, "hello", "hello", map[string]any{"token": laptop.AccessToken})
	a.Synced()
	a2.Synced()
	say(a, "users", "watch", map[string]any{"users": []fabric.UserID{bob.User.ID}})
	say(b, "hello", "hello", map[string]any{"token": bob.AccessToken})
	b.Synced()
	a.Event("presence")
	say(a, "send", "send", map[string]any{"to": chat, "cid": fabric.NewCID(), "kind": "text", "body": map[string]any{"text": "hi"}})
	got := b.Event("message")
	b.Event("cursor")
	say(b, "typing", "typing", map[string]any{"channel": chat, "on": true})
	a.Event("typing")
	say(b, "mark", "ack", map[string]any{"channel": chat, "seq": got.Num("seq")})
	a.Event("receipt")
	say(b, "mark", "read", map[string]any{"channel": chat, "seq": got.Num("seq")})
	answer := b.Send(string(chat), "", "hello")
	a2.Event("message")
	say(a, "mark", "read", map[string]any{"channel": chat, "seq": answer.Num("seq")})
	a2.Event("channel")
	say(a, "history", "history", map[string]any{"channel": chat, "limit": 1})
	say(a, "channels", "channels", map[string]any{"limit": 1})
	say(a, "receipts", "receipts", map[string]any{"channel": chat})
	say(a, "ping", "ping", nil)
	say(a, "active", "active", map[string]any{"on": false})
	say(a, "users", "unwatch", map[string]any{"users": []fabric.UserID{bob.User.ID}})
	say(a, "inChannel", "join", map[string]any{"channel": "g." + fabric.NewCID()})
	say(a, "inChannel", "leave", map[string]any{"channel": "g." + fabric.NewCID()})
	a.Raw("nonsense")
	a.Await("the error", func(o edgetest.Object) bool { return o["err"] != nil && o["id"] == nil })
	if err := other.Stop(); err != nil {
		t.Error(err)
	}
	b.Event("bye")
	doc.hold("sendOTP", []byte(`{"phone":"+4915123456789","code":"123456","expires_at":1}`)) // the users role's test has the real one
	doc.hold("sentOTP", []byte(`{}`))

	// nothing stands in the document that was not said
	doc.mu.Lock()
	defer doc.mu.Unlock()
	for name, m := range doc.Components.Messages {
		schema := m.Payload.Ref[strings.LastIndexByte(m.Payload.Ref, '/')+1:]
		if doc.held[schema] == 0 {
			t.Errorf("message %s: nobody said what %s describes", name, schema)
		}
	}
	for name := range doc.Components.Schemas {
		if strings.HasSuffix(name, "Reply") && doc.held[name] == 0 {
			t.Errorf("no reply was %s", name)
		}
	}
	// and every subject is one of package subjects'
	c := fabric.Direct(ann.User.ID, bob.User.ID)
	low, high := c.Tokens()
	for name, subject := range map[string]string{
		"log": subjects.Log(c, 0), "live": "live." + string(c) + ".msg", "marks": subjects.Receipt(c, 0, bob.User.ID),
		"typingLive": subjects.Typing(c), "sendOTP": subjects.SendOTP,
	} {
		address := strings.NewReplacer("{shard}", "0", "{a}", low, "{b}", high, "{user}", string(bob.User.ID)).Replace(doc.Channels[name].Address)
		if address != subject {
			t.Errorf("channel %s is at %s, the program's at %s", name, address, subject)
		}
	}
}

// The operations of the document are those that the session knows.
func TestTheDocumentHasEveryOperation(t *testing.T) {
	doc := openAsyncAPI(t)
	source, err := os.ReadFile("ops.go")
	if err != nil {
		t.Fatal(err)
	}
	var known, documented []string
	for _, line := range regexp.MustCompile(`(?m)^\tcase ("[^:]+):$`).FindAllSubmatch(source, -1) {
		for _, op := range regexp.MustCompile(`"(\w+)"`).FindAllSubmatch(line[1], -1) {
			known = append(known, string(op[1]))
		}
	}
	for name := range doc.Channels["session"].Messages {
		if name != "reply" && !strings.HasSuffix(name, "Event") {
			documented = append(documented, name)
		}
	}
	slices.Sort(known)
	slices.Sort(documented)
	if known = slices.Compact(known); !slices.Equal(known, documented) || len(known) < 10 {
		t.Errorf("the session knows %v, the document has %v", known, documented)
	}
}
