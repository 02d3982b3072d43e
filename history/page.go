package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// view checks who reads what.
func (r *Role) view(u fabric.UserID, c fabric.ChannelID, from uint64) (View, error) {
	c, err := fabric.ParseChannelID(string(c))
	if err != nil {
		return View{}, err
	}
	if u != "" { // a role that reads for itself sees what is for everybody
		if u, err = fabric.ParseUserID(string(u)); err != nil {
			return View{}, err
		}
	}
	return View{Channel: c, User: u, From: from, Now: fabric.Millis(r.cfg.Now())}, nil
}

// page answers weft.history.page.
func (r *Role) page(ctx context.Context, req contract.HistoryPageRequest) (contract.HistoryPageReply, error) {
	var none contract.HistoryPageReply
	v, err := r.view(req.User, req.Channel, req.From)
	if err != nil {
		return none, err
	}
	if req.Before != 0 && req.After != nil {
		return none, fabric.Errorf(fabric.CodeBadRequest, "before and after exclude each other: ask for one of them")
	}
	limit := limitOf(req.Limit)
	tail, err := r.tailFor(ctx, v.Channel)
	if err != nil {
		return none, err
	}
	var msgs []Shown
	if req.After != nil {
		msgs, err = r.forward(ctx, v, *req.After, limit+1, tail)
	} else {
		msgs, err = r.backward(ctx, v, req.Before, limit+1, tail)
	}
	if err != nil {
		return none, fmt.Errorf("page of %s: %w", v.Channel, err)
	}
	more := len(msgs) > limit
	switch {
	case !more:
	case req.After != nil:
		msgs = msgs[:limit]
	default:
		msgs = msgs[1:]
	}
	if msgs, err = r.decorate(ctx, v, msgs, tail); err != nil {
		return none, fmt.Errorf("page of %s: %w", v.Channel, err)
	}
	kept := fit(msgs, req.After == nil)
	out := newReply()
	for i := range kept {
		out.add(&kept[i])
	}
	return contract.HistoryPageReply{Messages: out.msgs, More: more || len(kept) < len(msgs)}, nil
}

// fit returns as many of msgs as a reply has room for, at least one: the last ones where newest is set, otherwise the
// first.
func fit(msgs []Shown, newest bool) []Shown {
	bytes := 0
	for n := range msgs {
		i := n
		if newest {
			i = len(msgs) - 1 - n
		}
		if bytes += objectBytes(&msgs[i]); bytes <= maxReplyBytes || n == 0 {
			continue
		}
		if newest {
			return msgs[i+1:]
		}
		return msgs[:i]
	}
	return msgs
}

// tail is what the archive lacks of a shard: the log's records with archived < seq ≤ head. Mostly it is empty.
type tail struct {
	shard          int
	archived, head uint64
	disappear      int // seconds after which messages disappear that come behind what is archived
}

func (t tail) empty() bool { return t.head <= t.archived }

// tailFor settles the channel's shard. Also for a page of old messages: an edit of one of them may have come just now.
func (r *Role) tailFor(ctx context.Context, c fabric.ChannelID) (tail, error) {
	t := tail{shard: subjects.Shard(c, r.shards)}
	head, err := r.heads[t.shard].join().wait(ctx)
	if err != nil {
		return t, fmt.Errorf("head of shard %d: %w", t.shard, err)
	}
	t.head = head
	until := make(fabric.Position, r.shards)
	until[t.shard] = head
	at, _ := r.await(ctx, until)
	t.archived = at[t.shard]
	if t.empty() {
		return t, nil
	}
	ends, err := r.store.Heads(ctx, []fabric.ChannelID{c})
	if err != nil {
		return t, fmt.Errorf("how long messages of %s last: %w", c, err)
	}
	t.disappear = ends[c].Disappear
	return t, nil
}

