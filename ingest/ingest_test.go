package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// world is a fabric with an edge, and an operator's connection.
type world struct {
	*edgetest.Fabric
	edge *edgetest.Edge
	op   *nats.Conn
}

func start(t *testing.T, cfg ingest.Config, more ...func(*edgetest.Config)) world {
	t.Helper()
	c := edgetest.Config{Ingest: &cfg}
	for _, f := range more {
		f(&c)
	}
	f := edgetest.Start(t, c)
	return world{f, f.Edge(t), f.NATS.Connect(t)}
}

// ask asks a verb as an operator.
func ask[Reply any](t *testing.T, w world, verb subjects.Verb, req any) Reply {
	t.Helper()
	reply, err := service.Call[Reply](t.Context(), w.op, verb, req)
	if err != nil {
		t.Fatalf("%s: %v", verb, err)
	}
	return reply
}

// add registers a service and connects as it.
func (w world) add(t *testing.T, req contract.ServicesAddRequest) (contract.ServicesAddReply, *nats.Conn) {
	t.Helper()
	creds, user, err := w.NATS.Keys.ServiceCreds(req.Name)
	if err != nil {
		t.Fatal(err)
	}
	req.Credential = user
	return ask[contract.ServicesAddReply](t, w, subjects.ServicesAdd, req), w.connect(t, req.Name, creds)
}

