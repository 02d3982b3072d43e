package edge

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// group is a group that somebody here is in. Who is in it follows from the group's log: the records that say who came
// and went pass through the live loop like all others, in order, so whoever went gets that record and nothing behind it,
// and whoever came gets it and all behind it. Guarded by hub.mu.
type group struct {
	channel  fabric.ChannelID
	sub      *nats.Subscription
	settings fabric.Settings
	members  []*groupMember // who is online here
	index    map[fabric.UserID]int
	held     int // by those who are about to add somebody
	ended    bool
}

// groupMember is a member of a group who is online here.
type groupMember struct {
	*member
	from uint64 // the seq of the record that made them one: nothing before it is theirs to get
	role fabric.Role
}

// hold returns a group, followed from here on; release lets go of it.
func (h *hub) hold(c fabric.ChannelID, settings fabric.Settings) (*group, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g, err := h.groupOf(c, settings)
	if err == nil {
		g.held++
	}
	return g, err
}

// groupOf returns a group, and follows it if nobody does. mu is held.
func (h *hub) groupOf(c fabric.ChannelID, settings fabric.Settings) (*group, error) {
	if g := h.groups[c]; g != nil {
		return g, nil
	}
	sub, err := h.nc.ChanQueueSubscribe(subjects.LiveOfGroup(c), h.group, h.live)
	if err != nil {
		return nil, fmt.Errorf("subscribe to group %s: %w", c, err)
	}
	g := &group{channel: c, sub: sub, settings: settings, index: make(map[fabric.UserID]int)}
	h.groups[c] = g
	return g, nil
}

// unhold ends a hold; it reports whether the group has ended by it.
func (h *hub) unhold(g *group) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.held--
	return h.release(g)
}

// release ends a group that nobody here is in. mu is held.
func (h *hub) release(g *group) (ended bool) {
	if len(g.members) > 0 || g.held > 0 || g.ended {
		return false
	}
	g.ended = true
	delete(h.groups, g.channel)
	_ = g.sub.Unsubscribe() // fails only where the connection is closed
	return true
}

// follow adds m to a group by what SQL says of the membership, unless m is in it, or went by a later record.
func (h *hub) follow(m *member, ms contract.Membership) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.left[ms.Channel].seen > ms.From {
		return nil
	}
	return h.add(m, ms)
}

// followFrom adds m to a group from a record of its log on, unless m is in it, or has had it. What comes behind it in the
// log is to be handed on: also the record by which m may have gone since.
func (h *hub) followFrom(m *member, ms contract.Membership) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.left[ms.Channel].had > ms.From {
		return nil
	}
	return h.add(m, ms)
}

// add makes m a member of a group. mu is held.
func (h *hub) add(m *member, ms contract.Membership) error {
	if h.members[m.id] != m {
		return nil // is here no more
	}
	g, err := h.groupOf(ms.Channel, ms.Settings)
	if err != nil {
		return err
	}
	if _, in := g.index[m.id]; in {
		return nil
	}
	g.index[m.id] = len(g.members)
	g.members = append(g.members, &groupMember{member: m, from: ms.From, role: ms.Role})
	m.groups = append(m.groups, g)
	return nil
}

// unfollow takes u out of a group by the record with that seq; it reports whether the group has ended by it.
func (h *hub) unfollow(g *group, u fabric.UserID, seq uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.members[u]
	if m == nil {
		return false
	}
	if m.left == nil {
		m.left = make(map[fabric.ChannelID]left)
	}
	was := m.left[g.channel]
	was.seen = max(was.seen, seq)
	i, in := g.index[u]
	if !in || g.members[i].from > seq {
		m.left[g.channel] = was
		return false
	}
	was.had = max(was.had, seq)
	m.left[g.channel] = was
	g.drop(m)
	if j := slices.Index(m.groups, g); j >= 0 {
		m.groups = slices.Delete(m.groups, j, j+1)
	}
	return h.release(g)
}

// drop takes m out of the group's members. mu is held.
func (g *group) drop(m *member) {
	i, in := g.index[m.id]
	if !in {
		return
	}
	last := len(g.members) - 1
	g.members[i] = g.members[last]
	g.index[g.members[i].id] = i
	g.members[last] = nil
	g.members = g.members[:last]
	delete(g.index, m.id)
}

// groupHere returns a group that is followed here, nil for any other.
func (h *hub) groupHere(c fabric.ChannelID) *group {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.groups[c]
}

// groupsHere returns the channels of all groups that are followed here.
func (h *hub) groupsHere() []fabric.ChannelID {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]fabric.ChannelID, 0, len(h.groups))
	for c := range h.groups {
		list = append(list, c)
	}
	return list
}

// membership returns what is known here of u's membership in a group; ok is false where nothing is.
func (h *hub) membership(c fabric.ChannelID, u fabric.UserID) (ms contract.Membership, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	g := h.groups[c]
	if g == nil {
		return ms, false
	}
	i, in := g.index[u]
	if !in {
		return ms, false
	}
	m := g.members[i]
	return contract.Membership{Channel: c, Role: m.role, From: m.from, Settings: g.settings}, true
}

// sizeHere returns how many members of a group are online here.
func (h *hub) sizeHere(c fabric.ChannelID) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if g := h.groups[c]; g != nil {
		return len(g.members)
	}
	return 0
}

// each does f for every session of a group's members here. f must not ask the hub.
func (h *hub) each(g *group, f func(*groupMember, *Session)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, m := range g.members {
		for _, s := range m.sessions {
			f(m, s)
		}
	}
}

// setRole notes a member's new role, setSettings a group's.
func (h *hub) setRole(g *group, u fabric.UserID, role fabric.Role) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i, in := g.index[u]; in {
		g.members[i].role = role
	}
}

func (h *hub) setSettings(g *group, s fabric.Settings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.settings = s
}
