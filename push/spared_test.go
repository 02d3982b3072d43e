package push_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/weftest"
)

// Who is not disturbed, case by case. In each of them Ann writes to Bob, whose phone could be pushed; then the witness is
// pushed, which says that it was decided.
func TestWhoIsNotDisturbed(t *testing.T) {
	w := newWorld(t, nil)
	witness := w.user("witness")
	w.subscribe(witness, "witness", nil)
	type pair struct {
		ann, bob client.Grant
		c        fabric.ChannelID
		browser  string
		laptop   client.Grant // another device of Bob's
	}
	for _, tc := range []struct {
		what   string
		reason string // as the metric has it
		shows  func(*contract.PushRegistration)
		does   func(t *testing.T, p pair)
		pushed string // the body of the one notification; "" for none
		title  string
	}{
		{what: "nobody is there", does: func(_ *testing.T, p pair) { w.text(p.ann, p.c, "hi") }, pushed: "hi", title: "ann"},
		{
			what: "one's own message", does: func(t *testing.T, p pair) { w.text(p.bob, p.c, "from my laptop") },
		},
		{
			what: "a device that acks", reason: "acked", does: func(t *testing.T, p pair) {
				s := edgetest.Connect(t, w.edge, p.bob, "")
				s.Synced()
				sent := w.text(p.ann, p.c, "hi")
				s.Await("the message", func(o edgetest.Object) bool { return o.Event() == "message" })
				s.Call("ack", map[string]any{"channel": string(p.c), "seq": sent.Seq})
			},
		},
		{
			what: "a device that is there but does not ack", does: func(t *testing.T, p pair) {
				edgetest.Connect(t, w.edge, p.bob, "").Synced()
				w.text(p.ann, p.c, "hi")
			}, pushed: "hi", title: "ann",
		},
		{
			what: "another device acks: this one is in a pocket", does: func(t *testing.T, p pair) {
				s := edgetest.Connect(t, w.edge, p.laptop, "")
				s.Synced()
				sent := w.text(p.ann, p.c, "hi")
				s.Call("ack", map[string]any{"channel": string(p.c), "seq": sent.Seq})
			}, pushed: "hi", title: "ann",
		},
		{
			what: "read on another device", reason: "read", does: func(t *testing.T, p pair) {
				s := edgetest.Connect(t, w.edge, p.laptop, "")
				s.Synced()
				sent := w.text(p.ann, p.c, "hi")
				s.Call("read", map[string]any{"channel": string(p.c), "seq": sent.Seq})
			},
		},
		{
			what: "a muted chat", reason: "muted", does: func(t *testing.T, p pair) {
				w.text(p.ann, p.c, "hi")
				w.must(p.bob, "PATCH", "/v1/channels/"+string(p.c), map[string]any{"muted_until": fabric.MutedForever}, nil)
			},
		},
		{
			what: "a chat that was muted until a moment ago", does: func(t *testing.T, p pair) {
				w.text(p.ann, p.c, "hi")
				w.must(p.bob, "PATCH", "/v1/channels/"+string(p.c), map[string]any{"muted_until": time.Now().Add(-time.Second).UnixMilli()}, nil)
			}, pushed: "hi", title: "ann",
		},
		{
			what: "a mention in a muted chat", reason: "muted", does: func(t *testing.T, p pair) {
				w.say(p.ann, p.c, "text", map[string]any{"text": "@bob", "mentions": []fabric.UserID{p.bob.User.ID}})
				w.must(p.bob, "PATCH", "/v1/channels/"+string(p.c), map[string]any{"muted_until": fabric.MutedForever}, nil)
			},
		},
		{
			what: "a mention in a muted chat, where Bob wants these", reason: "muted",
			shows: func(r *contract.PushRegistration) { r.Mentions = true },
			does: func(t *testing.T, p pair) {
				w.text(p.ann, p.c, "quiet")
				w.say(p.ann, p.c, "text", map[string]any{"text": "@bob", "mentions": []fabric.UserID{p.bob.User.ID}})
				w.must(p.bob, "PATCH", "/v1/channels/"+string(p.c), map[string]any{"muted_until": fabric.MutedForever}, nil)
			}, pushed: "@bob", title: "ann",
		},
		{
			what: "a sender who is blocked", does: func(t *testing.T, p pair) {
				w.text(p.ann, p.c, "hi")
				w.must(p.bob, "PUT", "/v1/blocks/"+string(p.ann.User.ID), nil, nil)
			}, reason: "blocked",
		},
		{
			what: "a sender who was blocked before", does: func(t *testing.T, p pair) {
				w.must(p.bob, "PUT", "/v1/blocks/"+string(p.ann.User.ID), nil, nil)
				w.text(p.ann, p.c, "hi")
			},
		},
		{
			what: "a message that is deleted at once", reason: "deleted", does: func(t *testing.T, p pair) {
				sent := w.text(p.ann, p.c, "oops")
				w.say(p.ann, p.c, "delete", map[string]any{"seq": sent.Seq})
			},
		},
		{
			what: "a message that is edited at once", does: func(t *testing.T, p pair) {
				sent := w.text(p.ann, p.c, "helo")
				w.say(p.ann, p.c, "edit", map[string]any{"seq": sent.Seq, "body": map[string]any{"text": "hello"}})
			}, pushed: "hello", title: "ann",
		},
		{
			what: "a reaction", does: func(t *testing.T, p pair) {
				sent := w.text(p.bob, p.c, "hi")
				w.say(p.ann, p.c, "reaction", map[string]any{"seq": sent.Seq, "emoji": "👍"})
			},
		},
		{
			what: "who wants to see the sender only", shows: func(r *contract.PushRegistration) { r.Show = push.ShowSender },
			does: func(_ *testing.T, p pair) { w.text(p.ann, p.c, "secret") }, pushed: "New message", title: "ann",
		},
		{
			what: "who wants to see nothing", shows: func(r *contract.PushRegistration) { r.Show = push.ShowNone },
			does: func(_ *testing.T, p pair) { w.text(p.ann, p.c, "secret") }, pushed: " ", title: "New message",
		},
		{
			what: "what is encrypted from end to end", does: func(_ *testing.T, p pair) {
				w.say(p.ann, p.c, "cipher", map[string]any{"c": "qWxRTgh7…"})
			}, pushed: "New message", title: "ann",
		},
		{
			what: "a device that is reached no more", does: func(t *testing.T, p pair) {
				if status := w.call(p.bob, "DELETE", "/v1/devices/me/push", nil, nil); status != http.StatusNoContent {
					t.Fatal(status)
				}
				w.text(p.ann, p.c, "hi")
			},
		},
		{
			what: "a device that was signed out", does: func(t *testing.T, p pair) {
				w.text(p.ann, p.c, "hi")
				w.must(p.laptop, "DELETE", "/v1/devices/"+string(p.bob.Device.ID), nil, nil)
			},
		},
	} {
		t.Run(tc.what, func(t *testing.T) {
			w := *w
			w.t = t
			p := pair{ann: w.user("ann"), bob: w.user("bob"), browser: tc.what}
			p.c = edgetest.Direct(p.ann, p.bob)
			p.laptop = edgetest.SignIn(t, w.edge.URL, p.bob.User.Phone, "")
			w.subscribe(p.bob, p.browser, tc.shows)
			before := spared(t, w.f, tc.reason)
			tc.does(t, p)
			w.settled(p.ann, witness, "witness")
			if tc.pushed != "" {
				w.web.Await(p.browser, 1)
			}
			taken := w.web.Taken(p.browser)
			body := tc.pushed
			if body == " " {
				body = ""
			}
			if tc.pushed == "" {
				if len(taken) > 0 {
					t.Errorf("pushed was %s", taken[0].Data)
				}
			} else if len(taken) != 1 {
				t.Errorf("%d pushes, want one", len(taken))
			} else if got := payload(t, taken[0]); got.Title != tc.title || got.Body != body {
				t.Errorf("pushed was %s, want %q from %q", taken[0].Data, tc.pushed, tc.title)
			} else if body != "@bob" && tc.shows != nil && got.Lines != nil { // the lines say it all
				t.Errorf("pushed was %s", taken[0].Data)
			}
			if tc.reason != "" && spared(t, w.f, tc.reason) == before {
				t.Errorf("nobody was spared for %q", tc.reason)
			}
		})
	}
}

// spared returns how many messages devices were spared for a reason so far.
func spared(t testing.TB, f *edgetest.Fabric, reason string) float64 {
	t.Helper()
	if reason == "" {
		return 0
	}
	return weftest.MetricWith(t, f.Pushes, "weft_push_spared_total", "reason", reason)
}
