package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what RFC 6455 proves a handshake by
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// slim is a WebSocket client (RFC 6455) that costs next to nothing while nothing comes: its own half KiB and the stack of
// the goroutine that waits in next. Larger messages borrow a buffer while they are looked at.
type slim struct {
	nc    net.Conn
	pings atomic.Uint32

	// Of the goroutine that reads: what was read and is not consumed yet is buf[r:w].
	buf      []byte
	r, w     int
	borrowed *[]byte

	mu sync.Mutex // one writer at a time
}

const (
	slimBuffer = 512
	slimMost   = 16 << 20 // of a message
)

// Opcodes, RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// borrowable buffers are for messages that don't fit into a connection's own.
var borrowable = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// closedError says that the server closed the connection.
type closedError struct {
	code   int
	reason string
}

func (e *closedError) Error() string {
	return fmt.Sprintf("closed by the server with %d %s", e.code, e.reason)
}

// dialSlim connects to the server with this URL and does the handshake.
func dialSlim(ctx context.Context, base string) (*slim, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[bool]string{true: "443", false: "80"}[u.Scheme == "https"])
	}
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if u.Scheme == "https" {
		dialer = &tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}}
	}
	nc, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	s := &slim{nc: nc, buf: make([]byte, slimBuffer)}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if err := s.handshake(u); err != nil {
		return nil, errors.Join(err, nc.Close(), ctx.Err())
	}
	return s, nil
}

// handshake does RFC 6455, section 4.1.
func (s *slim) handshake(u *url.URL) error {
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	key := base64.StdEncoding.EncodeToString(nonce[:])
	path := "/" + strings.TrimPrefix(u.JoinPath("/v1/ws").EscapedPath(), "/") // JoinPath leaves the slash out where u has no path
	request := "GET " + path + " HTTP/1.1\r\nHost: " + u.Host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: weft.v1\r\nSec-WebSocket-Key: " + key + "\r\n\r\n"
	if _, err := io.WriteString(s.nc, request); err != nil {
		return err
	}
	var head []byte
	for {
		if i := bytes.Index(s.buf[:s.w], []byte("\r\n\r\n")); i >= 0 {
			head, s.r = s.buf[:i], i+4
			break
		}
		if s.w == len(s.buf) {
			if s.w > 16<<10 {
				return errors.New("handshake: the response's head is too long")
			}
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		if err := s.more(); err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
	}
	status, rest, _ := strings.Cut(string(head), "\r\n")
	if !strings.HasPrefix(status, "HTTP/1.1 "+strconv.Itoa(http.StatusSwitchingProtocols)) {
		return fmt.Errorf("handshake: the server answers %q", status)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Sec-WebSocket-Accept") && strings.TrimSpace(value) == base64.StdEncoding.EncodeToString(sum[:]) {
			return nil
		}
	}
	return errors.New("handshake: the server did not prove that it speaks WebSocket")
}

// widen gives the connection a buffer of its own of n bytes, for who is never at rest. Nobody may be in next.
func (s *slim) widen(n int) {
	b := make([]byte, max(n, len(s.buf)))
	s.w = copy(b, s.buf[s.r:s.w])
	s.r, s.buf = 0, b
}

