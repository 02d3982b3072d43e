package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// watches knows whom this edge's sessions look at, and tells them when a user's presence changes. A user is online while
// they have presence on an edge whose lease is alive.
type watches struct {
	edge *Edge

	mu    sync.Mutex
	users map[fabric.UserID]*watched
}

// watched is a user whom at least one session here looks at. Guarded by watches.mu.
type watched struct {
	user     fabric.UserID
	sub      *nats.Subscription
	sessions map[*Session]struct{}
	edges    map[string]bool // where they have presence
	lastSeen int64
	told     bool // what the sessions were told last
	loaded   bool
}

func newWatches(e *Edge) *watches {
	return &watches{edge: e, users: make(map[fabric.UserID]*watched)}
}

// watch begins to look at users, and replies with how they are.
func (s *Session) watch(r *request) {
	users, err := userIDs(r.users)
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	s.mu.Lock()
	if s.watching == nil {
		s.watching = make(map[fabric.UserID]struct{})
	}
	added := len(s.watching)
	for _, u := range users {
		if _, ok := s.watching[u]; !ok {
			added++
		}
	}
	if limit := s.edge.cfg.Limits.Watch; added > limit {
		s.mu.Unlock()
		s.refuseOp(r.op, r.id, fabric.Errorf(fabric.CodeTooLarge, "watch: at most %d users a session, this would be %d: unwatch some", limit, added))
		return
	}
	for _, u := range users {
		s.watching[u] = struct{}{}
	}
	s.mu.Unlock()
	s.later(r, func(ctx context.Context) ([]byte, error) {
		list, err := s.edge.watches.add(ctx, s, users)
		if err != nil {
			return nil, err
		}
		return json.Marshal(struct {
			Presence []fabric.Presence `json:"presence"`
		}{list})
	})
}

func (s *Session) unwatch(r *request) {
	users, err := userIDs(r.users)
	if err != nil {
		s.refuseOp(r.op, r.id, err)
		return
	}
	s.mu.Lock()
	for _, u := range users {
		delete(s.watching, u)
	}
	s.mu.Unlock()
	s.edge.watches.remove(s, users)
	s.reply(r.id, struct{}{})
}

func userIDs(texts []string) ([]fabric.UserID, error) {
	if len(texts) == 0 {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "users: want an array of user ids")
	}
	users := make([]fabric.UserID, 0, len(texts))
	for _, t := range texts {
		u, err := fabric.ParseUserID(t)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

// add has s watch users and returns their presence. Those who do not let its user see it are offline, for all it is told.
func (w *watches) add(ctx context.Context, s *Session, users []fabric.UserID) ([]fabric.Presence, error) {
	reply, err := service.Call[contract.UsersVisibleReply](ctx, w.edge.nc, subjects.UsersVisible,
		contract.UsersVisibleRequest{Viewer: s.member().id, Users: users})
	if err != nil {
		return nil, err
	}
	list, err := w.addVisible(ctx, s, reply.Users)
	if err != nil {
		return nil, err
	}
	var hidden []fabric.UserID
	for _, u := range users {
		if !slices.ContainsFunc(list, func(p fabric.Presence) bool { return p.User == u }) {
			hidden = append(hidden, u)
			list = append(list, fabric.Presence{User: u})
		}
	}
	if len(hidden) > 0 {
		w.remove(s, hidden) // whom it saw when it asked before
	}
	return list, nil
}

// hide has the sessions of viewer see u no longer.
func (w *watches) hide(u, viewer fabric.UserID) {
	event, err := presenceEvent(fabric.Presence{User: u})
	if err != nil {
		w.edge.log.Error("a presence event is not JSON", "err", err)
		return
	}
	for _, s := range w.edge.hub.sessionsOf(viewer) {
		w.mu.Lock()
		_, watched := w.users[u]
		if watched {
			_, watched = w.users[u].sessions[s]
		}
		w.mu.Unlock()
		if watched {
			w.remove(s, []fabric.UserID{u})
			s.push(event)
		}
	}
}

func presenceEvent(p fabric.Presence) ([]byte, error) {
	return json.Marshal(struct {
		Ev string `json:"ev"`
		fabric.Presence
	}{"presence", p})
}

func (w *watches) addVisible(ctx context.Context, s *Session, users []fabric.UserID) ([]fabric.Presence, error) {
	var load []fabric.UserID
	w.mu.Lock()
	for _, u := range users {
		x := w.users[u]
		if x == nil {
			// The subscription stands before the state is read, so that no change falls between the two.
			sub, err := w.edge.nc.ChanQueueSubscribe(subjects.PresenceOf(u), w.edge.cfg.ID, w.edge.live.msgs)
			if err != nil {
				w.mu.Unlock()
				return nil, fmt.Errorf("watch %s: %w", u, err)
			}
			x = &watched{user: u, sub: sub, sessions: make(map[*Session]struct{}), edges: make(map[string]bool)}
			w.users[u] = x
		}
		x.sessions[s] = struct{}{}
		if !x.loaded {
			load = append(load, u)
		}
	}
	w.mu.Unlock()
	if s.over() {
		w.remove(s, users)
		return nil, errSessionOver
	}
	if err := w.load(ctx, load); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]fabric.Presence, 0, len(users))
	for _, u := range users {
		if x := w.users[u]; x != nil {
			list = append(list, w.presenceOf(x))
		}
	}
	return list, nil
}

