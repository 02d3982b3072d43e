package push_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/weftest"
)

// What a service answers, and what becomes of the push, case by case.
func TestWhatServicesAnswer(t *testing.T) {
	w := newWorld(t, func(c *push.Config) { c.Within, c.Backoff = 500*time.Millisecond, 50*time.Millisecond })
	ann := w.user("ann")
	first := func(a pushtest.Answer) func(int) pushtest.Answer {
		return func(n int) pushtest.Answer {
			if n == 1 {
				return a
			}
			return pushtest.Answer{}
		}
	}
	always := func(a pushtest.Answer) func(int) pushtest.Answer { return func(int) pushtest.Answer { return a } }
	for _, tc := range []struct {
		what    string
		answers func(n int) pushtest.Answer
		result  string // as the metric has it
		taken   int
		tries   int // 0: more than one
		gone    bool
		after   time.Duration // at least, between the first try and what was taken
	}{
		{what: "201", answers: always(pushtest.Answer{}), result: "ok", taken: 1, tries: 1},
		{what: "400", answers: always(pushtest.Answer{Status: 400, Body: "bad\nheader"}), result: "bad_request", tries: 1},
		{what: "404", answers: always(pushtest.Answer{Status: 404}), result: "gone", tries: 1, gone: true},
		{what: "410", answers: always(pushtest.Answer{Status: 410}), result: "gone", tries: 1, gone: true},
		{what: "413 at first", answers: first(pushtest.Answer{Status: 413}), result: "ok", taken: 1, tries: 2},
		{what: "413 always", answers: always(pushtest.Answer{Status: 413}), result: "too_large"},
		{what: "429", answers: first(pushtest.Answer{Status: 429, RetryAfter: "1"}), result: "rate_limited", taken: 1, tries: 2, after: time.Second},
		{what: "401", answers: first(pushtest.Answer{Status: 401}), result: "refused", taken: 1, tries: 2},
		{what: "500", answers: first(pushtest.Answer{Status: 500}), result: "server_error", taken: 1, tries: 2},
		{what: "503 with a date", answers: first(pushtest.Answer{Status: 503, RetryAfter: time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}), result: "server_error", taken: 1, tries: 2},
		{what: "it never answers", answers: first(pushtest.Answer{Hang: true}), result: "timeout", taken: 1, tries: 2},
		{what: "it closes early", answers: first(pushtest.Answer{Close: true}), result: "connection", taken: 1, tries: 2},
	} {
		t.Run(tc.what, func(t *testing.T) {
			w := *w
			w.t = t
			w.web.Answers(func(_ string, n int) pushtest.Answer { return tc.answers(n) })
			bob := w.user("bob")
			w.subscribe(bob, tc.what, nil)
			before := weftest.MetricWith(t, w.f.Pushes, "weft_push_sends_total", "result", tc.result)
			w.text(ann, edgetest.Direct(ann, bob), strings.Repeat("long ", 200))
			eventually(t, "it was tried", func() bool { return w.web.Tries(tc.what) > 0 })
			tried := time.Now()
			w.drained()
			taken := w.web.Taken(tc.what)
			if len(taken) != tc.taken {
				t.Fatalf("%d were taken, want %d", len(taken), tc.taken)
			}
			if n := w.web.Tries(tc.what); tc.tries > 0 && n != tc.tries || n < 1 || tc.tries == 0 && n < 2 {
				t.Errorf("%d tries, want %d", n, tc.tries)
			}
			if tc.taken > 0 && taken[0].At.Sub(tried) < tc.after-100*time.Millisecond {
				t.Errorf("it was tried again %s later, though the service wanted %s", taken[0].At.Sub(tried), tc.after)
			}
			if got := weftest.MetricWith(t, w.f.Pushes, "weft_push_sends_total", "result", tc.result); got == before {
				t.Errorf("no result %q", tc.result)
			}
			target, err := w.f.Store.PushTarget(t.Context(), bob.Device.ID)
			if err != nil || (target == nil) != tc.gone {
				t.Errorf("Bob is reached by %+v, %v", target, err)
			}
			if tc.gone { // nothing more is queued for it
				w.text(ann, edgetest.Direct(ann, bob), "again")
				w.web.Answers(func(string, int) pushtest.Answer { return pushtest.Answer{} })
				witness := w.user("witness")
				w.subscribe(witness, "witness of "+tc.what, nil)
				w.settled(ann, witness, "witness of "+tc.what)
				if n := w.web.Tries(tc.what); n != 1 {
					t.Errorf("%d tries of a device that is gone", n)
				}
			}
		})
	}
}

// A service that is away holds no other up, and gets what waited once it is back.
func TestOneServiceAwayHoldsUpNoOther(t *testing.T) {
	away := pushtest.StartWebPush(t)
	w := newWorld(t, func(c *push.Config) {
		c.Services = append(c.Services, away.URL)
		c.Within, c.Backoff, c.AtOnce = 300*time.Millisecond, 50*time.Millisecond, 4
	})
	away.Answers(func(string, int) pushtest.Answer { return pushtest.Answer{Hang: true} })
	ann := w.user("ann")
	const n = 30 // more than are at work at once
	for range n {
		bob := w.user("bob")
		if status := w.call(bob, "PUT", "/v1/devices/me/push", away.Subscribe("away", w.key), nil); status != http.StatusOK {
			t.Fatal(status)
		}
		w.text(ann, edgetest.Direct(ann, bob), "hi")
	}
	eventually(t, "the service is tried", func() bool { return away.Tries("away") >= 4 })
	cem := w.user("cem")
	w.subscribe(cem, "cem", nil)
	began := time.Now()
	w.text(ann, edgetest.Direct(ann, cem), "hi")
	w.web.Await("cem", 1)
	if took := time.Since(began); took > delay+2*time.Second {
		t.Errorf("a push by a service that works took %s while another one is away", took)
	}
	away.Answers(func(string, int) pushtest.Answer { return pushtest.Answer{} })
	if got := len(away.Await("away", n)); got != n {
		t.Errorf("%d pushes came when it was back, want %d", got, n)
	}
	w.drained()
	if got := len(away.Taken("away")); got != n {
		t.Errorf("%d pushes came in all, want %d", got, n)
	}
}

