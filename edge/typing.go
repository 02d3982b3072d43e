package edge

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// typing tells the channel's other members. It is never stored, and past its rate it is dropped: there will be another.
func (s *Session) typing(m *member, r *request) {
	c, err := fabric.ParseChannelID(r.channel)
	only := false
	if err == nil {
		only, err = s.mayType(m.id, c)
	}
	if err == nil && r.on == nil {
		err = fabric.Errorf(fabric.CodeBadRequest, "typing: want on, true or false")
	}
	if err == nil && !s.rates().allow(paceTyping) {
		err = fabric.Errorf(fabric.CodeRateLimited, "over %d typing events a minute", s.edge.cfg.Limits.TypingPerMin)
	}
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	if !only {
		data, err := json.Marshal(typingEvent{User: m.id, On: *r.on})
		if err == nil {
			err = s.edge.nc.Publish(subjects.Typing(c), data)
		}
		if err != nil {
			s.refuseOp(r.op, r.id, fmt.Errorf("publish typing: %w", err))
			return
		}
	}
	s.reply(r.id, struct{}{})
}

// mayType refuses whoever must not write to c; only says that nobody is to be told.
func (s *Session) mayType(u fabric.UserID, c fabric.ChannelID) (only bool, err error) {
	st, err := s.edge.standing(s.edge.ctx, u, c)
	if err == nil {
		err = st.mayWrite()
	}
	if err != nil || st.kind != fabric.KindDirect {
		return false, err
	}
	return s.edge.open(s.edge.ctx, u, c)
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
	if g := e.hub.groupHere(c); g != nil {
		e.hub.each(g, func(m *groupMember, s *Session) {
			if m.id != t.User {
				s.push(b)
			}
		})
		return
	}
	for _, u := range usersOf(c) {
		if u == t.User {
			continue
		}
		for _, s := range e.hub.sessionsOf(u) {
			s.push(b)
		}
	}
}
