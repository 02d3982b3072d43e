package users

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// DeletedName is what a deleted account is called.
const DeletedName = "Deleted account"

// leaveAtOnce is how many groups somebody is taken out of at once.
const leaveAtOnce = 16

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
	if !p.Deleted { // else they have confirmed it, and have no phone any more
		if err := confirmed(p, req); err != nil {
			return none, err
		}
	}
	if err := r.eraseAll(ctx, u); err != nil {
		return none, err
	}
	r.audit.Write(audit.Event{What: audit.AccountDeleted, User: u})
	return none, nil
}

// eraseAll takes a user away, whoever asked for it.
func (r *Role) eraseAll(ctx context.Context, u fabric.UserID) error {
	if err := r.leaveGroups(ctx, u); err != nil {
		return err
	}
	if err := r.purgeSelf(ctx, u); err != nil {
		return err
	}
	devices, err := r.store.Erase(ctx, u, fabric.Millis(r.cfg.Now()))
	if err != nil {
		return fmt.Errorf("erase %s: %w", u, err)
	}
	for _, d := range devices {
		if err := r.tellRevoked(ctx, u, d, subjects.RevokedDeleted); err != nil {
			return err
		}
	}
	// Edges write no last seen for the sessions that end now.
	if err := r.seen.Purge(ctx, string(u)); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("when %s was last seen: %w", u, err)
	}
	r.log.Info("an account was deleted", "user", u)
	return nil
}

// confirmed refuses to delete an account whose owner has not typed what is theirs.
func confirmed(p Profile, req contract.UsersDeleteRequest) error {
	if p.Phone == "" {
		if req.Name != p.Name {
			return fabric.Errorf(fabric.CodeForbidden, "name: want your own, to confirm that the account is to be deleted")
		}
		return nil
	}
	if typed, err := phone(req.Phone, true); err != nil || typed != p.Phone {
		return fabric.Errorf(fabric.CodeForbidden, "phone: want your own, to confirm that the account is to be deleted")
	}
	return nil
}

// purgeSelf takes what the user's devices were told out of the log, and waits until the archive has what it had read of
// it before: the rest is the database's to erase.
func (r *Role) purgeSelf(ctx context.Context, u fabric.UserID) error {
	self := fabric.Self(u)
	shard := subjects.Shard(self, r.cfg.Shards)
	stream, err := r.js.Stream(ctx, subjects.MsgStream(shard))
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(subjects.Log(self, shard)))
	}
	if err != nil {
		return fmt.Errorf("purge the log of %s: %w", self, err)
	}
	_, err = service.CallRaw(ctx, r.nc, subjects.HistorySettle, contract.HistorySettleRequest{})
	return err
}

// leaveGroups takes a user out of all groups. Where they are a group's only owner, whoever comes first after them in its
// list of members becomes one.
func (r *Role) leaveGroups(ctx context.Context, u fabric.UserID) error {
	reply, err := service.Call[contract.ChatsMembershipsReply](ctx, r.nc, subjects.ChatsMemberships, contract.ChatsMembershipsRequest{User: u})
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(leaveAtOnce)
	for _, m := range reply.Groups {
		id, _ := m.Channel.Group() // a membership is in a group
		group.Go(func() error {
			g := contract.ChatsGroupRequest{User: u, Group: id}
			err := r.leave(ctx, g)
			for try := 0; fabric.CodeOf(err) == fabric.CodeConflict && try < 3; try++ { // again where the heir left first
				if err = r.handOver(ctx, g); err == nil {
					err = r.leave(ctx, g)
				}
			}
			if err != nil && fabric.CodeOf(err) != fabric.CodeForbidden { // forbidden: out already
				return fmt.Errorf("leave group %s: %w", id, err)
			}
			return nil
		})
	}
	return group.Wait() //nolint:wrapcheck // wrapped above
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
