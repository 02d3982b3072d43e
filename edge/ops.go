package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// callTimeout bounds a request to a service on a client's behalf.
const callTimeout = 5 * time.Second

// do works on one request, in the reader's goroutine.
func (s *Session) do(r *request) {
	m := s.member()
	if m == nil {
		switch r.op {
		case "hello":
			s.hello(r)
		case "ping":
			s.ping(r)
		default:
			s.refuse(r.id, fabric.Errorf(fabric.CodeUnauthenticated, "say hello with a token first"))
			s.close(closeUnauthorized, "hello comes first")
		}
		return
	}
	b := s.rates()
	if !b.ops.Allow() {
		s.refuse(r.id, fabric.Errorf(fabric.CodeRateLimited, "over %d operations a second: slow down", s.edge.cfg.Limits.OpsPerSecond))
		if b.excess++; b.excess > mostExcess {
			s.close(closeRateExceeded, "rate exceeded")
		}
		return
	}
	b.excess = 0
	switch r.op {
	case "send":
		s.send(m, r)
	case "ack":
		s.mark(m, r, false)
	case "read":
		s.mark(m, r, true)
	case "typing":
		s.typing(m, r)
	case "ping":
		s.ping(r)
	case "active":
		s.active(m, r)
	case "history":
		s.history(m, r)
	case "channels":
		s.call(r.id, subjects.ChatsList, contract.ChatsListRequest{User: m.id, Limit: r.limit, Cursor: r.cursor})
	case "receipts":
		s.receipts(m, r)
	case "watch":
		s.watch(r)
	case "unwatch":
		s.unwatch(r)
	case "hello":
		s.hello(r)
	case "join", "leave":
		s.refuse(r.id, fabric.Errorf(fabric.CodeNotFound, "%s: there are no groups on this server yet", r.op))
	default:
		s.refuse(r.id, fabric.Errorf(fabric.CodeBadRequest, "unknown op %q", clip(r.op)))
	}
}

// clip bounds what is shown of a client's own text.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// reply answers a request that wants an answer.
func (s *Session) reply(id []byte, ok any) {
	if id == nil {
		return
	}
	data, err := json.Marshal(ok)
	if err != nil {
		s.edge.log.Error("a reply is not JSON", "err", err)
		return
	}
	s.replyRaw(id, data)
}

// replyRaw is reply for what is JSON already.
func (s *Session) replyRaw(id, ok []byte) {
	if id == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.roomFor(len(id) + len(ok) + 16); b != nil {
		b.b = append(b.b, `{"id":`...)
		b.b = append(b.b, id...)
		b.b = append(b.b, `,"ok":`...)
		b.b = append(b.b, ok...)
		b.b = append(b.b, "}\n"...)
		s.kick()
	}
}

// refuse answers with an error, also where no reply was asked for: nothing fails in silence.
func (s *Session) refuse(id []byte, err error) {
	e, known := fabric.AsError(err)
	if !known {
		if errors.Is(err, context.Canceled) || errors.Is(err, errSessionOver) {
			return
		}
		s.edge.log.Error("an operation failed", "session", s.id(), "err", err)
	}
	s.edge.metrics.refused.WithLabelValues(string(e.Code)).Inc()
	data, err := json.Marshal(struct {
		ID  json.RawMessage `json:"id,omitempty"`
		Err *fabric.Error   `json:"err"`
	}{id, e})
	if err != nil {
		s.edge.log.Error("an error is not JSON", "err", err)
		return
	}
	s.push(data)
}

func (s *Session) ping(r *request) {
	s.reply(r.id, map[string]int64{"now": fabric.Millis(time.Now())})
}

