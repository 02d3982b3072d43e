package edge

import (
	"encoding/json"
	"net/http"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// groupRoutes are the calls about groups and invites. Who may do what is the chats role's to say.
func (e *Edge) groupRoutes(mux *http.ServeMux) {
	mux.Handle("POST /v1/groups", e.signedIn(e.postGroup))
	mux.Handle("GET /v1/groups/{id}", e.signedIn(etagged(e.getGroup)))
	mux.Handle("PATCH /v1/groups/{id}", e.signedIn(e.patchGroup))
	mux.Handle("GET /v1/groups/{id}/members", e.signedIn(e.getMembers))
	mux.Handle("POST /v1/groups/{id}/members", e.signedIn(e.postMembers))
	mux.Handle("PUT /v1/groups/{id}/members/{user}", e.signedIn(e.putMember))
	mux.Handle("DELETE /v1/groups/{id}/members/{user}", e.signedIn(e.deleteMember))
	mux.Handle("GET /v1/groups/{id}/invites", e.signedIn(e.getInvites))
	mux.Handle("POST /v1/groups/{id}/invites", e.signedIn(e.postInvite))
	mux.Handle("DELETE /v1/groups/{id}/invites/{code}", e.signedIn(e.deleteInvite))
	mux.Handle("GET /v1/invites/{code}", e.signedIn(etagged(e.getInvite)))
	mux.Handle("POST /v1/invites/{code}", e.signedIn(e.acceptInvite))
}

// groupOf returns the group that the path names, as the caller asks for it.
func groupOf(r *http.Request, c caller) (contract.ChatsGroupRequest, error) {
	g, err := fabric.ParseGroupID(r.PathValue("id"))
	return contract.ChatsGroupRequest{User: c.user, Group: g}, err
}

func (e *Edge) postGroup(r *http.Request, c caller) (int, any, error) {
	var body struct {
		CID      string                   `json:"cid"`
		Name     string                   `json:"name"`
		About    string                   `json:"about"`
		Avatar   string                   `json:"avatar"`
		Members  []fabric.UserID          `json:"members"`
		Settings *contract.SettingsChange `json:"settings"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if err := e.avatars.check(r.Context(), &body.Avatar); err != nil {
		return 0, nil, err
	}
	data, err := service.CallRaw(r.Context(), e.nc, subjects.ChatsCreate, contract.ChatsCreateRequest{
		User: c.user, CID: body.CID, Name: body.Name, About: body.About, Avatar: body.Avatar, Members: body.Members, Settings: body.Settings,
	})
	if err != nil {
		return 0, nil, err
	}
	var reply struct {
		Existed bool `json:"existed"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return 0, nil, err
	}
	if reply.Existed {
		return http.StatusOK, json.RawMessage(data), nil
	}
	return http.StatusCreated, json.RawMessage(data), nil
}

func (e *Edge) getGroup(r *http.Request, c caller) (int, any, error) {
	req, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsGroup, req)
}

func (e *Edge) patchGroup(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	var body struct {
		Name     *string                  `json:"name"`
		About    *string                  `json:"about"`
		Avatar   *string                  `json:"avatar"`
		Settings *contract.SettingsChange `json:"settings"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if err := e.avatars.check(r.Context(), body.Avatar); err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsChange, contract.ChatsChangeRequest{
		ChatsGroupRequest: g, Name: body.Name, About: body.About, Avatar: body.Avatar, Settings: body.Settings,
	})
}

func (e *Edge) getMembers(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	limit, _, err := queryUint(r, "limit")
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsMembers, contract.ChatsMembersRequest{
		ChatsGroupRequest: g, Limit: int(min(limit, contract.MaxPage)), Cursor: r.URL.Query().Get("cursor"),
	})
}

func (e *Edge) postMembers(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	var body struct {
		Users []fabric.UserID `json:"users"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: g, Users: body.Users})
}

// putMember adds a member, or gives one a role.
func (e *Edge) putMember(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	u, err := fabric.ParseUserID(r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	var body struct {
		Role fabric.Role `json:"role"`
	}
	if r.ContentLength != 0 { // adding somebody needs none
		if err := readJSON(r, &body); err != nil {
			return 0, nil, err
		}
	}
	reply, err := service.Call[contract.ChatsRoleReply](r.Context(), e.nc, subjects.ChatsRole, contract.ChatsRoleRequest{
		ChatsGroupRequest: g, Member: u, Role: body.Role,
	})
	if err != nil {
		return 0, nil, err
	}
	status := http.StatusOK
	if reply.Added {
		status = http.StatusCreated
	}
	return status, reply, nil
}

// deleteMember takes a member out, or leaves.
func (e *Edge) deleteMember(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	u, err := fabric.ParseUserID(r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	return e.done(r, subjects.ChatsRemove, contract.ChatsRemoveRequest{ChatsGroupRequest: g, Member: u})
}

// done asks a service for something that has no answer but that it is done.
func (e *Edge) done(r *http.Request, verb subjects.Verb, req any) (int, any, error) {
	if _, err := service.CallRaw(r.Context(), e.nc, verb, req); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

func (e *Edge) getInvites(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsInvites, g)
}

func (e *Edge) postInvite(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	var body struct {
		ExpiresIn int `json:"expires_in"`
		Uses      int `json:"uses"`
	}
	if r.ContentLength != 0 {
		if err := readJSON(r, &body); err != nil {
			return 0, nil, err
		}
	}
	_, reply, err := e.ask(r, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: g, ExpiresIn: body.ExpiresIn, Uses: body.Uses})
	return http.StatusCreated, reply, err
}

func (e *Edge) deleteInvite(r *http.Request, c caller) (int, any, error) {
	g, err := groupOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	return e.done(r, subjects.ChatsUninvite, contract.ChatsUninviteRequest{ChatsGroupRequest: g, Code: r.PathValue("code")})
}

func (e *Edge) getInvite(r *http.Request, c caller) (int, any, error) {
	return e.ask(r, subjects.ChatsInvited, contract.ChatsInvitedRequest{User: c.user, Code: r.PathValue("code")})
}

func (e *Edge) acceptInvite(r *http.Request, c caller) (int, any, error) {
	return e.ask(r, subjects.ChatsJoin, contract.ChatsJoinRequest{User: c.user, Code: r.PathValue("code")})
}

func (e *Edge) getChannel(r *http.Request, c caller) (int, any, error) {
	channel, err := fabric.ParseChannelID(r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsChannel, contract.ChatsChannelRequest{User: c.user, Channel: channel})
}

func (e *Edge) patchChannel(r *http.Request, c caller) (int, any, error) {
	channel, err := fabric.ParseChannelID(r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	var body struct {
		MutedUntil   *int64 `json:"muted_until"`
		Archived     *bool  `json:"archived"`
		Pinned       *bool  `json:"pinned"`
		MarkedUnread *bool  `json:"marked_unread"`
		Disappear    *int   `json:"disappear"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsPrefs, contract.ChatsPrefsRequest{
		ChatsChannelRequest: contract.ChatsChannelRequest{User: c.user, Channel: channel},
		MutedUntil:          body.MutedUntil, Archived: body.Archived, Pinned: body.Pinned, MarkedUnread: body.MarkedUnread, Disappear: body.Disappear,
	})
}
