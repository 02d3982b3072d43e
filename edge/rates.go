package edge

import (
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/weft-im/weft/fabric"
)

// bounds are what a session, or a user over HTTP, may do in a time.
type bounds struct {
	ops, sends, typing *rate.Limiter
	calls              chan struct{} // a session's requests that are with services
	excess             int           // a session's operations refused in a row
}

// mostCalls is how many of a session's requests services work on at once; the next one waits, and with it the session.
const mostCalls = 8

// mostExcess is how many operations past the rate are refused one by one before the session is closed.
const mostExcess = 1000

func newBounds(l Limits) *bounds {
	return &bounds{
		ops:    rate.NewLimiter(rate.Limit(l.OpsPerSecond), l.OpsBurst),
		sends:  rate.NewLimiter(rate.Limit(l.SendsPerSecond), l.SendBurst),
		typing: rate.NewLimiter(rate.Limit(float64(l.TypingPerMin)/60), l.TypingPerMin),
		calls:  make(chan struct{}, mostCalls),
	}
}

// rates returns the session's bounds. The reader's goroutine calls it, before any other.
func (s *Session) rates() *bounds {
	if s.bounds == nil {
		s.bounds = newBounds(s.edge.cfg.Limits)
	}
	return s.bounds
}

// mostCallers is how many users' rates over HTTP are held at once; those used longest ago are let go of.
const mostCallers = 1 << 14

// callers are the users who made requests over HTTP lately.
type callers struct {
	limits Limits

	mu    sync.Mutex
	users *lru.Cache[fabric.UserID, *bounds]
}

func newCallers(l Limits) (*callers, error) {
	users, err := lru.New[fabric.UserID, *bounds](mostCallers)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d: %w", mostCallers, err)
	}
	return &callers{limits: l, users: users}, nil
}

func (c *callers) of(u fabric.UserID) *bounds {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.users.Get(u)
	if !ok {
		b = newBounds(c.limits)
		c.users.Add(u, b)
	}
	return b
}
