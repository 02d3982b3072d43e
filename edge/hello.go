package edge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// ServerName is what `info` tells clients they talk to.
const ServerName = "weft/0.1"

// heartbeat is how often a quiet connection is pinged, in seconds.
const heartbeat = 25

// greet opens the conversation with `info`.
func (s *Session) greet() {
	s.nonce = rand.Text()
	info := struct {
		Ev        string `json:"ev"`
		Proto     int    `json:"proto"`
		Server    string `json:"server"`
		Nonce     string `json:"nonce"`
		Heartbeat int    `json:"heartbeat"`
		Limits    Limits `json:"limits"`
	}{"info", 1, ServerName, s.nonce, heartbeat, s.edge.cfg.Limits}
	b, err := json.Marshal(info)
	if err != nil {
		panic(fmt.Sprintf("info has a field that is not JSON: %v", err)) // a fixed struct of strings and numbers
	}
	s.push(b)
}

// hello signs the session in. A refused token ends the connection, a refused cursor doesn't: the client says hello
// again without one.
func (s *Session) hello(r *request) {
	if s.member() != nil {
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeConflict, "hello was said already"))
		return
	}
	if !s.edge.verifier.Remembers(r.token) && s.edge.addresses.exhausted(s.from) {
		s.refuseOp(r.op, r.id, s.edge.tooManyStrangers())
		s.close(closeRateExceeded, "rate exceeded")
		return
	}
	claims, err := s.edge.authenticate(r.token)
	if err == nil && claims.PublicKey != "" {
		err = s.edge.verifier.VerifySignature(claims, s.nonce, r.sig)
	}
	if err != nil {
		s.edge.addresses.stranger(s.from)
		s.refuseOp(r.op, r.id, err)
		code, why := closeUnauthorized, "not authenticated"
		if errors.Is(err, errRevoked) {
			code, why = closeRevoked, s.edge.revoked.why(claims.User, claims.Device)
		}
		s.close(code, why)
		return
	}
	// What a session costs to begin is not for whoever was just closed for too much.
	if b := s.edge.devices.lately(claims.Device); b != nil && b.spent() {
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeRateLimited, "over %d operations a second: slow down", s.edge.cfg.Limits.OpsPerSecond))
		s.close(closeRateExceeded, "rate exceeded")
		return
	}
	from, err := s.startOf(r, claims.User)
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		if fabric.CodeOf(err) == fabric.CodeUnavailable {
			s.close(closeRestart, "cannot take sessions now: try again")
		}
		return
	}
	if err := s.edge.mayEnter(s, claims.User); err != nil {
		s.refuseOp(r.op, r.id, err)
		s.close(closeRateExceeded, "too many sessions")
		return
	}
	if err := s.edge.enter(s, claims.User, claims.Device); err != nil {
		s.refuseOp(r.op, r.id, err)
		s.close(closeRestart, "cannot take sessions now: try again")
		return
	}
	if err := s.edge.loadGroups(s.member()); err != nil {
		s.refuseOp(r.op, r.id, err)
		s.close(closeRestart, "cannot take sessions now: try again")
		return
	}
	s.nonce = ""
	s.reply(r.id, struct {
		User    fabric.UserID   `json:"user"`
		Device  fabric.DeviceID `json:"device"`
		Session string          `json:"session"`
		Now     int64           `json:"now"`
	}{claims.User, claims.Device, s.id(), fabric.Millis(time.Now())})
	if r.cursor == "" && s.goLive(from) {
		return
	}
	e := s.edge
	e.wg.Go(func() { s.resume(e.ctx, from) })
}

// startOf returns where the session begins: at its cursor or, without one, at the logs' heads. Those are read before
// the session joins, so that whatever is stored after the reply to its hello lies behind them and comes live; what came
// before them is for the lists that the client asks for.
func (s *Session) startOf(r *request, u fabric.UserID) (fabric.Position, error) {
	if r.cursor != "" {
		return fabric.DecodeCursor(s.edge.cfg.FabricID, s.edge.cfg.Shards, fabric.Cursor(r.cursor))
	}
	ctx, cancel := context.WithTimeout(s.edge.ctx, callTimeout)
	defer cancel()
	reply, err := s.edge.since(ctx, contract.HistorySinceRequest{User: u})
	if err != nil {
		s.edge.log.Warn("a session cannot begin", "err", err)
		return nil, fabric.Errorf(fabric.CodeUnavailable, "cannot take sessions now: try again")
	}
	return reply.Upto, nil
}

// mayEnter refuses a session past what its user or its address may have.
func (e *Edge) mayEnter(s *Session, u fabric.UserID) error {
	if len(e.hub.sessionsOf(u)) >= e.cfg.Limits.SessionsPerUser {
		e.metrics.turnedAway.WithLabelValues("sessions_per_user").Inc()
		return fabric.Errorf(fabric.CodeRateLimited, "you have %d sessions here, which is the most: close some", e.cfg.Limits.SessionsPerUser)
	}
	if !e.addresses.entered(s.from) {
		e.metrics.turnedAway.WithLabelValues("sessions_per_address").Inc()
		return fabric.Errorf(fabric.CodeRateLimited, "your address has %d sessions here, which is the most", e.cfg.Limits.SessionsPerAddress)
	}
	s.entered.Store(true)
	return nil
}

// enter makes s one of the user's sessions, catching up until its resume says otherwise.
func (e *Edge) enter(s *Session, u fabric.UserID, d fabric.DeviceID) error {
	s.device = d
	s.mu.Lock()
	if s.state != stateNew {
		s.mu.Unlock()
		return errSessionOver
	}
	s.state = stateReady
	s.catching = &catchUp{}
	s.mu.Unlock()
	if err := e.hub.join(s, u, s.who.Store); err != nil {
		return err
	}
	e.metrics.sessions.Inc()
	e.presence.update(u)
	// A revocation that came between the check of the token and the join would have found no session to end.
	if why := e.revoked.why(u, d); why != "" {
		s.close(closeRevoked, why)
	}
	if s.over() { // it ended before it was there to be taken out
		e.leave(s)
	}
	return nil
}

// leave takes s out of the hub; the first call counts.
func (e *Edge) leave(s *Session) {
	m := s.member()
	if m == nil {
		return
	}
	last, was, ended := e.hub.leave(s)
	if !was {
		return
	}
	e.metrics.sessions.Dec()
	e.watches.remove(s, nil)
	e.presence.update(m.id)
	if last {
		e.live.do(e.ctx, func() { e.live.forget(m, ended) })
		e.receipts.forget(m.id)
	}
}
