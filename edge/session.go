package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/fabric"
)

// Close codes of weft.v1, beside RFC 6455's.
const (
	closeRestart       = websocket.StatusServiceRestart // 1012: this edge drains
	closeMalformed     = websocket.StatusCode(4400)
	closeUnauthorized  = websocket.StatusCode(4401)
	closeRevoked       = websocket.StatusCode(4403)
	closeSlow          = websocket.StatusCode(4408)
	closeRateExceeded  = websocket.StatusCode(4429)
	closeGone          = websocket.StatusNormalClosure
	outgoingFrameBytes = 32_000 // many clients refuse frames over 32 KiB; a larger object still goes alone
)

// Session is one live WebSocket. Whoever has something for its client appends to its queue; one goroutine at a time
// writes what has piled up, as few frames as may be, and ends when nothing is left. Reading, too, has a goroutine only
// while frames come: see socket and parkingLot.
type Session struct {
	edge   *Edge
	number uint64 // unique on this edge, never 0
	ws     *websocket.Conn
	sock   *socket
	reader *bufio.Reader // what ws reads through
	begun  int64         // Unix milliseconds

	from    netip.Addr  // the client's address, as it is counted
	entered atomic.Bool // it counts as a session of its address

	// For the parking lot. watched is guarded by its lock.
	fd      int
	watched bool

	who    atomic.Pointer[member] // set by hello
	device fabric.DeviceID        // set with who

	mu        sync.Mutex
	state     sessionState
	out       *outBuffer // what waits, nil when nothing does
	writing   int        // bytes taken from out that are being written
	flushing  bool
	pingDue   bool          // a ping is to be written
	drained   chan struct{} // while someone waits for the queue to empty: closed when it has
	closeCode websocket.StatusCode
	closeWhy  string
	base      fabric.Position // all up to here came by its resume or was listed before: live ones at or below are dropped
	position  fabric.Position // the highest seq that it has, by shard: its cursor
	catching  *catchUp        // while it resumes
	dirty     bool            // messages came since its last cursor event
	inactive  bool            // its app is in the background
	watching  map[fabric.UserID]struct{}
	bounds    *bounds // its device's rates, from its first op on
	excess    int     // operations refused in a row

	malformed int   // frames in error; owned by the reader
	lastPing  int64 // Unix milliseconds; owned by beat
	nonce     string
}

type sessionState uint8

const (
	stateNew     sessionState = iota // connected, no hello yet
	stateReady                       // in the hub
	stateClosing                     // a close frame is due or sent: nothing more is queued
	stateGone
)

// outBuffer is a queue's bytes: objects, each ended by a line feed.
type outBuffer struct{ b []byte }

var outBuffers = sync.Pool{New: func() any { return &outBuffer{b: make([]byte, 0, 2<<10)} }}

// maxPooled bounds what a buffer may keep when it goes back to its pool.
const maxPooled = 64 << 10

// member returns the user whose session this is, nil before hello.
func (s *Session) member() *member { return s.who.Load() }

func (s *Session) id() string { return s.edge.cfg.ID + "-" + strconv.FormatUint(s.number, 36) }

// push queues one object. Past the queue's bound the session ends with 4408: the log is its buffer, and it resumes from
// its cursor.
func (s *Session) push(object []byte) {
	s.mu.Lock()
	s.pushLocked(object)
	s.mu.Unlock()
}

func (s *Session) pushLocked(object []byte) {
	if b := s.roomFor(len(object)); b != nil {
		b.b = append(append(b.b, object...), '\n')
		s.kick()
	}
}

// roomFor returns the buffer to append n bytes and a line feed to, or nil where the session takes no more. mu is held;
// kick follows.
func (s *Session) roomFor(n int) *outBuffer {
	if s.state >= stateClosing {
		return nil
	}
	if s.queued()+n > s.edge.cfg.Limits.QueueBytes {
		s.edge.metrics.slow.Inc()
		s.closeLocked(closeSlow, "too slow: resume with the cursor", true)
		return nil
	}
	if s.out == nil {
		s.out = outBuffers.Get().(*outBuffer)
	}
	return s.out
}

