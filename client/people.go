package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/weft-im/weft/fabric"
)

// Me is the user as only they see themselves.
type Me struct {
	fabric.User
	Privacy Privacy `json:"privacy"`
}

// Privacy is what others may see and do. LastSeen and Groups are "all", "contacts" (those whom the user has in their
// contacts) or "none".
type Privacy struct {
	LastSeen     string `json:"last_seen"`     // who sees whether the user is online, and when they last were
	ReadReceipts bool   `json:"read_receipts"` // whether the other one of a direct chat sees what was read, and the user of theirs
	Groups       string `json:"groups"`        // who may add the user to groups
}

// MePatch changes the user's profile; nil leaves a field as it is.
type MePatch struct {
	Name    *string       `json:"name,omitempty"`
	About   *string       `json:"about,omitempty"`
	Avatar  *string       `json:"avatar,omitempty"` // of UploadAvatar; "" for none
	Privacy *PrivacyPatch `json:"privacy,omitempty"`
}

// PrivacyPatch changes what others may see and do; nil leaves a field as it is.
type PrivacyPatch struct {
	LastSeen     *string `json:"last_seen,omitempty"`
	ReadReceipts *bool   `json:"read_receipts,omitempty"`
	Groups       *string `json:"groups,omitempty"`
}

// Me returns the user's own profile.
func (a *Account) Me(ctx context.Context) (Me, error) {
	var me Me
	err := a.get(ctx, "/v1/me", &me)
	return me, err
}

// ChangeMe changes the user's own profile and returns it as it is then.
func (a *Account) ChangeMe(ctx context.Context, patch MePatch) (Me, error) {
	var me Me
	err := a.call(ctx, http.MethodPatch, "/v1/me", patch, &me)
	return me, err
}

// DeleteMe deletes the account, for good: what is personal is erased, the devices are signed out, and what the user wrote to
// others stays with them. phone, the user's own as E.164, confirms it.
func (a *Account) DeleteMe(ctx context.Context, phone string) error {
	in := struct {
		Phone string `json:"phone"`
	}{phone}
	return a.call(ctx, http.MethodDelete, "/v1/me", in, nil)
}

// DeleteMeByName is DeleteMe for one who has no phone, as who signs in by an issuer: their own name confirms it.
func (a *Account) DeleteMeByName(ctx context.Context, name string) error {
	in := struct {
		Name string `json:"name"`
	}{name}
	return a.call(ctx, http.MethodDelete, "/v1/me", in, nil)
}

// Export writes the user's own data, a ZIP archive, to w, and returns its length in bytes.
func (a *Account) Export(ctx context.Context, w io.Writer) (int64, error) {
	resp, err := a.open(ctx, "/v1/me/export")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		err = fmt.Errorf("client: export: %w", err)
	}
	return n, err
}

// User returns a user as this one may see them.
func (a *Account) User(ctx context.Context, id fabric.UserID) (fabric.User, error) {
	var u fabric.User
	err := a.get(ctx, pathOf("/v1/users/", id), &u)
	return u, err
}

type userList struct {
	Users []fabric.User `json:"users"`
}

// Lookup tells which of the phones belong to users, each with its phone as E.164, and adds those to the user's contacts.
// Servers take 100 phones a call.
func (a *Account) Lookup(ctx context.Context, phones ...string) ([]fabric.User, error) {
	in := struct {
		Phones []string `json:"phones"`
	}{phones}
	var out userList
	err := a.call(ctx, http.MethodPost, "/v1/contacts/lookup", in, &out)
	return out.Users, err
}

// Contacts lists those whom the user has looked up and not forgotten.
func (a *Account) Contacts(ctx context.Context) ([]fabric.User, error) {
	var out userList
	err := a.get(ctx, "/v1/contacts", &out)
	return out.Users, err
}

// ForgetContact takes somebody out of the user's contacts.
func (a *Account) ForgetContact(ctx context.Context, id fabric.UserID) error {
	return a.call(ctx, http.MethodDelete, pathOf("/v1/contacts/", id), nil, nil)
}

// Blocks lists those whom the user has blocked.
func (a *Account) Blocks(ctx context.Context) ([]fabric.User, error) {
	var out userList
	err := a.get(ctx, "/v1/blocks", &out)
	return out.Users, err
}

// Block blocks somebody, or no longer: who is blocked can't write to the user, see their presence or add them to groups, and
// is not told.
func (a *Account) Block(ctx context.Context, id fabric.UserID, on bool) error {
	method := http.MethodDelete
	if on {
		method = http.MethodPut
	}
	return a.call(ctx, method, pathOf("/v1/blocks/", id), nil, nil)
}
