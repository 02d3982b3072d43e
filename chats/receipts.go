package chats

import (
	"context"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// receipts answers weft.chats.receipts.
func (r *Role) receipts(ctx context.Context, req contract.ChatsReceiptsRequest) (contract.ChatsReceiptsReply, error) {
	var none contract.ChatsReceiptsReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	c, err := fabric.ParseChannelID(string(req.Channel))
	if err != nil {
		return none, err
	}
	if c.Kind() == fabric.KindGroup {
		return r.groupReceipts(ctx, u, c, req)
	}
	if err := member(c, u); err != nil {
		return none, err
	}
	receipts, err := r.reader.Receipts(ctx, []fabric.ChannelID{c})
	if err != nil {
		return none, fmt.Errorf("receipts of %s: %w", c, err)
	}
	marks := []fabric.Receipt{} // an empty list, not null
	for _, m := range receipts[c] {
		if m.Delivered >= req.Seq {
			marks = append(marks, m.For(u))
		}
	}
	return contract.ChatsReceiptsReply{Receipts: marks}, nil
}

// groupReceipts answers with a page of the marks of a group's members, by ascending user: the "message info" of a group.
func (r *Role) groupReceipts(ctx context.Context, u fabric.UserID, c fabric.ChannelID, req contract.ChatsReceiptsRequest) (contract.ChatsReceiptsReply, error) {
	reply := contract.ChatsReceiptsReply{Receipts: []fabric.Receipt{}}
	var after fabric.UserID
	if req.Cursor != "" {
		var err error
		if after, err = fabric.ParseUserID(req.Cursor); err != nil {
			return reply, fabric.Errorf(fabric.CodeBadRequest, "the cursor is not one that a page of receipts had")
		}
	}
	if _, err := r.memberOf(ctx, c, u); err != nil {
		return reply, err
	}
	limit := contract.MaxReceipts
	if req.Limit > 0 {
		limit = min(req.Limit, limit)
	}
	members, err := r.store.Floors(ctx, c, after, limit)
	if err != nil {
		return reply, fmt.Errorf("members of %s: %w", c, err)
	}
	users := make([]fabric.UserID, len(members))
	for i, m := range members {
		users[i] = m.User
	}
	marks, err := r.reader.MarksOf(ctx, c, users)
	if err != nil {
		return reply, fmt.Errorf("receipts of %s: %w", c, err)
	}
	for _, v := range users {
		if m := marks[v]; m.Delivered > 0 && m.Delivered >= req.Seq {
			reply.Receipts = append(reply.Receipts, m)
		}
	}
	if len(members) == limit {
		reply.Cursor = string(users[limit-1])
	}
	return reply, nil
}
