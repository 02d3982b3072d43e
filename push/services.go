package push

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// A Web Push endpoint is a URL that a client gives us to post to. So that nobody has this fabric post to whom they like
// (SSRF), it must be of a push service that is known, and what its name resolves to must not be a private address.

// WebPushServices are the services of the browsers, and of UnifiedPush's commonest distributor. "*." stands for one or
// more labels.
var WebPushServices = []string{
	"fcm.googleapis.com",                // Chrome, Edge on Android, Opera, Brave, Samsung Internet
	"updates.push.services.mozilla.com", // Firefox
	"*.push.apple.com",                  // Safari
	"*.notify.windows.com",              // Edge
	"ntfy.sh",                           // UnifiedPush
}

// webService is a Web Push service that may be posted to.
type webService struct {
	scheme string
	host   string // with its port, where it has another one than the scheme; "*.": any labels before it
	lane   string
	named  bool // by an operator, as an origin: it may be at a private address
}

// parseServices reads what operators allow beside WebPushServices: hosts, as there, or origins (https://host:port), which
// may be in their own network. http is for this machine only.
func parseServices(names []string) ([]webService, error) {
	var all []webService
	for _, name := range slices.Concat(WebPushServices, names) {
		s := webService{scheme: "https", host: name}
		if scheme, host, ok := strings.Cut(name, "://"); ok {
			s = webService{scheme: scheme, host: host, named: true}
		}
		u, err := url.Parse(s.scheme + "://" + strings.TrimPrefix(s.host, "*."))
		if err != nil || u.Host == "" || u.Host != strings.TrimPrefix(s.host, "*.") || u.User != nil ||
			(s.scheme != "https" && (s.scheme != "http" || !local(u.Hostname()))) {
			return nil, fmt.Errorf("push service %q: want a host, *.host, or an origin like https://push.example.com:8443 (http for localhost only)", name)
		}
		s.lane = "webpush-" + strings.Trim(subjects.PushLane(s.host), "-")
		if !slices.ContainsFunc(all, func(o webService) bool { return o.lane == s.lane }) {
			all = append(all, s)
		}
	}
	return all, nil
}

func local(host string) bool { return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host) }

// maxEndpointBytes bounds an endpoint's URL. The longest that are known, Windows', have some 700 bytes.
const maxEndpointBytes = 2000

// serviceOf returns the service that an endpoint is of.
func serviceOf(services []webService, endpoint string) (webService, *url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || len(endpoint) > maxEndpointBytes || u.Host == "" || u.User != nil || u.Fragment != "" {
		return webService{}, nil, fabric.Errorf(fabric.CodeBadRequest, "endpoint: want the https URL of a push subscription, of up to %d bytes", maxEndpointBytes)
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	for _, s := range services {
		suffix, any := strings.CutPrefix(s.host, "*")
		if s.scheme == u.Scheme && (host == s.host || any && strings.HasSuffix(host, suffix)) {
			return s, u, nil
		}
	}
	return webService{}, nil, fabric.Errorf(fabric.CodeBadRequest, "endpoint: this server does not push by %s (operators allow services by --push-service)", u.Host)
}

// errPrivate says that a push service's name resolves to an address in somebody's own network.
var errPrivate = errors.New("a private address")

// Times of talking to push services.
const (
	dialWithin = 5 * time.Second
	idleFor    = 90 * time.Second
)

// newClient returns a client for one push service, with connections of its own. It follows no redirect, and where private
// is false it connects to public addresses only, whatever a name resolves to.
func newClient(private bool, conns int, within time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: dialWithin, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil && !private && !public(at.Addr()) {
			err = errPrivate
		}
		return err
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialWithin,
			MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, MaxIdleConns: 4 * conns, IdleConnTimeout: idleFor,
		},
		Timeout:       within,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reserved is the shared address space of RFC 6598, and what RFC 6890 and its updates keep for no public host.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
}

// public reports whether an address is of a host on the internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}

// reasonOf names what went wrong in talking to a push service, as metrics have it.
func reasonOf(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, errPrivate):
		return "private_address"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "connection"
}
