package users

import (
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxRated is how many keys are held at once; the ones used longest ago are let go of.
const maxRated = 1 << 16

// rates is a rate per key: perHour, of which an hour's worth may come at once.
type rates struct {
	perHour int
	now     func() time.Time

	mu     sync.Mutex
	limits *lru.Cache[string, *rate.Limiter]
}

func newRates(perHour int, now func() time.Time) *rates {
	limits, err := lru.New[string, *rate.Limiter](maxRated)
	if err != nil {
		panic(fmt.Sprintf("users: a cache of %d: %v", maxRated, err)) // only a size below 1 is refused
	}
	return &rates{perHour: perHour, now: now, limits: limits}
}

// take takes n for key, if they are there.
func (r *rates) take(key string, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.limits.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Limit(float64(r.perHour)/time.Hour.Seconds()), r.perHour)
		r.limits.Add(key, l)
	}
	return l.AllowN(r.now(), n)
}
