package edge

import (
	"bytes"
	"context"
	"encoding/json"
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
	if !s.rates().allow(paceSend) {
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeRateLimited, "over %d messages a second: slow down", s.edge.cfg.Limits.SendsPerSecond))
		return
	}
	w := &sendWaiter{session: s, began: time.Now()}
	w.idLen = copy(w.id[:], r.id)
	msg := outgoing{from: m.id, to: r.to, cid: r.cid, kind: r.kind, body: r.body}
	if !fabric.IsChange(r.kind) {
		if err := s.edge.take(s.edge.ctx, msg, w, false); err != nil {
			s.refuseOp(r.op, r.id, err)
		}
		return
	}
	// What changes another message is first compared with that, which takes a question: the frame does not last so long.
	msg.body = bytes.Clone(r.body)
	id := bytes.Clone(r.id)
	s.work(func(ctx context.Context) {
		if err := s.edge.take(ctx, msg, w, false); err != nil {
			s.refuseOp("send", id, err)
		}
	})
}

// outgoing is a message as its sender wrote it.
type outgoing struct {
	from          fabric.UserID
	to, cid, kind string
	body          []byte
}

// take publishes a message, if it is sound and its sender may; w is told how that ended. unseen is for senders that may
// be alone with it: see msglog.Publisher.
func (e *Edge) take(ctx context.Context, m outgoing, w msglog.Waiter, unseen bool) error {
	began := time.Now()
	c, only, err := e.admit(ctx, m)
	if err != nil {
		return err
	}
	if m.kind == fabric.MsgMedia && time.Since(began) > holdSent {
		return fabric.Errorf(fabric.CodeUnavailable, "this took too long: send again with the same cid")
	}
	payload, err := payloadOf(m, only)
	if err != nil {
		return err
	}
	if unseen {
		return e.publisher.PublishUnseen(c, m.from, m.cid, payload, w)
	}
	return e.publisher.Publish(c, m.from, m.cid, payload, w)
}

// admit checks a message and returns the channel it goes to, open; only says that nobody but its sender may see it.
func (e *Edge) admit(ctx context.Context, m outgoing) (c fabric.ChannelID, only bool, err error) {
	if c, err = target(m.from, m.to); err != nil {
		return "", false, err
	}
	st, err := e.standing(ctx, m.from, c)
	if err != nil {
		return "", false, err
	}
	switch {
	case !fabric.ValidCID(m.cid):
		return "", false, fabric.Errorf(fabric.CodeBadRequest, "cid: want a UUID in lower-case text, the client's own for this message")
	case !fabric.ValidKind(m.kind):
		return "", false, fabric.Errorf(fabric.CodeBadRequest, "kind: want 1 to %d of a-z, 0-9, -, _ and ., first a letter", fabric.MaxKindBytes)
	case len(m.body) == 0:
		return "", false, fabric.Errorf(fabric.CodeBadRequest, "body: want a JSON value")
	case len(m.body) > e.cfg.Limits.BodyBytes:
		return "", false, fabric.Errorf(fabric.CodeTooLarge, "body: at most %d bytes of JSON, got %d", e.cfg.Limits.BodyBytes, len(m.body))
	}
	if err := st.maySend(m.kind); err != nil {
		return "", false, err
	}
	if st.kind == fabric.KindDirect {
		if only, err = e.open(ctx, m.from, c); err != nil {
			return "", false, err
		}
	}
	if m.kind == fabric.MsgMedia {
		if err := e.mayName(ctx, m); err != nil {
			return "", false, err
		}
	}
	if fabric.IsChange(m.kind) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		var admitted contract.HistoryAdmitReply
		admitted, err = service.Call[contract.HistoryAdmitReply](ctx, e.nc, subjects.HistoryAdmit, contract.HistoryAdmitRequest{
			User: m.from, Channel: c, From: st.readsFrom(), Admin: st.mayChange(m.kind), Kind: m.kind, Body: m.body,
		})
		// What one has written one may take back from everybody, blocked or not; all else they do is theirs to see.
		only = admitted.Only || only && m.kind != fabric.MsgDelete
	}
	return c, only, err
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

// openedFor is how long an edge relies on what it was told of a direct chat. Blocks reach it at once where one of the two
// is online here; this bounds it where neither is, and where the word was lost.
//
// Where nobody can answer after that, because the database is away, those who wrote to each other go on with what was
// known: no block is made meanwhile either. One of them asks again, once every openedAgain: an answer that does not come
// holds up whoever waits for it.
const (
	openedFor   = 30 * time.Second
	openedAgain = 5 * time.Second
)

