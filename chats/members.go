package chats

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// addable tells whom of the users adder may add to a group, and why the others not.
func (r *Role) addable(ctx context.Context, adder fabric.UserID, users []fabric.UserID) (ok []fabric.UserID, not []NotAdded, err error) {
	if len(users) > contract.MaxAddAtOnce {
		return nil, nil, fabric.Errorf(fabric.CodeBadRequest, "at most %d people at once, got %d", contract.MaxAddAtOnce, len(users))
	}
	for _, u := range users {
		if _, err := fabric.ParseUserID(string(u)); err != nil {
			return nil, nil, err
		}
	}
	users = slices.Clone(users)
	slices.Sort(users)
	users = slices.Compact(users)
	if len(users) == 0 {
		return nil, nil, nil
	}
	exist, err := r.store.Existing(ctx, users)
	if err != nil {
		return nil, nil, fmt.Errorf("look for users: %w", err)
	}
	allowed, err := r.store.MayAdd(ctx, adder, users)
	if err != nil {
		return nil, nil, fmt.Errorf("whom %s may add: %w", adder, err)
	}
	crowded, err := r.store.InTooMany(ctx, users, contract.MaxGroups)
	if err != nil {
		return nil, nil, fmt.Errorf("who is in too many groups: %w", err)
	}
	for _, u := range users {
		switch {
		case !slices.Contains(exist, u):
			not = append(not, NotAdded{User: u, Code: fabric.CodeNotFound})
		case !slices.Contains(allowed, u):
			not = append(not, NotAdded{User: u, Code: fabric.CodeForbidden})
		case slices.Contains(crowded, u):
			not = append(not, NotAdded{User: u, Code: fabric.CodeConflict})
		default:
			ok = append(ok, u)
		}
	}
	return ok, not, nil
}

// NotAdded is contract's.
type NotAdded = contract.NotAdded

// add answers weft.chats.add.
func (r *Role) add(ctx context.Context, req contract.ChatsAddRequest) (contract.ChatsAddReply, error) {
	var none contract.ChatsAddReply
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return none, err
	}
	if len(req.Users) == 0 {
		return none, fabric.Errorf(fabric.CodeBadRequest, "users: want 1 to %d user ids", contract.MaxAddAtOnce)
	}
	added, not, err := r.addAs(ctx, u, c, req.Users, fabric.RoleMember)
	if err != nil {
		return none, err
	}
	if added == nil {
		added = []fabric.UserID{}
	}
	if not == nil {
		not = []NotAdded{}
	}
	return contract.ChatsAddReply{Added: added, NotAdded: not}, nil
}

// addAs has u add users to the group, with a role.
func (r *Role) addAs(ctx context.Context, u fabric.UserID, c fabric.ChannelID, users []fabric.UserID, role fabric.Role) (added []fabric.UserID, not []NotAdded, err error) {
	// Whether u may at all comes first: what others have set for themselves is not for strangers to learn.
	me, err := r.memberOf(ctx, c, u)
	if err != nil {
		return nil, nil, err
	}
	g, err := r.store.Group(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("group %s: %w", c, err)
	}
	if err := may(me.Role, actAdd, g.Settings); err != nil {
		return nil, nil, err
	}
	able, not, err := r.addable(ctx, u, users)
	if err != nil {
		return nil, nil, err
	}
	cid := fabric.NewCID()
	err = r.store.InGroup(ctx, c, func(t GroupTx) error {
		added = nil
		me, err := memberIn(ctx, t, u)
		if err != nil {
			return err
		}
		g := t.Group()
		if err := may(me.Role, actAdd, g.Settings); err != nil {
			return err
		}
		if role != fabric.RoleMember {
			if err := may(me.Role, actRole, g.Settings); err != nil {
				return err
			}
			if err := mayTouch(me.Role, fabric.RoleMember, role); err != nil {
				return err
			}
		}
		there, err := t.Members(ctx, able)
		if err != nil {
			return err
		}
		for _, a := range able {
			if _, in := there[a]; !in {
				added = append(added, a)
			}
		}
		return r.bring(ctx, t, cid, u, added, role, fabric.MemberAdded)
	})
	if err != nil {
		return nil, nil, hide(c, err)
	}
	if len(added) > 0 {
		err = r.settled(ctx, cid)
	}
	return added, not, err
}

