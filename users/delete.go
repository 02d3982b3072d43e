package users

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// DeletedName is what a deleted account is called.
const DeletedName = "Deleted account"

// delete answers weft.users.delete. The groups come first, since only a member can leave; then what is personal, in one
// transaction; then the sessions. Where it fails on the way, asking again goes on with what is left.
func (r *Role) delete(ctx context.Context, req contract.UsersDeleteRequest) (struct{}, error) {
	var none struct{}
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	p, err := r.store.Profile(ctx, u)
	if err != nil {
		return none, fmt.Errorf("user %s: %w", u, err)
	}
	if typed, err := phone(req.Phone, true); err != nil || typed != p.Phone {
		return none, fabric.Errorf(fabric.CodeForbidden, "phone: want your own, to confirm that the account is to be deleted")
	}
	if err := r.leaveGroups(ctx, u); err != nil {
		return none, err
	}
	devices, err := r.store.Erase(ctx, u, fabric.Millis(r.cfg.Now()))
	if err != nil {
		return none, fmt.Errorf("erase %s: %w", u, err)
	}
	for _, d := range devices {
		if err := r.tellRevoked(ctx, u, d); err != nil {
			return none, err
		}
	}
	if err := r.seen.Purge(ctx, string(u)); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return none, fmt.Errorf("when %s was last seen: %w", u, err)
	}
	r.log.Info("an account was deleted", "user", u)
	return none, nil
}

// leaveGroups takes a user out of all groups. Where they are a group's only owner, whoever comes first after them in its
// list of members becomes one.
func (r *Role) leaveGroups(ctx context.Context, u fabric.UserID) error {
	reply, err := service.Call[contract.ChatsMembershipsReply](ctx, r.nc, subjects.ChatsMemberships, contract.ChatsMembershipsRequest{User: u})
	if err != nil {
		return err
	}
	for _, m := range reply.Groups {
		id, _ := m.Channel.Group() // a membership is in a group
		g := contract.ChatsGroupRequest{User: u, Group: id}
		err := r.leave(ctx, g)
		if fabric.CodeOf(err) == fabric.CodeConflict {
			if err = r.handOver(ctx, g); err == nil {
				err = r.leave(ctx, g)
			}
		}
		if err != nil && fabric.CodeOf(err) != fabric.CodeForbidden { // forbidden: out already
			return fmt.Errorf("leave group %s: %w", id, err)
		}
	}
	return nil
}

func (r *Role) leave(ctx context.Context, g contract.ChatsGroupRequest) error {
	_, err := service.CallRaw(ctx, r.nc, subjects.ChatsRemove, contract.ChatsRemoveRequest{ChatsGroupRequest: g, Member: g.User})
	if err != nil {
		return err
	}
	return nil
}

// handOver makes the first other member of a group an owner: admins come before members, and who has been there longer
// before who came later.
func (r *Role) handOver(ctx context.Context, g contract.ChatsGroupRequest) error {
	page, err := service.Call[contract.ChatsMembersReply](ctx, r.nc, subjects.ChatsMembers, contract.ChatsMembersRequest{ChatsGroupRequest: g, Limit: 2})
	if err != nil {
		return err
	}
	for _, m := range page.Members {
		if m.User.ID != g.User {
			_, err := service.CallRaw(ctx, r.nc, subjects.ChatsRole, contract.ChatsRoleRequest{ChatsGroupRequest: g, Member: m.User.ID, Role: fabric.RoleOwner})
			return err
		}
	}
	return nil
}
