package edge

import (
	"net/netip"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
)

// auditRefusal writes down that somebody was refused what they may not do, or that they are not who they say.
func (e *Edge) auditRefusal(err *fabric.Error, u fabric.UserID, d fabric.DeviceID, from netip.Addr, op string) {
	if err.Code != fabric.CodeForbidden && err.Code != fabric.CodeUnauthenticated {
		return
	}
	e.audit.WriteBounded(audit.Event{What: audit.Refused, User: u, Device: d, Address: from.String(), Op: op, Code: err.Code, Detail: err.Message})
}

// userID returns whose session it is, "" before hello.
func (s *Session) userID() fabric.UserID {
	if m := s.member(); m != nil {
		return m.id
	}
	return ""
}
