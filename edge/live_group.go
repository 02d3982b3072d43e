package edge

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// groupTail begins to follow a group's log at prev, or as far back as a session here should have it from: what was lost
// since then shows as a hole.
func (l *live) groupTail(g *group, shard int, prev uint64) *tail {
	t := &tail{seq: prev, group: g}
	l.edge.hub.each(g, func(m *groupMember, s *Session) {
		if began, live := s.liveSince(shard); live {
			t.seq = min(t.seq, max(began, m.from-1))
		}
	})
	return t
}

// forgetGroup lets go of a group that ended.
func (l *live) forgetGroup(g *group) {
	if t := l.tails[g.channel]; t != nil && t.group == g {
		delete(l.tails, g.channel)
	}
}

// deliverGroup gives a record to the sessions of a group's members here, and applies what it says of them: whoever came
// gets it, whoever went gets it as the last.
func (l *live) deliverGroup(shard int, rec msglog.Record, told []msglog.Waiter) {
	hub := l.edge.hub
	g := hub.groupHere(rec.Channel)
	if g == nil {
		return // the last one left meanwhile
	}
	var change fabric.MemberChange
	if fabric.HasKind(rec.Payload, fabric.MsgMember) {
		change = l.bodyOf(rec).member()
	}
	switch change.Event {
	case fabric.MemberCreated, fabric.MemberAdded, fabric.MemberJoined:
		l.came(rec, change)
	}
	l.event = fabric.AppendMessageEvent(l.event[:0], rec.Channel, rec.Seq, rec.Prev, rec.At, rec.Payload)
	hub.each(g, func(m *groupMember, s *Session) {
		if rec.Seq >= m.from {
			s.message(shard, rec, l.event, len(told) > 0 && toldOf(told, s))
		}
	})
	switch change.Event {
	case fabric.MemberRemoved, fabric.MemberLeft:
		for _, u := range change.Users {
			if hub.unfollow(g, u, rec.Seq) {
				l.forgetGroup(g)
			}
		}
	case fabric.MemberRole:
		for _, u := range change.Users {
			hub.setRole(g, u, change.Role)
		}
	}
	if fabric.HasKind(rec.Payload, fabric.MsgGroup) {
		if settings := l.bodyOf(rec).settings(); settings != nil {
			hub.setSettings(g, *settings)
		}
	}
}

// came adds those of the users who are online here.
func (l *live) came(rec msglog.Record, change fabric.MemberChange) {
	role := change.Role
	if role == "" {
		role = fabric.RoleMember
	}
	for i, u := range change.Users {
		m := l.edge.hub.memberOf(u)
		if m == nil || l.joinsEarlier(join{m, rec.Channel}, rec.Seq) {
			continue
		}
		as := role
		if change.Event == fabric.MemberCreated && i == 0 {
			as = fabric.RoleOwner
		}
		if err := l.edge.hub.followFrom(m, contract.Membership{Channel: rec.Channel, Role: as, From: rec.Seq}); err != nil {
			l.edge.log.Error("cannot add a member to a group", "channel", rec.Channel, "err", err)
		}
	}
}

// recordBody is the body of a record that the server wrote.
type recordBody struct {
	body json.RawMessage
	log  func(error)
}

func (l *live) bodyOf(rec msglog.Record) recordBody {
	var m fabric.Message
	log := func(err error) {
		l.edge.log.Error("a record of the server's is not as it should be", "channel", rec.Channel, "seq", rec.Seq, "err", err)
	}
	if err := json.Unmarshal(rec.Payload, &m); err != nil {
		log(err)
	}
	return recordBody{m.Body, log}
}

func (b recordBody) read(into any) {
	if err := json.Unmarshal(b.body, into); err != nil {
		b.log(err)
	}
}

func (b recordBody) member() (c fabric.MemberChange) {
	b.read(&c)
	return c
}

func (b recordBody) settings() *fabric.Settings {
	var c fabric.GroupChange
	b.read(&c)
	return c.Settings
}

func (b recordBody) channel() (c fabric.ChannelChange) {
	b.read(&c)
	return c
}

