package edge

import (
	"context"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// The rules of who may do what in a channel stand here and nowhere else in the edge. A direct chat's and a self channel's
// members are in their names; that the other user exists and can be written to is asked when the chat is opened. A
// group's member is known from the group's log where they are online here, and asked for otherwise.

// standing is what a user may do in a channel that they are in.
type standing struct {
	kind     fabric.Kind
	role     fabric.Role
	from     uint64 // in a group: the seq of the record that made them a member
	settings fabric.Settings
}

// standing returns u's in c. It refuses whoever is not a member of c, and tells the same of a channel that does not
// exist.
func (e *Edge) standing(ctx context.Context, u fabric.UserID, c fabric.ChannelID) (standing, error) {
	if c.Kind() != fabric.KindGroup {
		return named(u, c)
	}
	ms, here := e.hub.membership(c, u)
	if !here {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		var err error
		ms, err = service.Call[contract.Membership](ctx, e.nc, subjects.ChatsAccess, contract.ChatsAccessRequest{User: u, Channel: c})
		if err != nil {
			return standing{}, err
		}
	}
	return standing{kind: fabric.KindGroup, role: ms.Role, from: ms.From, settings: ms.Settings}, nil
}

// named returns u's standing in a channel that has its members in its name.
func named(u fabric.UserID, c fabric.ChannelID) (standing, error) {
	if _, in := c.Peer(u); in || c == fabric.Self(u) {
		return standing{kind: c.Kind()}, nil
	}
	return standing{}, fabric.Errorf(fabric.CodeForbidden, "you are not a member of channel %s", c)
}

// admin reports whether the user is an admin of a group.
func (st standing) admin() bool { return st.role == fabric.RoleOwner || st.role == fabric.RoleAdmin }

// readsFrom returns the lowest seq that the user may read.
func (st standing) readsFrom() uint64 {
	if st.settings.History == fabric.HistoryAll {
		return 0
	}
	return st.from
}

// mayWrite refuses whoever must not write to the channel. A self channel is written by the roles only.
func (st standing) mayWrite() error {
	switch {
	case st.kind == fabric.KindSelf:
		return fabric.Errorf(fabric.CodeForbidden, "nobody writes to a self channel")
	case st.kind == fabric.KindGroup && st.settings.Send == fabric.ByAdmins && !st.admin():
		return fabric.Errorf(fabric.CodeForbidden, "only admins write in this group")
	}
	return nil
}

// maySend refuses a record of a kind that the user must not write. Who reads a group may react in it, though not write.
func (st standing) maySend(kind string) error {
	if fabric.IsServerKind(kind) {
		return fabric.Errorf(fabric.CodeForbidden, "kind %s: only the server writes these", kind)
	}
	if kind == fabric.MsgReaction && st.kind == fabric.KindGroup {
		return nil
	}
	return st.mayWrite()
}

// mayChange reports whether the user may change another's message by a record of this kind: delete it for everyone, or
// pin it.
func (st standing) mayChange(kind string) bool {
	switch kind {
	case fabric.MsgPin:
		return st.kind == fabric.KindDirect || st.admin() || st.settings.Change == fabric.ByAll
	case fabric.MsgDelete:
		return st.admin()
	}
	return false
}
