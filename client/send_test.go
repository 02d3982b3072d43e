package client_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

type answer struct {
	sent fabric.Sent
	err  error
}

// sendAsync sends to bob and returns where the answer comes.
func sendAsync(t *testing.T, s *client.Session, d client.Draft) <-chan answer {
	t.Helper()
	d.To, d.Kind, d.Body = string(bob), cmp.Or(d.Kind, "text"), json.RawMessage(`{"text":"hello"}`)
	answered := make(chan answer, 2)
	if _, err := s.SendAsync(d, func(sent fabric.Sent, err error) { answered <- answer{sent, err} }); err != nil {
		t.Fatal(err)
	}
	return answered
}

func mustBeSent(t *testing.T, answered <-chan answer, seq uint64) {
	t.Helper()
	a := receive(t, answered, "the answer to a send")
	if a.err != nil || a.sent.Seq != seq || a.sent.Channel != annBob {
		t.Errorf("the send ends with %+v, want seq %d", a, seq)
	}
}

func TestASendOutlivesDisconnectsWithItsCID(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	answered := sendAsync(t, s, client.Draft{})
	first := p.expect("send")
	if first.To != string(bob) || first.Kind != "text" || string(first.Body) != `{"text":"hello"}` || !fabric.ValidCID(first.CID) {
		t.Errorf("got %+v", first)
	}

	p.drop()
	p, _ = srv.welcome()
	second := p.expect("send")
	p.reply(second.ID, stored(9, 7))

	if second.CID != first.CID {
		t.Errorf("sent again with cid %s, want %s", second.CID, first.CID)
	}
	mustBeSent(t, answered, 9)
	// What was sent comes as an event after a resume from an older cursor; the application has it already.
	p.say(message(9, 7, ann, first.CID), message(12, 9, ann, "from my phone"))
	if m := next[*client.Message](t, s); m.Seq != 12 {
		t.Errorf("got seq %d, want 12 only", m.Seq)
	}
}

func TestAResumeAnswersASendWhoseReplyWasLost(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	answered := sendAsync(t, s, client.Draft{})
	sent := p.expect("send")
	p.drop()
	p, _ = srv.welcome()
	p.say(message(9, 7, ann, sent.CID), message(12, 9, bob, "b1"))
	mustBeSent(t, answered, 9)
	if m := next[*client.Message](t, s); m.Seq != 12 {
		t.Errorf("got seq %d as an event, want 12 only", m.Seq)
	}
}

func TestPastTheDedupeWindowTheHistoryIsAskedFirst(t *testing.T) {
	cases := map[string]struct {
		pages []map[string]any
		found uint64
	}{
		"it is there": {found: 9, pages: []map[string]any{
			{"messages": []any{message(12, 9, bob, "b1")}, "more": true},
			{"messages": []any{message(7, 0, bob, "b0"), message(9, 7, ann, "CID")}, "more": true},
		}},
		"it is not there": {pages: []map[string]any{
			{"messages": []any{message(12, 9, bob, "CID")}, "more": true}, // somebody else's cid is none of ours
			{"messages": []any{message(9, 7, ann, "other")}, "more": false},
		}},
		"there are only older ones before": {pages: []map[string]any{
			{"messages": []any{message(9, 7, ann, "other")}, "more": true}, // of 2023
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.info["limits"] = map[string]any{"dedupe_ms": 120_000}
			s := srv.dial(srv.options())
			p, _ := srv.welcome()
			since := time.UnixMilli(1700000000000) // when the messages of the first two cases are from
			if name == "there are only older ones before" {
				since = time.Now().Add(-time.Hour)
			}
			answered := sendAsync(t, s, client.Draft{CID: "CID", Since: since})
			for _, page := range tc.pages {
				asked := p.expect("history")
				if asked.Channel != string(annBob) {
					t.Errorf("asks for %s, want the direct chat", asked.Channel)
				}
				p.reply(asked.ID, page)
			}
			if tc.found == 0 {
				again := p.expect("send")
				if again.CID != "CID" {
					t.Errorf("sent with cid %s, want the same as ever", again.CID)
				}
				p.reply(again.ID, stored(15, 12))
				tc.found = 15
			}
			mustBeSent(t, answered, tc.found)
		})
	}
}

