package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/fabric"
)

// addresses bounds what one address may have of this edge: WebSockets before and after hello, and requests that show no
// good token. Of an address from which nothing is open nothing is held, but a rate for a while.
type addresses struct {
	limits *Limits

	mu    sync.Mutex
	open  map[netip.Addr]*sockets
	rates *lru.Cache[netip.Addr, *rate.Limiter]
}

// sockets are an address's.
type sockets struct{ hellos, sessions int }

// mostStrangers is how many addresses' rates are held at once; those used longest ago are let go of.
const mostStrangers = 1 << 16

func newAddresses(l *Limits) (*addresses, error) {
	rates, err := lru.New[netip.Addr, *rate.Limiter](mostStrangers)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d: %w", mostStrangers, err)
	}
	return &addresses{limits: l, open: make(map[netip.Addr]*sockets), rates: rates}, nil
}

// came counts a WebSocket that has not said hello in, if the address may have one more.
func (a *addresses) came(from netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[from]
	if s == nil {
		s = new(sockets)
		a.open[from] = s
	}
	if s.hellos >= a.limits.HellosPerAddress {
		return false
	}
	s.hellos++
	return true
}

// entered counts it as a session instead, if the address may have one more.
func (a *addresses) entered(from netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[from]
	if s == nil || s.sessions >= a.limits.SessionsPerAddress {
		return false
	}
	s.hellos--
	s.sessions++
	return true
}

// left counts a WebSocket out.
func (a *addresses) left(from netip.Addr, session bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[from]
	if s == nil {
		return
	}
	if session {
		s.sessions--
	} else {
		s.hellos--
	}
	if *s == (sockets{}) {
		delete(a.open, from)
	}
}

func (a *addresses) rate(from netip.Addr) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.rates.Get(from)
	if !ok {
		l = rate.NewLimiter(rate.Limit(a.limits.StrangersPerSecond), 2*a.limits.StrangersPerSecond)
		a.rates.Add(from, l)
	}
	return l
}

// stranger takes one request without a good token, if it is there.
func (a *addresses) stranger(from netip.Addr) bool { return a.rate(from).Allow() }

// exhausted reports whether an address has none left: then nothing is spent on finding out that it shows no good token.
func (a *addresses) exhausted(from netip.Addr) bool { return a.rate(from).Tokens() < 1 }

// fromOf returns what a request's client is counted as.
func fromOf(r *http.Request) netip.Addr { return door.Who(door.AddressOf(r)) }

func (e *Edge) tooManyStrangers() error {
	return fabric.Errorf(fabric.CodeRateLimited, "over %d requests a second without a good token from your address: slow down", e.cfg.Limits.StrangersPerSecond)
}
