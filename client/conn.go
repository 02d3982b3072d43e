package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client/wire"
	"github.com/weft-im/weft/fabric"
)

// The subprotocol, the largest frame that is taken of a server, and what Close gives a connection to end well.
const (
	subprotocol  = "weft.v1"
	maxFrame     = 16 << 20
	closeTimeout = 2 * time.Second
)

// conn is one connection, from its handshake to its end. It belongs to the goroutine that reads.
type conn struct {
	s     *Session
	ws    *websocket.Conn
	token string
	frame wire.Frame
	inner wire.Frame // of a reply's ok

	fresh   bool // hello went without a cursor
	online  bool
	synced  bool
	watches map[uint64]struct{} // restored watches that wait for their replies

	refused *fabric.Error // hello's answer, where it was none
	bye     time.Duration // what the server asks for before coming back
	drained bool          // it said bye

	heard     atomic.Int64 // when the server was last heard, in Unix nanoseconds
	heartbeat time.Duration
	over      chan struct{} // closed when reading ended
}

// dial does the handshake; hello comes with info.
func (s *Session) dial(ctx context.Context, token string) (*conn, error) {
	c := &conn{s: s, token: token, watches: make(map[uint64]struct{}), over: make(chan struct{})}
	ws, resp, err := websocket.Dial(ctx, s.address, &websocket.DialOptions{
		HTTPClient:   s.opt.HTTP,
		Subprotocols: []string{subprotocol},
		OnPingReceived: func(context.Context, []byte) bool {
			c.touch()
			return true
		},
	})
	if err != nil {
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil, err
	}
	ws.SetReadLimit(maxFrame)
	c.ws = ws
	c.touch()
	return c, nil
}

// serve reads until the connection ends, and says why it did.
func (c *conn) serve() error {
	var writer sync.WaitGroup
	defer writer.Wait()
	defer close(c.over)

	// Neither reads nor writes carry a context: one with a deadline costs each of them a goroutine's worth of bookkeeping
	// in websocket. Instead the connection is cut, which ends both.
	cut := func() { _ = c.ws.CloseNow() }
	alive := time.AfterFunc(c.s.opt.HandshakeTimeout, cut)
	defer func() { alive.Stop() }()
	closing := context.AfterFunc(c.s.ctx, cut)
	defer func() { closing() }()
	defer cut()

	for {
		_, r, err := c.ws.Reader(context.Background())
		if err != nil {
			return err
		}
		if err := c.frame.Fill(r); err != nil {
			return err
		}
		c.touch()
		wasOnline := c.online
		if err := c.handleFrame(); err != nil {
			return err
		}
		if c.online && !wasOnline {
			closing() // the writer ends the connection from here on, in good manners
			alive.Stop()
			alive = c.watchdog(cut)
			writer.Go(c.write)
		}
	}
}

// touch notes that the server was heard.
func (c *conn) touch() { c.heard.Store(time.Now().UnixNano()) }

// watchdog cuts the connection once the server was silent for two and a half of its heartbeats.
func (c *conn) watchdog(cut func()) *time.Timer {
	if c.heartbeat <= 0 {
		return time.AfterFunc(time.Hour, func() {}) // the server promises none
	}
	var timer atomic.Pointer[time.Timer]
	look := func() {
		if time.Since(time.Unix(0, c.heard.Load())) > c.heartbeat*5/2 {
			cut()
			return
		}
		select {
		case <-c.over:
		default:
			timer.Load().Reset(c.heartbeat)
		}
	}
	t := time.AfterFunc(time.Hour, look)
	timer.Store(t)
	t.Reset(c.heartbeat)
	return t
}

// handleFrame handles the frame's objects; requests that this causes go out together after it.
func (c *conn) handleFrame() error {
	c.s.outbox.hold()
	defer c.s.outbox.release()
	var o wire.Object
	for {
		switch err := c.frame.Next(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := c.handle(&o); err != nil {
			return err
		}
	}
}

// hello answers info.
func (c *conn) hello(raw []byte) error {
	var info struct {
		Proto     int     `json:"proto"`
		Nonce     string  `json:"nonce"`
		Heartbeat float64 `json:"heartbeat"` // seconds
		Limits    Limits  `json:"limits"`
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		return fmt.Errorf("%w: info: %w", wire.ErrMalformed, err)
	}
	hello := struct {
		Token  string        `json:"token"`
		Sig    string        `json:"sig,omitempty"`
		Cursor fabric.Cursor `json:"cursor,omitempty"`
	}{Token: c.token}
	if key := c.s.opt.DeviceKey; key != nil {
		sig, err := key.sign(info.Nonce)
		if err != nil {
			return err
		}
		hello.Sig = sig
	}
	c.heartbeat = time.Duration(info.Heartbeat * float64(time.Second))
	c.s.mu.Lock()
	c.s.limits = info.Limits
	hello.Cursor = c.s.cursor
	c.s.mu.Unlock()
	c.fresh = hello.Cursor == ""

	request, err := encodeRequest("hello", helloID, hello)
	if err != nil {
		return err
	}
	return c.ws.Write(context.Background(), websocket.MessageText, request[:len(request)-1])
}

// welcome is the answer to hello: the connection takes requests, first of all those that still wait.
func (c *conn) welcome(ok []byte) error {
	var reply struct {
		Identity
		Now int64 `json:"now"`
	}
	if err := json.Unmarshal(ok, &reply); err != nil {
		return fmt.Errorf("%w: the answer to hello: %w", wire.ErrMalformed, err)
	}
	c.online = true
	s := c.s
	s.stats.connections.Add(1)
	s.mu.Lock()
	s.identity = reply.Identity
	if reply.Now > 0 {
		s.skew = time.Until(time.UnixMilli(reply.Now))
	}
	s.outbox.setOpen(true)
	s.outbox.hold()
	s.conn = c
	for _, id := range slices.Sorted(maps.Keys(s.pending)) {
		s.place(s.pending[id])
	}
	s.restore(c)
	s.mu.Unlock()
	// Nothing fell on this connection yet. Room that was made before is good enough; of room that is made later, reconnect
	// finds s.conn set.
	s.in.caughtUp()
	s.marks.reconnected()
	s.setState(Online, nil, 0)
	return nil
}

// write sends what is in the outbox until the connection ends, and ends it when the session is closed.
func (c *conn) write() {
	var spare []byte
	for {
		select {
		case <-c.s.outbox.wake:
			var err error
			if spare, err = c.flush(spare); err != nil {
				_ = c.ws.CloseNow() // the reader hears of it and tells why
				return
			}
		case <-c.s.ctx.Done():
			timeout := time.AfterFunc(closeTimeout, func() { _ = c.ws.CloseNow() })
			defer timeout.Stop()
			c.s.outbox.release() // whoever holds it is being closed as well
			if _, err := c.flush(spare); err == nil {
				c.ws.Close(websocket.StatusNormalClosure, "")
			}
			_ = c.ws.CloseNow()
			return
		case <-c.over:
			return
		}
	}
}

// flush sends what is in the outbox, as few frames as the server's limit allows.
func (c *conn) flush(spare []byte) ([]byte, error) {
	limit := c.s.Limits().FrameBytes
	requests := c.s.outbox.take(spare)
	full := requests
	for len(requests) > 0 {
		var frame []byte
		frame, requests = nextFrame(requests, limit)
		if err := c.ws.Write(context.Background(), websocket.MessageText, frame); err != nil {
			return nil, err
		}
	}
	return full, nil
}
