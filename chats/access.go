package chats

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// accessWithin bounds how long an access waits for the record of a membership that was just made.
const accessWithin = 3 * time.Second

// access answers weft.chats.access. A member whose record is not in the log yet is not let in before it is: what they
// wrote would lie before the record that makes them a member.
func (r *Role) access(ctx context.Context, req contract.ChatsAccessRequest) (contract.Membership, error) {
	var none contract.Membership
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	c, err := fabric.ParseChannelID(string(req.Channel))
	if err != nil {
		return none, err
	}
	if c.Kind() != fabric.KindGroup {
		return none, fabric.Errorf(fabric.CodeBadRequest, "%s is not a group", c)
	}
	ctx, cancel := context.WithTimeout(ctx, accessWithin)
	defer cancel()
	m, err := r.memberOf(ctx, c, u)
	for wait := 2 * time.Millisecond; err == nil && m.From == 0; wait = min(2*wait, relayPause) {
		r.relay.kick()
		if !sleep(ctx, wait) {
			return none, fabric.Errorf(fabric.CodeUnavailable, "the membership is not in the log yet: try again")
		}
		m, err = r.memberOf(ctx, c, u)
	}
	if err != nil {
		return none, err
	}
	g, err := r.store.Group(ctx, c)
	if err != nil {
		return none, fmt.Errorf("group %s: %w", c, err)
	}
	return contract.Membership{Channel: c, Role: m.Role, From: m.From, Settings: g.Settings}, nil
}

// memberships answers weft.chats.memberships.
func (r *Role) memberships(ctx context.Context, req contract.ChatsMembershipsRequest) (contract.ChatsMembershipsReply, error) {
	var none contract.ChatsMembershipsReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	groups, err := r.store.Memberships(ctx, u)
	if err != nil {
		return none, fmt.Errorf("groups of %s: %w", u, err)
	}
	if groups == nil {
		groups = []contract.Membership{}
	}
	receipts, err := r.store.ReadReceipts(ctx, u)
	if err != nil {
		return none, fmt.Errorf("privacy of %s: %w", u, err)
	}
	return contract.ChatsMembershipsReply{Groups: groups, ReadReceipts: receipts}, nil
}

// floors answers weft.chats.floors.
func (r *Role) floors(ctx context.Context, req contract.ChatsFloorsRequest) (contract.ChatsFloorsReply, error) {
	list, err := r.store.Floors(ctx, req.Channel, req.After, contract.MaxFloors)
	if err != nil {
		return contract.ChatsFloorsReply{}, fmt.Errorf("members of %s: %w", req.Channel, err)
	}
	if list == nil {
		list = []contract.Floor{}
	}
	return contract.ChatsFloorsReply{Members: list}, nil
}
