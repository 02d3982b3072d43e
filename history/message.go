package history

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// MaxStars bounds how many messages one user may star.
const MaxStars = 10_000

// find returns a message as its reader sees it now.
func (r *Role) find(ctx context.Context, v View, seq uint64) (Shown, error) {
	t, err := r.tailFor(ctx, v.Channel)
	if err != nil {
		return Shown{}, err
	}
	var found []Shown
	m, ok, err := r.store.Message(ctx, v, seq)
	switch {
	case err != nil:
		return Shown{}, fmt.Errorf("message %d of %s: %w", seq, v.Channel, err)
	case ok:
		found = []Shown{m}
	case !t.empty() && seq > t.archived && seq <= t.head:
		if found, err = r.forward(ctx, v, seq-1, 1, t); err != nil {
			return Shown{}, fmt.Errorf("message %d of %s: %w", seq, v.Channel, err)
		}
	}
	if len(found) > 0 && found[0].Seq == seq {
		if found, err = r.decorate(ctx, v, found, t); err != nil {
			return Shown{}, fmt.Errorf("message %d of %s: %w", seq, v.Channel, err)
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return Shown{}, fabric.Errorf(fabric.CodeNotFound, "there is no message %d in channel %s", seq, v.Channel)
}

// message answers weft.history.message.
func (r *Role) message(ctx context.Context, req contract.HistoryMessageRequest) (contract.HistoryMessageReply, error) {
	v, err := r.view(req.User, req.Channel, req.From)
	if err != nil {
		return contract.HistoryMessageReply{}, err
	}
	m, err := r.find(ctx, v, req.Seq)
	if err != nil {
		return contract.HistoryMessageReply{}, err
	}
	return contract.HistoryMessageReply{Message: object(&m)}, nil
}

// admit answers weft.history.admit. What it allows is applied when it is archived, by the same rules.
func (r *Role) admit(ctx context.Context, req contract.HistoryAdmitRequest) (contract.HistoryAdmitReply, error) {
	var none contract.HistoryAdmitReply
	v, err := r.view(req.User, req.Channel, req.From)
	if err != nil {
		return none, err
	}
	if !fabric.IsChange(req.Kind) {
		return none, fabric.Errorf(fabric.CodeBadRequest, "kind %s changes no message", req.Kind)
	}
	c, err := parseChange(req.Kind, req.Body)
	if err != nil {
		return none, err
	}
	m, err := r.find(ctx, v, c.Target)
	if err != nil {
		return none, err
	}
	// An edit does not change which file a message names: that is noted once, when it is archived.
	if req.Kind == fabric.MsgEdit && fabric.MediaOf(m.Kind, m.Body) != fabric.MediaOf(m.Kind, c.New) {
		return none, fabric.Errorf(fabric.CodeBadRequest, "an edit of a message that names a file names the same file")
	}
	return contract.HistoryAdmitReply{Only: m.Only}, r.mayChange(&m, req)
}

// mayChange says why a message must not be changed so.
func (r *Role) mayChange(m *Shown, req contract.HistoryAdmitRequest) error {
	own := m.From == req.User
	switch {
	case fabric.IsServerKind(m.Kind) && m.Kind != fabric.MsgDeleted:
		return fabric.Errorf(fabric.CodeForbidden, "message %d is the server's word: nobody changes it", m.Seq)
	case m.DeletedAt != 0:
		return fabric.Errorf(fabric.CodeConflict, "message %d was deleted", m.Seq)
	case req.Kind == fabric.MsgEdit && !own:
		return fabric.Errorf(fabric.CodeForbidden, "only who wrote message %d may edit it", m.Seq)
	case req.Kind == fabric.MsgEdit && r.cfg.Now().Sub(time.UnixMilli(m.At)) > r.cfg.EditWithin:
		return fabric.Errorf(fabric.CodeForbidden, "a message may be edited for %s after it was written", r.cfg.EditWithin)
	case req.Kind == fabric.MsgDelete && !own && !req.Admin:
		return fabric.Errorf(fabric.CodeForbidden, "only who wrote message %d, or an admin, may delete it for everyone", m.Seq)
	case req.Kind == fabric.MsgPin && !req.Admin:
		return fabric.Errorf(fabric.CodeForbidden, "only admins pin messages here")
	}
	return nil
}

// hide answers weft.history.hide.
func (r *Role) hide(ctx context.Context, req contract.HistoryHideRequest) (struct{}, error) {
	v, err := r.view(req.User, req.Channel, req.From)
	if err == nil {
		_, err = r.archivedMessage(ctx, v, req.Seq)
	}
	if err != nil {
		return struct{}{}, err
	}
	if err := r.store.Hide(ctx, v.User, v.Channel, req.Seq); err != nil {
		return struct{}{}, fmt.Errorf("hide message %d of %s: %w", req.Seq, v.Channel, err)
	}
	return struct{}{}, r.tell(ctx, v.User, fabric.ChannelChange{Channel: v.Channel, Change: fabric.ChangeHidden, Seq: req.Seq})
}

// archivedMessage returns a message that may be read once it is in the database.
func (r *Role) archivedMessage(ctx context.Context, v View, seq uint64) (Shown, error) {
	m, err := r.find(ctx, v, seq)
	if err != nil {
		return m, err
	}
	_, ok, err := r.store.Message(ctx, v, seq)
	if err != nil {
		return m, fmt.Errorf("message %d of %s: %w", seq, v.Channel, err)
	}
	if !ok {
		return m, fabric.Errorf(fabric.CodeUnavailable, "message %d is not archived yet: try again", seq)
	}
	return m, nil
}

// star answers weft.history.star.
func (r *Role) star(ctx context.Context, req contract.HistoryStarRequest) (struct{}, error) {
	v, err := r.view(req.User, req.Channel, req.From)
	if err != nil {
		return struct{}{}, err
	}
	m, err := r.archivedMessage(ctx, v, req.Seq)
	if err != nil {
		return struct{}{}, err
	}
	if req.On && m.DeletedAt != 0 {
		return struct{}{}, fabric.Errorf(fabric.CodeConflict, "message %d was deleted", req.Seq)
	}
	if err := r.store.Star(ctx, v.User, v.Channel, req.Seq, req.On, v.Now, MaxStars); err != nil {
		return struct{}{}, fmt.Errorf("star message %d of %s: %w", req.Seq, v.Channel, err)
	}
	return struct{}{}, r.tell(ctx, v.User, fabric.ChannelChange{Channel: v.Channel, Change: fabric.ChangeStarred, Seq: req.Seq, On: &req.On})
}

// tell lets a user's devices know what they have noted on one of them.
func (r *Role) tell(ctx context.Context, u fabric.UserID, change fabric.ChannelChange) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	self, cid := fabric.Self(u), fabric.NewCID()
	msg := nats.NewMsg(subjects.Log(self, subjects.Shard(self, r.shards)))
	msg.Data = fabric.AppendPayload(nil, u, cid, fabric.MsgChannel, body)
	if _, err := r.js.PublishMsg(ctx, msg, jetstream.WithMsgID(subjects.MsgID(u, cid))); err != nil {
		return fmt.Errorf("tell the other devices of %s: %w", u, err)
	}
	return nil
}

// starred answers weft.history.starred.
func (r *Role) starred(ctx context.Context, req contract.HistoryStarredRequest) (contract.HistoryStarredReply, error) {
	var none contract.HistoryStarredReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	after, err := decodeStar(req.Cursor)
	if err != nil {
		return none, err
	}
	limit, now := limitOf(req.Limit), fabric.Millis(r.cfg.Now())
	list, err := r.store.Starred(ctx, u, now, after, limit+1)
	if err != nil {
		return none, fmt.Errorf("stars of %s: %w", u, err)
	}
	msgs := make([]*Shown, len(list))
	for i := range list {
		msgs[i] = &list[i].Shown
	}
	if err := r.decorateAll(ctx, u, now, msgs); err != nil {
		return none, fmt.Errorf("stars of %s: %w", u, err)
	}
	out, cursor := newReply(), ""
	for i := range list {
		if i == limit || !out.room(&list[i].Shown) {
			cursor = encodeStar(list[i-1].Place)
			break
		}
		out.add(&list[i].Shown)
	}
	return contract.HistoryStarredReply{Messages: out.msgs, Cursor: cursor}, nil
}

func encodeStar(p StarPlace) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d", p.At, p.Target))
}

