package chats

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// invite answers weft.chats.invite. A code is 26 characters of 5 bits: nobody guesses one.
func (r *Role) invite(ctx context.Context, req contract.ChatsInviteRequest) (contract.Invite, error) {
	var none contract.Invite
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return none, err
	}
	switch {
	case req.ExpiresIn < 0 || req.ExpiresIn > contract.MaxInviteLife:
		return none, fabric.Errorf(fabric.CodeBadRequest, "expires_in: want up to %d seconds, 0 for an invite that does not expire", contract.MaxInviteLife)
	case req.Uses < 0 || req.Uses > contract.MaxInviteUses:
		return none, fabric.Errorf(fabric.CodeBadRequest, "uses: want up to %d, 0 for any number", contract.MaxInviteUses)
	}
	if err := r.allowed(ctx, c, u, actInvite); err != nil {
		return none, err
	}
	now := fabric.Millis(r.cfg.Now())
	in := contract.Invite{Code: rand.Text(), CreatedBy: u, CreatedAt: now, Uses: req.Uses}
	if req.ExpiresIn > 0 {
		in.ExpiresAt = now + int64(req.ExpiresIn)*1000
	}
	if err := r.store.AddInvite(ctx, c, in, now, contract.MaxInvites); err != nil {
		return none, fmt.Errorf("invite to %s: %w", c, err)
	}
	return in, nil
}

// allowed says why u must not do something in a group.
func (r *Role) allowed(ctx context.Context, c fabric.ChannelID, u fabric.UserID, a action) error {
	m, err := r.memberOf(ctx, c, u)
	if err != nil {
		return err
	}
	g, err := r.store.Group(ctx, c)
	if err != nil {
		return fmt.Errorf("group %s: %w", c, err)
	}
	return may(m.Role, a, g.Settings)
}

// invites answers weft.chats.invites. They are for those who may make one: a code is a key.
func (r *Role) invites(ctx context.Context, req contract.ChatsGroupRequest) (contract.ChatsInvitesReply, error) {
	var none contract.ChatsInvitesReply
	u, c, err := who(req)
	if err != nil {
		return none, err
	}
	if err := r.allowed(ctx, c, u, actInvite); err != nil {
		return none, err
	}
	list, err := r.store.Invites(ctx, c, fabric.Millis(r.cfg.Now()))
	if err != nil {
		return none, fmt.Errorf("invites of %s: %w", c, err)
	}
	if list == nil {
		list = []contract.Invite{}
	}
	return contract.ChatsInvitesReply{Invites: list}, nil
}

// uninvite answers weft.chats.uninvite.
func (r *Role) uninvite(ctx context.Context, req contract.ChatsUninviteRequest) (struct{}, error) {
	var none struct{}
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return none, err
	}
	m, err := r.memberOf(ctx, c, u)
	if err != nil {
		return none, err
	}
	now := fabric.Millis(r.cfg.Now())
	of, in, ok, err := r.store.Invited(ctx, req.Code, now)
	if err != nil {
		return none, fmt.Errorf("invite of %s: %w", c, err)
	}
	if !ok || of != c {
		return none, fabric.Errorf(fabric.CodeNotFound, "the group has no such invite that holds")
	}
	if in.CreatedBy != u {
		if err := may(m.Role, actUninvite, fabric.Settings{}); err != nil {
			return none, err
		}
	}
	if _, err := r.store.RevokeInvite(ctx, c, req.Code, now); err != nil {
		return none, fmt.Errorf("revoke an invite of %s: %w", c, err)
	}
	return none, nil
}

var errNoInvite = fabric.Errorf(fabric.CodeNotFound, "the invite does not hold (any more): ask for a new one")

// invited answers weft.chats.invited.
func (r *Role) invited(ctx context.Context, req contract.ChatsInvitedRequest) (contract.ChatsInvitedReply, error) {
	c, _, ok, err := r.store.Invited(ctx, req.Code, fabric.Millis(r.cfg.Now()))
	if err != nil {
		return contract.ChatsInvitedReply{}, fmt.Errorf("invite: %w", err)
	}
	if !ok {
		return contract.ChatsInvitedReply{}, errNoInvite
	}
	g, err := r.store.Group(ctx, c)
	if err != nil {
		return contract.ChatsInvitedReply{}, fmt.Errorf("group %s: %w", c, err)
	}
	v := groupView(g, "")
	return contract.ChatsInvitedReply{ID: v.ID, Channel: c, Name: g.Name, About: g.About, Avatar: g.Avatar, Members: g.Members}, nil
}

// join answers weft.chats.join: by an invite's code, or into an open group. Who is in it already is answered as if they
// had just joined.
func (r *Role) join(ctx context.Context, req contract.ChatsJoinRequest) (contract.ChatsGroupReply, error) {
	var none contract.ChatsGroupReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	c, err := r.joined(ctx, req)
	if err != nil {
		return none, err
	}
	crowded, err := r.store.InTooMany(ctx, []fabric.UserID{u}, contract.MaxGroups)
	if err != nil {
		return none, fmt.Errorf("groups of %s: %w", u, err)
	}
	cid, came := fabric.NewCID(), false
	err = r.store.InGroup(ctx, c, func(t GroupTx) error {
		came = false
		there, err := t.Members(ctx, []fabric.UserID{u})
		if err != nil {
			return err
		}
		if _, in := there[u]; in {
			return nil
		}
		if len(crowded) > 0 {
			return errTooManyGroups
		}
		if req.Code != "" {
			ok, err := t.UseInvite(ctx, req.Code, fabric.Millis(r.cfg.Now()))
			if err != nil {
				return err
			}
			if !ok {
				return errNoInvite
			}
		} else if t.Group().Settings.Join != fabric.JoinOpen {
			return notMember(c)
		}
		came = true
		role := fabric.RoleMember
		if t.Group().Members == 0 { // everybody has left: it is whoever comes back's
			role = fabric.RoleOwner
		}
		return r.bring(ctx, t, cid, u, []fabric.UserID{u}, role, fabric.MemberJoined)
	})
	if err != nil {
		if req.Code == "" {
			err = hide(c, err)
		}
		return none, err
	}
	if came {
		if err := r.settled(ctx, cid); err != nil {
			return none, err
		}
	}
	g, err := r.view(ctx, c, u)
	return contract.ChatsGroupReply{Group: g}, err
}

// joined returns the group that somebody wants to join.
func (r *Role) joined(ctx context.Context, req contract.ChatsJoinRequest) (fabric.ChannelID, error) {
	if req.Code == "" {
		g, err := fabric.ParseGroupID(string(req.Group))
		return g.Channel(), err
	}
	if len(req.Code) > contract.MaxInviteBytes {
		return "", errNoInvite
	}
	c, _, ok, err := r.store.Invited(ctx, req.Code, fabric.Millis(r.cfg.Now()))
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	if !ok {
		return "", errNoInvite
	}
	if req.Group != "" {
		if g, err := fabric.ParseGroupID(string(req.Group)); err != nil || g.Channel() != c {
			return "", errNoInvite
		}
	}
	return c, nil
}
