package users

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Bounds of what one user notes of others.
const (
	maxBlocks   = 1_000
	maxContacts = 10_000
)

// list is an empty list where there is none, not null.
func list(users []fabric.User) []fabric.User {
	if users == nil {
		return []fabric.User{}
	}
	return users
}

// strangers takes the phones from users that were not asked for by them.
func strangers(users []fabric.User) []fabric.User {
	for i := range users {
		users[i].Phone = ""
	}
	return list(users)
}

// block answers weft.users.block. Who is blocked is not told. Edges that know the pair are, so that it takes effect at
// once, and so are the user's other devices.
func (r *Role) block(ctx context.Context, req contract.UsersBlockRequest) (struct{}, error) {
	var none struct{}
	other, err := fabric.ParseUserID(string(req.Other))
	if err != nil {
		return none, err
	}
	if other == req.User {
		return none, fabric.Errorf(fabric.CodeBadRequest, "nobody blocks themselves")
	}
	changed, err := r.store.Block(ctx, req.User, other, req.On, fabric.Millis(r.cfg.Now()), maxBlocks)
	if err != nil {
		return none, fmt.Errorf("block: %w", err)
	}
	c := fabric.Direct(req.User, other)
	data, err := json.Marshal(blocked{User: req.User, On: req.On})
	if err != nil {
		return none, fmt.Errorf("encode: %w", err)
	}
	// Also where nothing changed: the word may have been lost before.
	if err := r.nc.Publish(subjects.Access(c), data); err != nil {
		return none, fmt.Errorf("tell the edges: %w", err)
	}
	if !changed {
		return none, nil
	}
	return none, r.tell(ctx, req.User, fabric.ChannelChange{Channel: c, Change: fabric.ChangeBlocked, User: other, On: &req.On})
}

// blocked is what edges are told of a direct chat: User has blocked the other one, or no longer.
type blocked struct {
	User fabric.UserID `json:"user"`
	On   bool          `json:"on"`
}

// blocks answers weft.users.blocks.
func (r *Role) blocks(ctx context.Context, req contract.UsersOwnRequest) (contract.UsersListReply, error) {
	users, err := r.store.Blocks(ctx, req.User)
	if err != nil {
		return contract.UsersListReply{}, fmt.Errorf("blocks of %s: %w", req.User, err)
	}
	return contract.UsersListReply{Users: strangers(users)}, nil
}

// keep adds whom a user has looked up to their contacts.
func (r *Role) keep(ctx context.Context, u fabric.UserID, found []fabric.User) error {
	ids := make([]fabric.UserID, 0, len(found))
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	if err := r.store.AddContacts(ctx, u, ids, maxContacts); err != nil {
		return fmt.Errorf("add contacts of %s: %w", u, err)
	}
	return nil
}

// contacts answers weft.users.contacts. Their phones are those that the user has looked them up by.
func (r *Role) contacts(ctx context.Context, req contract.UsersOwnRequest) (contract.UsersListReply, error) {
	users, err := r.store.Contacts(ctx, req.User)
	if err != nil {
		return contract.UsersListReply{}, fmt.Errorf("contacts of %s: %w", req.User, err)
	}
	return contract.UsersListReply{Users: list(users)}, nil
}

// forget answers weft.users.forget.
func (r *Role) forget(ctx context.Context, req contract.UsersForgetRequest) (struct{}, error) {
	contact, err := fabric.ParseUserID(string(req.Contact))
	if err != nil {
		return struct{}{}, err
	}
	if err := r.store.Forget(ctx, req.User, contact); err != nil {
		return struct{}{}, fmt.Errorf("forget a contact of %s: %w", req.User, err)
	}
	return struct{}{}, nil
}

// maxVisible bounds how many users one question may name.
const maxVisible = 10_000

// visible answers weft.users.visible.
func (r *Role) visible(ctx context.Context, req contract.UsersVisibleRequest) (contract.UsersVisibleReply, error) {
	var none contract.UsersVisibleReply
	if len(req.Users) > maxVisible {
		return none, fabric.Errorf(fabric.CodeBadRequest, "users: at most %d, got %d", maxVisible, len(req.Users))
	}
	users, err := r.store.Visible(ctx, req.Viewer, req.Users)
	if err != nil {
		return none, fmt.Errorf("whom %s may see: %w", req.Viewer, err)
	}
	if users == nil {
		users = []fabric.UserID{}
	}
	return contract.UsersVisibleReply{Users: users}, nil
}

// tell lets a user's devices know of what they have changed on one of them.
func (r *Role) tell(ctx context.Context, u fabric.UserID, change fabric.ChannelChange) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	self, cid := fabric.Self(u), fabric.NewCID()
	msg := nats.NewMsg(subjects.Log(self, subjects.Shard(self, r.cfg.Shards)))
	msg.Data = fabric.AppendPayload(nil, u, cid, fabric.MsgChannel, body)
	if _, err := r.js.PublishMsg(ctx, msg, jetstream.WithMsgID(subjects.MsgID(u, cid))); err != nil {
		return fmt.Errorf("tell the other devices of %s: %w", u, err)
	}
	return nil
}
