package edge

import (
	"context"
	"slices"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// join is a user who is on the way to be a member of a group here.
type join struct {
	m *member
	c fabric.ChannelID
}

// joining is by which records a join was heard of. Invariant: while there is one, nothing of the group that lies behind
// first reaches the user by another way. Who was in, out and in again before it ended would have the second time first.
type joining struct{ first, newest uint64 }

// beginJoin makes a user a member who learned from their self channel that they are one by the record at seq: nobody else
// of the group is here, or the record was lost on the way. All of the group's log from that record on is theirs, up to
// the one that ends it, if they are out again already.
func (l *live) beginJoin(who join, seq uint64) {
	if j := l.joins[who]; j != nil {
		j.newest = max(j.newest, seq)
		return
	}
	j := &joining{seq, seq}
	l.joins[who] = j
	l.edge.wg.Go(func() { l.joinLate(who, j) })
}

// joinsEarlier reports whether the record at seq comes to a user by a join that is under way. The join is over where the
// record is its own.
func (l *live) joinsEarlier(who join, seq uint64) bool {
	j := l.joins[who]
	if j != nil && j.first == seq {
		delete(l.joins, who)
	}
	return j != nil && j.first < seq
}

func (l *live) joinLate(who join, j *joining) {
	e := l.edge
	defer l.do(e.ctx, func() {
		if l.joins[who] == j {
			delete(l.joins, who)
		}
	})
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := l.tryJoinLate(who, j)
		if err == nil || e.ctx.Err() != nil || e.hub.memberOf(who.m.id) != who.m {
			return
		}
		e.log.Warn("cannot add a member to a group; trying again", "channel", who.c, "err", err)
		select {
		case <-time.After(wait):
		case <-e.ctx.Done():
			return
		}
	}
}

func (l *live) tryJoinLate(who join, j *joining) error {
	e, m, c, seq := l.edge, who.m, who.c, j.first
	ctx, cancel := context.WithTimeout(e.ctx, callTimeout)
	defer cancel()
	// What the group's rules are, and the user's role. Who is out again already has none: what the log says of them counts.
	ms, err := service.Call[contract.Membership](ctx, e.nc, subjects.ChatsAccess, contract.ChatsAccessRequest{User: m.id, Channel: c})
	if err != nil && fabric.CodeOf(err) != fabric.CodeForbidden {
		return err
	}
	if err != nil {
		ms = contract.Membership{Role: fabric.RoleMember, Settings: fabric.DefaultSettings()}
	}
	ms.Channel, ms.From = c, seq
	g, err := e.hub.hold(c, ms.Settings)
	if err != nil {
		return err
	}
	defer func() {
		if e.hub.unhold(g) {
			l.do(e.ctx, func() { l.forgetGroup(g) })
		}
	}()
	// The server knows of the subscription before the log's head is read: what lies behind that comes live.
	if err := e.nc.FlushWithContext(ctx); err != nil {
		return err
	}
	shard := subjects.Shard(c, e.cfg.Shards)
	upto, err := e.reader.Head(ctx, subjects.MsgStream(shard))
	if err != nil {
		return err
	}
	var recs []msglog.Record
	for after := seq - 1; ; {
		for more := true; more && after < upto; {
			var part []msglog.Record
			if part, more, err = e.reader.Range(ctx, c, shard, after, upto, 1000); err != nil {
				return err
			}
			recs = append(recs, part...)
			if len(part) > 0 {
				after = part[len(part)-1].Seq
			}
		}
		after = max(after, upto)
		behind := make(chan uint64, 1)
		l.do(ctx, func() { behind <- l.admitLate(who, j, g, ms, recs, after) })
		select {
		case seq := <-behind:
			if seq == 0 {
				return nil
			}
			upto = seq
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// admitLate adds a member and hands them what they should have had, of which recs are all up to a seq. Where the group's
// sessions have had more than that, or the join was heard of by a later record, it does nothing and returns up to where it
// must be read.
func (l *live) admitLate(who join, j *joining, g *group, ms contract.Membership, recs []msglog.Record, upto uint64) uint64 {
	m := who.m
	if l.joins[who] != j {
		return 0 // the record came meanwhile
	}
	if _, in := l.edge.hub.membership(ms.Channel, m.id); in {
		delete(l.joins, who) // their groups were listed meanwhile
		return 0
	}
	need := j.newest
	t := l.tails[ms.Channel]
	if t != nil {
		need = max(need, t.seq)
	}
	if need > upto {
		return need
	}
	delete(l.joins, who)
	l.followLate(m, ms)
	shard := subjects.Shard(ms.Channel, len(l.seen))
	if t == nil {
		t = l.groupTail(g, shard, ms.From-1)
		l.tails[ms.Channel] = t
	}
	for _, rec := range recs {
		if rec.Seq > t.seq {
			l.take(rec, nil) // nobody here has had it
			continue
		}
		l.catchUp(m, g, shard, rec)
	}
	return 0
}

func (l *live) followLate(m *member, ms contract.Membership) {
	if err := l.edge.hub.followFrom(m, ms); err != nil {
		l.edge.log.Error("cannot add a member to a group", "channel", ms.Channel, "err", err)
	}
}

// catchUp hands a record that the others here have had to one member, while they are one by what the records say.
func (l *live) catchUp(m *member, g *group, shard int, rec msglog.Record) {
	hub := l.edge.hub
	var change fabric.MemberChange
	if fabric.HasKind(rec.Payload, fabric.MsgMember) {
		change = l.bodyOf(rec).member()
	}
	concerned := slices.Contains(change.Users, m.id)
	came := concerned && change.Event != fabric.MemberRemoved && change.Event != fabric.MemberLeft && change.Event != fabric.MemberRole
	if came {
		l.followLate(m, contract.Membership{Channel: rec.Channel, Role: fabric.RoleMember, From: rec.Seq, Settings: g.settings})
	}
	ms, in := hub.membership(rec.Channel, m.id)
	if !in || rec.Seq < ms.From {
		return
	}
	l.event = fabric.AppendMessageEvent(l.event[:0], rec.Channel, rec.Seq, rec.Prev, rec.At, rec.Payload)
	for _, s := range hub.sessionsOf(m.id) {
		s.message(shard, rec, l.event, false)
	}
	switch {
	case !concerned || came:
	case change.Event == fabric.MemberRole:
		hub.setRole(g, m.id, change.Role)
	default:
		hub.unfollow(g, m.id, rec.Seq) // it is held: it does not end by this
	}
}