// What waits for a service outlives the process, and what was read meanwhile is not told any more.
func TestTheQueueOutlivesTheProcess(t *testing.T) {
	w := newWorld(t, func(c *push.Config) { c.Backoff, c.Lease = 300*time.Millisecond, time.Second })
	w.web.Answers(func(string, int) pushtest.Answer { return pushtest.Answer{Status: 503} })
	ann, bob, cem, dan := w.user("ann"), w.user("bob"), w.user("cem"), w.user("dan")
	w.subscribe(bob, "bob", nil)
	w.subscribe(cem, "cem", nil)
	w.subscribe(dan, "dan", nil)
	w.text(ann, edgetest.Direct(ann, bob), "to Bob")
	read := w.text(ann, edgetest.Direct(ann, cem), "to Cem, who reads it")
	gone := w.text(ann, edgetest.Direct(ann, dan), "to Dan, who never sees it")
	for _, browser := range []string{"bob", "cem", "dan"} {
		eventually(t, "it was tried", func() bool { return w.web.Tries(browser) > 0 })
	}
	w.stop()
	s := edgetest.Connect(t, w.edge, cem, "")
	s.Synced()
	s.Call("read", map[string]any{"channel": string(edgetest.Direct(ann, cem)), "seq": read.Seq})
	w.say(ann, edgetest.Direct(ann, dan), "delete", map[string]any{"seq": gone.Seq})
	w.text(ann, edgetest.Direct(ann, bob), "while nobody followed")
	w.web.Answers(func(string, int) pushtest.Answer { return pushtest.Answer{} })
	w.f.StartPush(t)
	w.web.Await("bob", 2)
	w.drained()
	var bodies []string
	for _, p := range w.web.Taken("bob") {
		bodies = append(bodies, payload(t, p).Body)
	}
	if len(bodies) != 2 || !strings.Contains(strings.Join(bodies, " "), "to Bob") || !strings.Contains(strings.Join(bodies, " "), "while nobody followed") {
		t.Errorf("Bob was told %q", bodies)
	}
	for _, browser := range []string{"cem", "dan"} {
		for _, p := range w.web.Taken(browser) {
			if got := payload(t, p); got.Kind == "message" {
				t.Errorf("%s was told %s", browser, p.Data)
			}
		}
	}
}

// Registrations that can't be, and endpoints that nobody is to be posted to by us.
func TestWhatIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	bob := w.user("bob")
	for what, change := range map[string]func(*contract.PushRegistration){
		"no kind": func(r *contract.PushRegistration) { r.Kind = "" },
		"a kind not set up here": func(r *contract.PushRegistration) {
			*r = contract.PushRegistration{Kind: "fcm", Token: strings.Repeat("x", 100)}
		},
		"plain http":                 func(r *contract.PushRegistration) { r.Endpoint = "http://updates.push.services.mozilla.com/wpush/v2/x" },
		"a stranger's server":        func(r *contract.PushRegistration) { r.Endpoint = "https://push.example.com/x" },
		"a name that only ends so":   func(r *contract.PushRegistration) { r.Endpoint = "https://evilfcm.googleapis.com/x" },
		"a name that only begins so": func(r *contract.PushRegistration) { r.Endpoint = "https://fcm.googleapis.com.example.com/x" },
		"a wildcard's suffix alone":  func(r *contract.PushRegistration) { r.Endpoint = "https://push.apple.com/x" },
		"another port":               func(r *contract.PushRegistration) { r.Endpoint = "https://fcm.googleapis.com:22/x" },
		"somebody in it":             func(r *contract.PushRegistration) { r.Endpoint = "https://fcm.googleapis.com@127.0.0.1/x" },
		"loopback":                   func(r *contract.PushRegistration) { r.Endpoint = "http://127.0.0.1:1/x" },
		"metadata of a cloud":        func(r *contract.PushRegistration) { r.Endpoint = "http://169.254.169.254/latest/meta-data" },
		"a file":                     func(r *contract.PushRegistration) { r.Endpoint = "file:///etc/passwd" },
		"a long one":                 func(r *contract.PushRegistration) { r.Endpoint += strings.Repeat("x", 2000) },
		"a key that is no point":     func(r *contract.PushRegistration) { r.Keys.P256dh = strings.Repeat("A", 87) },
		"a short secret":             func(r *contract.PushRegistration) { r.Keys.Auth = "AAAA" },
		"what it may show":           func(r *contract.PushRegistration) { r.Show = "some" },
	} {
		reg := w.web.Subscribe("bob", w.key)
		change(&reg)
		var problem struct{ Code, Detail string }
		if status := w.call(bob, "PUT", "/v1/devices/me/push", reg, &problem); status != http.StatusBadRequest || problem.Code != "bad_request" {
			t.Errorf("%s: %d %+v", what, status, problem)
		}
	}
	if target, err := w.f.Store.PushTarget(t.Context(), bob.Device.ID); err != nil || target != nil {
		t.Errorf("Bob is reached by %+v, %v", target, err)
	}
}
