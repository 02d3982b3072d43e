package edge

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// ErrDrained is how Run ends where an operator had the edge drain, and it was not to stay.
var ErrDrained = errors.New("an operator had this edge drain")

// MetadataEdge is where discovery (`nats micro ping edge`) shows an edge's id.
const MetadataEdge = "edge"

// control answers operators: weft.edge.<edge>.<verb>. It does so from the edge's start until its end, also when it has
// drained and stays.
func (e *Edge) control() (*service.Host, error) {
	h, err := service.New(e.nc, subjects.ServiceEdge, "an edge, for operators", 4, e.log, [2]string{MetadataEdge, e.cfg.ID})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(
		service.Handle(h, subjects.EdgeStatus(e.cfg.ID), e.status),
		service.Handle(h, subjects.EdgeSessions(e.cfg.ID), e.listSessions),
		service.Handle(h, subjects.EdgeDrain(e.cfg.ID), e.askDrain),
	); err != nil {
		return nil, errors.Join(err, h.Stop())
	}
	return h, nil
}

// status answers weft.edge.<edge>.status.
func (e *Edge) status(context.Context, contract.EdgeStatusRequest) (contract.EdgeStatus, error) {
	st := contract.EdgeStatus{
		Edge: e.cfg.ID, Addr: e.addr, Version: service.Version, Since: e.begun, Draining: !e.ready.Load(),
		Connections: len(e.everySession()),
	}
	for _, m := range e.hub.all() {
		st.Users++
		st.Sessions += len(e.hub.sessionsOf(m.id))
	}
	return st, nil
}

// listSessions answers weft.edge.<edge>.sessions.
func (e *Edge) listSessions(_ context.Context, req contract.EdgeSessionsRequest) (contract.EdgeSessionsReply, error) {
	reply := contract.EdgeSessionsReply{Sessions: []contract.EdgeSession{}}
	most := cmp.Or(req.Limit, contract.MaxFound)
	if most < 1 || most > contract.MaxFound {
		return reply, fabric.Errorf(fabric.CodeBadRequest, "limit: want 1 to %d, got %d", contract.MaxFound, req.Limit)
	}
	list := e.everySession()
	if req.User != "" {
		list = slices.Clone(e.hub.sessionsOf(req.User))
	}
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Compare(a.number, b.number) })
	for _, s := range list {
		m := s.member()
		if s.number <= req.After || m == nil {
			continue
		}
		if len(reply.Sessions) == most {
			reply.More = req.After
			break
		}
		s.mu.Lock()
		reply.Sessions = append(reply.Sessions, contract.EdgeSession{
			Session: s.id(), User: m.id, Device: s.device, Address: s.from.String(), Since: s.begun,
			Active: !s.inactive, Queued: s.queued(),
		})
		s.mu.Unlock()
		req.After = s.number
	}
	return reply, nil
}

// askDrain answers weft.edge.<edge>.drain. It asks, and Run does it; asking again is the same.
func (e *Edge) askDrain(_ context.Context, req contract.EdgeDrainRequest) (contract.EdgeDrainReply, error) {
	if len(req.By) > contract.MaxBy {
		return contract.EdgeDrainReply{}, fabric.Errorf(fabric.CodeBadRequest, "by: want at most %d bytes", contract.MaxBy)
	}
	reply := contract.EdgeDrainReply{Connections: len(e.everySession()), Stays: e.cfg.StayDrained}
	e.drainOnce.Do(func() {
		e.log.Warn("an operator has this edge drain", "by", req.By)
		e.audit.Write(audit.Event{What: audit.EdgeDrained, Edge: e.cfg.ID, Detail: "by " + req.By})
		close(e.drainAsked)
	})
	return reply, nil
}
