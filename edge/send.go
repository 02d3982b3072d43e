package edge

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// send takes a message to its channel's log. The reply comes on the store's word. Costs three allocations of ours: the
// payload, the waiter and the publish.
func (s *Session) send(m *member, r *request) {
	if !s.rates().sends.Allow() {
		s.refuse(r.id, fabric.Errorf(fabric.CodeRateLimited, "over %d messages a second: slow down", s.edge.cfg.Limits.SendsPerSecond))
		return
	}
	c, err := s.edge.admit(m.id, r.to, r.cid, r.kind, r.body)
	if err != nil {
		s.refuse(r.id, err)
		return
	}
	payload, err := payloadOf(m.id, r.cid, r.kind, r.body)
	if err != nil {
		s.refuse(r.id, err)
		return
	}
	w := &sendWaiter{session: s, began: time.Now()}
	w.idLen = copy(w.id[:], r.id)
	if err := s.edge.publisher.Publish(c, m.id, r.cid, payload, w); err != nil {
		s.refuse(r.id, err)
	}
}

// admit checks a message from u and returns the channel it goes to, open.
func (e *Edge) admit(u fabric.UserID, to, cid, kind string, body []byte) (fabric.ChannelID, error) {
	c, err := target(u, to)
	if err != nil {
		return "", err
	}
	if err := mayWrite(u, c); err != nil {
		return "", err
	}
	switch {
	case !fabric.ValidCID(cid):
		return "", fabric.Errorf(fabric.CodeBadRequest, "cid: want a UUID in lower-case text, the client's own for this message")
	case !fabric.ValidKind(kind):
		return "", fabric.Errorf(fabric.CodeBadRequest, "kind: want 1 to %d of a-z, 0-9, -, _ and ., first a letter", fabric.MaxKindBytes)
	case len(body) == 0:
		return "", fabric.Errorf(fabric.CodeBadRequest, "body: want a JSON value")
	case len(body) > e.cfg.Limits.BodyBytes:
		return "", fabric.Errorf(fabric.CodeTooLarge, "body: at most %d bytes of JSON, got %d", e.cfg.Limits.BodyBytes, len(body))
	}
	return c, e.open(u, c)
}

// target returns the channel that to names: a channel, or a user for the direct chat with them.
func target(u fabric.UserID, to string) (fabric.ChannelID, error) {
	if len(to) != fabric.IDLen {
		return fabric.ParseChannelID(to)
	}
	peer, err := fabric.ParseUserID(to)
	if err != nil {
		return "", err
	}
	if peer == u {
		return "", fabric.Errorf(fabric.CodeBadRequest, "to: a direct chat has two users")
	}
	return fabric.Direct(u, peer), nil
}

// open sees to it that a direct chat exists before its first message does: one question a pair, and remembered.
func (e *Edge) open(u fabric.UserID, c fabric.ChannelID) error {
	if _, ok := e.opened.Get(c); ok {
		return nil
	}
	peer, ok := c.Peer(u)
	if !ok {
		return fabric.Errorf(fabric.CodeNotFound, "there is no channel %s", c)
	}
	ctx, cancel := context.WithTimeout(e.ctx, callTimeout)
	defer cancel()
	if _, err := service.Call[contract.ChatsOpenReply](ctx, e.nc, subjects.ChatsOpen, contract.ChatsOpenRequest{User: u, Peer: peer}); err != nil {
		return err
	}
	e.opened.Add(c, struct{}{})
	return nil
}

// payloadOf returns the message as the log keeps it. The body goes in as it came, but for line feeds between its tokens,
// which would end the object on the wire.
func payloadOf(from fabric.UserID, cid, kind string, body []byte) ([]byte, error) {
	if bytes.IndexByte(body, '\n') >= 0 || bytes.IndexByte(body, '\r') >= 0 {
		v := jsontext.Value(bytes.Clone(body))
		if err := v.Compact(); err != nil {
			return nil, fabric.Errorf(fabric.CodeBadRequest, "body: %v", err)
		}
		body = v
	}
	const frame = len(`{"from":"","cid":"","kind":"","body":}`) + 2*fabric.IDLen
	return fabric.AppendPayload(make([]byte, 0, frame+len(kind)+len(body)), from, cid, kind, body), nil
}

// sendWaiter answers a session's send when its message is stored.
type sendWaiter struct {
	session *Session
	began   time.Time
	id      [maxIDBytes]byte
	idLen   int
}

// Published answers the sender. It runs in the live loop, and must not wait.
func (w *sendWaiter) Published(st msglog.Stored, err error) {
	s := w.session
	var id []byte
	if w.idLen > 0 {
		id = w.id[:w.idLen]
	}
	if err != nil {
		s.refuse(id, err)
		return
	}
	s.edge.metrics.sent.Observe(time.Since(w.began).Seconds())
	if id == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.roomFor(256)
	if b == nil {
		return
	}
	b.b = append(b.b, `{"id":`...)
	b.b = append(b.b, id...)
	b.b = append(b.b, `,"ok":`...)
	b.b = appendSent(b.b, st.Sent)
	b.b = append(b.b, "}\n"...)
	s.kick()
}

func appendSent(b []byte, s fabric.Sent) []byte {
	b = append(b, `{"channel":"`...)
	b = append(b, s.Channel...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, s.Seq, 10)
	b = append(b, `,"prev":`...)
	b = strconv.AppendUint(b, s.Prev, 10)
	b = append(b, `,"at":`...)
	b = strconv.AppendInt(b, s.At, 10)
	return append(b, '}')
}

// callWaiter hands the outcome to a goroutine that waits for it.
type callWaiter chan publishOutcome

type publishOutcome struct {
	stored msglog.Stored
	err    error
}

// Published hands the outcome over; the channel has room for it.
func (w callWaiter) Published(st msglog.Stored, err error) { w <- publishOutcome{st, err} }

// publish stores a message and waits for the store's word.
func (e *Edge) publish(ctx context.Context, u fabric.UserID, to, cid, kind string, body []byte) (msglog.Stored, error) {
	c, err := e.admit(u, to, cid, kind, body)
	if err != nil {
		return msglog.Stored{}, err
	}
	payload, err := payloadOf(u, cid, kind, body)
	if err != nil {
		return msglog.Stored{}, err
	}
	w := make(callWaiter, 1)
	// Whoever sends over HTTP may have no session here, and the peer none either: then no live copy comes to this edge.
	if err := e.publisher.PublishUnseen(c, u, cid, payload, w); err != nil {
		return msglog.Stored{}, err
	}
	select {
	case out := <-w:
		return out.stored, out.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return msglog.Stored{}, fabric.Errorf(fabric.CodeUnavailable, "the store did not answer in time: send again with the same cid")
		}
		return msglog.Stored{}, ctx.Err()
	}
}