// load reads the presence and last seen of users from the buckets.
func (w *watches) load(ctx context.Context, users []fabric.UserID) error {
	if len(users) == 0 {
		return nil
	}
	here := make([]string, len(users))
	seen := make([]string, len(users))
	for i, u := range users {
		here[i] = subjects.KeySubject(subjects.BucketPresence, subjects.Presence(u, "*"))
		seen[i] = subjects.KeySubject(subjects.BucketLastSeen, string(u))
	}
	present, err := w.edge.reader.LastOf(ctx, subjects.BucketStream(subjects.BucketPresence), here, 0)
	if err != nil {
		return err
	}
	lastSeen, err := w.edge.reader.LastOf(ctx, subjects.BucketStream(subjects.BucketLastSeen), seen, 0)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range present {
		key := strings.TrimPrefix(l.Subject, subjects.KeySubject(subjects.BucketPresence, ""))
		u, edge, ok := subjects.ParsePresence(key)
		if x := w.users[u]; ok && x != nil && !x.loaded && !l.Deleted {
			x.edges[edge] = true
		}
	}
	for _, l := range lastSeen {
		u := fabric.UserID(strings.TrimPrefix(l.Subject, subjects.KeySubject(subjects.BucketLastSeen, "")))
		at, err := strconv.ParseInt(string(l.Payload), 10, 64)
		if x := w.users[u]; x != nil && err == nil {
			x.lastSeen = max(x.lastSeen, at)
		}
	}
	for _, u := range users {
		if x := w.users[u]; x != nil && !x.loaded {
			x.loaded = true
			x.told = w.online(x)
		}
	}
	return nil
}

// remove has s look at users no longer; nil is all that it watches.
func (w *watches) remove(s *Session, users []fabric.UserID) {
	if users == nil {
		s.mu.Lock()
		users = slices.Collect(maps.Keys(s.watching))
		s.watching = nil
		s.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range users {
		x := w.users[u]
		if x == nil {
			continue
		}
		delete(x.sessions, s)
		if len(x.sessions) == 0 {
			_ = x.sub.Unsubscribe() // fails only where the connection is closed
			delete(w.users, u)
		}
	}
}

// online reports whether x has presence on a living edge. mu is held.
func (w *watches) online(x *watched) bool {
	for edge := range x.edges {
		if w.edge.leases.alive(edge) {
			return true
		}
	}
	return false
}

func (w *watches) presenceOf(x *watched) fabric.Presence {
	p := fabric.Presence{User: x.user, Online: w.online(x)}
	if !p.Online {
		p.LastSeen = x.lastSeen
	}
	return p
}

// changed takes a change of a user's presence on some edge.
func (w *watches) changed(u fabric.UserID, edge string, m *nats.Msg) {
	end, lastSeen := endOf(m)
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.users[u]
	if x == nil {
		return
	}
	if end {
		delete(x.edges, edge)
		x.lastSeen = max(x.lastSeen, lastSeen)
	} else {
		x.edges[edge] = true
	}
	w.tell(x)
}

// edgeChanged looks again at all who have presence on an edge: it came, or its lease lapsed, last renewed at lastSeen.
func (w *watches) edgeChanged(edge string, lastSeen int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.users {
		if x.edges[edge] {
			x.lastSeen = max(x.lastSeen, lastSeen)
			w.tell(x)
		}
	}
}

// tell gives x's watchers its presence if it changed. mu is held.
func (w *watches) tell(x *watched) {
	p := w.presenceOf(x)
	if !x.loaded || p.Online == x.told {
		return
	}
	x.told = p.Online
	event, err := presenceEvent(p)
	if err != nil {
		w.edge.log.Error("a presence event is not JSON", "err", err)
		return
	}
	for s := range x.sessions {
		s.push(event)
	}
}

// reload reads everything watched again: changes may have been lost while NATS was away.
func (w *watches) reload(ctx context.Context) error {
	w.mu.Lock()
	users := slices.Collect(maps.Keys(w.users))
	told := make(map[fabric.UserID]bool, len(users))
	for u, x := range w.users {
		told[u] = x.told
		x.loaded, x.edges = false, make(map[string]bool)
	}
	w.mu.Unlock()
	if err := w.load(ctx, users); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for u, was := range told {
		if x := w.users[u]; x != nil {
			x.told = was
			w.tell(x)
		}
	}
	return nil
}

// leaseSlack is how much longer than its lease an edge counts as alive here, for clocks and delivery.
const leaseSlack = 2 * time.Second