func decodeStar(cursor string) (p StarPlace, err error) {
	if cursor == "" {
		return p, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		_, err = fmt.Sscanf(string(data), "%d %d", &p.At, &p.Target)
	}
	if err != nil {
		return p, fabric.Errorf(fabric.CodeBadRequest, "the cursor is not one that a page of stars had")
	}
	return p, nil
}

// pins answers weft.history.pins.
func (r *Role) pins(ctx context.Context, req contract.HistoryPinsRequest) (contract.HistoryPinsReply, error) {
	var none contract.HistoryPinsReply
	v, err := r.view(req.User, req.Channel, req.From)
	if err != nil {
		return none, err
	}
	list, err := r.pinned(ctx, v)
	if err != nil {
		return none, fmt.Errorf("pins of %s: %w", v.Channel, err)
	}
	out := newReply()
	for i := range list {
		if !out.room(&list[i]) {
			break
		}
		out.add(&list[i])
	}
	return contract.HistoryPinsReply{Messages: out.msgs}, nil
}

// pinned returns the messages that are pinned, the one pinned last first.
func (r *Role) pinned(ctx context.Context, v View) ([]Shown, error) {
	t, err := r.tailFor(ctx, v.Channel)
	if err != nil {
		return nil, err
	}
	list, err := r.store.Pins(ctx, v, contract.MaxPins)
	if err != nil {
		return nil, err
	}
	order := make([]uint64, 0, len(list)) // of the pins, the newest last
	for _, m := range slices.Backward(list) {
		order = append(order, m.Seq)
	}
	late := make(map[uint64]Shown) // messages of the tail
	if err := r.inTail(ctx, v, t, func(m *Shown) {
		if m.Kind != fabric.MsgPin {
			late[m.Seq] = *m
			return
		}
		if c, err := parseChange(m.Kind, m.Body); err == nil && !m.Only {
			order = slices.DeleteFunc(order, func(seq uint64) bool { return seq == c.Target })
			if c.On {
				order = append(order, c.Target)
			}
		}
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Shown) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, seq := range order {
		i, found := at(list, seq)
		if found {
			continue
		}
		m, ok := late[seq]
		if !ok {
			if m, ok, err = r.store.Message(ctx, v, seq); err != nil {
				return nil, err
			}
		}
		if ok && m.DeletedAt == 0 {
			list = slices.Insert(list, i, m)
		}
	}
	if list, err = r.decorate(ctx, v, list, t); err != nil {
		return nil, err
	}
	var pins []Shown
	for _, seq := range slices.Backward(order) {
		if i, found := at(list, seq); found && list[i].Pinned && len(pins) < contract.MaxPins {
			pins = append(pins, list[i])
		}
	}
	return pins, nil
}
