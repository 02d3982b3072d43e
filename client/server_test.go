package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// Those who take part.
const (
	ann fabric.UserID = "01890000-0000-7000-8000-00000000000a"
	bob fabric.UserID = "01890000-0000-7000-8000-00000000000b"
)

var annBob = fabric.Direct(ann, bob)

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

// server is the far end, played by the test: each connection comes out of conns.
type server struct {
	t     *testing.T
	url   string
	conns chan *peer
	info  map[string]any
}

func newServer(t *testing.T) *server {
	s := &server{t: t, conns: make(chan *peer, 16), info: map[string]any{"ev": "info", "proto": 1, "nonce": "n0nce", "heartbeat": 25}}
	var closing = make(chan struct{})
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/ws" {
			http.NotFound(w, r)
			return
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"weft.v1"}})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		p := &peer{t: t, ws: ws, requests: make(chan request, 64), gone: make(chan struct{})}
		s.conns <- p
		p.read(closing)
	}))
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(closing) })
	s.url = h.URL
	return s
}

// options are those of a client of this server that comes back at once.
func (s *server) options() client.Options {
	return client.Options{
		URL: s.url, Tokens: client.StaticToken("t0ken"), AckDelay: 5 * time.Millisecond,
		Backoff: func(int) time.Duration { return time.Millisecond },
	}
}

// dial starts a session that the test ends.
func (s *server) dial(opt client.Options) *client.Session {
	s.t.Helper()
	session, err := client.Dial(opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(session.Close)
	return session
}

// accept takes the next connection.
func (s *server) accept() *peer {
	s.t.Helper()
	return receive(s.t, s.conns, "a connection")
}

// greet takes the next connection, says info, checks hello's token and returns its cursor.
func (s *server) greet() (p *peer, cursor string) {
	s.t.Helper()
	p = s.accept()
	p.say(s.info)
	hello := p.expect("hello")
	if hello.Token != "t0ken" {
		s.t.Errorf("hello's token is %q, want t0ken", hello.Token)
	}
	return p, hello.Cursor
}

// welcome takes the next connection up to synced, and returns the cursor that it came with.
func (s *server) welcome() (p *peer, cursor string) {
	s.t.Helper()
	p, cursor = s.greet()
	p.reply(1, map[string]any{"user": ann, "device": "d", "session": "s", "now": time.Now().UnixMilli()})
	p.say(map[string]any{"ev": "synced", "cursor": "c1"})
	return p, cursor
}

// request is what a client asks for: all fields of all ops.
type request struct {
	Op, Token, Sig, Cursor, To, CID, Kind, Channel string
	ID, Seq                                        uint64
	On                                             bool
	Users                                          []string
	Body                                           json.RawMessage
	frame                                          int // which of the connection's frames it came in
}

// peer is one connection as the server sees it.
type peer struct {
	t        *testing.T
	ws       *websocket.Conn
	requests chan request
	gone     chan struct{}
	code     websocket.StatusCode // once gone
}

func (p *peer) read(closing <-chan struct{}) {
	defer close(p.gone)
	for n := 0; ; n++ {
		_, frame, err := p.ws.Read(context.Background())
		if err != nil {
			p.code = websocket.CloseStatus(err)
			return
		}
		for line := range strings.Lines(string(frame)) {
			r := request{frame: n}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				p.t.Errorf("the client sent %q: %v", line, err)
			}
			select {
			case p.requests <- r:
			case <-closing:
				p.ws.CloseNow()
				return
			}
		}
	}
}

// expect returns the next request, which must be of this op.
func (p *peer) expect(op string) request {
	p.t.Helper()
	r := receive(p.t, p.requests, "a request to "+op)
	if r.Op != op {
		p.t.Fatalf("the client asks for %+v, want op %s", r, op)
	}
	return r
}

// say sends objects in one frame.
func (p *peer) say(objects ...any) {
	p.t.Helper()
	var lines []string
	for _, o := range objects {
		b, err := json.Marshal(o)
		if err != nil {
			p.t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	p.raw(strings.Join(lines, "\n"))
}

func (p *peer) raw(frame string) {
	p.t.Helper()
	if err := p.ws.Write(context.Background(), websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatalf("say %s: %v", frame, err)
	}
}

func (p *peer) reply(id uint64, ok any) { p.t.Helper(); p.say(map[string]any{"id": id, "ok": ok}) }

func (p *peer) refuse(id uint64, code fabric.Code) {
	p.t.Helper()
	p.say(map[string]any{"id": id, "err": map[string]any{"code": code, "message": "no"}})
}

// close ends the connection with a code, drop without a word.
func (p *peer) close(code websocket.StatusCode) { p.ws.Close(code, "") }
func (p *peer) drop()                           { p.ws.CloseNow() }

// message is an event of the chat of ann and bob.
func message(seq, prev uint64, from fabric.UserID, cid string) map[string]any {
	return map[string]any{
		"ev": "message", "channel": annBob, "seq": seq, "prev": prev, "at": 1700000000000 + seq, "from": from, "cid": cid,
		"kind": "text", "body": map[string]any{"text": fmt.Sprintf("message %d", seq)},
	}
}

func stored(seq, prev uint64) map[string]any {
	return map[string]any{"channel": annBob, "seq": seq, "prev": prev, "at": 1700000000000 + seq}
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("no more %s comes", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	panic("unreachable")
}

// next returns the session's next event of type E; those of other types are passed over.
func next[E client.Event](t *testing.T, s *client.Session) E {
	t.Helper()
	for {
		ev := receive(t, s.Events(), fmt.Sprintf("event %T", *new(E)))
		if e, ok := ev.(E); ok {
			return e
		}
	}
}