// later works on a request away from the reader, so that a slow service holds nothing else of the session up, until
// mostCalls of them are at work.
func (s *Session) later(id []byte, f func(ctx context.Context) ([]byte, error)) {
	id = append([]byte(nil), id...) // the frame's buffer is used again
	if len(id) == 0 {
		id = nil
	}
	calls := s.rates().calls
	calls <- struct{}{}
	s.edge.wg.Go(func() {
		defer func() { <-calls }()
		ctx, cancel := context.WithTimeout(s.edge.ctx, callTimeout)
		defer cancel()
		data, err := f(ctx)
		if err != nil {
			s.refuse(id, err)
			return
		}
		s.replyRaw(id, data)
	})
}

// call asks a service and passes its reply on as it stands.
func (s *Session) call(id []byte, verb subjects.Verb, req any) {
	s.later(id, func(ctx context.Context) ([]byte, error) {
		return service.CallRaw(ctx, s.edge.nc, verb, req)
	})
}

func (s *Session) history(m *member, r *request) {
	c, err := fabric.ParseChannelID(r.channel)
	if err == nil {
		err = mayRead(m.id, c)
	}
	if err == nil && r.before != 0 && r.after != nil {
		err = fabric.Errorf(fabric.CodeBadRequest, "before and after exclude each other")
	}
	if err != nil {
		s.refuse(r.id, err)
		return
	}
	s.call(r.id, subjects.HistoryPage, contract.HistoryPageRequest{Channel: c, Before: r.before, After: r.after, Limit: r.limit})
}

func (s *Session) receipts(m *member, r *request) {
	c, err := fabric.ParseChannelID(r.channel)
	if err == nil {
		err = mayRead(m.id, c)
	}
	if err != nil {
		s.refuse(r.id, err)
		return
	}
	s.call(r.id, subjects.ChatsReceipts, contract.ChatsReceiptsRequest{User: m.id, Channel: c})
}

func (s *Session) active(m *member, r *request) {
	if r.on == nil {
		s.refuse(r.id, fabric.Errorf(fabric.CodeBadRequest, "active: want on, true or false"))
		return
	}
	s.mu.Lock()
	s.inactive = !*r.on
	s.mu.Unlock()
	s.edge.presence.update(m.id)
	s.reply(r.id, struct{}{})
}

// typing tells the channel's other members. It is never stored, and past its rate it is dropped: there will be another.
func (s *Session) typing(m *member, r *request) {
	c, err := fabric.ParseChannelID(r.channel)
	if err == nil {
		err = mayWrite(m.id, c)
	}
	if err == nil && r.on == nil {
		err = fabric.Errorf(fabric.CodeBadRequest, "typing: want on, true or false")
	}
	if err == nil && !s.rates().typing.Allow() {
		err = fabric.Errorf(fabric.CodeRateLimited, "over %d typing events a minute", s.edge.cfg.Limits.TypingPerMin)
	}
	if err != nil {
		s.refuse(r.id, err)
		return
	}
	data, err := json.Marshal(typingEvent{User: m.id, On: *r.on})
	if err == nil {
		err = s.edge.nc.Publish(subjects.Typing(c), data)
	}
	if err != nil {
		s.refuse(r.id, fmt.Errorf("publish typing: %w", err))
		return
	}
	s.reply(r.id, struct{}{})
}

type typingEvent struct {
	User fabric.UserID `json:"user"`
	On   bool          `json:"on"`
}

// typed gives a typing event to the sessions of the channel's other members here.
func (e *Edge) typed(c fabric.ChannelID, data []byte) {
	var t typingEvent
	if err := json.Unmarshal(data, &t); err != nil {
		e.log.Error("a typing event is not JSON", "channel", c, "err", err)
		return
	}
	b := append([]byte(`{"ev":"typing","channel":"`), c...)
	b = append(append(b, `","user":"`...), t.User...)
	b = append(strconv.AppendBool(append(b, `","on":`...), t.On), '}')
	for _, u := range usersOf(c) {
		if u == t.User {
			continue
		}
		for _, s := range e.hub.sessionsOf(u) {
			s.push(b)
		}
	}
}
