package users

import (
	"cmp"
	"context"
	"fmt"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// What operators ask. Permissions on NATS let nobody else.

// Find says which accounts are looked for: all of what is set.
type Find struct {
	ID     fabric.UserID
	Phone  string        // E.164
	Name   string        // a part of it; ASCII letters in any case
	Before fabric.UserID // only those that are older, by their ids
	Most   int
}

// Counts are how many of what a user has.
type Counts struct{ Direct, Groups, Contacts, Blocks, Blocked int }

// foundByDefault is how many users a page has where nothing else is asked for.
const foundByDefault = 50

// find answers weft.users.find.
func (r *Role) find(ctx context.Context, req contract.UsersFindRequest) (contract.UsersFindReply, error) {
	none := contract.UsersFindReply{Users: []contract.Account{}}
	most := cmp.Or(req.Limit, foundByDefault)
	if most < 1 || most > contract.MaxFound {
		return none, fabric.Errorf(fabric.CodeBadRequest, "limit: want 1 to %d, got %d", contract.MaxFound, req.Limit)
	}
	if err := text("query", req.Query, maxNameBytes); err != nil {
		return none, err
	}
	f := Find{Before: req.Before, Most: most + 1}
	if id, err := fabric.ParseUserID(req.Query); err == nil {
		f.ID = id
	} else if number, err := phone(req.Query, r.cfg.Dev); err == nil {
		f.Phone = number
	} else {
		f.Name = req.Query
	}
	found, err := r.store.Accounts(ctx, f)
	if err != nil {
		return none, fmt.Errorf("find users: %w", err)
	}
	reply := contract.UsersFindReply{Users: append(none.Users, found[:min(len(found), most)]...), More: len(found) > most}
	for i := range reply.Users {
		reply.Users[i].Phone = masked(reply.Users[i].Phone)
	}
	return reply, nil
}

func masked(phone string) string {
	if phone == "" {
		return ""
	}
	return audit.Phone(phone)
}

// show answers weft.users.show.
func (r *Role) show(ctx context.Context, req contract.UsersShowRequest) (contract.UsersShowReply, error) {
	none := contract.UsersShowReply{}
	a, err := r.account(ctx, req.User)
	if err != nil {
		return none, err
	}
	a.Phone = masked(a.Phone)
	devices, err := r.devices(ctx, contract.UsersDevicesRequest{User: a.ID})
	if err != nil {
		return none, err
	}
	n, err := r.store.Counts(ctx, a.ID)
	if err != nil {
		return none, fmt.Errorf("what %s has: %w", a.ID, err)
	}
	return contract.UsersShowReply{
		Account: a, SignedIn: devices.Devices, Direct: n.Direct, Groups: n.Groups, Contacts: n.Contacts, Blocks: n.Blocks, Blocked: n.Blocked,
	}, nil
}

// account returns one account; the error has CodeNotFound where there is none.
func (r *Role) account(ctx context.Context, u fabric.UserID) (contract.Account, error) {
	id, err := fabric.ParseUserID(string(u))
	if err != nil {
		return contract.Account{}, err
	}
	found, err := r.store.Accounts(ctx, Find{ID: id, Most: 1})
	if err != nil {
		return contract.Account{}, fmt.Errorf("user %s: %w", id, err)
	}
	if len(found) == 0 {
		return contract.Account{}, fabric.Errorf(fabric.CodeNotFound, "there is no such user")
	}
	return found[0], nil
}

// signOut answers weft.users.sign_out. Where it fails on the way, asking again goes on with what is left.
func (r *Role) signOut(ctx context.Context, req contract.UsersSignOutRequest) (contract.UsersSignOutReply, error) {
	reply := contract.UsersSignOutReply{Devices: []fabric.DeviceID{}}
	if err := text("by", req.By, contract.MaxBy); err != nil {
		return reply, err
	}
	a, err := r.account(ctx, req.User)
	if err != nil {
		return reply, err
	}
	if req.Device != "" {
		reply.Devices = append(reply.Devices, req.Device)
	} else {
		devices, err := r.store.Devices(ctx, a.ID)
		if err != nil {
			return reply, fmt.Errorf("devices of %s: %w", a.ID, err)
		}
		for _, d := range devices {
			reply.Devices = append(reply.Devices, d.ID)
		}
	}
	for _, d := range reply.Devices {
		if err := r.end(ctx, a.ID, d); err != nil {
			return reply, err
		}
	}
	r.audit.Write(audit.Event{What: audit.UserSignedOut, Other: a.ID, Device: req.Device, Detail: fmt.Sprintf("%d devices, by %s", len(reply.Devices), req.By)})
	return reply, nil
}

// erase answers weft.users.erase.
func (r *Role) erase(ctx context.Context, req contract.UsersEraseRequest) (struct{}, error) {
	if err := text("by", req.By, contract.MaxBy); err != nil {
		return struct{}{}, err
	}
	a, err := r.account(ctx, req.User)
	if err != nil {
		return struct{}{}, err
	}
	if a.Service != "" {
		return struct{}{}, fabric.Errorf(fabric.CodeConflict, "this is the internal service %s: `weft service remove` ends it", a.Service)
	}
	if err := r.eraseAll(ctx, a.ID); err != nil {
		return struct{}{}, err
	}
	r.audit.Write(audit.Event{What: audit.AccountDeleted, Other: a.ID, Detail: "by " + req.By})
	return struct{}{}, nil
}