func (w world) connect(t *testing.T, name string, creds []byte, opts ...nats.Option) *nats.Conn {
	t.Helper()
	token, err := nkeys.ParseDecoratedJWT(creds)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(creds)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	opts = append([]nats.Option{
		nats.UserJWTAndSeed(token, string(seed)), nats.CustomInboxPrefix(subjects.ServiceInboxPrefix(name)),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, opts...)
	nc, err := nats.Connect(w.NATS.URL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// call makes an HTTP call as a user.
func (w world) call(t *testing.T, as client.Grant, method, path string, body any) edgetest.Object {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.edge.URL+path, bytes.NewReader(data))
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
	if resp.StatusCode >= 300 || resp.StatusCode != http.StatusNoContent && json.NewDecoder(resp.Body).Decode(&o) != nil {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	return o
}

// send publishes as a service and returns the answer.
func send(t *testing.T, nc *nats.Conn, subject, payload string) contract.ServiceSent {
	t.Helper()
	m, err := nc.Request(subject, []byte(payload), 10*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	var a contract.ServiceSent
	if err := json.Unmarshal(m.Data, &a); err != nil || (a.OK == nil) == (a.Err == nil) {
		t.Fatalf("%s: the answer is %s, %v", subject, m.Data, err)
	}
	return a
}

func text(cid, s string) string {
	return `{"cid":"` + cid + `","kind":"text","body":{"text":"` + s + `"}}`
}

func TestAServiceWritesToUsersAndIsAnswered(t *testing.T) {
	w := start(t, ingest.Config{})
	ann := w.User(t, w.edge, "Ann")
	orders, nc := w.add(t, contract.ServicesAddRequest{Name: "orders", Title: "Orders Ltd", MayUsers: true})
	chat := fabric.Direct(ann.User.ID, orders.User)
	phone := edgetest.Connect(t, w.edge, ann, "")
	phone.Synced()

	// Twice the same is once, by its name for the user and by the chat's.
	cid := fabric.NewCID()
	first := send(t, nc, "svc.orders.send.u."+string(ann.User.ID), text(cid, "your parcel"))
	again := send(t, nc, "svc.orders.send."+string(chat), text(cid, "your parcel"))
	if first.OK == nil || again.OK == nil || *first.OK != *again.OK || first.OK.Channel != chat || !again.Duplicate {
		t.Fatalf("answers %+v and %+v", first, again)
	}
	got := phone.Event("message")
	if got.Num("seq") != first.OK.Seq || got.Str("from") != string(orders.User) || got.Str("cid") != cid {
		t.Errorf("Ann has %v, want what was sent: %+v", got, first.OK)
	}
	second := send(t, nc, "svc.orders.send.u."+string(ann.User.ID), text(fabric.NewCID(), "is there"))
	if got = phone.Event("message"); got.Num("seq") != second.OK.Seq || got.Num("prev") != first.OK.Seq {
		t.Errorf("Ann has %v, want the second message behind the first", got)
	}

	// A JetStream client takes the answer for its own.
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := js.Publish(t.Context(), "svc.orders.send.u."+string(ann.User.ID), []byte(text(fabric.NewCID(), "third")))
	if err != nil || ack.Sequence == 0 || ack.Stream != "MSG_0" {
		t.Errorf("a JetStream publish: %+v, %v", ack, err)
	}
	if _, err = js.Publish(t.Context(), "svc.orders.send.u."+string(ann.User.ID), []byte("{}")); err == nil {
		t.Error("a JetStream publish of nothing is no error")
	}

	// Users see whom they have before them.
	if u := w.call(t, ann, "GET", "/v1/users/"+string(orders.User), nil); u.Str("service") != "orders" || u.Str("name") != "Orders Ltd" || u["phone"] != nil {
		t.Errorf("the service is shown as %v", u)
	}

	// What she writes comes to its inbox, live and to stay.
	live, err := nc.SubscribeSync("svc.orders.inbox.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	wrote := phone.Send(string(orders.User), "", "where is it?")
	m, err := live.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var in contract.ServiceInbox
	if err := json.Unmarshal(m.Data, &in); err != nil || in.Seq != wrote.Num("seq") || in.From != ann.User.ID || in.Channel != chat ||
		m.Subject != "svc.orders.inbox."+string(ann.User.ID) {
		t.Errorf("the inbox has %s on %s, %v", m.Data, m.Subject, err)
	}
	inbox, err := js.Consumer(t.Context(), subjects.ServiceInboxStream, "orders")
	if err != nil {
		t.Fatal(err)
	}
	batch, err := inbox.Fetch(2, jetstream.FetchMaxWait(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	kept := <-batch.Messages()
	if kept == nil || string(kept.Data()) != string(m.Data) {
		t.Fatalf("the durable inbox has %v", kept)
	}
	if err := kept.DoubleAck(t.Context()); err != nil {
		t.Errorf("the service acknowledges: %v", err)
	}
}

func TestWhatAServiceMayNot(t *testing.T) {
	w := start(t, ingest.Config{})
	ann, bob := w.User(t, w.edge, "Ann"), w.User(t, w.edge, "Bob")
	a := edgetest.Connect(t, w.edge, ann, "")
	a.Synced()
	a.Send(string(bob.User.ID), "", "between us")
	group := w.call(t, ann, "POST", "/v1/groups", map[string]any{"name": "Team", "members": []fabric.UserID{bob.User.ID}}).Str("channel")
	orders, nc := w.add(t, contract.ServicesAddRequest{Name: "orders", MayUsers: true, Rate: 1000})
	_, groups := w.add(t, contract.ServicesAddRequest{Name: "alerts", MayGroups: true})
	toAnn := "svc.orders.send.u." + string(ann.User.ID)
	for _, tc := range []struct {
		what, subject, payload string
		want                   fabric.Code
	}{
		{"others' chat", "svc.orders.send." + string(fabric.Direct(ann.User.ID, bob.User.ID)), text(fabric.NewCID(), "x"), fabric.CodeForbidden},
		{"a group without the right", "svc.orders.send." + group, text(fabric.NewCID(), "x"), fabric.CodeForbidden},
		{"nobody", "svc.orders.send.u." + string(fabric.NewUserID()), text(fabric.NewCID(), "x"), fabric.CodeNotFound},
		{"itself", "svc.orders.send.u." + string(orders.User), text(fabric.NewCID(), "x"), fabric.CodeForbidden},
		{"no id", "svc.orders.send.u.ann", text(fabric.NewCID(), "x"), fabric.CodeBadRequest},
		{"no JSON", toAnn, "hello", fabric.CodeBadRequest},
		{"nothing", toAnn, "", fabric.CodeBadRequest},
		{"two objects", toAnn, text(fabric.NewCID(), "x") + "{}", fabric.CodeBadRequest},
		{"no cid", toAnn, `{"kind":"text","body":{}}`, fabric.CodeBadRequest},
		{"no kind", toAnn, `{"cid":"` + fabric.NewCID() + `","body":{}}`, fabric.CodeBadRequest},
		{"no body", toAnn, `{"cid":"` + fabric.NewCID() + `","kind":"text"}`, fabric.CodeBadRequest},
		{"a record of the server's", toAnn, `{"cid":"` + fabric.NewCID() + `","kind":"member","body":{}}`, fabric.CodeForbidden},
		{"bytes that are no text", toAnn, `{"cid":"` + fabric.NewCID() + `","kind":"text","body":{"text":"` + "\xff" + `"}}`, fabric.CodeBadRequest},
		{"too much", toAnn, `{"cid":"` + fabric.NewCID() + `","kind":"text","body":"` + strings.Repeat("x", fabric.MaxBodyBytes) + `"}`, fabric.CodeTooLarge},
		{"an edit of what is not its own", toAnn, `{"cid":"` + fabric.NewCID() + `","kind":"edit","body":{"seq":1,"body":{}}}`, fabric.CodeNotFound},
	} {
		if got := send(t, nc, tc.subject, tc.payload); got.Err == nil || got.Err.Code != tc.want || got.Error == nil {
			t.Errorf("%s: %+v, want %s", tc.what, got, tc.want)
		}
	}
	if got := send(t, groups, "svc.alerts.send."+group, text(fabric.NewCID(), "fire")); got.OK == nil {
		t.Errorf("a group with the right: %+v", got.Err)
	}
	a.Await("the alert", func(o edgetest.Object) bool {
		return o.Event() == "message" && o.Str("channel") == group && o.Str("kind") == "text"
	})
	if got := send(t, groups, "svc.alerts.send.u."+string(ann.User.ID), text(fabric.NewCID(), "x")); got.Err == nil || got.Err.Code != fabric.CodeForbidden {
		t.Errorf("a user without the right: %+v", got)
	}
	if got := send(t, groups, "svc.alerts.send."+string(fabric.NewGroupID().Channel()), text(fabric.NewCID(), "x")); got.Err == nil || got.Err.Code != fabric.CodeNotFound {
		t.Errorf("a group that is not there: %+v", got)
	}

	// NATS itself keeps a service from being another, a user, or anybody's reader.
	for what, subject := range map[string]string{
		"as another": "svc.alerts.send.u." + string(ann.User.ID), "into a log": subjects.Log(fabric.Direct(ann.User.ID, bob.User.ID), 0),
		"live": "live." + string(fabric.Direct(ann.User.ID, bob.User.ID)) + ".msg", "reading a log": "$JS.API.DIRECT.GET.MSG_0",
		"another's inbox": "$JS.API.CONSUMER.MSG.NEXT.SVC_INBOX.alerts", "as an operator": subjects.ServicesList.String(),
	} {
		if m, err := nc.Request(subject, []byte(text(fabric.NewCID(), "x")), 100*time.Millisecond); err == nil {
			t.Errorf("%s: %s answered %s", what, subject, m.Data)
		}
	}
	for _, subject := range []string{"live.>", "msg.>", "svc.alerts.inbox.>", "svc.*.inbox.>", "_INBOX.>"} {
		sub, err := nc.SubscribeSync(subject)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		a.Send(string(bob.User.ID), "", "again")
		if m, err := sub.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("it hears on %s: %s", subject, m.Data)
		}
	}

	// Who has blocked it gets nothing more, and it is told; what it wrote before it may still take back, and no more.
	before := send(t, nc, toAnn, text(fabric.NewCID(), "buy this"))
	if before.OK == nil {
		t.Fatalf("before it is blocked: %+v", before.Err)
	}
	a.Await("what it wrote", func(o edgetest.Object) bool { return o.Event() == "message" && o.Num("seq") == before.OK.Seq })
	w.call(t, ann, "PUT", "/v1/blocks/"+string(orders.User), nil)
	change := func(kind, more string) string {
		return fmt.Sprintf(`{"cid":%q,"kind":%q,"body":{"seq":%d%s}}`, fabric.NewCID(), kind, before.OK.Seq, more)
	}
	for name, payload := range map[string]string{
		"a message": text(fabric.NewCID(), "buy more"), "an edit": change("edit", `,"body":{"text":"buy more"}`), "a reaction": change("reaction", `,"emoji":"👍"`),
	} {
		if no := send(t, nc, toAnn, payload); no.Err == nil || no.Err.Code != fabric.CodeForbidden {
			t.Errorf("%s to somebody who has blocked it: %+v, %+v", name, no.OK, no.Err)
		}
	}
	if yes := send(t, nc, toAnn, change("delete", "")); yes.OK == nil {
		t.Errorf("to take back what it wrote: %+v", yes.Err)
	}
	a.Await("that it took it back", func(o edgetest.Object) bool { return o.Event() == "message" && o.Str("kind") == "delete" })
	w.call(t, ann, "DELETE", "/v1/blocks/"+string(orders.User), nil)
	seen := send(t, nc, toAnn, text(fabric.NewCID(), "sorry"))
	got := a.Await("what comes after", func(o edgetest.Object) bool { return o.Event() == "message" && o.Str("from") == string(orders.User) })
	if got.Num("seq") != seen.OK.Seq {
		t.Errorf("Ann has %v, want only what came after: %+v", got, seen.OK)
	}
}

func TestRateOfAService(t *testing.T) {
	w := start(t, ingest.Config{})
	ann := w.User(t, w.edge, "Ann")
	_, nc := w.add(t, contract.ServicesAddRequest{Name: "slow", MayUsers: true, Rate: 2})
	refused := 0
	for range 6 {
		if got := send(t, nc, "svc.slow.send.u."+string(ann.User.ID), text(fabric.NewCID(), "x")); got.Err != nil {
			if got.Err.Code != fabric.CodeRateLimited {
				t.Fatalf("%+v", got.Err)
			}
			refused++
		}
	}
	if refused == 0 {
		t.Error("six messages at once pass a rate of two a second")
	}
}

// A retry after the log has forgotten the id is the same message, also where the role died between the log and its answer.
func TestARetryPastTheDedupeWindow(t *testing.T) {
	const dedupe = 200 * time.Millisecond
	w := start(t, ingest.Config{Dedupe: time.Millisecond}, func(c *edgetest.Config) { c.NATS = natsconfig.FabricConfig{Dedupe: dedupe} })
	ann := w.User(t, w.edge, "Ann")
	_, nc := w.add(t, contract.ServicesAddRequest{Name: "orders", MayUsers: true})
	subject, cid := "svc.orders.send.u."+string(ann.User.ID), fabric.NewCID()
	first := send(t, nc, subject, text(cid, "once"))
	for range 3 {
		send(t, nc, subject, text(fabric.NewCID(), "and others"))
	}
	js := w.NATS.JetStream(t)
	// The log has forgotten the id once another message by it would be stored; nobody may do that, so time must tell.
	forgotten := time.Now().Add(2 * dedupe)
	weftest.Eventually(t, "the dedupe window is over", func() bool { return time.Now().After(forgotten) })
	again := send(t, nc, subject, text(cid, "once"))
	if first.OK == nil || again.OK == nil || *again.OK != *first.OK || !again.Duplicate {
		t.Fatalf("answers %+v and %+v", first.OK, again)
	}
	s, err := js.Stream(t.Context(), subjects.MsgStream(0))
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(subjects.Log(first.OK.Channel, 0)))
	if err != nil || info.State.Subjects[subjects.Log(first.OK.Channel, 0)] != 4 {
		t.Errorf("the log has %v of the chat, %v, want 4", info.State.Subjects, err)
	}
	if got := send(t, nc, "svc.orders.send.u."+string(w.User(t, w.edge, "Bob").User.ID), text(cid, "once")); got.Err == nil || got.Err.Code != fabric.CodeConflict {
		t.Errorf("the same cid to somebody else: %+v", got)
	}
}

// receiver is somebody's server for webhooks: it checks signatures as they would, and answers as it is told.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	sign   *standardwebhooks.Webhook
	answer []int // the statuses of the next posts; then 200
	ids    []string
	came   chan contract.ServiceInbox
	bad    chan error
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{came: make(chan contract.ServiceInbox, 16), bad: make(chan error, 16)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil {
			err = r.sign.Verify(body, req.Header)
		}
		var e struct {
			Type      string                `json:"type"`
			Timestamp time.Time             `json:"timestamp"`
			Data      contract.ServiceInbox `json:"data"`
		}
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err == nil && (e.Type != "message" || time.Since(e.Timestamp) > time.Minute) {
			err = errors.New("want a message of now: " + string(body))
		}
		if err != nil {
			r.bad <- err
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.ids = append(r.ids, req.Header.Get(standardwebhooks.HeaderWebhookID))
		if len(r.answer) > 0 {
			status := r.answer[0]
			r.answer = r.answer[1:]
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(status)
			return
		}
		r.came <- e.Data
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) expect(t *testing.T, secret string, answers ...int) {
	t.Helper()
	sign, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sign, r.answer, r.ids = sign, answers, nil
}

func (r *receiver) next(t *testing.T) contract.ServiceInbox {
	t.Helper()
	select {
	case in := <-r.came:
		return in
	case err := <-r.bad:
		t.Fatal(err)
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is posted")
	}
	return contract.ServiceInbox{}
}

func TestWebhook(t *testing.T) {
	hooks := ingest.Webhooks{Retries: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond}}
	w := start(t, ingest.Config{Webhooks: hooks})
	to := newReceiver(t)
	ann := w.User(t, w.edge, "Ann")
	bot, _ := w.add(t, contract.ServicesAddRequest{Name: "bot", MayUsers: true, Webhook: to.URL + "/hook?key=secret"})
	to.expect(t, bot.Secret)
	phone := edgetest.Connect(t, w.edge, ann, "")
	phone.Synced()
	sent := phone.Send(string(bot.User), "", "hello bot")
	if in := to.next(t); in.Seq != sent.Num("seq") || in.From != ann.User.ID || string(in.Body) != `{"text":"hello bot"}` {
		t.Errorf("posted: %+v", in)
	}

	// What is refused comes again under the same id; a redirect is a refusal.
	to.expect(t, bot.Secret, http.StatusInternalServerError, http.StatusTemporaryRedirect, http.StatusTooManyRequests)
	sent = phone.Send(string(bot.User), "", "still there?")
	if in := to.next(t); in.Seq != sent.Num("seq") {
		t.Errorf("posted: %+v", in)
	}
	to.mu.Lock()
	if len(to.ids) != 4 || to.ids[0] != to.ids[3] || to.ids[0] == "" {
		t.Errorf("it came under the ids %q", to.ids)
	}
	to.mu.Unlock()

	// A new secret signs from then on; gone is gone.
	changed := ask[contract.ServicesAddReply](t, w, subjects.ServicesSet, contract.ServicesSetRequest{Name: "bot", NewSecret: true})
	if changed.Secret == "" || changed.Secret == bot.Secret {
		t.Errorf("the new secret is %q", changed.Secret)
	}
	to.expect(t, changed.Secret)
	phone.Send(string(bot.User), "", "and now?")
	to.next(t)
	to.expect(t, changed.Secret, http.StatusGone)
	phone.Send(string(bot.User), "", "anybody?")
	weftest.Eventually(t, "the webhook is taken from the service", func() bool {
		list := ask[contract.ServicesListReply](t, w, subjects.ServicesList, contract.ServicesListRequest{})
		return len(list.Services) == 1 && list.Services[0].Webhook == ""
	})
}

func TestServicesAreRemoved(t *testing.T) {
	w := start(t, ingest.Config{})
	ann := w.User(t, w.edge, "Ann")
	orders, nc := w.add(t, contract.ServicesAddRequest{Name: "orders", MayUsers: true})
	phone := edgetest.Connect(t, w.edge, ann, "")
	phone.Synced()
	send(t, nc, "svc.orders.send.u."+string(ann.User.ID), text(fabric.NewCID(), "hello"))
	ask[contract.Service](t, w, subjects.ServicesRemove, contract.ServicesRemoveRequest{Name: "orders"})
	if got := send(t, nc, "svc.orders.send.u."+string(ann.User.ID), text(fabric.NewCID(), "x")); got.Err == nil || got.Err.Code != fabric.CodeForbidden {
		t.Errorf("a removed service sends: %+v", got)
	}
	bob := w.User(t, w.edge, "Bob")
	b := edgetest.Connect(t, w.edge, bob, "")
	b.Synced()
	if got := b.Call("send", map[string]any{"to": string(orders.User), "cid": fabric.NewCID(), "kind": "text", "body": map[string]string{}}); got.Err() != fabric.CodeNotFound {
		t.Errorf("somebody writes to a removed service: %v", got)
	}
	for _, req := range []contract.ServicesAddRequest{
		{Name: "Orders"}, {Name: "x"}, {Name: "a.b"}, {Name: "orders", Rate: -1}, {Name: "orders", Rate: 1e9},
		{Name: "orders", Webhook: "http://example.com/x"}, {Name: "orders", Webhook: "https://u:p@example.com/"}, {Name: "orders", Credential: "SU…"},
		{Name: "orders", Title: "a\nb"},
	} {
		if _, err := service.Call[contract.ServicesAddReply](t.Context(), w.op, subjects.ServicesAdd, req); fabric.CodeOf(err) != fabric.CodeBadRequest {
			t.Errorf("%+v: %v, want it refused", req, err)
		}
	}
}
