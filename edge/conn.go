package edge

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Buffers of a connection. coder/websocket reads and writes through two bufio buffers for as long as a connection
// lives; ours are as small as bufio allows to matter, and the large ones are borrowed while there is traffic.
const (
	bufioReadBytes  = 16 // bufio's least
	bufioWriteBytes = 16 // a frame's header (at most 10 bytes from a server) and a little of its payload
	readBytes       = 8 << 10
)

// Times of a connection.
const (
	lingerFor    = 250 * time.Millisecond // a reader waits this long for the next frame before it parks
	lingerBrief  = time.Millisecond       // after a ping or pong, behind which nothing is to be expected
	frameTimeout = 20 * time.Second       // and this long for the rest of a frame that began
	writeTimeout = 10 * time.Second
)

// errIdle is what Read returns between two frames when none came for lingerFor. coder/websocket's Reader passes it on
// and stays usable, because nothing of a frame was consumed; TestParkedSessionWakes holds it to that.
var errIdle = errors.New("no frame came")

var readBuffers = sync.Pool{New: func() any { return new([readBytes]byte) }}

// socket is the network side of a session: a net.Conn that borrows its read buffer only while frames come, that can be
// told not to wait between frames, and that sends a frame's header and payload by one system call.
type socket struct {
	net.Conn
	outer   net.Conn // what to close: whoever counts connections has wrapped Conn
	clock   *coarseClock
	canIdle bool // whether someone wakes the session after errIdle

	// Read side: owned by whoever reads the WebSocket.
	buf       *[readBytes]byte
	r, w      int
	boundary  bool  // nothing of the next frame has been consumed
	control   bool  // the last frame was a ping or pong
	readUntil int64 // the read deadline in force, Unix milliseconds

	lastRead atomic.Int64 // Unix milliseconds

	life   sync.Mutex // held while the descriptor is parked or closed: a closed one's number is soon another's
	closed bool

	wmu        sync.Mutex
	corked     bool
	said       bool     // the close frame was sent: nothing follows it
	held       [64]byte // small writes held back while corked: a frame's header
	heldLen    int
	writeUntil int64
	written    *atomic.Uint64
}

// coarseClock is the time to about a second, read without a system call: liveness needs no better.
type coarseClock struct{ ms atomic.Int64 }

func (c *coarseClock) now() int64 { return c.ms.Load() }

// Read gives the WebSocket reader its bytes.
func (s *socket) Read(p []byte) (int, error) {
	if s.r < s.w {
		n := copy(p, s.buf[s.r:s.w])
		s.r += n
		s.boundary = false
		return n, nil
	}
	if s.buf == nil {
		s.buf = readBuffers.Get().(*[readBytes]byte)
	}
	wait := frameTimeout
	if s.boundary {
		switch {
		case !s.canIdle:
			wait = 0
		case s.control:
			wait = lingerBrief
		default:
			wait = lingerFor
		}
	}
	if err := s.setReadDeadline(wait); err != nil {
		return 0, err
	}
	n, err := s.Conn.Read(s.buf[:])
	if n > 0 {
		s.lastRead.Store(s.clock.now())
		s.r, s.w = 0, n
		return s.Read(p)
	}
	if s.boundary && errors.Is(err, os.ErrDeadlineExceeded) {
		s.release()
		return 0, errIdle
	}
	return 0, err
}

// setReadDeadline arms a deadline at least wait ahead, none for 0. Deadlines cost a timer each, so one that is near
// enough stays.
func (s *socket) setReadDeadline(wait time.Duration) error {
	if wait == 0 {
		if s.readUntil == 0 {
			return nil
		}
		s.readUntil = 0
		return s.Conn.SetReadDeadline(time.Time{})
	}
	now := time.Now()
	until := now.Add(wait).UnixMilli()
	if s.readUntil >= until-int64(wait/2/time.Millisecond) && s.readUntil <= until {
		return nil
	}
	s.readUntil = until
	return s.Conn.SetReadDeadline(now.Add(wait))
}

