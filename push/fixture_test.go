package push_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/subjects"
)

// delay is how long devices have to ack in these tests: long enough for an ack on a busy machine.
const delay = 400 * time.Millisecond

// world is a fabric with a push service of a browser's.
type world struct {
	t    testing.TB
	f    *edgetest.Fabric
	edge *edgetest.Edge
	web  *pushtest.WebPush
	key  string // VAPID
	stop func() // ends the push role
}

func newWorld(t testing.TB, change func(*push.Config)) *world {
	t.Helper()
	w := &world{t: t, web: pushtest.StartWebPush(t)}
	cfg := push.Config{Delay: delay, Services: []string{w.web.URL}}
	if change != nil {
		change(&cfg)
	}
	w.f = edgetest.Start(t, edgetest.Config{Push: &cfg, Ingest: &ingest.Config{}})
	w.edge = w.f.Edge(t)
	w.stop = w.f.StopPush
	var key contract.PushKeyReply
	if status := w.call(w.user("somebody"), "GET", "/v1/push/vapid", nil, &key); status != http.StatusOK {
		t.Fatalf("the VAPID key: %d", status)
	}
	w.key = key.Key
	return w
}

// call makes an HTTP call as somebody.
func (w *world) call(as client.Grant, method, path string, body, into any) (status int) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.edge.URL+path, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			w.t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
		}
	}
	return resp.StatusCode
}

func (w *world) must(as client.Grant, method, path string, body, into any) {
	w.t.Helper()
	var raw json.RawMessage
	status := w.call(as, method, path, body, nil)
	if status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, status, raw)
	}
	_ = into
}

func (w *world) user(name string) client.Grant {
	w.t.Helper()
	return w.f.User(w.t, w.edge, name)
}

// subscribe has a browser of somebody's subscribe, and the fabric told.
func (w *world) subscribe(g client.Grant, browser string, change func(*contract.PushRegistration)) contract.PushRegistration {
	w.t.Helper()
	reg := w.web.Subscribe(browser, w.key)
	if change != nil {
		change(&reg)
	}
	if status := w.call(g, "PUT", "/v1/devices/me/push", reg, nil); status != http.StatusOK {
		w.t.Fatalf("%s subscribes: %d", browser, status)
	}
	return reg
}

// say sends a message as somebody and returns its place.
func (w *world) say(g client.Grant, c fabric.ChannelID, kind string, body any) fabric.Sent {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	var sent fabric.Sent
	status := w.call(g, "POST", "/v1/channels/"+string(c)+"/messages",
		map[string]any{"cid": fabric.NewCID(), "kind": kind, "body": json.RawMessage(data)}, &sent)
	if status != http.StatusCreated {
		w.t.Fatalf("send %s: %d", data, status)
	}
	return sent
}

func (w *world) text(g client.Grant, c fabric.ChannelID, text string) fabric.Sent {
	w.t.Helper()
	return w.say(g, c, "text", map[string]any{"text": text})
}

// payload reads what a device was pushed.
func payload(t testing.TB, p pushtest.Push) push.Payload {
	t.Helper()
	var got push.Payload
	if err := json.Unmarshal(p.Data, &got); err != nil {
		t.Fatalf("%s was pushed %s: %v", p.Device, p.Data, err)
	}
	return got
}

// settled sends something to somebody who is always pushed, and waits for that: whatever was due before has been decided.
func (w *world) settled(from client.Grant, witness client.Grant, browser string) {
	w.t.Helper()
	n := len(w.web.Taken(browser))
	w.text(from, edgetest.Direct(from, witness), fmt.Sprint("are you there? ", n))
	w.web.Await(browser, n+1)
	w.drained()
}

// drained waits until nothing is queued any more.
func (w *world) drained() {
	w.t.Helper()
	js := w.f.NATS.JetStream(w.t)
	eventually(w.t, "the queue is empty", func() bool {
		s, err := js.Stream(w.t.Context(), subjects.PushStream)
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