// more reads what there is into the rest of buf.
func (s *slim) more() error {
	n, err := s.nc.Read(s.buf[s.w:])
	s.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// ensure makes buf hold at least n unconsumed bytes.
func (s *slim) ensure(n int) error {
	if s.r > 0 && s.r+n > len(s.buf) {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	for s.w-s.r < n {
		if err := s.more(); err != nil {
			return err
		}
	}
	return nil
}

// next waits for a message and returns it; it is valid until the next call. Pings are answered on the way.
func (s *slim) next() ([]byte, error) {
	s.giveBack()
	for {
		op, fin, payload, err := s.frame()
		if err != nil {
			return nil, err
		}
		switch op {
		case opText, opBinary:
			if !fin {
				return s.fragments(payload)
			}
			return payload, nil
		case opPing:
			s.pings.Add(1)
			err = s.write(opPong, payload)
		case opPong:
		case opClose:
			return nil, closeOf(payload)
		default:
			err = fmt.Errorf("frame with opcode %d out of place", op)
		}
		s.giveBack()
		if err != nil {
			return nil, err
		}
	}
}

// fragments collects a message that comes in several frames: rare, so it may allocate.
func (s *slim) fragments(first []byte) ([]byte, error) {
	whole := bytes.Clone(first)
	for {
		s.giveBack()
		op, fin, payload, err := s.frame()
		if err != nil {
			return nil, err
		}
		switch op {
		case opContinuation:
			whole = append(whole, payload...)
			if len(whole) > slimMost {
				return nil, errors.New("message too large")
			}
			if fin {
				return whole, nil
			}
		case opPing:
			s.pings.Add(1)
			if err := s.write(opPong, payload); err != nil {
				return nil, err
			}
		case opPong:
		case opClose:
			return nil, closeOf(payload)
		default:
			return nil, fmt.Errorf("frame with opcode %d inside a message", op)
		}
	}
}

func closeOf(payload []byte) error {
	if len(payload) < 2 {
		return &closedError{code: 1005}
	}
	return &closedError{code: int(binary.BigEndian.Uint16(payload)), reason: string(payload[2:])}
}

// frame reads one frame, RFC 6455, section 5.2.
func (s *slim) frame() (op byte, fin bool, payload []byte, err error) {
	if err := s.ensure(2); err != nil {
		return 0, false, nil, err
	}
	op, fin = s.buf[s.r]&0xF, s.buf[s.r]&0x80 != 0
	size, head := uint64(s.buf[s.r+1]), 2
	switch {
	case size&0x80 != 0:
		return 0, false, nil, errors.New("the server masks a frame")
	case size == 126:
		head = 4
	case size == 127:
		head = 10
	}
	if err := s.ensure(head); err != nil {
		return 0, false, nil, err
	}
	switch head {
	case 4:
		size = uint64(binary.BigEndian.Uint16(s.buf[s.r+2:]))
	case 10:
		size = binary.BigEndian.Uint64(s.buf[s.r+2:])
	}
	if size > slimMost {
		return 0, false, nil, fmt.Errorf("a frame of %d bytes is too large", size)
	}
	s.r += head
	payload, err = s.payload(int(size))
	return op, fin, payload, err
}

// payload reads a frame's payload, in place if it fits.
func (s *slim) payload(n int) ([]byte, error) {
	if n <= len(s.buf) {
		if err := s.ensure(n); err != nil {
			return nil, err
		}
		p := s.buf[s.r : s.r+n]
		s.r += n
		return p, nil
	}
	s.borrowed = borrowable.Get().(*[]byte)
	b := *s.borrowed
	if cap(b) < n {
		b = make([]byte, n)
	}
	b = b[:n]
	*s.borrowed = b
	have := copy(b, s.buf[s.r:s.w])
	s.r += have
	if _, err := io.ReadFull(s.nc, b[have:]); err != nil {
		return nil, err
	}
	return b, nil
}

// giveBack returns a borrowed buffer.
func (s *slim) giveBack() {
	if s.borrowed == nil {
		return
	}
	if cap(*s.borrowed) <= 1<<20 {
		borrowable.Put(s.borrowed)
	}
	s.borrowed = nil
}

// write sends one frame. Its mask is zero, which leaves the payload as it is: masks guard proxies against pages in
// browsers (RFC 6455, section 10.3), and this is neither.
func (s *slim) write(op byte, payload []byte) error {
	b := make([]byte, 0, 14+len(payload))
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, 0x80|127)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	b = append(b, payload...)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.nc.Write(b)
	return err
}

// close ends the connection without ceremony.
func (s *slim) close() {
	if s != nil {
		s.nc.Close()
	}
}
