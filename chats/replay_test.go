package chats_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
)

// span is a stretch of a log that somebody receives; upto 0 has no end.
type span struct{ from, upto uint64 }

// replayed is what a group's log says of it.
type replayed struct {
	name    string
	members map[fabric.UserID]fabric.Role
	from    map[fabric.UserID]uint64
	spans   map[fabric.UserID][]span
	told    map[fabric.UserID][]string // what the self channels are told
	wrong   []string                   // what can't be
}

// replay reads a group's log as a client does.
func (h *house) replay(c fabric.ChannelID) replayed {
	h.t.Helper()
	r := replayed{
		members: make(map[fabric.UserID]fabric.Role), from: make(map[fabric.UserID]uint64),
		spans: make(map[fabric.UserID][]span), told: make(map[fabric.UserID][]string),
	}
	for _, rec := range h.log(c) {
		switch rec.Kind {
		case fabric.MsgGroup:
			var g fabric.GroupChange
			if err := json.Unmarshal(rec.Body, &g); err != nil {
				h.t.Fatal(err)
			}
			if g.Name != nil {
				r.name = *g.Name
			}
		case fabric.MsgMember:
			var m fabric.MemberChange
			if err := json.Unmarshal(rec.Body, &m); err != nil {
				h.t.Fatal(err)
			}
			for i, u := range m.Users {
				role := m.Role
				if role == "" {
					role = fabric.RoleMember
				}
				if m.Event == fabric.MemberCreated && i == 0 {
					role = fabric.RoleOwner
				}
				_, is := r.members[u]
				switch m.Event {
				case fabric.MemberCreated, fabric.MemberAdded, fabric.MemberJoined:
					if is {
						r.wrong = append(r.wrong, fmt.Sprintf("record %d: %s came and was there", rec.seq, u))
					}
					r.members[u], r.from[u] = role, rec.seq
					r.told[u] = append(r.told[u], fmt.Sprint(fabric.ChangeAdded, rec.seq))
				case fabric.MemberRemoved, fabric.MemberLeft:
					if !is {
						r.wrong = append(r.wrong, fmt.Sprintf("record %d: %s went and was not there", rec.seq, u))
					}
					r.spans[u] = append(r.spans[u], span{r.from[u], rec.seq})
					delete(r.members, u)
					delete(r.from, u)
					r.told[u] = append(r.told[u], fmt.Sprint(fabric.ChangeRemoved, rec.seq))
				case fabric.MemberRole:
					if !is {
						r.wrong = append(r.wrong, fmt.Sprintf("record %d: %s got a role and was not there", rec.seq, u))
					}
					r.members[u] = role
				}
			}
		}
	}
	for u, from := range r.from {
		r.spans[u] = append(r.spans[u], span{from: from})
	}
	return r
}

// agrees waits until all is relayed, and holds a group's log and the self channels of those who were ever in it to what
// the database says. users are those who may have been.
func (h *house) agrees(g fabric.GroupID, users []fabric.UserID) {
	h.t.Helper()
	for _, d := range h.disagreements(g, users) {
		h.t.Error(d)
	}
}

func (h *house) disagreements(g fabric.GroupID, users []fabric.UserID) (list []string) {
	h.t.Helper()
	same := func(what string, got, want any) {
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			list = append(list, fmt.Sprintf("%s:\n got %s\nwant %s", what, g, w))
		}
	}
	h.relayed()
	c := g.Channel()
	log := h.replay(c)
	ctx := h.t.Context()
	row, err := h.db.Group(ctx, c)
	if err != nil {
		h.t.Fatal(err)
	}
	same("what can't be in the log of "+string(c), log.wrong, []string(nil))
	members, err := h.db.Members(ctx, c, chats.MemberPlace{}, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	roles := make(map[fabric.UserID]fabric.Role)
	for _, m := range members {
		roles[m.User.ID] = m.Role
	}
	same("members of "+string(c)+" by SQL and by the log", roles, log.members)
	same("name and number of members", fmt.Sprint(row.Name, len(roles)), fmt.Sprint(log.name, row.Members))
	for _, u := range users {
		memberships, err := h.db.Memberships(ctx, u)
		if err != nil {
			h.t.Fatal(err)
		}
		got := make(map[fabric.ChannelID]uint64)
		for _, m := range memberships {
			if m.Channel == c {
				got[c] = m.From
			}
		}
		want := make(map[fabric.ChannelID]uint64)
		if from, in := log.from[u]; in {
			want[c] = from
		}
		same("where a member reads from", got, want)
		spans, _, err := h.db.Spans(ctx, u, c, 1000)
		if err != nil {
			h.t.Fatal(err)
		}
		var stays []span
		for _, s := range spans {
			if s.Channel == c {
				stays = append(stays, span{s.From, s.Upto})
			}
		}
		slices.SortFunc(stays, func(a, b span) int { return int(a.from) - int(b.from) })
		same("the stays of "+string(u), stays, log.spans[u])
		same("what the self channel of "+string(u)+" was told", h.told(u, c), log.told[u])
	}
	return list
}

// told returns what u's self channel says of u's coming to and going from a group.
func (h *house) told(u fabric.UserID, c fabric.ChannelID) (list []string) {
	h.t.Helper()
	for _, rec := range h.log(fabric.Self(u)) {
		var change fabric.ChannelChange
		if err := json.Unmarshal(rec.Body, &change); err != nil {
			h.t.Fatal(err)
		}
		if change.Channel == c && (change.Change == fabric.ChangeAdded || change.Change == fabric.ChangeRemoved) {
			list = append(list, fmt.Sprint(change.Change, change.Seq))
		}
	}
	return list
}