// deliverSelf gives a record of a user's own log to their sessions as the `channel` event that it is, and does what it
// means for this edge.
func (l *live) deliverSelf(shard int, rec msglog.Record) {
	u := usersOf(rec.Channel)[0]
	m := l.edge.hub.memberOf(u)
	if m == nil {
		return
	}
	l.follow(m, rec.Channel)
	b := l.bodyOf(rec)
	if len(b.body) < 2 {
		return
	}
	l.event = appendChannelEvent(l.event[:0], b.body)
	for _, s := range l.edge.hub.sessionsOf(u) {
		s.message(shard, rec, l.event, false)
	}
	switch change := b.channel(); change.Change {
	case fabric.ChangeAdded:
		if _, in := l.edge.hub.membership(change.Channel, u); !in && change.Seq > 0 {
			l.beginJoin(join{m, change.Channel}, change.Seq)
		}
	case fabric.ChangeRemoved:
		l.removedLate(change, u)
	case fabric.ChangeProfile:
		l.edge.wg.Go(func() { l.edge.loadPrivacy(m) })
	}
}

// appendChannelEvent appends the `channel` event of a record's body.
func appendChannelEvent(b, body []byte) []byte {
	return append(append(b, `{"ev":"channel",`...), body[1:]...)
}

// channelEventOf returns the `channel` event of a message object in a self channel; ok is false for any other object.
func channelEventOf(object []byte) (event []byte, ok bool) {
	if !bytes.HasPrefix(object, []byte(`{"channel":"u.`)) {
		return nil, false
	}
	var st fabric.Stored
	if json.Unmarshal(object, &st) != nil || st.Kind != fabric.MsgChannel || len(st.Body) < 2 {
		return nil, false
	}
	return appendChannelEvent(nil, st.Body), true
}

// removedLate sees to it that a removal takes effect here although its record in the group's log may have been lost on
// the way: up to it the log is read again.
func (l *live) removedLate(change fabric.ChannelChange, u fabric.UserID) {
	c := change.Channel
	ms, in := l.edge.hub.membership(c, u)
	g := l.edge.hub.groupHere(c)
	if !in || g == nil || ms.From > change.Seq {
		return // the usual case: the record came first
	}
	t := l.tails[c]
	if t == nil {
		t = l.groupTail(g, subjects.Shard(c, len(l.seen)), change.Seq-1)
		l.tails[c] = t
	}
	if t.seq < change.Seq && !t.repairing {
		l.repair(c, t, change.Seq)
	}
}

// loadGroups learns which groups a user is in who has just come. Their self channel is subscribed to already, so that
// what changes behind the answer comes as records of it.
func (e *Edge) loadGroups(m *member) error {
	m.loading.Lock()
	defer m.loading.Unlock()
	if m.loaded {
		return nil
	}
	ctx, cancel := context.WithTimeout(e.ctx, callTimeout)
	defer cancel()
	reply, err := service.Call[contract.ChatsMembershipsReply](ctx, e.nc, subjects.ChatsMemberships, contract.ChatsMembershipsRequest{User: m.id})
	if err != nil {
		e.log.Warn("a session cannot begin", "err", err)
		return fabric.Errorf(fabric.CodeUnavailable, "cannot take sessions now: try again")
	}
	m.private.Store(!reply.ReadReceipts)
	for _, ms := range reply.Groups {
		if err := e.hub.follow(m, ms); err != nil {
			return err
		}
	}
	m.loaded = true
	return nil
}

// loadPrivacy learns again what of a user's marks others may see.
func (e *Edge) loadPrivacy(m *member) {
	ctx, cancel := context.WithTimeout(e.ctx, callTimeout)
	defer cancel()
	reply, err := service.Call[contract.ChatsMembershipsReply](ctx, e.nc, subjects.ChatsMemberships, contract.ChatsMembershipsRequest{User: m.id})
	if err != nil {
		e.log.Warn("cannot learn of a change in a user's privacy", "user", m.id, "err", err)
		return
	}
	m.private.Store(!reply.ReadReceipts)
}