func TestAChangeIsSentAgainWithoutALook(t *testing.T) {
	srv := newServer(t)
	srv.info["limits"] = map[string]any{"dedupe_ms": 120_000}
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	// History has no record of its own for a reaction, in which it could be found.
	answered := sendAsync(t, s, client.Draft{Kind: "reaction", CID: "CID", Since: time.Now().Add(-time.Hour)})
	p.reply(p.expect("send").ID, stored(9, 7))
	mustBeSent(t, answered, 9)
}

func TestASendIsTriedAgainWhereTheServerDoesNotKnow(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	answered := sendAsync(t, s, client.Draft{})
	first := p.expect("send")
	p.refuse(first.ID, fabric.CodeUnavailable)
	second := p.expect("send")
	if second.CID != first.CID {
		t.Errorf("sent again with cid %s, want %s", second.CID, first.CID)
	}
	p.refuse(second.ID, fabric.CodeForbidden)
	if a := receive(t, answered, "the answer"); fabric.CodeOf(a.err) != fabric.CodeForbidden {
		t.Errorf("got %v, want forbidden", a.err)
	}
}

func TestASendEndsWithItsContext(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Send(ctx, string(bob), "text", json.RawMessage(`1`))
		ended <- err
	}()
	late := p.expect("send")
	cancel()
	if err := receive(t, ended, "Send's end"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	p.reply(late.ID, stored(9, 7)) // nobody waits any more: it harms nobody
	p.say(message(12, 9, bob, "b1"))
	next[*client.Message](t, s)
}

func TestWhatASendRefusesByItself(t *testing.T) {
	srv := newServer(t)
	srv.info["limits"] = map[string]any{"body_bytes": 10}
	opt := srv.options()
	opt.Pending = 1
	s := srv.dial(opt)
	srv.welcome()
	next[*client.Synced](t, s)
	send := func(body string) error {
		_, err := s.SendAsync(client.Draft{To: string(bob), Kind: "text", Body: json.RawMessage(body)}, func(fabric.Sent, error) {})
		return err
	}
	if err := send(`{"text":`); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Errorf("half a body: %v, want bad_request", err)
	}
	if err := send(`"0123456789"`); fabric.CodeOf(err) != fabric.CodeTooLarge {
		t.Errorf("a body of 12 bytes: %v, want too_large", err)
	}
	if err := send("[\n1,\n\n\n\n\n\n2\n]"); err != nil {
		t.Errorf("a body over several lines, small without them: %v", err)
	}
	if err := send(`1`); !errors.Is(err, client.ErrBusy) {
		t.Errorf("one call more than may wait: %v, want ErrBusy", err)
	}
}

func TestRequestsThatPileUpGoOutInOneFrame(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	for range 10 { // before there is a connection
		sendAsync(t, s, client.Draft{})
	}
	p, _ := srv.welcome()
	var last uint64
	for range 10 {
		r := p.expect("send")
		if r.frame != 1 { // 0 is hello's
			t.Errorf("a send came in frame %d, want all in frame 1", r.frame)
		}
		if r.ID <= last {
			t.Errorf("send %d came after %d: they go out in the order of the calls", r.ID, last)
		}
		last = r.ID
	}
}

func TestFramesStayBelowTheServersLimit(t *testing.T) {
	srv := newServer(t)
	srv.info["limits"] = map[string]any{"frame_bytes": 400} // two of the sends
	s := srv.dial(srv.options())
	for range 5 {
		sendAsync(t, s, client.Draft{})
	}
	p, _ := srv.welcome()
	for i := range 5 {
		if r := p.expect("send"); r.frame != 1+i/2 {
			t.Errorf("send %d came in frame %d, want %d", i, r.frame, 1+i/2)
		}
	}
}