// openedChat is what an edge was told of a direct chat, as one of its users.
type openedChat struct {
	at   int64 // Unix milliseconds
	only bool
}

// opening is a direct chat from one of its sides.
type opening struct {
	channel fabric.ChannelID
	by      fabric.UserID
}

// open sees to it that a direct chat exists before its first message does: one question a pair, remembered for a while.
// only says that the other one has blocked u.
func (e *Edge) open(ctx context.Context, u fabric.UserID, c fabric.ChannelID) (only bool, err error) {
	key := opening{c, u}
	o, known := e.opened.Get(key)
	if known && e.clock.now()-o.at < openedFor.Milliseconds() {
		return o.only, nil
	}
	if last := e.unanswered.Load(); known && last != 0 {
		now := e.clock.now()
		if now-last < openedAgain.Milliseconds() || !e.unanswered.CompareAndSwap(last, now) {
			return o.only, nil
		}
	}
	peer, ok := c.Peer(u)
	if !ok {
		return false, fabric.Errorf(fabric.CodeNotFound, "there is no channel %s", c)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := e.clock.now()
	reply, err := service.Call[contract.ChatsOpenReply](ctx, e.nc, subjects.ChatsOpen, contract.ChatsOpenRequest{User: u, Peer: peer})
	if fabric.CodeOf(err) == fabric.CodeUnavailable {
		e.unanswered.Store(e.clock.now())
		if known {
			return o.only, nil
		}
	}
	if err != nil {
		return false, err
	}
	e.unanswered.Store(0)
	e.opened.Add(key, openedChat{began, reply.Only})
	return reply.Only, nil
}

// accessChanged forgets what was known of a direct chat: one of its users has blocked the other, or no longer. Who is
// blocked sees of the other's presence no more.
func (e *Edge) accessChanged(c fabric.ChannelID, data []byte) {
	for _, u := range usersOf(c) {
		e.opened.Remove(opening{c, u})
	}
	var change struct {
		User fabric.UserID `json:"user"`
		On   bool          `json:"on"`
	}
	if err := json.Unmarshal(data, &change); err != nil {
		e.log.Error("a change of access is not JSON", "channel", c, "err", err)
		return
	}
	if peer, ok := c.Peer(change.User); ok && change.On {
		e.watches.hide(change.User, peer)
	}
}

// payloadOf returns the message as the log keeps it. The body goes in as it came, but for line feeds between its tokens,
// which would end the object on the wire.
func payloadOf(m outgoing, only bool) ([]byte, error) {
	body := m.body
	if bytes.IndexByte(body, '\n') >= 0 || bytes.IndexByte(body, '\r') >= 0 {
		v := jsontext.Value(bytes.Clone(body))
		if err := v.Compact(); err != nil {
			return nil, fabric.Errorf(fabric.CodeBadRequest, "body: %v", err)
		}
		body = v
	}
	const frame = len(`{"from":"","cid":"","kind":"","body":,"only":true}`) + 2*fabric.IDLen
	b := make([]byte, 0, frame+len(m.kind)+len(body))
	if only {
		return fabric.AppendOnlyPayload(b, m.from, m.cid, m.kind, body), nil
	}
	return fabric.AppendPayload(b, m.from, m.cid, m.kind, body), nil
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
		s.refuseOp("send", id, err)
		return
	}
	s.edge.metrics.sent.Observe(time.Since(w.began).Seconds())
	if m := s.member(); m != nil {
		s.edge.receipts.sent(s, m.id, st.Sent)
	}
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
func (e *Edge) publish(ctx context.Context, m outgoing) (msglog.Stored, error) {
	w := make(callWaiter, 1)
	// Whoever sends over HTTP may have no session here, and the peer none either: then no live copy comes to this edge.
	if err := e.take(ctx, m, w, true); err != nil {
		return msglog.Stored{}, err
	}
	select {
	case out := <-w:
		if out.err == nil {
			e.receipts.sent(nil, m.from, out.stored.Sent)
		}
		return out.stored, out.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return msglog.Stored{}, fabric.Errorf(fabric.CodeUnavailable, "the store did not answer in time: send again with the same cid")
		}
		return msglog.Stored{}, ctx.Err()
	}
}
