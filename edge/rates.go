package edge

import (
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/weft-im/weft/fabric"
)

// pace is a kind of operation that has a rate of its own, besides that of all.
type pace int

const (
	paceNone pace = iota
	paceSend
	paceTyping
	paceMark
	paceRead
	paceWatch
	paceJoin
	paceActive
	pacePing
	paces
)

// paceOf tells an operation's.
func paceOf(op string) pace {
	switch op {
	case "ack", "read":
		return paceMark
	case "history", "channels", "receipts":
		return paceRead
	case "watch", "unwatch":
		return paceWatch
	case "join", "leave":
		return paceJoin
	case "active":
		return paceActive
	case "ping":
		return pacePing
	}
	return paceNone // send and typing see to theirs themselves
}

// limit returns the rate of a pace and how many may come at once.
func (l Limits) limit(p pace) (perSecond float64, burst int) {
	switch p {
	case paceSend:
		return float64(l.SendsPerSecond), l.SendBurst
	case paceTyping:
		return float64(l.TypingPerMin) / 60, l.TypingPerMin
	case paceMark:
		return float64(l.MarksPerSecond), 5 * l.MarksPerSecond
	case paceRead:
		return float64(l.ReadsPerSecond), 5 * l.ReadsPerSecond
	case paceWatch:
		return float64(l.WatchesPerSecond), 5 * l.WatchesPerSecond
	case paceJoin:
		return float64(l.JoinsPerMinute) / 60, l.JoinsPerMinute
	case paceActive:
		return float64(l.ActivePerMinute) / 60, l.ActivePerMinute
	case pacePing:
		return float64(l.PingsPerMinute) / 60, l.PingsPerMinute
	}
	return float64(l.OpsPerSecond), l.OpsBurst
}

// bounds are what the sessions of a device, or a user over HTTP, may do in a time. They outlive a session: whoever is closed
// for too much, and comes again, has not more of it. A pace that is not used costs nothing.
type bounds struct {
	limits *Limits
	ops    *rate.Limiter
	calls  chan struct{} // a device's requests that are with services; a user's over HTTP that are at work

	mu    sync.Mutex
	paces [paces]*rate.Limiter
	// At work, of a user over HTTP.
	uploads, downloads int
}

// mostCalls is how many of a device's requests services work on at once; the next one waits, and with it its session.
const mostCalls = 8

// mostExcess is how many operations past the rate are refused one by one before the session is closed.
const mostExcess = 1000

func newBounds(l *Limits, calls int) *bounds {
	return &bounds{
		limits: l, ops: rate.NewLimiter(rate.Limit(l.OpsPerSecond), l.OpsBurst), calls: make(chan struct{}, calls),
	}
}

// allow takes one of a pace, if it is there.
func (b *bounds) allow(p pace) bool {
	if p == paceNone {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paces[p] == nil {
		perSecond, burst := b.limits.limit(p)
		b.paces[p] = rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	return b.paces[p].Allow()
}

// upload counts an upload in, if one more may be at work, and download a download; done counts it out.
func (b *bounds) upload() (done func(), ok bool) { return b.take(&b.uploads, b.limits.UploadsAtOnce) }

func (b *bounds) download() (done func(), ok bool) {
	return b.take(&b.downloads, b.limits.DownloadsAtOnce)
}

func (b *bounds) take(n *int, most int) (done func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if *n >= most {
		return nil, false
	}
	*n++
	return func() {
		b.mu.Lock()
		*n--
		b.mu.Unlock()
	}, true
}

// tooFast is the refusal of one operation too many of a pace.
func tooFast(what string, l Limits, p pace) error {
	perSecond, _ := l.limit(p)
	if perSecond < 10 {
		return fabric.Errorf(fabric.CodeRateLimited, "over %.0f %s a minute: slow down", perSecond*60, what)
	}
	return fabric.Errorf(fabric.CodeRateLimited, "over %.0f %s a second: slow down", perSecond, what)
}

// spent reports whether more was done lately than what half a second brings back.
func (b *bounds) spent() bool {
	return b.ops.Tokens() < float64(min(b.limits.OpsPerSecond, b.limits.OpsBurst))/2
}

// rates returns the session's bounds. The reader's goroutine calls it, before any other.
func (s *Session) rates() *bounds {
	if s.bounds == nil {
		s.bounds = s.edge.devices.of(s.device)
	}
	return s.bounds
}

// mostCallers is how many callers' bounds are held at once; those used longest ago are let go of.
const mostCallers = 1 << 14

// callers are those who did something lately: devices by their sessions, users over HTTP.
type callers[ID comparable] struct {
	limits *Limits
	calls  int // of one, at work

	mu    sync.Mutex
	known *lru.Cache[ID, *bounds]
}

func newCallers[ID comparable](l *Limits, calls int) (*callers[ID], error) {
	known, err := lru.New[ID, *bounds](mostCallers)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d: %w", mostCallers, err)
	}
	return &callers[ID]{limits: l, calls: calls, known: known}, nil
}

func (c *callers[ID]) of(id ID) *bounds {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.known.Get(id)
	if !ok {
		b = newBounds(c.limits, c.calls)
		c.known.Add(id, b)
	}
	return b
}

// lately returns the bounds of somebody who did something lately, nil of others.
func (c *callers[ID]) lately(id ID) *bounds {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, _ := c.known.Get(id)
	return b
}
