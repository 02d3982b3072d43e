package door

import (
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// bounded closes connections past what an address, or everybody together, may have. It costs a map's entry an address,
// and an allocation a connection.
type bounded struct {
	net.Listener

	door *Door
	open prometheus.Gauge

	mu    sync.Mutex
	count map[netip.Addr]int
	all   int
}

func newBounded(l net.Listener, d *Door, open prometheus.Gauge) *bounded {
	return &bounded{Listener: l, door: d, open: open, count: make(map[netip.Addr]int)}
}

// Accept returns the next connection that may be. Where a PROXY header is to come first, the address is not known yet, and
// reading it here would hold everybody up: then the proxy's own connections are counted by nobody but all.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http looks for temporary errors
		}
		who := b.who(c)
		if why := b.take(who); why != "" {
			b.door.refused.WithLabelValues(why).Inc()
			_ = c.Close() // the peer learns of it, or is gone
			continue
		}
		return b.counted(c, who), nil
	}
}

// raw is a connection that wraps another one.
type raw interface{ Raw() net.Conn }

func (b *bounded) who(c net.Conn) netip.Addr {
	if p, ok := c.(raw); ok {
		c = p.Raw()
	}
	a := addressOf(c.RemoteAddr())
	if b.door.trusts(a) {
		return netip.Addr{}
	}
	return Who(a)
}

// take counts a connection in; it says why it may not be.
func (b *bounded) take(who netip.Addr) (refused string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.all >= b.door.cfg.InAll:
		return inAll
	case who.IsValid() && b.count[who] >= b.door.cfg.PerAddress:
		return perAddress
	}
	b.all++
	if who.IsValid() {
		b.count[who]++
	}
	b.open.Inc()
	return ""
}

func (b *bounded) give(who netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	b.open.Dec()
	if who.IsValid() {
		if b.count[who]--; b.count[who] <= 0 {
			delete(b.count, who)
		}
	}
}

// Conn is a counted connection. The one below can be reached, for those who need its descriptor.
type Conn struct {
	net.Conn

	of       *bounded
	who      netip.Addr
	once     sync.Once
	progress progress
}

func (b *bounded) counted(c net.Conn, who netip.Addr) net.Conn {
	return &Conn{Conn: c, of: b, who: who}
}

// Close closes it, and counts it out once.
func (c *Conn) Close() error {
	c.once.Do(func() { c.of.give(c.who) })
	return c.Conn.Close() //nolint:wrapcheck // it is a net.Conn
}

// NetConn returns the connection below, as tls.Conn's does.
func (c *Conn) NetConn() net.Conn { return c.Conn }
