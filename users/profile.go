package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Bounds of a profile, in bytes.
const maxAboutBytes = 300

// get answers weft.users.get.
func (r *Role) get(ctx context.Context, req contract.UsersGetRequest) (contract.UsersGetReply, error) {
	var none contract.UsersGetReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	if req.Viewer == u {
		p, err := r.store.Profile(ctx, u)
		if err != nil {
			return none, fmt.Errorf("user %s: %w", u, err)
		}
		return own(p), nil
	}
	user, err := r.store.User(ctx, u)
	if err != nil {
		return none, fmt.Errorf("user %s: %w", u, err)
	}
	user.Phone = ""
	return contract.UsersGetReply{User: user}, nil
}

// own is a profile as its user sees it.
func own(p Profile) contract.UsersGetReply {
	return contract.UsersGetReply{User: p.User, Privacy: &p.Privacy}
}

// update answers weft.users.update.
func (r *Role) update(ctx context.Context, req contract.UsersUpdateRequest) (contract.UsersGetReply, error) {
	var none contract.UsersGetReply
	changed := false
	p, err := r.store.Change(ctx, req.User, func(p *Profile) error {
		was := *p
		if err := change(p, req); err != nil {
			return err
		}
		changed = *p != was
		return nil
	})
	if err != nil {
		return none, fmt.Errorf("change %s: %w", req.User, err)
	}
	if changed {
		if err := r.tell(ctx, req.User, fabric.ChannelChange{Channel: fabric.Self(req.User), Change: fabric.ChangeProfile}); err != nil {
			return none, err
		}
	}
	return own(p), nil
}

// change makes the changes of a request to a profile.
func change(p *Profile, req contract.UsersUpdateRequest) error {
	if req.Name != nil {
		p.Name = strings.TrimSpace(*req.Name)
		if p.Name == "" {
			return fabric.Errorf(fabric.CodeBadRequest, "name: want at least one character")
		}
		if err := text("name", p.Name, maxNameBytes); err != nil {
			return err
		}
	}
	if req.About != nil {
		p.About = strings.TrimSpace(*req.About)
		if err := text("about", p.About, maxAboutBytes); err != nil {
			return err
		}
	}
	if req.Avatar != nil {
		p.Avatar = *req.Avatar
		if b, err := hex.DecodeString(p.Avatar); p.Avatar != "" && (err != nil || len(b) != sha256.Size || strings.ToLower(p.Avatar) != p.Avatar) {
			return fabric.Errorf(fabric.CodeBadRequest, "avatar: want the id of an uploaded picture, or none")
		}
	}
	if c := req.Privacy; c != nil {
		for _, f := range []struct {
			name string
			to   *string
			v    *string
		}{{"last_seen", c.LastSeen, &p.Privacy.LastSeen}, {"groups", c.Groups, &p.Privacy.Groups}} {
			if f.to == nil {
				continue
			}
			switch *f.to {
			case contract.CircleAll, contract.CircleContacts, contract.CircleNone:
				*f.v = *f.to
			default:
				return fabric.Errorf(fabric.CodeBadRequest, "privacy.%s: want all, contacts or none", f.name)
			}
		}
		if c.ReadReceipts != nil {
			p.Privacy.ReadReceipts = *c.ReadReceipts
		}
	}
	return nil
}

// lookup answers weft.users.lookup. A phone that can't be one has no user; it is no error, as an address book is full
// of them.
func (r *Role) lookup(ctx context.Context, req contract.UsersLookupRequest) (contract.UsersLookupReply, error) {
	var none contract.UsersLookupReply
	if len(req.Phones) == 0 || len(req.Phones) > contract.MaxLookup {
		return none, fabric.Errorf(fabric.CodeBadRequest, "phones: want 1 to %d, got %d", contract.MaxLookup, len(req.Phones))
	}
	if !r.lookups.Take(string(req.User), len(req.Phones)) {
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
	if err := r.keep(ctx, req.User, found); err != nil {
		return none, err
	}
	return contract.UsersLookupReply{Users: list(found)}, nil
}
