package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weft-im/weft/fabric"
)

// call is a request that waits for its reply, over any number of connections. Its id is the session's own and stays.
type call struct {
	id      uint64
	request []byte
	done    func(ok []byte, err error) // of all but sends; ok is valid during the call only
	inner   bool                       // another call waits for it: it does not count

	// Of sends:
	sent     func(fabric.Sent, error)
	to, cid  string
	tried    time.Time // when it first may have reached the server, in this session or, by Draft.Since, before it
	looking  bool      // its cid is being looked for in the history
	change   bool      // changes another message: history does not list it, and stored twice it does no more than once
	attempts int       // answered with CodeUnavailable
}

// helloID is hello's id on every connection; calls have greater ones.
const helloID = 1

// start registers c and sends it, if there is a connection.
func (s *Session) start(c *call, encode func(id uint64) ([]byte, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return s.err
	case s.ctx.Err() != nil:
		return ErrClosed
	case len(s.pending) >= s.opt.Pending && !c.inner:
		return ErrBusy
	}
	s.lastID++
	c.id = s.lastID
	request, err := encode(c.id)
	if err != nil {
		return err
	}
	c.request = request
	s.pending[c.id] = c
	if s.conn != nil {
		s.place(c)
	}
	return nil
}

// place sends c on the connection that there is; with s.mu held. A send that the server may have stored longer ago than
// it remembers cids is looked for first.
func (s *Session) place(c *call) {
	if c.sent != nil {
		switch {
		case c.tried.IsZero():
			c.tried = time.Now()
		case c.looking:
			return
		case c.change:
		case time.Since(c.tried) > s.limits.dedupeWindow():
			c.looking = s.spawn(func() { s.lookAndSend(c) })
			return
		}
	}
	s.outbox.append(c.request)
}

// forget drops a call that nobody waits for any more; its reply will be ignored.
func (s *Session) forget(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, c.id)
}

// claim takes the call with this id for its reply, nil where nobody waits for it.
func (s *Session) claim(id uint64) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.pending[id]
	delete(s.pending, id)
	return c
}

func (c *call) fail(err error) {
	if c.sent != nil {
		c.sent(fabric.Sent{}, err)
		return
	}
	c.done(nil, err)
}

// parseError returns the error that a reply's err stands for.
func parseError(raw []byte) *fabric.Error {
	e := new(fabric.Error)
	if err := json.Unmarshal(raw, e); err != nil || e.Code == "" {
		return fabric.Errorf(fabric.CodeInternal, "the server answered with an error that can't be read: %.100q", raw)
	}
	return e
}

// ask sends a request of the cold path and waits for its reply, which it decodes into out.
func (s *Session) ask(ctx context.Context, op string, fields, out any) error {
	return s.askCall(ctx, new(call), op, fields, out)
}

func (s *Session) askCall(ctx context.Context, c *call, op string, fields, out any) error {
	type answer struct {
		ok  []byte
		err error
	}
	answered := make(chan answer, 1)
	c.done = func(ok []byte, err error) { answered <- answer{bytes.Clone(ok), err} }
	err := s.start(c, func(id uint64) ([]byte, error) { return encodeRequest(op, id, fields) })
	if err != nil {
		return err
	}
	select {
	case a := <-answered:
		if a.err != nil {
			return a.err
		}
		if err := json.Unmarshal(a.ok, out); err != nil {
			return fmt.Errorf("client: decode the reply to %s: %w", op, err)
		}
		return nil
	case <-ctx.Done():
		s.forget(c)
		return fmt.Errorf("client: %s: %w", op, ctx.Err())
	}
}
