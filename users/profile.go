package users

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// get answers weft.users.get.
func (r *Role) get(ctx context.Context, req contract.UsersGetRequest) (contract.UsersGetReply, error) {
	var none contract.UsersGetReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	user, err := r.store.User(ctx, u)
	if err != nil {
		return none, fmt.Errorf("user %s: %w", u, err)
	}
	if req.Viewer != u {
		user.Phone = ""
	}
	return contract.UsersGetReply{User: user}, nil
}

// update answers weft.users.update.
func (r *Role) update(ctx context.Context, req contract.UsersUpdateRequest) (contract.UsersGetReply, error) {
	if req.Name == nil {
		return r.get(ctx, contract.UsersGetRequest{Viewer: req.User, User: req.User})
	}
	var none contract.UsersGetReply
	name := strings.TrimSpace(*req.Name)
	if name == "" {
		return none, fabric.Errorf(fabric.CodeBadRequest, "name: want at least one character")
	}
	if err := text("name", name, maxNameBytes); err != nil {
		return none, err
	}
	user, err := r.store.Rename(ctx, req.User, name)
	if err != nil {
		return none, fmt.Errorf("rename %s: %w", req.User, err)
	}
	return contract.UsersGetReply{User: user}, nil
}

// lookup answers weft.users.lookup. A phone that can't be one has no user; it is no error, as an address book is full
// of them.
func (r *Role) lookup(ctx context.Context, req contract.UsersLookupRequest) (contract.UsersLookupReply, error) {
	var none contract.UsersLookupReply
	if len(req.Phones) == 0 || len(req.Phones) > contract.MaxLookup {
		return none, fabric.Errorf(fabric.CodeBadRequest, "phones: want 1 to %d, got %d", contract.MaxLookup, len(req.Phones))
	}
	if !r.lookups.take(string(req.User), len(req.Phones)) {
		return none, fabric.Errorf(fabric.CodeRateLimited, "too many phones were looked up: try again later")
	}
	var phones []string
	for _, p := range req.Phones {
		if e164, err := phone(p, r.cfg.Dev); err == nil {
			phones = append(phones, e164)
		}
	}
	slices.Sort(phones)
	found, err := r.store.ByPhones(ctx, slices.Compact(phones))
	if err != nil {
		return none, fmt.Errorf("look up phones: %w", err)
	}
	if found == nil {
		found = []fabric.User{} // an empty list, not null
	}
	return contract.UsersLookupReply{Users: found}, nil
}
