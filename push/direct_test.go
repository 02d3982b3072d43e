package push_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
)

// Whoever is not there is pushed: the device gets who has written what, and what services want to know is on the outside.
func TestAMessageIsPushed(t *testing.T) {
	w := newWorld(t, nil)
	ann, bob := w.user("ann"), w.user("bob")
	w.subscribe(bob, "bob's phone", nil)
	c := edgetest.Direct(ann, bob)
	began := time.Now()
	sent := w.text(ann, c, "hello ✓")
	p := w.web.Await("bob's phone", 1)[0]
	if took := p.At.Sub(began); took < delay {
		t.Errorf("it was pushed after %s: Bob's phone had %s to ack it", took, delay)
	}
	got := payload(t, p)
	if got.Kind != "message" || got.Channel != c || got.Seq != sent.Seq || got.Count != 1 || got.User != bob.User.ID ||
		got.Title != "ann" || got.Body != "hello ✓" || got.Tag != string(c) || got.Badge == nil || *got.Badge != 1 ||
		len(got.Lines) != 1 || got.Lines[0].Seq != sent.Seq || got.Lines[0].Text != "hello ✓" {
		t.Errorf("pushed was %s", p.Data)
	}
	if h := p.Header; h.Get("Urgency") != "high" || h.Get("TTL") != "2419200" || p.Topic == "" || strings.Contains(p.Topic, string(c)) {
		t.Errorf("headers: %v", h)
	}

	// a second one takes the place of the first, where the service has that still
	w.text(ann, c, "are you there?")
	again := w.web.Await("bob's phone", 2)[1]
	if again.Topic != p.Topic {
		t.Errorf("topics %q and %q of one chat", p.Topic, again.Topic)
	}
	if got := payload(t, again); got.Badge == nil || *got.Badge != 2 || got.Count != 1 {
		t.Errorf("pushed was %s", again.Data)
	}
	cem := w.user("cem")
	w.text(cem, edgetest.Direct(cem, bob), "it's me")
	if other := w.web.Await("bob's phone", 3)[2]; other.Topic == p.Topic {
		t.Error("two chats have one topic")
	}
}

// What comes within the delay becomes one notification.
func TestSeveralMessagesAreOneSummary(t *testing.T) {
	w := newWorld(t, func(c *push.Config) { c.Delay = 3 * time.Second })
	ann, bob := w.user("ann"), w.user("bob")
	w.subscribe(bob, "phone", nil)
	c := edgetest.Direct(ann, bob)
	var last fabric.Sent
	for _, text := range []string{"one", "two", "three", "four", "five", "six", "seven"} {
		last = w.text(ann, c, text)
	}
	w.web.Await("phone", 1)
	w.settled(w.user("cem"), bob, "phone")
	taken := w.web.Taken("phone")
	got := payload(t, taken[0])
	if len(taken) != 2 || got.Count != 7 || got.Seq != last.Seq || got.Body != "7 new messages\nseven" {
		t.Errorf("%d pushes, the first one is %s", len(taken), taken[0].Data)
	}
	if len(got.Lines) != 5 || got.Lines[0].Text != "three" || got.Lines[4].Text != "seven" {
		t.Errorf("its lines are %+v", got.Lines)
	}
}
