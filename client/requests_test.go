package client_test

import (
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