// bring makes users members, with the records that say so.
func (r *Role) bring(ctx context.Context, t GroupTx, cid string, by fabric.UserID, users []fabric.UserID, role fabric.Role, event string) error {
	if len(users) == 0 {
		return nil
	}
	g := t.Group()
	if g.Members+len(users) > fabric.MaxGroupMembers {
		return fabric.Errorf(fabric.CodeConflict, "the group has %d members, with these it would be over %d", g.Members, fabric.MaxGroupMembers)
	}
	if err := t.Add(ctx, users, role, fabric.Millis(r.cfg.Now())); err != nil {
		return err
	}
	change := fabric.MemberChange{Event: event, Users: users, By: by}
	if role != fabric.RoleMember {
		change.Role = role
	}
	return r.emit(ctx, t, cid, by, fabric.MsgMember, change,
		Told{Users: users, Change: fabric.ChannelChange{Channel: g.Channel, Change: fabric.ChangeAdded, By: by, Name: g.Name}})
}

// remove answers weft.chats.remove: somebody leaves, or is taken out.
func (r *Role) remove(ctx context.Context, req contract.ChatsRemoveRequest) (struct{}, error) {
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return struct{}{}, err
	}
	member, err := fabric.ParseUserID(string(req.Member))
	if err != nil {
		return struct{}{}, err
	}
	cid := fabric.NewCID()
	err = r.store.InGroup(ctx, c, func(t GroupTx) error {
		members, err := t.Members(ctx, []fabric.UserID{u, member})
		if err != nil {
			return err
		}
		me, in := members[u]
		if !in {
			return notMember(c)
		}
		g, change := t.Group(), fabric.MemberChange{Event: fabric.MemberLeft, Users: []fabric.UserID{member}, By: u}
		of := me
		if member != u {
			change.Event = fabric.MemberRemoved
			if err := may(me.Role, actRemove, g.Settings); err != nil {
				return err
			}
			if of, in = members[member]; !in {
				return fabric.Errorf(fabric.CodeNotFound, "%s is no member of the group", member)
			}
			if err := mayTouch(me.Role, of.Role, ""); err != nil {
				return err
			}
		}
		if t.Group().Members > 1 { // the last one may leave
			if err := keepsOwner(ctx, t, of); err != nil {
				return err
			}
		}
		if err := t.Remove(ctx, member, cid); err != nil {
			return err
		}
		return r.emit(ctx, t, cid, u, fabric.MsgMember, change,
			Told{Users: change.Users, Change: fabric.ChannelChange{Channel: c, Change: fabric.ChangeRemoved, By: u}})
	})
	if err != nil {
		if fabric.CodeOf(err) == fabric.CodeNotFound && fabric.CodeOf(r.isIn(ctx, c, u)) == fabric.CodeForbidden {
			err = notMember(c)
		}
		return struct{}{}, err
	}
	return struct{}{}, r.settled(ctx, cid)
}

func (r *Role) isIn(ctx context.Context, c fabric.ChannelID, u fabric.UserID) error {
	_, err := r.memberOf(ctx, c, u)
	return err
}

// keepsOwner refuses to end the ownership of a group's only owner.
func keepsOwner(ctx context.Context, t GroupTx, of Member) error {
	if of.Role != fabric.RoleOwner {
		return nil
	}
	n, err := t.Owners(ctx)
	if err != nil || n > 1 {
		return err
	}
	return fabric.Errorf(fabric.CodeConflict, "the group would have no owner: make somebody else one first")
}

// role answers weft.chats.role.
func (r *Role) role(ctx context.Context, req contract.ChatsRoleRequest) (contract.ChatsRoleReply, error) {
	var none contract.ChatsRoleReply
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return none, err
	}
	member, err := fabric.ParseUserID(string(req.Member))
	if err != nil {
		return none, err
	}
	if req.Role != "" {
		if _, err := fabric.ParseRole(string(req.Role)); err != nil {
			return none, err
		}
	}
	if _, err := r.memberOf(ctx, c, u); err != nil {
		return none, err
	}
	of, is, err := r.store.Member(ctx, c, member)
	switch {
	case err != nil:
		return none, fmt.Errorf("member of %s: %w", c, err)
	case !is:
		return r.addOne(ctx, u, c, member, req.Role)
	case req.Role == "":
		return contract.ChatsRoleReply{User: member, Role: of.Role}, nil
	}
	cid, written := fabric.NewCID(), false
	err = r.store.InGroup(ctx, c, func(t GroupTx) error {
		written = false
		members, err := t.Members(ctx, []fabric.UserID{u, member})
		if err != nil {
			return err
		}
		me, in := members[u]
		if !in {
			return notMember(c)
		}
		of, in := members[member]
		if !in {
			return fabric.Errorf(fabric.CodeConflict, "%s has just left the group", member)
		}
		if err := may(me.Role, actRole, t.Group().Settings); err != nil {
			return err
		}
		if err := mayTouch(me.Role, of.Role, req.Role); err != nil {
			return err
		}
		if of.Role == req.Role {
			return nil
		}
		if err := keepsOwner(ctx, t, of); err != nil {
			return err
		}
		if err := t.SetRole(ctx, member, req.Role); err != nil {
			return err
		}
		written = true
		return r.emit(ctx, t, cid, u, fabric.MsgMember,
			fabric.MemberChange{Event: fabric.MemberRole, Users: []fabric.UserID{member}, By: u, Role: req.Role})
	})
	if err != nil {
		return none, hide(c, err)
	}
	if written {
		r.audit.Write(audit.Event{What: audit.RoleChanged, User: u, Other: member, Channel: c, Detail: string(of.Role) + " to " + string(req.Role)})
		err = r.settled(ctx, cid)
	}
	return contract.ChatsRoleReply{User: member, Role: req.Role}, err
}

