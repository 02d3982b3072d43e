package edge

import (
	"context"
	"encoding/json"
	"time"

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

// mayUpload returns the channel that `to` names, if u may write to it: whoever may not has nothing to upload. Where a file
// goes in the end the messages say that name it.
func (e *Edge) mayUpload(ctx context.Context, u fabric.UserID, to string) (fabric.ChannelID, error) {
	c, err := target(u, to)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	st, err := e.standing(ctx, u, c)
	if err != nil {
		return "", err
	}
	if err := st.mayWrite(); err != nil {
		return "", err
	}
	if st.kind == fabric.KindDirect {
		_, err = e.open(ctx, u, c)
	}
	return c, err
}

// mayLoad returns a file that the request's user may load: their own that they have not sent yet, and those that messages
// name which they may read. The media role looks into what is archived, by the rules of history; who is no member of the
// channel any more, and whoever the message is not for, has none such.
func (e *Edge) mayLoad(ctx context.Context, req contract.MediaGetRequest) (contract.MediaGetReply, error) {
	return service.Call[contract.MediaGetReply](ctx, e.nc, subjects.MediaGet, req)
}

// holdSent bounds how long after its file is held a message is published: half of how long the hold lasts (media.Config).
const holdSent = 5 * time.Minute

// mayName refuses a message that names a file which its sender may not load, or that says of it what is not so. The file
// then stays for the message, which must be published within holdSent.
func (e *Edge) mayName(ctx context.Context, m outgoing) error {
	var body fabric.MediaBody
	if err := json.Unmarshal(m.body, &body); err != nil || fabric.MediaOf(m.kind, m.body) == "" {
		return fabric.Errorf(fabric.CodeBadRequest, "body of media: want an object with media, the id of an uploaded file")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	f, err := service.Call[contract.MediaClaimReply](ctx, e.nc, subjects.MediaClaim, contract.MediaClaimRequest{User: m.from, Media: body.Media, CID: m.cid})
	switch {
	case err != nil:
		return err
	case body.Type != "" && body.Type != f.Type:
		return fabric.Errorf(fabric.CodeBadRequest, "body of media: its bytes are of type %s", f.Type)
	case body.Size != nil && *body.Size != f.Size:
		return fabric.Errorf(fabric.CodeBadRequest, "body of media: size is %d", f.Size)
	}
	return nil
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