// queued is how many bytes wait for the client. mu is held.
func (s *Session) queued() int {
	if s.out == nil {
		return s.writing
	}
	return s.writing + len(s.out.b)
}

// kick sees to it that the queue is written. mu is held.
func (s *Session) kick() {
	if !s.flushing {
		s.flushing = true
		go s.flush()
	}
}

// flush writes what is queued until nothing is, then ends; a close that is due is its last act.
func (s *Session) flush() {
	for {
		// Let whoever runs append more before it is taken: under load a frame then carries many objects, and at rest this
		// returns at once.
		runtime.Gosched()
		s.mu.Lock()
		batch := s.out
		if batch == nil && s.pingDue {
			s.pingDue = false
			s.mu.Unlock()
			if s.sock.writePing() != nil {
				s.gone()
				return
			}
			continue
		}
		if batch == nil {
			s.flushing = false
			s.writing = 0
			if s.drained != nil {
				close(s.drained)
				s.drained = nil
			}
			due := s.state == stateClosing
			s.mu.Unlock()
			if due {
				s.finish()
			}
			return
		}
		s.out, s.writing = nil, len(batch.b)
		s.mu.Unlock()
		err := s.write(batch.b)
		if cap(batch.b) <= maxPooled {
			batch.b = batch.b[:0]
			outBuffers.Put(batch)
		}
		if err != nil {
			s.mu.Lock()
			s.dropQueue()
			s.flushing = false
			s.mu.Unlock()
			s.gone()
			return
		}
	}
}

