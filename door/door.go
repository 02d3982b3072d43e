// Package door is where strangers come in: it listens for clients, with TLS by files or by ACME, tells which address each
// comes from, also behind proxies that one trusts, bounds what one address may have, and sets the headers that keep
// browsers from doing what the page does not ask for. It knows nothing of what is behind it.
package door

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is how the door works. Zero values mean the defaults.
type Config struct {
	Listen string // host:port

	// Trusted are the proxies whose word on the client's address counts: by X-Forwarded-For and, with ProxyProtocol, by a
	// PROXY header, which their connections must then begin with.
	Trusted       []netip.Prefix
	ProxyProtocol bool

	TLS TLS

	// Origins are those whose pages may use the server besides its own, as in https://chat.example. "*" are all.
	Origins []string

	// Local takes requests for this machine's own names only (localhost, an IP address) and for those of Origins. Dev mode
	// lets anyone in who asks from this machine; a page elsewhere whose name was made to point here is not to be one of
	// them (DNS rebinding).
	Local bool

	// Of TCP connections: from one address that is no trusted proxy, and in all. 0 is the default.
	PerAddress int // default 20,000
	InAll      int // default 1,000,000

	HeaderBytes int // of a request; default 16 KiB
}

const (
	defaultPerAddress = 20_000
	defaultInAll      = 1_000_000
	defaultHeader     = 16 << 10
	proxyHeaderWithin = 5 * time.Second
)

// Why somebody was refused, and how far those came who brought no request, as metrics tell it.
const (
	perAddress    = "per_address"
	inAll         = "in_all"
	tooLarge      = "header_bytes"
	foreignOrigin = "origin"
	foreignHost   = "host"
	noRequest     = "no_request"
	noHandshake   = "no_handshake"
	noWord        = "silent"
)

// Times of a request. What is slower than that is no browser, and holds a connection for nothing.
const (
	headWithin    = 10 * time.Second // line and headers
	requestWithin = 30 * time.Second // all of it
	idleFor       = 60 * time.Second // a connection between two
)

// Complete checks a configuration and fills in defaults. Errors name the flags of cmd/weft.
func (c Config) complete() (Config, error) {
	if c.PerAddress == 0 {
		c.PerAddress = defaultPerAddress
	}
	if c.InAll == 0 {
		c.InAll = defaultInAll
	}
	if c.HeaderBytes == 0 {
		c.HeaderBytes = defaultHeader
	}
	if c.ProxyProtocol && len(c.Trusted) == 0 {
		return c, errors.New("--proxy-protocol needs --trusted-proxies: whoever may say where a connection comes from")
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); o != "*" && (err != nil || u.Host == "" || o != u.Scheme+"://"+u.Host || u.Scheme != "https" && u.Scheme != "http") {
			return c, fmt.Errorf("--origins: want origins as in https://chat.example, got %q", o)
		}
	}
	return c, nil
}

// ParsePrefixes reads networks, or single addresses.
func ParsePrefixes(list []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range list {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, single := netip.ParseAddr(text)
			if single != nil {
				return nil, fmt.Errorf("want networks as in 10.0.0.0/8, or addresses, got %q", text)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

// Door is an open one. Close it.
type Door struct {
	cfg   Config
	tcp   net.Listener
	front net.Listener // what is served
	cert  certificates

	refused  *prometheus.CounterVec // connections
	requests *prometheus.CounterVec // and requests
	unread   *prometheus.CounterVec // connections that brought none
}

// Open listens.
func Open(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Door, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	d := &Door{cfg: cfg}
	open, err := d.count(reg)
	if err != nil {
		return nil, err
	}
	if d.cert, err = cfg.TLS.open(log); err != nil {
		return nil, err
	}
	if d.tcp, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, errors.Join(fmt.Errorf("--listen: %w", err), d.cert.close())
	}
	d.front = d.tcp
	if cfg.ProxyProtocol {
		d.front = &proxyproto.Listener{
			Listener: d.front, ReadHeaderTimeout: proxyHeaderWithin,
			ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
				if d.trusts(addressOf(o.Upstream)) {
					return proxyproto.REQUIRE, nil
				}
				return proxyproto.SKIP, nil // anybody else's header is not read, and is no HTTP
			},
		}
	}
	d.front = newBounded(d.front, d, open)
	return d, nil
}

// count makes the door's metrics.
func (d *Door) count(reg prometheus.Registerer) (open prometheus.Gauge, err error) {
	counter := func(name, help string, why ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "weft", Subsystem: "door", Name: name, Help: help}, []string{"why"})
		for _, w := range why {
			c.WithLabelValues(w) // there from the start, at 0: a rate of it has a beginning
		}
		return c
	}
	d.refused = counter("refused_connections_total", "Connections that were closed as they came, by why.", perAddress, inAll)
	d.requests = counter("refused_requests_total", "Requests that were refused before anybody looked at what they want, by why.", tooLarge, foreignOrigin, foreignHost)
	d.unread = counter("unread_connections_total", "Connections that ended without a whole request: how far they came.", noRequest, noHandshake, noWord)
	open = prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_door_connections", Help: "Open TCP connections of clients."})
	for _, c := range []prometheus.Collector{d.refused, d.requests, d.unread, open} {
		if err := reg.Register(c); err != nil {
			return open, fmt.Errorf("register metrics: %w", err)
		}
	}
	return open, nil
}

// Limits returns what one address and all together may have of connections, and how large a request's headers may be.
func (d *Door) Limits() (perAddress, inAll, headerBytes int) {
	return d.cfg.PerAddress, d.cfg.InAll, d.cfg.HeaderBytes
}

// Listener returns what to serve HTTP on, with ServeTLS where TLSConfig is not nil.
func (d *Door) Listener() net.Listener { return d.front }

// TLSConfig returns that of the server; nil for one without TLS.
func (d *Door) TLSConfig() *tls.Config { return d.cert.config() }

// Addr returns where the door is.
func (d *Door) Addr() net.Addr { return d.tcp.Addr() }

// Scheme returns http or https.
func (d *Door) Scheme() string {
	if d.cert.config() != nil {
		return "https"
	}
	return "http"
}

// Close stops listening.
func (d *Door) Close() error {
	err := d.tcp.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // whoever served it has closed it
	}
	return errors.Join(err, d.cert.close())
}

func (d *Door) trusts(a netip.Addr) bool {
	for _, p := range d.cfg.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressOf returns the IP of a connection's other end.
func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return parseAddress(a.String())
}

// parseAddress reads an IP with or without a port; the zero value where it is none.
func parseAddress(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// Address returns the address of the client that makes a request: that of the connection or, where that is a trusted
// proxy's, the last one in X-Forwarded-For that is not. What a client itself has written there stands before and is not
// believed.
func (d *Door) Address(r *http.Request) netip.Addr {
	at := parseAddress(r.RemoteAddr)
	if !d.trusts(at) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a := parseAddress(hops[i])
		if !a.IsValid() {
			return at // what is before it can't be told
		}
		if at = a; !d.trusts(a) {
			break
		}
	}
	return at
}

// Who returns what an address is counted as: an IPv4 address, or the /64 of an IPv6 one, which one customer has all of.
func Who(a netip.Addr) netip.Addr {
	if a.Is4() || !a.IsValid() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
