package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

func TestSessionSaysHelloAndResumesFromItsCursor(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())

	p, cursor := srv.welcome()
	if cursor != "" {
		t.Errorf("the first hello has cursor %q, want none", cursor)
	}
	if synced := next[*client.Synced](t, s); !synced.Fresh || synced.Cursor != "c1" {
		t.Errorf("got %+v, want a fresh one with cursor c1", synced)
	}
	if got := s.Identity().User; got != ann {
		t.Errorf("the session's user is %s, want ann", got)
	}
	p.say(message(7, 0, bob, "b1"), map[string]any{"ev": "cursor", "cursor": "c2"})
	if m := next[*client.Message](t, s); m.Seq != 7 || m.From != bob || m.CID != "b1" || string(m.Body) != `{"text":"message 7"}` || m.At != 1700000000007 {
		t.Errorf("got %+v", m)
	}
	if c := next[*client.Checkpoint](t, s); c.Cursor != "c2" {
		t.Errorf("checkpoint at %q, want c2", c.Cursor)
	}

	p.drop()

	if _, cursor = srv.welcome(); cursor != "c2" {
		t.Errorf("the second hello has cursor %q, want c2", cursor)
	}
	if synced := next[*client.Synced](t, s); synced.Fresh {
		t.Error("synced is fresh after a resume")
	}
}

func TestDuplicatesOfAResumeAreDropped(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	p.say(message(7, 0, bob, "b1"), message(9, 7, bob, "b2"))
	p.drop()
	p, _ = srv.welcome()
	p.say(message(7, 0, bob, "b1"), message(9, 7, bob, "b2"), message(12, 9, bob, "b3"))

	var got []uint64
	for len(got) == 0 || got[len(got)-1] != 12 {
		got = append(got, next[*client.Message](t, s).Seq)
	}
	if len(got) > 3 || got[len(got)-1] != 12 {
		t.Errorf("got seqs %v, want each of 7 9 12 once at most (the drop may cut off 7 and 9)", got)
	}
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			t.Errorf("got seqs %v: twice or out of order", got)
		}
	}
}

func TestACursorOfAnotherFabricIsDropped(t *testing.T) {
	srv := newServer(t)
	opt := srv.options()
	opt.Cursor = "elsewhere"
	s := srv.dial(opt)

	p, cursor := srv.greet()
	if cursor != "elsewhere" {
		t.Errorf("hello has cursor %q, want elsewhere", cursor)
	}
	p.refuse(1, fabric.CodeConflict)

	if _, cursor = srv.welcome(); cursor != "" {
		t.Errorf("hello has cursor %q, want none", cursor)
	}
	if !next[*client.Synced](t, s).Fresh {
		t.Error("synced isn't fresh: the application would not list its channels")
	}
}

func TestTheNonceIsSignedWithTheDevicesKey(t *testing.T) {
	key, err := client.NewDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := key.Seed()
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.ParseDeviceKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(t)
	opt := srv.options()
	opt.DeviceKey = again
	srv.dial(opt)

	p := srv.accept()
	p.say(srv.info)
	sig, err := base64.RawURLEncoding.DecodeString(p.expect("hello").Sig)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := nkeys.FromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify([]byte("n0nce"), sig); err != nil {
		t.Errorf("the nonce's signature: %v", err)
	}
}