// addOne adds one member with a role, and says why where that can't be.
func (r *Role) addOne(ctx context.Context, u fabric.UserID, c fabric.ChannelID, member fabric.UserID, role fabric.Role) (contract.ChatsRoleReply, error) {
	asked := role
	if role == "" {
		role = fabric.RoleMember
	}
	added, not, err := r.addAs(ctx, u, c, []fabric.UserID{member}, role)
	if err != nil {
		return contract.ChatsRoleReply{}, err
	}
	if len(not) > 0 {
		switch code := not[0].Code; code { //nolint:exhaustive // addable gives no others
		case fabric.CodeNotFound:
			return contract.ChatsRoleReply{}, fabric.Errorf(code, "there is no such user")
		case fabric.CodeConflict:
			return contract.ChatsRoleReply{}, fabric.Errorf(code, "they are in as many groups as one can be")
		default:
			return contract.ChatsRoleReply{}, fabric.Errorf(code, "you may not add them: send them an invite")
		}
	}
	if len(added) == 0 { // they came by themselves meanwhile
		m, in, err := r.store.Member(ctx, c, member)
		if err != nil {
			return contract.ChatsRoleReply{}, fmt.Errorf("member of %s: %w", c, err)
		}
		if !in || (asked != "" && asked != m.Role) {
			return contract.ChatsRoleReply{}, fabric.Errorf(fabric.CodeConflict, "%s has just come or gone: try again", member)
		}
		return contract.ChatsRoleReply{User: member, Role: m.Role}, nil
	}
	return contract.ChatsRoleReply{User: member, Role: role, Added: true}, nil
}

// members answers weft.chats.members.
func (r *Role) members(ctx context.Context, req contract.ChatsMembersRequest) (contract.ChatsMembersReply, error) {
	var none contract.ChatsMembersReply
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return none, err
	}
	after, err := decodeMemberPlace(req.Cursor)
	if err != nil {
		return none, err
	}
	if _, err := r.memberOf(ctx, c, u); err != nil {
		return none, err
	}
	limit := pageOf(req.Limit)
	list, err := r.store.Members(ctx, c, after, limit+1)
	if err != nil {
		return none, fmt.Errorf("members of %s: %w", c, err)
	}
	reply := contract.ChatsMembersReply{Members: make([]contract.GroupMember, 0, len(list))}
	if len(list) > limit {
		list = list[:limit]
		reply.Cursor = encodeMemberPlace(list[limit-1].Place())
	}
	for _, m := range list {
		reply.Members = append(reply.Members, m.GroupMember)
	}
	return reply, nil
}

func pageOf(limit int) int {
	if limit <= 0 {
		return contract.DefaultPage
	}
	return min(limit, contract.MaxPage)
}

func encodeMemberPlace(p MemberPlace) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", p.Rank, p.JoinedAt, p.User))
}

func decodeMemberPlace(cursor string) (p MemberPlace, err error) {
	if cursor == "" {
		return p, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if words := strings.Split(string(data), " "); err == nil && len(words) == 3 {
		rank, err1 := strconv.Atoi(words[0])
		at, err2 := strconv.ParseInt(words[1], 10, 64)
		u, err3 := fabric.ParseUserID(words[2])
		if err1 == nil && err2 == nil && err3 == nil {
			return MemberPlace{Rank: rank, JoinedAt: at, User: u}, nil
		}
	}
	return p, fabric.Errorf(fabric.CodeBadRequest, "the cursor is not one that a page of members had")
}
