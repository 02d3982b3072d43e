package push_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/weftest"
)

// phones is a world with the services of apps.
type phones struct {
	*world
	fcm  *pushtest.FCM
	apns *pushtest.APNs
}

func newPhones(t *testing.T) phones {
	p := phones{fcm: pushtest.StartFCM(t), apns: pushtest.StartAPNs(t)}
	p.world = newWorld(t, func(c *push.Config) {
		c.FCM = push.FCM{Credentials: p.fcm.Credentials, URL: p.fcm.URL}
		c.APNs = push.APNs{
			Key: p.apns.Key, KeyID: pushtest.APNsKeyID, TeamID: pushtest.APNsTeamID, Topics: []string{pushtest.APNsTopic},
			URL: p.apns.URL, Roots: p.apns.Roots,
		}
		c.Within, c.Backoff = 500*time.Millisecond, 50*time.Millisecond
	})
	return p
}

// register registers a phone of somebody's, and returns the token that its service knows it by.
func (p phones) register(t *testing.T, g client.Grant, kind string) (token string) {
	t.Helper()
	token = strings.Repeat("f", 20) + ":" + strings.ReplaceAll(string(g.Device.ID), "-", "")
	if kind == push.KindAPNs {
		token = strings.ReplaceAll(string(g.Device.ID)+fabric.NewCID(), "-", "")
	}
	if status := p.call(g, "PUT", "/v1/devices/me/push", contract.PushRegistration{Kind: kind, Token: token}, nil); status != http.StatusOK {
		t.Fatalf("register by %s: %d", kind, status)
	}
	return token
}

// Android's and Apple's phones are told as browsers are, each by its own service and in its own form.
func TestPhonesArePushed(t *testing.T) {
	p := newPhones(t)
	ann, bob, cem := p.user("ann"), p.user("bob"), p.user("cem")
	android, ios := p.register(t, bob, push.KindFCM), p.register(t, cem, push.KindAPNs)
	long := strings.Repeat("a loom ✓ ", 900)
	var sent [2]fabric.Sent
	for i, g := range []client.Grant{bob, cem} {
		sent[i] = p.text(ann, edgetest.Direct(ann, g), "hello")
	}

	got := p.fcm.Await(android, 1)[0]
	var m push.Payload
	if err := json.Unmarshal(got.Data, &m); err != nil || m.Title != "ann" || m.Body != "hello" || m.Seq != sent[0].Seq || m.Badge == nil || *m.Badge != 1 {
		t.Errorf("Android has %s, %v", got.Data, err)
	}
	if got.Topic == "" || got.Header.Get("Priority") != "HIGH" || got.Header.Get("Ttl") != "2419200s" || got.Header.Get("Shown") != "true" {
		t.Errorf("outside it says %v, %q", got.Header, got.Topic)
	}
	got = p.apns.Await(ios, 1)[0]
	var a struct {
		APS struct {
			Alert struct{ Title, Body string }
			Badge int
		}
		Weft push.Payload
	}
	if err := json.Unmarshal(got.Data, &a); err != nil || a.APS.Alert.Title != "ann" || a.APS.Alert.Body != "hello" || a.APS.Badge != 1 ||
		a.Weft.Seq != sent[1].Seq || a.Weft.Channel != edgetest.Direct(ann, cem) {
		t.Errorf("Apple's phone has %s, %v", got.Data, err)
	}
	if got.Topic == "" {
		t.Error("nothing to collapse by")
	}

	// what is long is shortened, and what was deleted is withdrawn without a sound
	for i, g := range []client.Grant{bob, cem} {
		p.text(ann, edgetest.Direct(ann, g), long)
		p.say(ann, edgetest.Direct(ann, g), "delete", map[string]any{"seq": sent[i].Seq})
	}
	for _, kind := range []struct {
		taken []pushtest.Push
		quiet func(pushtest.Push) bool
	}{
		{p.fcm.Await(android, 3), func(p pushtest.Push) bool { return p.Header.Get("Shown") == "false" }},
		{p.apns.Await(ios, 3), func(p pushtest.Push) bool { return p.Header.Get("Apns-Push-Type") == "background" }},
	} {
		quiet := 0
		for _, got := range kind.taken {
			if kind.quiet(got) {
				quiet++
				if !strings.Contains(string(got.Data), `"kind":"withdraw"`) {
					t.Errorf("without a sound came %s", got.Data)
				}
			}
		}
		if quiet != 1 {
			t.Errorf("%d of %d came without a sound, want 1", quiet, len(kind.taken))
		}
	}
	p.drained()
	if n := p.fcm.Exchanges(); n != 1 {
		t.Errorf("FCM gave out %d access tokens for 3 pushes", n)
	}
	if n := p.apns.Tokens(); n != 1 {
		t.Errorf("APNs saw %d provider tokens in 3 pushes", n)
	}
}

