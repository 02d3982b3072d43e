package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// meddler stands between the loader and a server, and harms one message on its way to its receiver: what a measurement
// that checks nothing would not notice.
type meddler struct {
	URL string

	mu     sync.Mutex
	victim int // which of the message events it is
	harm   func(lines [][]byte, i int) [][]byte
	seen   int
}

// meddle starts one before the server with this URL. harm gets the lines of the frame in which the victim is and the
// victim's place among them, and returns those that go on.
func meddle(t *testing.T, server string, victim int, harm func(lines [][]byte, i int) [][]byte) *meddler {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{victim: victim, harm: harm}
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(to))
	mux.HandleFunc("/v1/ws", func(w http.ResponseWriter, r *http.Request) {
		if err := m.relay(ctx, w, r, server); err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	h := httptest.NewServer(mux)
	t.Cleanup(h.Close)
	t.Cleanup(cancel)
	m.URL = h.URL
	return m
}

// relay carries frames both ways until either side ends.
func (m *meddler) relay(ctx context.Context, w http.ResponseWriter, r *http.Request, server string) error {
	options := &websocket.DialOptions{Subprotocols: []string{"weft.v1"}}
	far, _, err := websocket.Dial(ctx, server+"/v1/ws", options) //nolint:bodyclose // websocket closes it
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer far.CloseNow()
	near, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: options.Subprotocols})
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	defer near.CloseNow()
	far.SetReadLimit(-1)
	near.SetReadLimit(-1)

	var there sync.WaitGroup
	there.Go(func() {
		defer far.CloseNow()
		carry(ctx, near, far, func(b []byte) []byte { return b })
	})
	carry(ctx, far, near, m.pass)
	near.CloseNow()
	there.Wait()
	return nil
}

// carry ends without an error to tell: one of the two hung up, as they do at the end of a run.
func carry(ctx context.Context, from, to *websocket.Conn, pass func([]byte) []byte) {
	for {
		kind, b, err := from.Read(ctx)
		if err != nil {
			return
		}
		if b = pass(b); len(b) == 0 {
			continue
		}
		if to.Write(ctx, kind, b) != nil {
			return
		}
	}
}

func (m *meddler) pass(frame []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := bytes.Split(bytes.TrimSuffix(frame, []byte("\n")), []byte("\n"))
	for i := range lines {
		if !bytes.Contains(lines[i], []byte(`"ev":"message"`)) {
			continue
		}
		if m.seen++; m.seen == m.victim {
			return bytes.Join(m.harm(lines, i), []byte("\n"))
		}
	}
	return frame
}

// harmed reports whether the victim came by.
func (m *meddler) harmed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen >= m.victim
}
