package edge

import (
	"net/http"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// userRoutes are the calls about oneself and others.
func (e *Edge) userRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/me", e.signedIn(etagged(e.getMe)))
	mux.Handle("PATCH /v1/me", e.signedIn(e.patchMe))
	mux.Handle("DELETE /v1/me", e.signedIn(e.deleteMe))
	mux.Handle("GET /v1/me/export", e.signedInWriting(e.getExport))
	mux.Handle("GET /v1/users/{id}", e.signedIn(etagged(e.getUser)))
	mux.Handle("GET /v1/blocks", e.signedIn(e.getBlocks))
	mux.Handle("PUT /v1/blocks/{user}", e.signedIn(e.putBlock))
	mux.Handle("DELETE /v1/blocks/{user}", e.signedIn(e.deleteBlock))
	mux.Handle("POST /v1/contacts/lookup", e.signedIn(e.postLookup))
	mux.Handle("GET /v1/contacts", e.signedIn(e.getContacts))
	mux.Handle("DELETE /v1/contacts/{user}", e.signedIn(e.deleteContact))
}

func (e *Edge) getMe(r *http.Request, c caller) (int, any, error) {
	return e.ask(r, subjects.UsersGet, contract.UsersGetRequest{Viewer: c.user, User: c.user})
}

func (e *Edge) getUser(r *http.Request, c caller) (int, any, error) {
	u, err := fabric.ParseUserID(r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.UsersGet, contract.UsersGetRequest{Viewer: c.user, User: u})
}

func (e *Edge) patchMe(r *http.Request, c caller) (int, any, error) {
	var body struct {
		Name    *string                 `json:"name"`
		About   *string                 `json:"about"`
		Avatar  *string                 `json:"avatar"`
		Privacy *contract.PrivacyChange `json:"privacy"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if err := e.avatars.check(r.Context(), body.Avatar); err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.UsersUpdate, contract.UsersUpdateRequest{
		User: c.user, Name: body.Name, About: body.About, Avatar: body.Avatar, Privacy: body.Privacy,
	})
}

// deleteMe deletes the caller's account. Their own phone confirms it, or their name where they have none.
func (e *Edge) deleteMe(r *http.Request, c caller) (int, any, error) {
	var body struct {
		Phone string `json:"phone"`
		Name  string `json:"name"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return e.done(r, subjects.UsersDelete, contract.UsersDeleteRequest{User: c.user, Phone: body.Phone, Name: body.Name})
}

func (e *Edge) postLookup(r *http.Request, c caller) (int, any, error) {
	var body struct {
		Phones []string `json:"phones"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.UsersLookup, contract.UsersLookupRequest{User: c.user, Phones: body.Phones})
}

func (e *Edge) getBlocks(r *http.Request, c caller) (int, any, error) {
	return e.ask(r, subjects.UsersBlocks, contract.UsersOwnRequest{User: c.user})
}

func (e *Edge) putBlock(r *http.Request, c caller) (int, any, error) { return e.block(r, c, true) }

func (e *Edge) deleteBlock(r *http.Request, c caller) (int, any, error) { return e.block(r, c, false) }

func (e *Edge) block(r *http.Request, c caller, on bool) (int, any, error) {
	u, err := fabric.ParseUserID(r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	return e.done(r, subjects.UsersBlock, contract.UsersBlockRequest{User: c.user, Other: u, On: on})
}

func (e *Edge) getContacts(r *http.Request, c caller) (int, any, error) {
	return e.ask(r, subjects.UsersContacts, contract.UsersOwnRequest{User: c.user})
}

func (e *Edge) deleteContact(r *http.Request, c caller) (int, any, error) {
	u, err := fabric.ParseUserID(r.PathValue("user"))
	if err != nil {
		return 0, nil, err
	}
	return e.done(r, subjects.UsersForget, contract.UsersForgetRequest{User: c.user, Contact: u})
}