// What the services of apps answer, and what becomes of the push.
func TestWhatServicesOfAppsAnswer(t *testing.T) {
	p := newPhones(t)
	ann := p.user("ann")
	apple := func(status int, reason string) pushtest.Answer {
		return pushtest.Answer{Status: status, Body: fmt.Sprintf(`{"reason":%q}`, reason)}
	}
	google := func(status int, code string) pushtest.Answer {
		return pushtest.Answer{Status: status, Body: pushtest.FCMError(code, code)}
	}
	for _, tc := range []struct {
		kind, result string
		first        pushtest.Answer
		gone, lost   bool
		wait         time.Duration
	}{
		{kind: "fcm", first: google(404, "UNREGISTERED"), result: "gone", gone: true},
		{kind: "fcm", first: google(403, "SENDER_ID_MISMATCH"), result: "gone", gone: true},
		{kind: "fcm", first: google(404, "NOT_FOUND"), result: "refused"}, // no such project: not the device's fault
		{kind: "fcm", first: google(400, "INVALID_ARGUMENT"), result: "bad_request", lost: true},
		{kind: "fcm", first: google(429, "QUOTA_EXCEEDED"), result: "rate_limited"},
		{kind: "fcm", first: pushtest.Answer{Status: 503, RetryAfter: "1"}, result: "server_error", wait: time.Second},
		{kind: "fcm", first: pushtest.Answer{Hang: true}, result: "timeout"},
		{kind: "fcm", first: pushtest.Answer{Close: true}, result: "connection"},
		{kind: "apns", first: apple(410, "Unregistered"), result: "gone", gone: true},
		{kind: "apns", first: apple(400, "BadDeviceToken"), result: "gone", gone: true},
		{kind: "apns", first: apple(400, "DeviceTokenNotForTopic"), result: "gone", gone: true},
		{kind: "apns", first: apple(403, "ExpiredProviderToken"), result: "refused"},
		{kind: "apns", first: apple(400, "BadCollapseId"), result: "bad_request", lost: true},
		{kind: "apns", first: apple(413, "PayloadTooLarge"), result: "ok"},
		{kind: "apns", first: pushtest.Answer{Status: 429, RetryAfter: "1", Body: `{"reason":"TooManyRequests"}`}, result: "rate_limited", wait: time.Second},
		{kind: "apns", first: apple(500, "InternalServerError"), result: "server_error"},
		{kind: "apns", first: apple(503, "Shutdown"), result: "server_error"},
		{kind: "apns", first: pushtest.Answer{Hang: true}, result: "timeout"},
		{kind: "apns", first: pushtest.Answer{Close: true}, result: "connection"},
	} {
		t.Run(fmt.Sprint(tc.kind, " ", tc.first.Status, tc.first.Hang, tc.first.Close, " ", tc.result), func(t *testing.T) {
			bob := p.user("bob")
			token := p.register(t, bob, tc.kind)
			answers, tries, taken := p.fcm.Answers, p.fcm.Tries, p.fcm.Taken
			if tc.kind == "apns" {
				answers, tries, taken = p.apns.Answers, p.apns.Tries, p.apns.Taken
			}
			answers(func(_ string, n int) pushtest.Answer {
				if n == 1 {
					return tc.first
				}
				return pushtest.Answer{}
			})
			before := weftest.MetricWith(t, p.f.Pushes, "weft_push_sends_total", "result", tc.result)
			p.text(ann, edgetest.Direct(ann, bob), strings.Repeat("hello ", 30))
			eventually(t, "it was tried", func() bool { return tries(token) > 0 })
			tried := time.Now()
			p.drained()
			got := taken(token)
			if want := map[bool]int{true: 0, false: 1}[tc.gone || tc.lost]; len(got) != want {
				t.Errorf("%d were taken, want %d", len(got), want)
			} else if want > 0 && got[0].At.Sub(tried) < tc.wait-100*time.Millisecond {
				t.Errorf("it was tried again after %s, the service wanted %s", got[0].At.Sub(tried), tc.wait)
			}
			if weftest.MetricWith(t, p.f.Pushes, "weft_push_sends_total", "result", tc.result) == before {
				t.Errorf("no result %q", tc.result)
			}
			if target, err := p.f.Store.PushTarget(t.Context(), bob.Device.ID); err != nil || (target == nil) != tc.gone {
				t.Errorf("the device is reached by %+v, %v", target, err)
			}
		})
	}
}
