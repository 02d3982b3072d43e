package client_test

import (
	"bytes"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

func TestRequestsAndTheirReplies(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	cases := []struct {
		op    string
		reply any
		ask   func() error
	}{
		{"history", map[string]any{"messages": []any{message(7, 0, bob, "b1")}, "more": true}, func() error {
			page, err := s.History(t.Context(), annBob, client.HistoryQuery{Before: 9, Limit: 1})
			if err == nil && (len(page.Messages) != 1 || page.Messages[0].From != bob || !page.More) {
				t.Errorf("got %+v", page)
			}
			return err
		}},
		{"channels", map[string]any{"cursor": "more", "channels": []any{map[string]any{
			"id": annBob, "kind": "direct", "name": "Bob", "peer": map[string]any{"id": bob, "name": "Bob"},
			"last": message(7, 0, bob, "b1"), "unread": 3, "receipts": []any{map[string]any{"user": ann, "delivered": 7, "read": 5}},
		}}}, func() error {
			page, err := s.Channels(t.Context(), 1, "")
			if err == nil && (len(page.Channels) != 1 || page.Channels[0].Last.Seq != 7 || page.Channels[0].Receipts[0].Read != 5 || page.Cursor != "more") {
				t.Errorf("got %+v", page)
			}
			return err
		}},
		{"receipts", map[string]any{"receipts": []any{map[string]any{"user": bob, "delivered": 7, "read": 5}}}, func() error {
			receipts, err := s.Receipts(t.Context(), annBob)
			if err == nil && (len(receipts) != 1 || receipts[0] != fabric.Receipt{User: bob, Delivered: 7, Read: 5}) {
				t.Errorf("got %+v", receipts)
			}
			return err
		}},
		{"receipts", map[string]any{"receipts": []any{map[string]any{"user": bob, "delivered": 7, "read": 0}}, "cursor": "more"}, func() error {
			page, err := s.ReceiptPage(t.Context(), crew.Channel(), client.ReceiptQuery{Seq: 7, Limit: 1})
			if err == nil && (len(page.Receipts) != 1 || page.Receipts[0].User != bob || page.Cursor != "more") {
				t.Errorf("got %+v", page)
			}
			return err
		}},
		{"join", map[string]any{"channel": crew.Channel()}, func() error { return s.Join(t.Context(), crew.Channel(), "code") }},
		{"leave", map[string]any{"channel": crew.Channel()}, func() error { return s.Leave(t.Context(), crew.Channel()) }},
		{"ping", map[string]any{"now": 1}, func() error { _, err := s.Ping(t.Context()); return err }},
	}
	for _, tc := range cases {
		t.Run(tc.op, func(t *testing.T) {
			asked := make(chan error, 2)
			go func() { asked <- tc.ask() }()
			p.reply(p.expect(tc.op).ID, tc.reply)
			if err := receive(t, asked, "the reply"); err != nil {
				t.Error(err)
			}
			go func() { asked <- tc.ask() }()
			p.refuse(p.expect(tc.op).ID, fabric.CodeForbidden)
			if err := receive(t, asked, "the reply"); fabric.CodeOf(err) != fabric.CodeForbidden {
				t.Errorf("got %v, want forbidden", err)
			}
		})
	}
}

func TestWatchAndActiveHoldOverADisconnect(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	if err := s.Await(t.Context()); err != nil { // before it is live, what is said may be said again once it is
		t.Fatal(err)
	}
	if err := s.Active(true); err != nil {
		t.Fatal(err)
	}
	if !p.expect("active").On {
		t.Error("active is off, want on")
	}
	watched := make(chan []fabric.Presence, 1)
	go func() {
		presence, err := s.Watch(t.Context(), bob)
		if err != nil {
			t.Error(err)
		}
		watched <- presence
	}()
	p.reply(p.expect("watch").ID, map[string]any{"presence": []any{map[string]any{"user": bob, "online": true}}})
	if got := receive(t, watched, "presence"); len(got) != 1 || !got[0].Online {
		t.Errorf("got %+v, want bob online", got)
	}

	p.drop()
	p, _ = srv.welcome()

	if !p.expect("active").On {
		t.Error("active is off after the disconnect, want on")
	}
	again := p.expect("watch")
	if len(again.Users) != 1 || again.Users[0] != string(bob) {
		t.Errorf("watches %v, want bob", again.Users)
	}
	p.reply(again.ID, map[string]any{"presence": []any{map[string]any{"user": bob, "online": false, "last_seen": 5}}})
	if got := next[*client.Presence](t, s); got.Online || got.LastSeen != 5 {
		t.Errorf("got %+v, want bob offline since 5", got)
	}
}

func TestMarksOfAChannelBecomeOne(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	for seq := uint64(1); seq <= 100; seq++ {
		s.Ack(annBob, seq)
	}
	s.Ack(annBob, 50) // marks never fall
	p, _ := srv.welcome()
	if ack := p.expect("ack"); ack.Seq != 100 || ack.Channel != string(annBob) {
		t.Errorf("acked %+v, want 100", ack)
	}
	s.Read(annBob, 100)
	if read := p.expect("read"); read.Seq != 100 {
		t.Errorf("read %d, want 100", read.Seq)
	}

	p.drop() // maybe before the marks were handled: they are said again
	p, _ = srv.welcome()
	if read := p.expect("read"); read.Seq != 100 {
		t.Errorf("read %d, want 100", read.Seq)
	}
}

func TestEventsOfEachType(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	p.say(
		map[string]any{"ev": "receipt", "channel": annBob, "user": bob, "delivered": 9, "read": 7},
		map[string]any{"ev": "typing", "channel": annBob, "user": bob, "on": true},
		map[string]any{"ev": "presence", "user": bob, "online": false, "last_seen": 5},
		map[string]any{"ev": "channel", "channel": annBob, "change": "read", "read": 9},
		map[string]any{"ev": "invented later", "channel": 12},
		map[string]any{"err": map[string]any{"code": "bad_request", "message": "of nobody"}},
	)
	if r := next[*client.Receipt](t, s); r.Channel != annBob || r.Receipt != (fabric.Receipt{User: bob, Delivered: 9, Read: 7}) {
		t.Errorf("got %+v", r)
	}
	if ty := next[*client.Typing](t, s); *ty != (client.Typing{Channel: annBob, User: bob, On: true}) {
		t.Errorf("got %+v", ty)
	}
	if pr := next[*client.Presence](t, s); pr.User != bob || pr.Online || pr.LastSeen != 5 {
		t.Errorf("got %+v", pr)
	}
	if ch := next[*client.ChannelChange](t, s); ch.Channel != annBob || ch.Change != "read" || ch.Read != 9 {
		t.Errorf("got %+v", ch)
	}
}

func TestEventsOfGroups(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	event := func(seq, prev uint64, from fabric.UserID) map[string]any {
		m := message(seq, prev, from, "c")
		m["channel"] = crew.Channel()
		return m
	}
	cem := fabric.UserID("01890000-0000-7000-8000-00000000000c")
	p.say(
		map[string]any{"ev": "channel", "channel": crew.Channel(), "change": "added", "seq": 5, "by": bob, "name": "Crew"},
		event(7, 5, bob), event(8, 7, cem), event(9, 8, bob),
		map[string]any{"ev": "receipt", "channel": crew.Channel(), "delivered": 8, "read": 7},
		map[string]any{"ev": "channel", "channel": crew.Channel(), "change": "prefs", "prefs": map[string]any{"muted_until": -1, "pinned": true}},
		map[string]any{"ev": "channel", "channel": annBob, "change": "starred", "seq": 3, "on": true},
		map[string]any{"ev": "channel", "channel": fabric.Self(ann), "change": "later", "news": 1},
	)
	if ch := next[*client.ChannelChange](t, s); ch.Channel != crew.Channel() || ch.Change != fabric.ChangeAdded || ch.Seq != 5 || ch.By != bob || ch.Name != "Crew" {
		t.Errorf("got %+v", ch)
	}
	for i, want := range []fabric.UserID{bob, cem, bob} {
		if m := next[*client.Message](t, s); m.From != want || m.Channel != crew.Channel() {
			t.Errorf("message %d is from %s in %s, want %s", i, m.From, m.Channel, want)
		}
	}
	if r := next[*client.Receipt](t, s); r.Channel != crew.Channel() || r.Receipt != (fabric.Receipt{Delivered: 8, Read: 7}) {
		t.Errorf("got %+v, want what all have passed", r)
	}
	if ch := next[*client.ChannelChange](t, s); ch.Prefs == nil || *ch.Prefs != (fabric.Prefs{MutedUntil: fabric.MutedForever, Pinned: true}) {
		t.Errorf("got %+v", ch)
	}
	if ch := next[*client.ChannelChange](t, s); ch.Change != fabric.ChangeStarred || ch.Seq != 3 || ch.On == nil || !*ch.On {
		t.Errorf("got %+v", ch)
	}
	if ch := next[*client.ChannelChange](t, s); !bytes.Contains(ch.Raw, []byte(`"news":1`)) {
		t.Errorf("got %s, want all of an event that is not known", ch.Raw)
	}
}

func TestMarksOfAGroupOneIsNoLongerInAreNotSaidAgain(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	s.Ack(crew.Channel(), 7)
	p.expect("ack")
	p.say(map[string]any{"ev": "channel", "channel": crew.Channel(), "change": "removed", "seq": 9, "by": bob})
	next[*client.ChannelChange](t, s)
	s.Ack(annBob, 8)
	p.expect("ack")

	p.drop()
	p, _ = srv.welcome()
	if ack := p.expect("ack"); ack.Channel != string(annBob) {
		t.Errorf("acks %s, want the chat with bob alone", ack.Channel)
	}
	s.Read(annBob, 9)
	p.expect("read") // and nothing between them
}

func TestWhatIsSaidOfAMessageGoesOutAsARecord(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	ctx := t.Context()
	cases := []struct {
		kind, body string
		say        func() (fabric.Sent, error)
	}{
		{"text", `{"text":"hi","reply_to":7,"mentions":["` + string(bob) + `"],"forwarded":true}`, func() (fabric.Sent, error) {
			return s.SendText(ctx, string(annBob), client.Text{Text: "hi", ReplyTo: 7, Mentions: []fabric.UserID{bob}, Forwarded: true})
		}},
		{"edit", `{"seq":7,"body":{"text":"ho"}}`, func() (fabric.Sent, error) {
			return s.Edit(ctx, annBob, 7, []byte(`{"text":"ho"}`))
		}},
		{"delete", `{"seq":7}`, func() (fabric.Sent, error) { return s.DeleteForAll(ctx, annBob, 7) }},
		{"reaction", `{"seq":7,"emoji":""}`, func() (fabric.Sent, error) { return s.React(ctx, annBob, 7, "") }},
		{"pin", `{"seq":7,"on":true}`, func() (fabric.Sent, error) { return s.Pin(ctx, annBob, 7, true) }},
	}
	for _, tc := range cases {
		t.Run(tc.kind, func(t *testing.T) {
			answered := make(chan error, 1)
			go func() {
				sent, err := tc.say()
				if err == nil && sent.Seq != 9 {
					t.Errorf("stored at %+v, want 9", sent)
				}
				answered <- err
			}()
			r := p.expect("send")
			if r.To != string(annBob) || r.Kind != tc.kind || string(r.Body) != tc.body {
				t.Errorf("sent %s %s to %s", r.Kind, r.Body, r.To)
			}
			p.reply(r.ID, stored(9, 7))
			if err := receive(t, answered, "the reply"); err != nil {
				t.Error(err)
			}
		})
	}
}