func TestCloseCodes(t *testing.T) {
	t.Run("4403 signs out for good", func(t *testing.T) {
		srv := newServer(t)
		s := srv.dial(srv.options())
		p, _ := srv.welcome()
		next[*client.Synced](t, s)
		p.close(4403)
		for range s.Events() { // until the session closes it
		}
		if s.State() != client.SignedOut {
			t.Errorf("the session is %s, want signed out", s.State())
		}
		if _, err := s.Ping(t.Context()); err == nil {
			t.Error("a call on a session that was signed out succeeds")
		}
	})
	t.Run("4401 renews the token", func(t *testing.T) {
		srv := newServer(t)
		opt := srv.options()
		var refused atomic.Value
		opt.Tokens = tokenFunc(func(r string) (string, error) { refused.Store(r); return "t0ken", nil })
		s := srv.dial(opt)
		p, _ := srv.welcome()
		next[*client.Synced](t, s)
		p.close(4401)
		srv.welcome()
		if got := refused.Load(); got != "t0ken" {
			t.Errorf("the token source is told of %q, want the refused t0ken", got)
		}
	})
	t.Run("4401 without a way to renew signs out", func(t *testing.T) {
		srv := newServer(t)
		s := srv.dial(srv.options())
		p, _ := srv.greet()
		p.refuse(1, fabric.CodeUnauthenticated)
		for range s.Events() {
		}
		if s.State() != client.SignedOut || fabric.CodeOf(s.Err()) != fabric.CodeUnauthenticated {
			t.Errorf("the session is %s (%v), want signed out, unauthenticated", s.State(), s.Err())
		}
	})
	t.Run("4408 resumes at once", func(t *testing.T) {
		srv := newServer(t)
		opt := srv.options()
		opt.Backoff = func(int) time.Duration { return time.Hour }
		s := srv.dial(opt)
		p, _ := srv.welcome()
		next[*client.Synced](t, s)
		p.close(4408)
		srv.welcome()
	})
	t.Run("4429 backs off", func(t *testing.T) {
		srv := newServer(t)
		opt := srv.options()
		var backoffs atomic.Int32
		opt.Backoff = func(int) time.Duration { backoffs.Add(1); return time.Millisecond }
		s := srv.dial(opt)
		p, _ := srv.welcome()
		next[*client.Synced](t, s)
		p.close(4429)
		srv.welcome()
		if backoffs.Load() != 1 {
			t.Errorf("backed off %d times, want once", backoffs.Load())
		}
	})
	t.Run("bye says when to come back", func(t *testing.T) {
		srv := newServer(t)
		opt := srv.options()
		opt.Backoff = func(int) time.Duration { return time.Hour }
		s := srv.dial(opt)
		p, _ := srv.welcome()
		next[*client.Synced](t, s)
		p.say(map[string]any{"ev": "bye", "reason": "drain", "retry_ms": 20})
		p.close(1012)
		for {
			st := next[*client.StateChange](t, s)
			if st.State == client.Offline {
				if st.Retry < 15*time.Millisecond || st.Retry > 25*time.Millisecond {
					t.Errorf("comes back after %s, want 20 ms ± a quarter", st.Retry)
				}
				break
			}
		}
		srv.welcome()
	})
	t.Run("4400 fails what may have caused it", func(t *testing.T) {
		srv := newServer(t)
		s := srv.dial(srv.options())
		p, _ := srv.welcome()
		failed := make(chan error, 1)
		if _, err := s.SendAsync(client.Draft{To: string(bob), Kind: "text", Body: json.RawMessage(`1`)}, func(_ fabric.Sent, err error) { failed <- err }); err != nil {
			t.Fatal(err)
		}
		p.expect("send")
		p.close(4400)
		if err := receive(t, failed, "the send's end"); fabric.CodeOf(err) != fabric.CodeBadRequest {
			t.Errorf("the send ends with %v, want bad_request", err)
		}
		srv.welcome()
	})
}

func TestASilentServerIsLeft(t *testing.T) {
	srv := newServer(t)
	srv.info["heartbeat"] = 0.02
	s := srv.dial(srv.options())
	srv.welcome()
	next[*client.Synced](t, s)
	srv.welcome() // no ping came for two and a half heartbeats: it comes again
}

func TestConnectTellsWhyThereIsNoSession(t *testing.T) {
	srv := newServer(t)
	go func() {
		if p, ok := <-srv.conns; ok {
			p.say(srv.info)
			p.refuse(1, fabric.CodeUnauthenticated)
		}
	}()
	_, err := client.Connect(t.Context(), srv.options())
	if fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Errorf("got %v, want unauthenticated", err)
	}

	opt := srv.options()
	opt.URL = "http://127.0.0.1:1"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Connect(ctx, opt); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's end", err)
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	srv := newServer(t)
	s := srv.dial(srv.options())
	p, _ := srv.welcome()
	next[*client.Synced](t, s)
	asked := make(chan error, 1)
	go func() {
		_, err := s.History(context.Background(), annBob, client.HistoryQuery{})
		asked <- err
	}()
	p.expect("history")
	s.Ack(annBob, 7)

	s.Close()

	if err := receive(t, asked, "the call's end"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("the call ends with %v, want ErrClosed", err)
	}
	if ack := p.expect("ack"); ack.Seq != 7 {
		t.Errorf("acked %d, want 7: what was said before Close goes out", ack.Seq)
	}
	receive(t, closed(p.gone), "the connection's end")
	if p.code != 1000 {
		t.Errorf("closed with %d, want 1000", p.code)
	}
	for range s.Events() {
	}
	if _, err := s.Ping(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("a call after Close: %v, want ErrClosed", err)
	}
}

// closed turns a channel's end into something to receive.
func closed(ch <-chan struct{}) <-chan bool {
	out := make(chan bool, 1)
	go func() { <-ch; out <- true }()
	return out
}

type tokenFunc func(refused string) (string, error)

func (f tokenFunc) Token(_ context.Context, refused string) (string, error) { return f(refused) }