// forward returns up to limit messages after a seq: archived ones, then those of the tail.
func (r *Role) forward(ctx context.Context, v View, after uint64, limit int, t tail) ([]Shown, error) {
	msgs, err := r.store.Page(ctx, v, 0, &after, limit)
	if err != nil || t.empty() || len(msgs) == limit {
		return msgs, err
	}
	// The archive has moved on since t was taken: what it gave of the tail is not read twice.
	after = max(after, t.archived)
	if n := len(msgs); n > 0 {
		after = max(after, msgs[n-1].Seq)
	}
	for len(msgs) < limit {
		recs, more, err := r.reader.Range(ctx, v.Channel, t.shard, after, t.head, limit-len(msgs))
		if err != nil {
			return nil, err
		}
		msgs = appendShownRecords(msgs, v, recs)
		if !more {
			break
		}
		after = recs[len(recs)-1].Seq
	}
	return msgs, nil
}

// backward returns, ascending, the last `limit` messages before a seq (0: of all): those of the tail, and in front of them
// archived ones.
func (r *Role) backward(ctx context.Context, v View, before uint64, limit int, t tail) ([]Shown, error) {
	if t.empty() || (before != 0 && before <= t.archived+1) {
		return r.store.Page(ctx, v, before, nil, limit)
	}
	if before != 0 {
		t.head = min(t.head, before-1)
	}
	// A log is not read backwards: the tail is read through, and its end kept.
	var msgs []Shown
	for after := t.archived; ; {
		recs, more, err := r.reader.Range(ctx, v.Channel, t.shard, after, t.head, limit)
		if err != nil {
			return nil, err
		}
		msgs = appendShownRecords(msgs, v, recs)
		if n := len(msgs) - limit; n > 0 {
			msgs = append(msgs[:0:0], msgs[n:]...)
		}
		if !more {
			break
		}
		after = recs[len(recs)-1].Seq
	}
	if len(msgs) == limit {
		return msgs, nil
	}
	old, err := r.store.Page(ctx, v, t.archived+1, nil, limit-len(msgs))
	return append(old, msgs...), err
}

