package edge

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// offlineGrace is how long a user stays online after the last session went: a page that reloads or a phone that changes
// networks does not flicker.
const offlineGrace = 2 * time.Second

// presence writes which users are online on this edge: when the first active session comes and when the last one has
// gone, never on a heartbeat. That all of them are alive is the edge's lease's to say.
type presence struct {
	edge *Edge

	mu    sync.Mutex
	users map[fabric.UserID]*presenceState
}

// presenceState is a user's presence on this edge: what it should say, and what was written.
type presenceState struct {
	user    fabric.UserID
	online  bool // what it should say
	written bool // what the bucket says, once writing is done
	writing bool
	leaving time.Time // when online ends, zero while a session is active
	gone    bool      // the account was deleted: nobody is to know when they were last seen
}

func newPresence(e *Edge) *presence {
	return &presence{edge: e, users: make(map[fabric.UserID]*presenceState)}
}

// update looks at u's sessions again: one came, went, or its app changed between front and background.
func (p *presence) update(u fabric.UserID) {
	active := false
	for _, s := range p.edge.hub.sessionsOf(u) {
		s.mu.Lock()
		active = active || !s.inactive && s.state == stateReady
		s.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.users[u]
	switch {
	case active && st == nil:
		st = &presenceState{user: u}
		p.users[u] = st
		fallthrough
	case active:
		st.online, st.leaving = true, time.Time{}
		p.write(st)
	case st != nil && st.online && st.leaving.IsZero():
		st.leaving = time.Now().Add(offlineGrace)
	}
}

// sweep ends the presence of those whose grace is over at now.
func (p *presence) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.users {
		if !st.leaving.IsZero() && now.After(st.leaving) {
			st.online, st.leaving = false, time.Time{}
			p.write(st)
		}
	}
}

// forget has u end without a last seen: their account was deleted.
func (p *presence) forget(u fabric.UserID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.users[u]; st != nil {
		st.gone = true
	}
}

// endAll ends everybody's presence: the edge drains.
func (p *presence) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.users {
		st.online, st.leaving = false, time.Time{}
		p.write(st)
	}
}

// left tells how many users' presence is not yet written off.
func (p *presence) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.users)
}

// write brings the bucket to what st says, one write of a user's at a time. mu is held.
func (p *presence) write(st *presenceState) {
	if st.writing {
		return
	}
	if st.online == st.written {
		if !st.online {
			delete(p.users, st.user)
		}
		return
	}
	st.writing = true
	now := strconv.FormatInt(fabric.Millis(time.Now()), 10)
	key := subjects.KeySubject(subjects.BucketPresence, subjects.Presence(st.user, p.edge.cfg.ID))
	w := &presenceWaiter{p: p, st: st, wrote: st.online}
	if st.online {
		p.put(&nats.Msg{Subject: key, Data: []byte(`{"at":` + now + `}`)}, w)
		return
	}
	end := `{}`
	if !st.gone {
		// Last seen first: whoever sees the presence end can read it. The end carries it too, and saves the watchers the read.
		lastSeen := &nats.Msg{Subject: subjects.KeySubject(subjects.BucketLastSeen, string(st.user)), Data: []byte(now)}
		p.put(lastSeen, nobodyWaits{})
		end = `{"last_seen":` + now + `}`
	}
	// What a bucket's purge is (ADR-8), with a lifetime of the marker (ADR-48), so that keys that never come again leave
	// nothing behind.
	p.put(&nats.Msg{
		Subject: key,
		Header:  nats.Header{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}, "Nats-TTL": {"60s"}},
		Data:    []byte(end),
	}, w)
}

// put stores msg; where it can't be, w is told in its own time. mu is held, and w takes it.
func (p *presence) put(msg *nats.Msg, w msglog.Waiter) {
	if err := p.edge.publisher.Put(msg, w); err != nil {
		go w.Published(msglog.Stored{}, err)
	}
}

type nobodyWaits struct{}

func (nobodyWaits) Published(msglog.Stored, error) {}

type presenceWaiter struct {
	p     *presence
	st    *presenceState
	wrote bool
}

// Published ends a write; if things changed meanwhile, the next one begins.
func (w *presenceWaiter) Published(_ msglog.Stored, err error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.st.writing = false
	if err == nil {
		w.st.written = w.wrote
	} else if w.p.edge.ctx.Err() != nil {
		return // the lease's end says the rest
	}
	w.p.write(w.st)
}

// presenceEnd is what a presence key's last message carries.
type presenceEnd struct {
	LastSeen int64 `json:"last_seen"`
}

// endOf reads a presence message: whether it is an end, and when the user was last seen if it says so.
func endOf(m *nats.Msg) (end bool, lastSeen int64) {
	if one(m.Header, "KV-Operation") == "" && one(m.Header, "Nats-Marker-Reason") == "" {
		return false, 0
	}
	var e presenceEnd
	if len(m.Data) > 0 && json.Unmarshal(m.Data, &e) != nil {
		return true, 0
	}
	return true, e.LastSeen
}
