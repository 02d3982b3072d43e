package chats

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// list answers weft.chats.list.
func (r *Role) list(ctx context.Context, req contract.ChatsListRequest) (contract.ChatsListReply, error) {
	began := time.Now()
	var none contract.ChatsListReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	before, err := decodePlace(req.Cursor)
	if err != nil {
		return none, err
	}
	limit := contract.DefaultPage
	if req.Limit > 0 {
		limit = min(req.Limit, contract.MaxPage)
	}
	r.settle(ctx)
	entries, err := r.store.List(ctx, u, before, limit+1)
	if err != nil {
		return none, fmt.Errorf("channels of %s: %w", u, err)
	}
	var cursor string
	if len(entries) > limit {
		entries = entries[:limit]
		cursor = encodePlace(entries[limit-1].Place())
	}
	channels, err := r.describe(ctx, u, entries)
	if err != nil {
		return none, fmt.Errorf("channels of %s: %w", u, err)
	}
	r.listed.Observe(time.Since(began).Seconds())
	return contract.ChatsListReply{Channels: channels, Cursor: cursor}, nil
}

// settle waits until what was in the logs when it was called is in the database. A list is better late than without
// what its reader has just been told of; where the archive stays behind for long, it is better old than none.
func (r *Role) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SettleWithin)
	defer cancel()
	for {
		reply, err := service.Call[contract.HistorySettleReply](ctx, r.nc, subjects.HistorySettle, contract.HistorySettleRequest{})
		if err == nil && reply.Settled {
			return
		}
		if err != nil || ctx.Err() != nil {
			r.unready.Inc()
			r.log.Warn("a list of channels may be behind the logs", "err", err)
			return
		}
	}
}

// describe makes entries of the database into channels as u's list shows them.
func (r *Role) describe(ctx context.Context, u fabric.UserID, entries []Entry) ([]contract.Channel, error) {
	ids := make([]fabric.ChannelID, len(entries))
	var groups []fabric.ChannelID
	for i, e := range entries {
		ids[i] = e.ID
		if e.Kind == fabric.KindGroup {
			groups = append(groups, e.ID)
		}
	}
	standings, err := r.store.Standings(ctx, u, ids)
	if err != nil {
		return nil, fmt.Errorf("standings: %w", err)
	}
	receipts, err := r.reader.Receipts(ctx, ids)
	if err != nil {
		return nil, err
	}
	marks, err := r.reader.GroupMarks(ctx, groups, u)
	if err != nil {
		return nil, err
	}
	channels := make([]contract.Channel, len(entries))
	for i, e := range entries {
		st := standings[e.ID]
		ch := contract.Channel{
			ID: e.ID, Kind: e.Kind, Name: e.Name, Peer: e.Peer, Last: object(e.Last), Receipts: []fabric.Receipt{},
			Disappear: st.Disappear, Blocked: st.Blocked, Prefs: st.Prefs,
		}
		for _, m := range receipts[e.ID] {
			ch.Receipts = append(ch.Receipts, m.For(u))
		}
		if g := st.Group; g != nil {
			settings := g.Settings
			ch.Name, ch.Avatar, ch.Role, ch.Members, ch.Settings = g.Name, g.Avatar, st.Role, g.Members, &settings
			own := marks[e.ID].Own
			if own.Delivered > 0 {
				ch.Receipts = append(ch.Receipts, own)
			}
			ch.All = &contract.Marks{Delivered: marks[e.ID].All.Delivered, Read: marks[e.ID].All.Read}
		} else if e.Peer != nil {
			ch.Avatar = e.Peer.Avatar
		}
		if ch.Unread, err = r.unread(ctx, u, e, ch.Receipts, st.From); err != nil {
			return nil, err
		}
		channels[i] = ch
	}
	return channels, nil
}

// unread counts what others wrote past u's own read mark, and since u is in the channel.
func (r *Role) unread(ctx context.Context, u fabric.UserID, e Entry, marks []fabric.Receipt, from uint64) (int, error) {
	read := max(from, 1) - 1
	for _, m := range marks {
		if m.User == u {
			read = max(read, m.Read)
		}
	}
	if e.Last == nil || e.Last.Seq <= read {
		return 0, nil
	}
	n, err := r.store.Unread(ctx, e.ID, u, read, contract.MaxUnread)
	if err != nil {
		return 0, fmt.Errorf("unread in %s: %w", e.ID, err)
	}
	return n, nil
}

// object returns m's message object, nil where there is no message.
func object(m *fabric.Stored) []byte {
	if m == nil {
		return nil
	}
	return fabric.AppendMessage(nil, m.Channel, m.Seq, m.Prev, m.At, fabric.AppendPayload(nil, m.From, m.CID, m.Kind, m.Body))
}

// encodePlace returns p as opaque text; decodePlace reads it back, "" being the top.
func encodePlace(p Place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.At, 10) + " " + string(p.Channel)))
}

func decodePlace(cursor string) (Place, error) {
	if cursor == "" {
		return Place{}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		number, name, _ := strings.Cut(string(text), " ")
		at, err := strconv.ParseInt(number, 10, 64)
		c, err2 := fabric.ParseChannelID(name)
		if err == nil && err2 == nil {
			return Place{At: at, Channel: c}, nil
		}
	}
	return Place{}, fabric.Errorf(fabric.CodeBadRequest, "the cursor is not one that a page of channels had")
}