// appendShownRecords appends the messages among records of a log that the view shows.
func appendShownRecords(msgs []Shown, v View, recs []msglog.Record) []Shown {
	for _, m := range shownRecords(v, recs) {
		if !fabric.IsChange(m.Kind) {
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// shownRecords returns those records of a log that the view shows; what is no message is left out, as the archive leaves
// it out.
func shownRecords(v View, recs []msglog.Record) []Shown {
	msgs := make([]Shown, 0, len(recs))
	for _, rec := range recs {
		m, err := decode(rec.Payload)
		if err != nil || (m.Only && m.From != v.User) || rec.Seq < v.From {
			continue
		}
		msgs = append(msgs, Shown{Stored: fabric.Stored{Channel: rec.Channel, Seq: rec.Seq, Prev: rec.Prev, At: rec.At, Message: m}})
	}
	return msgs
}

// decorate adds to messages, ascending in seq, what hangs on them, and applies what has changed them in a tail. It leaves
// out those of the tail whose time is over.
func (r *Role) decorate(ctx context.Context, v View, msgs []Shown, t tail) ([]Shown, error) {
	if len(msgs) == 0 {
		return msgs, nil
	}
	if err := r.store.Decorate(ctx, v, msgs); err != nil {
		return nil, err
	}
	if v.Channel.Kind() == fabric.KindDirect && v.User != "" {
		private, err := r.store.Private(ctx, v, msgs)
		if err != nil {
			return nil, err
		}
		for i := range private {
			applyLate(v, msgs, &private[i])
		}
	}
	if err := r.inTail(ctx, v, t, func(m *Shown) {
		if fabric.IsChange(m.Kind) {
			applyLate(v, msgs, m)
		} else if i, found := at(msgs, m.Seq); found && m.ExpiresAt != 0 {
			msgs[i].ExpiresAt = m.ExpiresAt
		}
	}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(msgs, func(m Shown) bool { return m.ExpiresAt != 0 && m.ExpiresAt <= v.Now }), nil
}

// decorateAll decorates messages of any channels, in any order, as u sees them. All of them are archived.
func (r *Role) decorateAll(ctx context.Context, u fabric.UserID, now int64, msgs []*Shown) error {
	of := make(map[fabric.ChannelID][]Shown)
	for _, m := range msgs {
		of[m.Channel] = append(of[m.Channel], *m)
	}
	for c, list := range of {
		slices.SortFunc(list, func(a, b Shown) int { return cmp.Compare(a.Seq, b.Seq) })
		list, err := r.decorate(ctx, View{Channel: c, User: u, Now: now}, list, tail{})
		if err != nil {
			return fmt.Errorf("channel %s: %w", c, err)
		}
		of[c] = list
	}
	for _, m := range msgs {
		if i, found := at(of[m.Channel], m.Seq); found {
			*m = of[m.Channel][i]
		}
	}
	return nil
}

// inTail hands on the records of a tail that the view shows, messages with when they disappear.
func (r *Role) inTail(ctx context.Context, v View, t tail, f func(*Shown)) error {
	for after := t.archived; !t.empty(); {
		recs, more, err := r.reader.Range(ctx, v.Channel, t.shard, after, t.head, 1000)
		if err != nil {
			return err
		}
		for _, m := range shownRecords(v, recs) {
			if seconds, ok := disappearOf(&m.Stored); ok {
				t.disappear = seconds
			}
			m.ExpiresAt = expiry(&m.Stored, t.disappear)
			f(&m)
		}
		if !more || len(recs) == 0 {
			return nil
		}
		after = recs[len(recs)-1].Seq
	}
	return nil
}

// at returns where a message is in a list that ascends in seq.
func at(msgs []Shown, seq uint64) (i int, found bool) {
	return slices.BinarySearchFunc(msgs, seq, func(m Shown, seq uint64) int { return cmp.Compare(m.Seq, seq) })
}

// applyLate applies a change that is not archived yet, as the archive will.
func applyLate(v View, msgs []Shown, m *Shown) {
	c, err := parseChange(m.Kind, m.Body)
	if err != nil || c.Target >= m.Seq {
		return
	}
	i, found := at(msgs, c.Target)
	if !found || msgs[i].DeletedAt != 0 {
		return
	}
	target := &msgs[i]
	switch m.Kind {
	case fabric.MsgEdit:
		if target.From == m.From {
			target.Body, target.EditedAt = c.New, m.At
		}
	case fabric.MsgDelete:
		target.Kind, target.Body, target.DeletedAt, target.EditedAt = fabric.MsgDeleted, []byte("{}"), m.At, 0
		target.Reactions, target.Starred, target.Pinned = nil, false, false
	case fabric.MsgPin:
		target.Pinned = c.On
	case fabric.MsgReaction:
		target.react(m.From, c.Emoji, m.From == v.User)
	}
}

// react sets a user's reaction among those that are named.
func (m *Shown) react(u fabric.UserID, emoji string, mine bool) {
	for i := range m.Reactions {
		r := &m.Reactions[i]
		if j := slices.Index(r.Users, u); j >= 0 {
			r.Users, r.Count = slices.Delete(r.Users, j, j+1), r.Count-1
			r.Mine = r.Mine && !mine
		}
	}
	m.Reactions = slices.DeleteFunc(m.Reactions, func(r Reaction) bool { return r.Count <= 0 })
	if emoji == "" {
		return
	}
	i := slices.IndexFunc(m.Reactions, func(r Reaction) bool { return r.Emoji == emoji })
	if i < 0 {
		m.Reactions = append(m.Reactions, Reaction{Emoji: emoji})
		i = len(m.Reactions) - 1
	}
	r := &m.Reactions[i]
	r.Count++
	r.Mine = r.Mine || mine
	if len(r.Users) < ReactionUsers {
		r.Users = append(r.Users, u)
	}
}
