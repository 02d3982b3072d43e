package edge

import (
	"context"
	"encoding/json"
	"errors"
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
			s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeUnauthenticated, "say hello with a token first"))
			s.close(closeUnauthorized, "hello comes first")
		}
		return
	}
	b := s.rates()
	if !b.ops.Allow() {
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeRateLimited, "over %d operations a second: slow down", s.edge.cfg.Limits.OpsPerSecond))
		if s.excess++; s.excess > mostExcess {
			s.close(closeRateExceeded, "rate exceeded")
		}
		return
	}
	if p := paceOf(r.op); !b.allow(p) {
		s.refuseOp(r.op, r.id, tooFast(r.op+" operations", s.edge.cfg.Limits, p))
		return
	}
	s.excess = 0
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
		s.call(r, subjects.ChatsList, contract.ChatsListRequest{User: m.id, Limit: r.limit, Cursor: r.cursor})
	case "receipts":
		s.receipts(m, r)
	case "watch":
		s.watch(r)
	case "unwatch":
		s.unwatch(r)
	case "hello":
		s.hello(r)
	case "join":
		s.join(m, r)
	case "leave":
		s.leaveGroup(m, r)
	default:
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeBadRequest, "unknown op %q", clip(r.op)))
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

// refuse answers what is no operation with an error; see refuseOp.
func (s *Session) refuse(id []byte, err error) { s.refuseOp("", id, err) }

// refuseOp answers an operation with an error, also where no reply was asked for: nothing fails in silence.
func (s *Session) refuseOp(op string, id []byte, err error) {
	e, known := fabric.AsError(err)
	if !known {
		if errors.Is(err, context.Canceled) || errors.Is(err, errSessionOver) {
			return
		}
		s.edge.log.Error("an operation failed", "session", s.id(), "err", err)
	}
	s.edge.metrics.refused.WithLabelValues(string(e.Code)).Inc()
	if _, known := ops[`"`+op+`"`]; !known {
		op = "ws" // whatever a stranger calls it is not for the audit log
	}
	s.edge.auditRefusal(e, s.userID(), s.device, s.from, op)
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

// work does f away from the reader, so that a slow service holds nothing else of the session up, until mostCalls of them
// are at work.
func (s *Session) work(f func(ctx context.Context)) {
	calls := s.rates().calls
	calls <- struct{}{}
	s.edge.wg.Go(func() {
		defer func() { <-calls }()
		ctx, cancel := context.WithTimeout(s.edge.ctx, callTimeout)
		defer cancel()
		f(ctx)
	})
}

// later answers a request with what f returns, away from the reader.
func (s *Session) later(r *request, f func(ctx context.Context) ([]byte, error)) {
	op, id := r.op, append([]byte(nil), r.id...) // the frame's buffer is used again
	if len(id) == 0 {
		id = nil
	}
	s.work(func(ctx context.Context) {
		data, err := f(ctx)
		if err != nil {
			s.refuseOp(op, id, err)
			return
		}
		s.replyRaw(id, data)
	})
}

// call asks a service and passes its reply on as it stands.
func (s *Session) call(r *request, verb subjects.Verb, req any) {
	s.later(r, func(ctx context.Context) ([]byte, error) {
		return service.CallRaw(ctx, s.edge.nc, verb, req)
	})
}

func (s *Session) history(m *member, r *request) {
	c, err := fabric.ParseChannelID(r.channel)
	if err == nil && r.before != 0 && r.after != nil {
		err = fabric.Errorf(fabric.CodeBadRequest, "before and after exclude each other")
	}
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	req := contract.HistoryPageRequest{User: m.id, Channel: c, Before: r.before, After: r.after, Limit: r.limit}
	s.later(r, func(ctx context.Context) ([]byte, error) {
		st, err := s.edge.standing(ctx, m.id, c)
		if err != nil {
			return nil, err
		}
		req.From = st.readsFrom()
		return service.CallRaw(ctx, s.edge.nc, subjects.HistoryPage, req)
	})
}

func (s *Session) receipts(m *member, r *request) {
	c, err := fabric.ParseChannelID(r.channel)
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	req := contract.ChatsReceiptsRequest{User: m.id, Channel: c, Seq: r.seq, Limit: r.limit, Cursor: r.cursor}
	s.later(r, func(ctx context.Context) ([]byte, error) {
		if _, err := s.edge.standing(ctx, m.id, c); err != nil {
			return nil, err
		}
		return service.CallRaw(ctx, s.edge.nc, subjects.ChatsReceipts, req)
	})
}

// join joins a group by an invite's code, or an open one.
func (s *Session) join(m *member, r *request) {
	var g fabric.GroupID
	var err error
	if r.channel != "" || r.code == "" {
		if g, err = fabric.ParseGroupID(r.channel); err != nil {
			s.refuseOp(r.op, r.id, err)
			return
		}
	}
	req := contract.ChatsJoinRequest{User: m.id, Group: g, Code: r.code}
	s.later(r, func(ctx context.Context) ([]byte, error) {
		reply, err := service.Call[contract.ChatsGroupReply](ctx, s.edge.nc, subjects.ChatsJoin, req)
		if err != nil {
			return nil, err
		}
		return channelReply(reply.Channel), nil
	})
}

// leaveGroup leaves a group.
func (s *Session) leaveGroup(m *member, r *request) {
	g, err := fabric.ParseGroupID(r.channel)
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	req := contract.ChatsRemoveRequest{ChatsGroupRequest: contract.ChatsGroupRequest{User: m.id, Group: g}, Member: m.id}
	s.later(r, func(ctx context.Context) ([]byte, error) {
		if _, err := service.CallRaw(ctx, s.edge.nc, subjects.ChatsRemove, req); err != nil {
			return nil, err
		}
		return channelReply(g.Channel()), nil
	})
}

func channelReply(c fabric.ChannelID) []byte {
	return append(append([]byte(`{"channel":"`), c...), `"}`...)
}

func (s *Session) active(m *member, r *request) {
	if r.on == nil {
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeBadRequest, "active: want on, true or false"))
		return
	}
	s.mu.Lock()
	s.inactive = !*r.on
	s.mu.Unlock()
	s.edge.presence.update(m.id)
	s.reply(r.id, struct{}{})
}
