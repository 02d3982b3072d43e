package edge

import (
	"net/http"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/fabric"
)

// subprotocol is what a client asks for.
const subprotocol = "weft.v1"

// accept makes a WebSocket of a request. The handler returns at once, and with it all that net/http held for the
// request: what stays is the session and its socket.
func (e *Edge) accept(w http.ResponseWriter, r *http.Request) {
	if !e.ready.Load() {
		problem(w, fabric.Errorf(fabric.CodeUnavailable, "this server is going down or not up yet: try again"))
		return
	}
	from := fromOf(r)
	if !e.addresses.came(from) {
		e.metrics.turnedAway.WithLabelValues("hellos_per_address").Inc()
		problem(w, fabric.Errorf(fabric.CodeRateLimited, "your address has %d connections that have not said hello: let these be", e.cfg.Limits.HellosPerAddress))
		return
	}
	taken := false
	defer func() {
		if !taken {
			e.addresses.left(from, false)
		}
	}()
	sock := &socket{clock: &e.clock, written: &e.metrics.bytesOut}
	h := &hijacker{ResponseWriter: w, socket: sock}
	s := &Session{edge: e, sock: sock, begun: e.clock.now(), from: from}
	sock.lastRead.Store(s.begun)
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:    []string{subprotocol},
		CompressionMode: websocket.CompressionDisabled,
		// Between two frames, also of control: the socket learns that it may idle.
		OnPingReceived: s.pinged,
		OnPongReceived: s.ponged,
		// A page of another origin has no token of ours: tokens travel in hello, not in cookies that a browser adds.
		InsecureSkipVerify: true,
	})
	if err != nil {
		return // Accept has answered
	}
	if ws.Subprotocol() != subprotocol {
		_ = ws.Close(websocket.StatusPolicyViolation, "ask for subprotocol "+subprotocol)
		return
	}
	ws.SetReadLimit(-1) // readFrame has its own, which keeps the connection
	s.ws, s.reader = ws, h.reader
	s.fd, sock.canIdle = fdOf(sock.Conn)
	e.mu.Lock()
	e.numbers++
	s.number = e.numbers
	e.sessions[s.number] = s
	e.mu.Unlock()
	taken = true // ended counts it out
	e.wg.Add(1)
	e.metrics.connections.Inc()
	s.greet()
	go s.read()
	if !e.ready.Load() { // the drain may have missed it
		s.close(closeRestart, "this server drains")
	}
}

// ended counts a session out; gone calls it once.
func (e *Edge) ended(s *Session) {
	e.lot.unpark(s)
	e.mu.Lock()
	delete(e.sessions, s.number)
	e.mu.Unlock()
	e.addresses.left(s.from, s.entered.Load())
	e.metrics.connections.Dec()
	e.wg.Done()
}

// everySession returns all connections.
func (e *Edge) everySession() []*Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		list = append(list, s)
	}
	return list
}
