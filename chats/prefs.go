package chats

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// channel answers weft.chats.channel.
func (r *Role) channel(ctx context.Context, req contract.ChatsChannelRequest) (contract.Channel, error) {
	var none contract.Channel
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	c, err := fabric.ParseChannelID(string(req.Channel))
	if err != nil {
		return none, err
	}
	r.settle(ctx)
	e, err := r.store.Entry(ctx, u, c)
	if err != nil {
		return none, fmt.Errorf("channel %s of %s: %w", c, u, err)
	}
	channels, err := r.describe(ctx, u, []Entry{e})
	if err != nil {
		return none, fmt.Errorf("channel %s of %s: %w", c, u, err)
	}
	return channels[0], nil
}

// prefs answers weft.chats.prefs.
func (r *Role) prefs(ctx context.Context, req contract.ChatsPrefsRequest) (contract.Channel, error) {
	var none contract.Channel
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	c, err := fabric.ParseChannelID(string(req.Channel))
	if err != nil {
		return none, err
	}
	if err := member(c, u); err != nil {
		return none, err
	}
	if m := req.MutedUntil; m != nil && *m < fabric.MutedForever {
		return none, fabric.Errorf(fabric.CodeBadRequest, "muted_until: want Unix milliseconds, 0 for not muted or -1 for ever")
	}
	if req.Disappear != nil {
		if err := r.disappear(ctx, u, c, *req.Disappear); err != nil {
			return none, err
		}
	}
	if req.MutedUntil != nil || req.Archived != nil || req.Pinned != nil || req.MarkedUnread != nil {
		err := r.store.SetPrefs(ctx, u, c, func(p *fabric.Prefs) {
			set(&p.MutedUntil, req.MutedUntil)
			set(&p.Archived, req.Archived)
			set(&p.Pinned, req.Pinned)
			set(&p.MarkedUnread, req.MarkedUnread)
		}, func(p fabric.Prefs) Record {
			return r.selfRecord(u, fabric.ChannelChange{Channel: c, Change: fabric.ChangePrefs, Prefs: &p})
		})
		if err != nil {
			return none, fmt.Errorf("prefs of %s in %s: %w", u, c, err)
		}
		r.relay.kick()
	}
	return r.channel(ctx, req.ChatsChannelRequest)
}

// disappear changes when the messages of a direct chat disappear. Either of the two may.
func (r *Role) disappear(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seconds int) error {
	if c.Kind() != fabric.KindDirect {
		return fabric.Errorf(fabric.CodeBadRequest, "disappear: a group has it among its settings")
	}
	if err := fabric.ParseDisappear(seconds); err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		Disappear int           `json:"disappear"`
		By        fabric.UserID `json:"by"`
	}{seconds, u})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	record := Record{CID: fabric.NewCID(), Channel: c, After: r.reached.of(c), From: u, Kind: fabric.MsgSettings, Body: body}
	if err := r.store.SetDisappear(ctx, u, c, seconds, record); err != nil {
		return fmt.Errorf("disappearing messages of %s: %w", c, err)
	}
	return r.settled(ctx, record.CID)
}