// atBoundary says that all of the frames read so far were consumed, but for what the WebSocket has buffered.
func (s *socket) atBoundary(buffered int, control bool) {
	s.boundary, s.control = buffered == 0, control
}

// release gives the read buffer back. Nothing is in it.
func (s *socket) release() {
	if s.buf != nil {
		readBuffers.Put(s.buf)
		s.buf, s.r, s.w = nil, 0, 0
	}
}

// Write holds small pieces back while corked and sends them with the next large one.
func (s *socket) Write(p []byte) (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.said {
		return len(p), nil // the reader's answer to the peer's close frame, which was itself an answer
	}
	if s.corked && s.heldLen+len(p) <= len(s.held) {
		s.heldLen += copy(s.held[s.heldLen:], p)
		return len(p), nil
	}
	return len(p), s.send(p)
}

// Close closes the connection, once.
func (s *socket) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	return s.outer.Close()
}

// cork holds small writes back until uncork.
func (s *socket) cork() {
	s.wmu.Lock()
	s.corked = true
	s.wmu.Unlock()
}

func (s *socket) uncork() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.corked = false
	return s.send(nil)
}

// writeClose sends a close frame (RFC 6455, section 5.5.1). No data frame may be under way; those of control are each one
// Write, so they don't mix with it.
func (s *socket) writeClose(code websocket.StatusCode, reason string) error {
	const opClose, fin, mostReason = 0x8, 0x80, 123
	if len(reason) > mostReason {
		reason = reason[:mostReason]
	}
	frame := append(make([]byte, 0, 4+mostReason), fin|opClose, byte(2+len(reason)))
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(code)), reason...)
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.said = true
	return s.send(frame)
}

// writePing sends a ping (RFC 6455, section 5.5.2). That a pong came shows in lastRead.
func (s *socket) writePing() error {
	const opPing, fin = 0x9, 0x80
	_, err := s.Write([]byte{fin | opPing, 0})
	return err
}

// send writes what is held and p. wmu is held.
func (s *socket) send(p []byte) error {
	if s.heldLen+len(p) == 0 {
		return nil
	}
	now := time.Now()
	if until := now.Add(writeTimeout).UnixMilli(); s.writeUntil < until-1000 {
		s.writeUntil = until
		if err := s.Conn.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
			return err
		}
	}
	s.written.Add(uint64(s.heldLen + len(p)))
	var err error
	switch {
	case s.heldLen == 0:
		_, err = s.Conn.Write(p)
	case len(p) == 0:
		_, err = s.Conn.Write(s.held[:s.heldLen])
	default:
		both := net.Buffers{s.held[:s.heldLen], p}
		_, err = both.WriteTo(s.Conn) // writev: no copy of the payload
	}
	s.heldLen = 0
	return err
}

// unwrapped returns the TCP connection that a listener has wrapped to count it: only that has a descriptor to park, and
// writes two buffers by one system call. A TLS connection stays what it is.
func unwrapped(c net.Conn) net.Conn {
	for {
		if _, encrypted := c.(*tls.Conn); encrypted {
			return c
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = w.NetConn()
	}
}

// hijacker hands websocket.Accept the socket with small buffers in place of net/http's two of 4 KiB.
type hijacker struct {
	http.ResponseWriter
	socket *socket
	reader *bufio.Reader
}

// Hijack takes the connection over from net/http. What it had read ahead comes first.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil { // net/http's, of the request
		return nil, nil, err
	}
	if n := rw.Reader.Buffered(); n > 0 {
		early, err := rw.Reader.Peek(min(n, readBytes))
		if err != nil {
			return nil, nil, err
		}
		h.socket.buf = readBuffers.Get().(*[readBytes]byte)
		h.socket.w = copy(h.socket.buf[:], early)
	}
	h.socket.Conn, h.socket.outer = unwrapped(conn), conn
	h.socket.boundary = true
	h.reader = bufio.NewReaderSize(h.socket, bufioReadBytes)
	return h.socket, bufio.NewReadWriter(h.reader, bufio.NewWriterSize(h.socket, bufioWriteBytes)), nil
}
