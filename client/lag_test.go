package client_test

import (
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// A consumer that waits for a reply inside its loop while events flood in is neither stuck nor does it miss any.
func TestAConsumerThatFallsBehindGetsEverythingOnce(t *testing.T) {
	srv := newServer(t)
	opt := srv.options()
	opt.Buffer, opt.Patience = 4, 10*time.Millisecond
	s := srv.dial(opt)
	p, _ := srv.welcome()
	next[*client.Synced](t, s)
	for seq := uint64(1); seq <= 20; seq++ {
		p.say(message(seq, seq-1, bob, "b"))
	}
	p.say(map[string]any{"ev": "cursor", "cursor": "too far"})

	// The consumer waits for a reply instead of reading its events.
	answered := sendAsync(t, s, client.Draft{})
	p.reply(p.expect("send").ID, stored(30, 20))
	mustBeSent(t, answered, 30)
	if s.Cursor() != "c1" {
		t.Errorf("the cursor is %q, want c1: it may not pass what was not handed over", s.Cursor())
	}

	// Now it reads, so that there is room: the session resumes and brings the rest, as often as it takes.
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case p := <-srv.conns:
				p.say(srv.info)
				if hello := p.expect("hello"); hello.Cursor != "c1" {
					t.Errorf("resumes from %q, want c1", hello.Cursor)
				}
				p.reply(1, map[string]any{"user": ann})
				for seq := uint64(1); seq <= 20; seq++ {
					p.say(message(seq, seq-1, bob, "b"))
				}
			case <-done:
				return
			}
		}
	}()
	for want := uint64(1); want <= 20; want++ {
		if m := next[*client.Message](t, s); m.Seq != want {
			t.Fatalf("got seq %d, want %d", m.Seq, want)
		}
	}
	if st := s.Stats(); st.Fallen == 0 || st.Messages < 20 || st.Connections < 2 {
		t.Errorf("got %+v: the test did not make the session fall behind", st)
	}
}

func TestAHandlerGetsEventsAndMaySend(t *testing.T) {
	srv := newServer(t)
	opt := srv.options()
	var s *client.Session
	ready := make(chan struct{})
	opt.Handler = func(ev client.Event) {
		if m, ok := ev.(*client.Message); ok {
			<-ready
			s.Ack(m.Channel, m.Seq)
			if _, err := s.SendAsync(client.Draft{To: string(m.Channel), Kind: "text", Body: m.Body}, func(fabric.Sent, error) {}); err != nil {
				t.Error(err)
			}
		}
	}
	s = srv.dial(opt)
	close(ready)
	p, _ := srv.welcome()
	p.say(message(7, 0, bob, "b1"), message(9, 7, bob, "b2"), message(12, 9, bob, "b3"))
	frame := p.expect("send").frame
	for range 2 {
		if r := p.expect("send"); r.frame != frame {
			t.Errorf("what one frame caused goes out in frames %d and %d, want one", frame, r.frame)
		}
	}
	if ack := p.expect("ack"); ack.Seq != 12 {
		t.Errorf("acked %d, want 12 once", ack.Seq)
	}
}
