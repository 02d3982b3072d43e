package chats

import (
	"context"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// open answers weft.chats.open. Once it has, the chat's row is there: nobody writes to the channel before.
func (r *Role) open(ctx context.Context, req contract.ChatsOpenRequest) (contract.ChatsOpenReply, error) {
	var none contract.ChatsOpenReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	peer, err := fabric.ParseUserID(string(req.Peer))
	if err != nil {
		return none, err
	}
	if u == peer {
		return none, fabric.Errorf(fabric.CodeBadRequest, "a direct chat has two users: nobody can open one with themselves")
	}
	there, err := r.store.Existing(ctx, []fabric.UserID{peer})
	if err != nil {
		return none, fmt.Errorf("look for %s: %w", peer, err)
	}
	if len(there) == 0 { // also one whose account was deleted: nobody would read it
		return none, fabric.Errorf(fabric.CodeNotFound, "there is no such user")
	}
	c := fabric.Direct(u, peer)
	created, err := r.store.OpenDirect(ctx, c, u, peer, fabric.Millis(r.cfg.Now()))
	if err != nil {
		return none, fmt.Errorf("open chat %s: %w", c, err)
	}
	if created {
		r.opened.Inc()
	}
	only, err := r.store.Blocked(ctx, peer, u)
	if err != nil {
		return none, fmt.Errorf("open chat %s: %w", c, err)
	}
	return contract.ChatsOpenReply{Channel: c, Only: only}, nil
}
