package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/fabric"
)

// Close codes of the protocol.
const (
	closeRestart   websocket.StatusCode = 1012
	closeMalformed websocket.StatusCode = 4400
	closeSignIn    websocket.StatusCode = 4401
	closeRevoked   websocket.StatusCode = 4403
	closeSlow      websocket.StatusCode = 4408
	closeRate      websocket.StatusCode = 4429
)

// run holds a connection until the session ends.
func (s *Session) run() {
	attempt, refused := 0, ""
	for {
		attempt++
		s.setState(Connecting, s.Err(), 0)
		c, err := s.connect(refused)
		if c != nil && c.synced {
			attempt = 1
		}
		if s.ctx.Err() != nil {
			s.end(Closed, ErrClosed)
			return
		}
		then := s.after(c, err)
		if then.final {
			s.end(SignedOut, err)
			return
		}
		refused = then.refused
		wait := then.wait
		if wait == 0 && (attempt > 1 || !then.atOnce) {
			wait = s.opt.Backoff(attempt)
		}
		s.setState(Offline, err, wait)
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
			s.end(Closed, ErrClosed)
			return
		}
	}
}

// connect makes a connection and serves it until it ends. The conn is nil where there never was one.
func (s *Session) connect(refused string) (*conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.opt.HandshakeTimeout)
	defer cancel()
	token, err := s.opt.Tokens.Token(ctx, refused)
	if err != nil {
		return nil, tokenError{err}
	}
	c, err := s.dial(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("client: connect: %w", err)
	}
	err = c.serve()
	s.mu.Lock()
	s.conn = nil
	s.outbox.setOpen(false)
	s.mu.Unlock()
	var closed websocket.CloseError
	if errors.As(err, &closed) && closed.Code == closeRevoked {
		return c, &RevokedError{Why: closed.Reason, err: err}
	}
	return c, fmt.Errorf("client: connection lost: %w", err)
}

// RevokedError says that the device was revoked: it is signed out for good. Why is signed_out (from another device, or by
// itself elsewhere), reused (a refresh token was used twice, so it may have been stolen), too_many (devices of the user) or
// deleted (the account); there may be others.
type RevokedError struct {
	Why string
	err error
}

func (e *RevokedError) Error() string { return "client: the device was revoked: " + e.Why }

// Unwrap returns how the connection was closed.
func (e *RevokedError) Unwrap() error { return e.err }

// tokenError says that there was no token to connect with.
type tokenError struct{ error }

func (e tokenError) Unwrap() error { return e.error }

// plan is what to do after a connection ended.
type plan struct {
	final   bool          // the session is over
	atOnce  bool          // connect again at once; a second time in a row, with backoff
	wait    time.Duration // connect again after this long, because the server asked for it
	refused string        // the token that the server did not take
}

// after decides by how the connection ended.
func (s *Session) after(c *conn, err error) plan {
	if s.in.caughtUp() {
		return plan{atOnce: true}
	}
	if c == nil {
		var t tokenError
		signedOut := errors.As(err, &t) && isRefusal(t)
		return plan{final: signedOut}
	}
	if c.refused != nil {
		switch c.refused.Code {
		case fabric.CodeUnauthenticated:
			return plan{atOnce: true, refused: c.token}
		case fabric.CodeForbidden:
			return plan{final: true}
		case fabric.CodeConflict, fabric.CodeBadRequest:
			// The cursor is of another fabric, whose seqs mean nothing here, or none of a server's making.
			return plan{atOnce: s.startAfresh()}
		}
		return plan{}
	}
	switch websocket.CloseStatus(err) {
	case closeSignIn:
		return plan{atOnce: true, refused: c.token}
	case closeRevoked:
		return plan{final: true}
	case closeSlow:
		return plan{atOnce: true}
	case closeMalformed:
		s.failAll(fabric.Errorf(fabric.CodeBadRequest, "the server could not read a request of this connection, maybe this one"))
		return plan{}
	case closeRate:
		return plan{}
	}
	if c.drained {
		return plan{wait: jitter(c.bye)}
	}
	return plan{}
}

func isRefusal(err error) bool {
	code := fabricCode(err)
	return code == fabric.CodeUnauthenticated || code == fabric.CodeForbidden
}

// fabricCode returns the code that the server answered with, empty where err is none of its answers.
func fabricCode(err error) fabric.Code {
	var e *fabric.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// startAfresh drops the cursor and what goes with it; it returns false if there is none.
func (s *Session) startAfresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cursor == "" {
		return false
	}
	s.cursor = ""
	clear(s.seen)
	return true
}

// failAll ends all calls that wait.
func (s *Session) failAll(err error) {
	s.mu.Lock()
	calls := s.pending
	s.pending = make(map[uint64]*call)
	s.mu.Unlock()
	for _, c := range calls {
		c.fail(err)
	}
}

// reconnect cuts the connection, for the session to resume from its cursor.
func (s *Session) reconnect() {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		_ = c.ws.CloseNow()
	}
}

// self returns the user that the session belongs to.
func (s *Session) self() fabric.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity.User
}
