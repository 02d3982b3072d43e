package bench

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// serving starts a server whose only connection talk speaks to, and dials it.
func serving(t *testing.T, talk func(ctx context.Context, ws *websocket.Conn) error) *slim {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	done := make(chan error, 1)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/ws" {
			http.NotFound(w, r)
			return
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"weft.v1"}})
		if err != nil {
			done <- err
			return
		}
		defer ws.CloseNow()
		done <- talk(ctx, ws)
	}))
	t.Cleanup(h.Close)
	s, err := dialSlim(ctx, h.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.close()
		if err := <-done; err != nil {
			t.Errorf("the server's side: %v", err)
		}
	})
	return s
}

func TestSlimReadsWhatAWebSocketBrings(t *testing.T) {
	// Of each size that has a head of its own, around the connection's own buffer, and beyond what is borrowed.
	sizes := []int{0, 1, 125, 126, slimBuffer - 4, slimBuffer, slimBuffer + 1, 16 << 10, 1<<16 - 1, 1 << 16, 1<<20 + 1}
	s := serving(t, func(ctx context.Context, ws *websocket.Conn) error {
		for _, n := range sizes {
			if err := ws.Write(ctx, websocket.MessageText, bytes.Repeat([]byte("w"), n)); err != nil {
				return err
			}
		}
		// One in fragments.
		w, err := ws.Writer(ctx, websocket.MessageText)
		if err != nil {
			return err
		}
		for _, part := range []string{"over ", strings.Repeat("and ", 3000), "over"} {
			if _, err := w.Write([]byte(part)); err != nil {
				return err
			}
		}
		return w.Close()
	})
	for _, n := range sizes {
		got, err := s.next()
		if err != nil {
			t.Fatalf("message of %d bytes: %v", n, err)
		}
		if !bytes.Equal(got, bytes.Repeat([]byte("w"), n)) {
			t.Fatalf("message of %d bytes comes as %d bytes, or others", n, len(got))
		}
	}
	got, err := s.next()
	if want := "over " + strings.Repeat("and ", 3000) + "over"; err != nil || string(got) != want {
		t.Fatalf("a message in fragments comes as %.20q … (%d bytes), %v", got, len(got), err)
	}
}

func TestSlimWritesWhatAWebSocketReads(t *testing.T) {
	sizes := []int{0, 125, 126, 1<<16 - 1, 1 << 16}
	s := serving(t, func(ctx context.Context, ws *websocket.Conn) error {
		ws.SetReadLimit(1 << 20)
		for _, n := range sizes {
			_, got, err := ws.Read(ctx)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, bytes.Repeat([]byte("m"), n)) {
				return errors.New("other bytes than were written")
			}
		}
		return ws.Write(ctx, websocket.MessageText, []byte("all read"))
	})
	for _, n := range sizes {
		if err := s.write(opText, bytes.Repeat([]byte("m"), n)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.next(); err != nil || string(got) != "all read" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestSlimAnswersPingsWhileItWaits(t *testing.T) {
	s := serving(t, func(ctx context.Context, ws *websocket.Conn) error {
		reading := ws.CloseRead(ctx) // takes the pong in
		if err := ws.Ping(ctx); err != nil {
			return err
		}
		if err := ws.Write(ctx, websocket.MessageText, []byte("ponged")); err != nil {
			return err
		}
		<-reading.Done()
		return nil
	})
	if got, err := s.next(); err != nil || string(got) != "ponged" {
		t.Fatalf("%q, %v", got, err)
	}
	if n := s.pings.Load(); n != 1 {
		t.Errorf("%d pings were counted", n)
	}
}

func TestSlimTellsWhyItWasClosed(t *testing.T) {
	s := serving(t, func(_ context.Context, ws *websocket.Conn) error {
		// The close is not answered: whoever reads it hangs up.
		if err := ws.Close(4408, "too slow"); err != nil && websocket.CloseStatus(err) != -1 {
			return err
		}
		return nil
	})
	_, err := s.next()
	var closed *closedError
	if !errors.As(err, &closed) || closed.code != 4408 || closed.reason != "too slow" {
		t.Fatalf("got %v", err)
	}
	s.close()
}

func TestSlimTakesNoOtherServer(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"404": http.NotFound,
		"proved it": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Sec-WebSocket-Accept", "bm8=")
			w.WriteHeader(http.StatusSwitchingProtocols)
		},
	}
	for name, h := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			s, err := dialSlim(t.Context(), server.URL)
			if err == nil {
				s.close()
				t.Fatal("it was taken for a Weft")
			}
		})
	}
}

func TestSlimDialEndsWithItsContext(t *testing.T) {
	called := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(called)
		<-r.Context().Done() // never answers
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	if _, err := dialSlim(ctx, server.URL); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestDescriptorsAreCountedBeforehand(t *testing.T) {
	if err := enoughDescriptors(1); err != nil {
		t.Errorf("one connection: %v", err)
	}
	if err := enoughDescriptors(1 << 40); err == nil || !strings.Contains(err.Error(), "ulimit") {
		t.Errorf("more than any system has: %v", err)
	}
}
