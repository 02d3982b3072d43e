package client

import (
	"context"
	"net/http"

	"github.com/weft-im/weft/fabric"
)

// Group is a group as one of its members sees it.
type Group struct {
	ID        fabric.GroupID   `json:"id"`
	Channel   fabric.ChannelID `json:"channel"`
	Name      string           `json:"name"`
	About     string           `json:"about"`
	Avatar    string           `json:"avatar"` // of UploadAvatar; "" for none
	Settings  fabric.Settings  `json:"settings"`
	CreatedAt int64            `json:"created_at"` // Unix milliseconds
	CreatedBy fabric.UserID    `json:"created_by"`
	Members   int              `json:"members"`
	Role      fabric.Role      `json:"role"` // one's own
}

// NewGroup is a group that is to be.
type NewGroup struct {
	Name     string          `json:"name"`
	About    string          `json:"about,omitempty"`
	Avatar   string          `json:"avatar,omitempty"`
	Members  []fabric.UserID `json:"members,omitempty"` // besides oneself, who becomes the owner; up to 1,000, AddMembers brings more
	Settings *SettingsPatch  `json:"settings,omitempty"`
	CID      string          `json:"cid,omitempty"` // made again with the same one it is the same group; a new one by default
}

// SettingsPatch changes a group's settings, which fabric.Settings tells of; nil leaves one as it is.
type SettingsPatch struct {
	Send      *string `json:"send,omitempty"`
	Change    *string `json:"change,omitempty"`
	History   *string `json:"history,omitempty"`
	Join      *string `json:"join,omitempty"`
	Disappear *int    `json:"disappear,omitempty"` // seconds: one of fabric.DisappearTimes
}

// GroupPatch changes a group; nil leaves a field as it is.
type GroupPatch struct {
	Name     *string        `json:"name,omitempty"`
	About    *string        `json:"about,omitempty"`
	Avatar   *string        `json:"avatar,omitempty"`
	Settings *SettingsPatch `json:"settings,omitempty"`
}

// NotAdded is somebody who could not be added to a group, and why: CodeForbidden where they have to decide themselves (send
// them an invite), CodeNotFound where there is no such user, CodeConflict where they are in too many groups.
type NotAdded struct {
	User fabric.UserID `json:"user"`
	Code fabric.Code   `json:"code"`
}

// Member is one member of a group.
type Member struct {
	User     fabric.User `json:"user"`
	Role     fabric.Role `json:"role"`
	JoinedAt int64       `json:"joined_at"` // Unix milliseconds
}

// MemberPage is a part of a group's members: owners, admins, members, each by when they came. Cursor gets the next one;
// it is empty at the end.
type MemberPage struct {
	Members []Member `json:"members"`
	Cursor  string   `json:"cursor"`
}

// CreateGroup makes a group, whose owner the user is, and tells who of its members could not be added.
func (a *Account) CreateGroup(ctx context.Context, g NewGroup) (Group, []NotAdded, error) {
	if g.CID == "" {
		g.CID = fabric.NewCID()
	}
	var reply struct {
		Group
		NotAdded []NotAdded `json:"not_added"`
	}
	err := a.call(ctx, http.MethodPost, "/v1/groups", g, &reply)
	return reply.Group, reply.NotAdded, err
}

// Group returns a group of the user's.
func (a *Account) Group(ctx context.Context, id fabric.GroupID) (Group, error) {
	var g Group
	err := a.get(ctx, pathOf("/v1/groups/", id), &g)
	return g, err
}

// ChangeGroup changes a group and returns it as it is then.
func (a *Account) ChangeGroup(ctx context.Context, id fabric.GroupID, patch GroupPatch) (Group, error) {
	var g Group
	err := a.call(ctx, http.MethodPatch, pathOf("/v1/groups/", id), patch, &g)
	return g, err
}

// Members returns a page of a group's members: the first one for an empty cursor, of the server's own size for a limit of 0.
func (a *Account) Members(ctx context.Context, id fabric.GroupID, limit int, cursor string) (MemberPage, error) {
	var page MemberPage
	err := a.get(ctx, query{}.page(limit, cursor).of(pathOf("/v1/groups/", id, "/members")), &page)
	return page, err
}

// AddMembers adds up to 1,000 people to a group. Who is in it already is neither added nor not added.
func (a *Account) AddMembers(ctx context.Context, id fabric.GroupID, users ...fabric.UserID) (added []fabric.UserID, not []NotAdded, err error) {
	var reply struct {
		Added    []fabric.UserID `json:"added"`
		NotAdded []NotAdded      `json:"not_added"`
	}
	in := struct {
		Users []fabric.UserID `json:"users"`
	}{users}
	err = a.call(ctx, http.MethodPost, pathOf("/v1/groups/", id, "/members"), in, &reply)
	return reply.Added, reply.NotAdded, err
}

// SetRole gives a member a role; who is no member is added first. An empty role is that of a member who has one already,
// or else fabric.RoleMember. It returns the role that they have then.
func (a *Account) SetRole(ctx context.Context, id fabric.GroupID, user fabric.UserID, role fabric.Role) (fabric.Role, error) {
	var reply struct {
		Role fabric.Role `json:"role"`
	}
	in := struct {
		Role fabric.Role `json:"role,omitempty"`
	}{role}
	err := a.call(ctx, http.MethodPut, pathOf("/v1/groups/", id, "/members/", string(user)), in, &reply)
	return reply.Role, err
}

// RemoveMember removes a member from a group; where that is the user, they leave. They get nothing of it afterwards on any
// device.
func (a *Account) RemoveMember(ctx context.Context, id fabric.GroupID, user fabric.UserID) error {
	return a.call(ctx, http.MethodDelete, pathOf("/v1/groups/", id, "/members/", string(user)), nil, nil)
}

// Join makes the user a member of a group, by an invite's code, or without one where the group is open. A member is left
// as they are.
func (s *Session) Join(ctx context.Context, channel fabric.ChannelID, code string) error {
	return s.ask(ctx, "join", struct {
		Channel fabric.ChannelID `json:"channel"`
		Code    string           `json:"code,omitempty"`
	}{channel, code}, new(struct{}))
}

// Leave ends the user's membership in a group. The last owner makes somebody else one first.
func (s *Session) Leave(ctx context.Context, channel fabric.ChannelID) error {
	return s.ask(ctx, "leave", struct {
		Channel fabric.ChannelID `json:"channel"`
	}{channel}, new(struct{}))
}
