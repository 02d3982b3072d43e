package edge

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// hub knows which users are online on this edge, by which sessions, and in which groups. An online user costs two
// subscriptions, which their sessions share, and a group one, which all who are in it share. All of an edge's subscriptions are of one queue group of its own, so that NATS brings it one
// copy of a message although both users of a chat may be here.
type hub struct {
	nc    *nats.Conn
	group string
	live  chan *nats.Msg // what all subscriptions bring

	mu      sync.RWMutex
	members map[fabric.UserID]*member
	groups  map[fabric.ChannelID]*group // that somebody here is in
}

// member is a user who is online here.
type member struct {
	id       fabric.UserID
	sessions []*Session                // guarded by hub.mu; replaced, never changed in place
	subs     []*nats.Subscription      // guarded by hub.mu
	groups   []*group                  // guarded by hub.mu
	left     map[fabric.ChannelID]left // groups that the user has left while here; guarded by hub.mu

	loading sync.Mutex  // while the user's groups are asked for
	loaded  bool        // guarded by loading
	private atomic.Bool // what the user reads is nobody else's to know

	tails map[fabric.ChannelID]*tail // owned by the live loop
}

// left is how a user who is here has left a group.
type left struct {
	seen uint64 // by which record, as far as one came by: what says that they are in the group may be older than that
	had  uint64 // by which record that they were given: all up to it they have had
}

func newHub(nc *nats.Conn, edgeID string, live chan *nats.Msg) *hub {
	return &hub{nc: nc, group: edgeID, live: live, members: make(map[fabric.UserID]*member), groups: make(map[fabric.ChannelID]*group)}
}

// join puts s into the hub as one of u's sessions. When it returns, the user's subscriptions are ahead, on the same
// connection, of whatever s asks the logs for next. set is called before anyone can find s here.
func (h *hub) join(s *Session, u fabric.UserID, set func(*member)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.members[u]
	if m == nil {
		m = &member{id: u}
		low, high := subjects.LiveOf(u)
		for _, subject := range []string{low, high} {
			sub, err := h.nc.ChanQueueSubscribe(subject, h.group, h.live)
			if err != nil {
				m.unsubscribe()
				return fmt.Errorf("subscribe to %s: %w", subject, err)
			}
			m.subs = append(m.subs, sub)
		}
		h.members[u] = m
	}
	set(m)
	m.sessions = append(slices.Clip(m.sessions), s)
	return nil
}

// leave takes s out of the hub. last tells that it was the user's last session here, ended are the groups that nobody
// here is in any more.
func (h *hub) leave(s *Session) (last, was bool, ended []*group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := s.member()
	i := slices.Index(m.sessions, s)
	if i < 0 {
		return false, false, nil
	}
	m.sessions = slices.Concat(m.sessions[:i], m.sessions[i+1:])
	if len(m.sessions) > 0 {
		return false, true, nil
	}
	delete(h.members, m.id)
	m.unsubscribe()
	for _, g := range m.groups {
		g.drop(m)
		if h.release(g) {
			ended = append(ended, g)
		}
	}
	m.groups = nil
	return true, true, ended
}

func (m *member) unsubscribe() {
	for _, sub := range m.subs {
		_ = sub.Unsubscribe() // fails only where the connection is closed
	}
	m.subs = nil
}

// sessionsOf returns u's sessions here. The slice is shared and never changed.
func (h *hub) sessionsOf(u fabric.UserID) []*Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if m := h.members[u]; m != nil {
		return m.sessions
	}
	return nil
}

func (h *hub) memberOf(u fabric.UserID) *member {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.members[u]
}

// all returns everybody who is online here.
func (h *hub) all() []*member {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]*member, 0, len(h.members))
	for _, m := range h.members {
		list = append(list, m)
	}
	return list
}
