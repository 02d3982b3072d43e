// Package rates bounds what one user, phone or address may have of something in an hour.
package rates

import (
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxRated is how many keys are held at once; the ones used longest ago are let go of.
const maxRated = 1 << 16

// Rates is a rate per key: so many an hour, of which an hour's worth may come at once. Any number of goroutines may use
// it.
type Rates struct {
	perHour int
	now     func() time.Time

	mu     sync.Mutex
	limits *lru.Cache[string, *rate.Limiter]
}

// New returns rates of so many an hour.
func New(perHour int, now func() time.Time) *Rates {
	limits, err := lru.New[string, *rate.Limiter](maxRated)
	if err != nil {
		panic(fmt.Sprintf("rates: a cache of %d: %v", maxRated, err)) // only a size below 1 is refused
	}
	return &Rates{perHour: perHour, now: now, limits: limits}
}

// Take takes n for key, if they are there.
func (r *Rates) Take(key string, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.limits.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Limit(float64(r.perHour)/time.Hour.Seconds()), r.perHour)
		r.limits.Add(key, l)
	}
	return l.AllowN(r.now(), n)
}