// dropQueue forgets what waits. mu is held.
func (s *Session) dropQueue() {
	s.out, s.writing = nil, 0
	if s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// write sends objects as frames of at most outgoingFrameBytes, each by one system call.
func (s *Session) write(objects []byte) error {
	for len(objects) > 0 {
		n := len(objects)
		if n > outgoingFrameBytes {
			if n = bytes.LastIndexByte(objects[:outgoingFrameBytes], '\n') + 1; n == 0 {
				n = bytes.IndexByte(objects, '\n') + 1
			}
		}
		s.sock.cork()
		// The last line feed stays behind: it separates objects, it doesn't end them. No context: the socket's own write
		// deadline bounds this, and a context would cost a goroutine's worth of bookkeeping each time.
		err := s.ws.Write(context.Background(), websocket.MessageText, objects[:n-1])
		if uncorked := s.sock.uncork(); err == nil {
			err = uncorked
		}
		if err != nil {
			return err
		}
		s.edge.metrics.framesOut.Inc()
		objects = objects[n:]
	}
	return nil
}

// waitDrained waits until everything queued has been written, or the session or ctx ends.
func (s *Session) waitDrained(ctx context.Context) error {
	s.mu.Lock()
	if s.state >= stateClosing {
		s.mu.Unlock()
		return errSessionOver
	}
	if !s.flushing {
		s.mu.Unlock()
		return nil
	}
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	drained := s.drained
	s.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errSessionOver = errors.New("the session is over")

// close ends the session with a code, after what is queued.
func (s *Session) close(code websocket.StatusCode, why string) {
	s.mu.Lock()
	s.closeLocked(code, why, false)
	s.mu.Unlock()
}

// closeLocked is close with mu held; drop forgets what is queued, which nobody reads in time.
func (s *Session) closeLocked(code websocket.StatusCode, why string, drop bool) {
	if s.state >= stateClosing {
		return
	}
	s.state, s.closeCode, s.closeWhy = stateClosing, code, why
	if drop {
		s.out = nil
	}
	s.edge.metrics.closed(code)
	s.kick()
}

// closeWait is how long a peer may take to answer a close frame.
const closeWait = 5 * time.Second

// finish says goodbye. The reader takes the peer's close frame in return, or closeWait ends the connection. (websocket's
// own Close would read as well, beside the reader, and the two share what the socket knows of the frames.)
func (s *Session) finish() {
	s.mu.Lock()
	code, why := s.closeCode, s.closeWhy
	s.mu.Unlock()
	s.edge.leave(s)
	if err := s.sock.writeClose(code, why); err != nil {
		s.gone() // a peer that is gone already cannot be told
		return
	}
	time.AfterFunc(closeWait, s.gone)
}

// gone ends what is left of the session, however it ended. It may be called often.
func (s *Session) gone() {
	s.mu.Lock()
	if s.state == stateGone {
		s.mu.Unlock()
		return
	}
	s.state = stateGone
	s.dropQueue()
	s.mu.Unlock()
	s.edge.leave(s)
	_ = s.ws.CloseNow() // fails only where it is closed
	s.edge.ended(s)
}

// read takes frames until none came for a while, and parks; or until the connection ends.
func (s *Session) read() {
	for {
		kind, r, err := s.ws.Reader(context.Background())
		if err != nil {
			if !errors.Is(err, errIdle) {
				s.gone()
				return
			}
			if s.edge.lot.park(s) {
				return // woken into read again
			}
			s.sock.canIdle = false
			continue
		}
		s.frame(kind, r)
		s.sock.atBoundary(s.reader.Buffered(), false)
	}
}

var frameBuffers = sync.Pool{New: func() any { b := make([]byte, 8<<10); return &b }}

// frame reads one frame and does what it asks.
func (s *Session) frame(kind websocket.MessageType, r io.Reader) {
	buf := frameBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxPooled {
			frameBuffers.Put(buf)
		}
	}()
	data, err := s.readFrame(r, buf)
	s.edge.metrics.framesIn.Inc()
	s.edge.metrics.bytesIn.Add(float64(len(data)))
	switch {
	case errors.Is(err, errFrameTooLarge):
		limit := s.edge.cfg.Limits.FrameBytes
		s.refuse(nil, fabric.Errorf(fabric.CodeTooLarge, "the frame is over %d bytes: send smaller ones", limit))
		s.offence()
		return
	case err != nil:
		return // the next Reader call says what happened
	case kind != websocket.MessageText:
		s.refuse(nil, fabric.Errorf(fabric.CodeBadRequest, "a binary frame: weft.v1 is JSON in text frames"))
		s.offence()
		return
	}
	d := requestDecoders.Get().(*requestDecoder)
	defer requestDecoders.Put(d)
	d.reset(data)
	var req request
	for {
		err := d.next(&req)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.refuseOp(req.op, req.id, err)
			s.offence()
			continue
		}
		if !s.over() {
			s.do(&req)
		}
	}
}

func (s *Session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state >= stateClosing
}

// mostMalformed is how many malformed frames or objects a session may send before it is closed.
const mostMalformed = 20

// offence counts what no client of weft.v1 sends.
func (s *Session) offence() {
	s.malformed++
	if s.member() == nil || s.malformed > mostMalformed {
		s.close(closeMalformed, "malformed frames")
	}
}

var errFrameTooLarge = errors.New("the frame is too large")

// readFrame reads a whole frame. One over the limit is read to its end, within bounds, so that the connection can be
// kept.
func (s *Session) readFrame(r io.Reader, buf *[]byte) ([]byte, error) {
	limit := s.edge.cfg.Limits.FrameBytes
	b := (*buf)[:0]
	for {
		if len(b) >= limit {
			n, err := io.CopyN(io.Discard, r, int64(8*limit))
			if n == 0 && errors.Is(err, io.EOF) {
				return b, nil // exactly at the limit
			}
			if err == nil {
				s.close(closeMalformed, "the frame is far too large")
				// Whatever of it is under way is taken off the wire until the close handshake is over: a connection that is
				// closed with bytes unread is reset, and the peer never learns why.
				_, _ = io.Copy(io.Discard, r)
			}
			return nil, errFrameTooLarge
		}
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(2*len(b), limit))
			copy(grown, b)
			b = grown
			*buf = b
		}
		n, err := r.Read(b[len(b):min(cap(b), limit)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
