package push

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// lane is one push service, with consumers, connections and slots of its own: while it is away no other is held up.
type lane struct {
	role *Role
	name string

	mu     sync.Mutex
	failed int       // times in a row that it seemed to be away
	rests  int       // times in a row that it was left alone
	until  time.Time // it is not tried before
	tried  *simplelru.LRU[uint64, int]
}

// restAfter is how many times in a row a service may seem to be away until it is left alone for a while.
const restAfter = 5

func newLane(r *Role, name string) *lane {
	tried, _ := simplelru.NewLRU[uint64, int](2*inFlight, nil) // of both classes; it fails for a size of 0
	return &lane{role: r, name: name, tried: tried}
}

// rest returns for how long the service is to be left alone; 0 says that it may be tried.
func (l *lane) rest(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.until.Sub(now), 0)
}

// try returns which try of a job begins, from 1. How often the queue has brought it says nothing: while the service is left
// alone, jobs come and go untried. After a restart the count begins anew.
func (l *lane) try(seq uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := l.tried.Get(seq)
	l.tried.Add(seq, n+1)
	return n + 1
}

// done forgets a job.
func (l *lane) done(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried.Remove(seq)
}

// note takes what came of a try that began then.
func (l *lane) note(o outcome, began, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case o.ours():
		return
	case !o.down():
		l.failed, l.rests = 0, 0
		return
	}
	if began.Before(l.until) {
		return // it was under way already when the service was left alone, and says nothing of how it is since
	}
	if l.failed++; l.failed < restAfter {
		return
	}
	l.until = now.Add(max(l.role.backoff(l.rests), o.after))
	l.rests++
	l.role.log.Warn("a push service seems to be away: it is left alone for a while", "lane", l.name,
		"for", l.until.Sub(now).Round(time.Millisecond), "result", o.result, "detail", o.detail)
}
