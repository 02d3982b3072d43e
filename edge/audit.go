package edge

import (
	"net/netip"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
)

// How many refusals are written down: whoever is refused a thousand times a second is known after the first hundred.
const (
	auditedPerSecond = 20
	auditedBurst     = 200
)

// auditRefusal writes down that somebody was refused what they may not do, or that they are not who they say.
func (e *Edge) auditRefusal(err *fabric.Error, u fabric.UserID, d fabric.DeviceID, from netip.Addr, op string) {
	if err.Code != fabric.CodeForbidden && err.Code != fabric.CodeUnauthenticated {
		return
	}
	if !e.audited.Allow() {
		e.metrics.unaudited.Inc()
		return
	}
	e.audit.Write(audit.Event{What: audit.Refused, User: u, Device: d, Address: from.String(), Op: op, Code: err.Code, Detail: err.Message})
}

// userID returns whose session it is, "" before hello.
func (s *Session) userID() fabric.UserID {
	if m := s.member(); m != nil {
		return m.id
	}
	return ""
}
