package client

import (
	"context"
	"net/http"

	"github.com/weft-im/weft/fabric"
)

// Invite is an invite of a group: whoever has its code may join.
type Invite struct {
	Code      string        `json:"code"`
	CreatedBy fabric.UserID `json:"created_by"`
	CreatedAt int64         `json:"created_at"`           // Unix milliseconds
	ExpiresAt int64         `json:"expires_at,omitempty"` // Unix milliseconds; 0 for never
	Uses      int           `json:"uses,omitempty"`       // how many may join by it; 0 for any number
	Used      int           `json:"used"`
}

// NewInvite bounds an invite; zero values don't.
type NewInvite struct {
	ExpiresIn int `json:"expires_in,omitempty"` // seconds
	Uses      int `json:"uses,omitempty"`
}

// Invitation is what whoever has an invite may know of its group before joining.
type Invitation struct {
	ID      fabric.GroupID   `json:"id"`
	Channel fabric.ChannelID `json:"channel"`
	Name    string           `json:"name"`
	About   string           `json:"about"`
	Avatar  string           `json:"avatar"`
	Members int              `json:"members"`
}

// Invite makes an invite of a group. Of what it returns, Code and the bounds are filled.
func (a *Account) Invite(ctx context.Context, id fabric.GroupID, bounds NewInvite) (Invite, error) {
	var invite Invite
	err := a.call(ctx, http.MethodPost, pathOf("/v1/groups/", id, "/invites"), bounds, &invite)
	return invite, err
}

// Invites lists the invites of a group that hold.
func (a *Account) Invites(ctx context.Context, id fabric.GroupID) ([]Invite, error) {
	var reply struct {
		Invites []Invite `json:"invites"`
	}
	err := a.get(ctx, pathOf("/v1/groups/", id, "/invites"), &reply)
	return reply.Invites, err
}

// RevokeInvite ends an invite.
func (a *Account) RevokeInvite(ctx context.Context, id fabric.GroupID, code string) error {
	return a.call(ctx, http.MethodDelete, pathOf("/v1/groups/", id, "/invites/", code), nil, nil)
}

// Invitation tells what an invite's code is for.
func (a *Account) Invitation(ctx context.Context, code string) (Invitation, error) {
	var in Invitation
	err := a.get(ctx, pathOf("/v1/invites/", code), &in)
	return in, err
}

// JoinByInvite makes the user a member of the group that the code invites to, and returns it; also where they are one.
func (a *Account) JoinByInvite(ctx context.Context, code string) (Group, error) {
	var g Group
	err := a.call(ctx, http.MethodPost, pathOf("/v1/invites/", code), nil, &g)
	return g, err
}
