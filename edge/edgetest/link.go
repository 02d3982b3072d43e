package edgetest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// Link is a connection to NATS that a test disturbs: it takes single messages away, stops the flow, or breaks.
type Link struct {
	mu    sync.Mutex
	drop  func(subject string, payload []byte) bool
	conn  net.Conn
	cut   atomic.Bool
	drops atomic.Int64
}

func newLink() *Link { return &Link{} }

// Drop takes away every message from NATS for which f is true; nil lets all pass. f gets the headers with the payload.
func (l *Link) Drop(f func(subject string, payload []byte) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop = f
}

// Dropped tells how many messages were taken away.
func (l *Link) Dropped() int { return int(l.drops.Load()) }

// Break closes the connection; the client comes back by itself.
func (l *Link) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.Close() // that is the point
}

// CutOff breaks the link for good, like a crash of the process behind it.
func (l *Link) CutOff() {
	l.cut.Store(true)
	l.Break()
}

// Mend lets the client back in after a CutOff.
func (l *Link) Mend() { l.cut.Store(false) }

// Cut reports whether the link was cut off.
func (l *Link) Cut() bool { return l.cut.Load() }

// Dial implements nats.CustomDialer.
func (l *Link) Dial(network, address string) (net.Conn, error) {
	if l.cut.Load() {
		return nil, errors.New("the link is cut")
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.conn = conn
	l.mu.Unlock()
	return &linkConn{Conn: conn, link: l, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// linkConn reads the server's protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol) operation by
// operation, and leaves messages out.
type linkConn struct {
	net.Conn
	link *Link
	in   *bufio.Reader
	rest []byte // of an operation that is let through
	tls  bool   // what follows can't be read: nothing is left out of it
}

func (c *linkConn) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.tls {
			return c.in.Read(p)
		}
		op, err := c.operation()
		if err != nil {
			return 0, err
		}
		c.rest = op
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// operation returns the next one, nil where it was dropped.
func (c *linkConn) operation() ([]byte, error) {
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	c.tls = bytes.HasPrefix(line, []byte("INFO ")) && bytes.Contains(line, []byte(`"tls_required":true`))
	fields := bytes.Fields(line)
	if len(fields) < 4 || (string(fields[0]) != "MSG" && string(fields[0]) != "HMSG") {
		return line, nil
	}
	size, err := strconv.Atoi(string(fields[len(fields)-1]))
	if err != nil {
		return nil, err
	}
	payload := make([]byte, size+2)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return nil, err
	}
	c.link.mu.Lock()
	drop := c.link.drop
	c.link.mu.Unlock()
	if drop != nil && drop(string(fields[1]), payload[:size]) {
		c.link.drops.Add(1)
		return nil, nil
	}
	return append(line, payload...), nil
}
