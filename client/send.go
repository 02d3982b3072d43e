package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weft-im/weft/fabric"
)

// Draft is a message to be sent.
type Draft struct {
	To   string // a channel, or a user for the direct chat with them
	Kind string
	Body json.RawMessage // one JSON value
	// CID names the message: sent again with the same one it is the same message. A new one is made by default. An
	// application that keeps its unsent messages over restarts keeps their CIDs, and Since with them.
	CID string
	// Since is when this CID was first tried, before this session; zero if it wasn't.
	Since time.Time
}

// Send sends a message and returns its place in the channel's log once it is durable. It is tried over any number of
// disconnects until ctx ends; what was on its way by then may still arrive, once.
func (s *Session) Send(ctx context.Context, to, kind string, body json.RawMessage) (fabric.Sent, error) {
	return s.SendDraft(ctx, Draft{To: to, Kind: kind, Body: body})
}

// SendDraft is Send for a message with a name of its own.
func (s *Session) SendDraft(ctx context.Context, d Draft) (fabric.Sent, error) {
	type answer struct {
		sent fabric.Sent
		err  error
	}
	answered := make(chan answer, 1)
	c, err := s.send(d, func(sent fabric.Sent, err error) { answered <- answer{sent, err} })
	if err != nil {
		return fabric.Sent{}, err
	}
	select {
	case a := <-answered:
		return a.sent, a.err
	case <-ctx.Done():
		s.forget(c)
		return fabric.Sent{}, fmt.Errorf("client: send %s: %w", c.cid, ctx.Err())
	}
}

// SendAsync sends a message and returns its cid; done is called once, when the message is durable, was refused or the
// session ended. It is called by the goroutine that reads: it must not block nor wait for a reply, but may SendAsync.
// Messages go out in the order of the calls. Where SendAsync itself fails, done is not called.
func (s *Session) SendAsync(d Draft, done func(fabric.Sent, error)) (cid string, err error) {
	c, err := s.send(d, done)
	if err != nil {
		return "", err
	}
	return c.cid, nil
}

func (s *Session) send(d Draft, sent func(fabric.Sent, error)) (*call, error) {
	body, err := oneLine(d.Body)
	if err != nil {
		return nil, err
	}
	if d.CID == "" {
		d.CID = fabric.NewCID()
	}
	c := &call{to: d.To, cid: d.CID, tried: d.Since, change: fabric.IsChange(d.Kind), sent: sent}
	err = s.start(c, func(id uint64) ([]byte, error) {
		if most := s.limits.BodyBytes; most > 0 && len(body) > most {
			return nil, fabric.Errorf(fabric.CodeTooLarge, "the body has %d bytes, the server takes %d", len(body), most)
		}
		const rest = 64 // what is around the fields
		request := make([]byte, 0, rest+len(d.To)+len(d.CID)+len(d.Kind)+len(body))
		return appendSend(request, id, d.To, d.CID, d.Kind, body), nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// answerSend ends a send with its reply, or tries again where the server does not know whether it is stored.
func (s *Session) answerSend(c *call, sent fabric.Sent, err error) {
	if fabricCode(err) != fabric.CodeUnavailable {
		c.sent(sent, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.pending[c.id] = c
	c.attempts++
	wait := s.opt.Backoff(c.attempts)
	s.log.Debug("send again", "cid", c.cid, "err", err, "wait", wait)
	s.spawn(func() {
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
			return // end answers it
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pending[c.id] == c && s.conn != nil {
			s.place(c)
		}
	})
}
