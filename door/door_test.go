package door_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/weftest"
)

// opened is a door that a test has opened.
type opened struct {
	*door.Door

	metrics *prometheus.Registry
	end     func() // closes it before the test's end
}

func open(t *testing.T, cfg door.Config) *opened {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	o := &opened{metrics: prometheus.NewRegistry(), end: func() {}}
	var err error
	if o.Door, err = door.Open(cfg, weftest.Logger(t), o.metrics); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// hello tells which address a request is counted as.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, door.Who(door.AddressOf(r))) })

// serve serves a door until the test ends.
func serve(t *testing.T, d *opened, h http.Handler, change ...func(*http.Server)) {
	t.Helper()
	srv := d.Server(h, weftest.Logger(t))
	for _, f := range change {
		f(srv)
	}
	ended := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil {
			ended <- srv.ServeTLS(d.Listener(), "", "")
			return
		}
		ended <- srv.Serve(d.Listener())
	}()
	done := false
	d.end = func() {
		if done {
			return
		}
		done = true
		if err := errors.Join(srv.Close(), d.Close()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
	t.Cleanup(d.end)
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// from dials from another address of this machine's.
func from(t *testing.T, d *opened, local string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}, Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// said is an answer's head.
type said struct {
	StatusCode int
	Header     http.Header
}

// say writes and returns the answer, nil where the connection was closed instead.
func say(t *testing.T, c net.Conn, text string) (*said, string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		return nil, ""
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, ""
	}
	return &said{resp.StatusCode, resp.Header}, string(body)
}

const get = "GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n"

// An address has only so many connections, and all together only so many; others come in meanwhile, and each refusal is
// counted by what it was past.
func TestConnectionsAreBounded(t *testing.T) {
	d := open(t, door.Config{PerAddress: 3, InAll: 5})
	serve(t, d, hello)
	in := func(c net.Conn) bool {
		t.Helper()
		resp, _ := say(t, c, get)
		return resp != nil && resp.StatusCode == http.StatusOK
	}
	var mine []net.Conn
	for i := range 5 {
		c := from(t, d, "127.0.0.1")
		if got := in(c); got != (i < 3) {
			t.Errorf("connection %d of an address: %v", i+1, got)
		}
		mine = append(mine, c)
	}
	if n := weftest.Metric(t, d.metrics, "weft_door_refused_connections_total"); n != 2 {
		t.Errorf("%v refusals are counted, want 2", n)
	}
	for i := range 3 {
		if got := in(from(t, d, "127.0.0.2")); got != (i < 2) {
			t.Errorf("connection %d of another address, %d of all: %v", i+1, i+4, got)
		}
	}
	// one that goes makes room
	_ = mine[0].Close()
	weftest.Eventually(t, "it is counted out", func() bool { return weftest.Metric(t, d.metrics, "weft_door_connections") == 4 })
	if !in(from(t, d, "127.0.0.1")) {
		t.Error("there is room, and nobody is let in")
	}
	d.end()
	weftest.Eventually(t, "all are counted out", func() bool { return weftest.Metric(t, d.metrics, "weft_door_connections") == 0 })
	if perAddress, inAll, header := d.Limits(); perAddress != 3 || inAll != 5 || header != 16<<10 {
		t.Errorf("the limits are told as %d, %d, %d", perAddress, inAll, header)
	}
}

// Headers past the limit are answered with why, those far past it with less, and both are counted.
func TestHeadersAreBounded(t *testing.T) {
	d := open(t, door.Config{HeaderBytes: 4 << 10})
	serve(t, d, hello)
	for _, tc := range []struct {
		head string
		want int
	}{
		{"X: " + strings.Repeat("x", 3<<10), 200},
		{"X: " + strings.Repeat("x", 4<<10), 431},
		{strings.TrimSuffix(strings.Repeat("X: 12345678\r\n", 400), "\r\n"), 431},
		{"X: " + strings.Repeat("x", 64<<10), 0}, // cut off: the answer may be lost with what was not read
	} {
		resp, body := say(t, from(t, d, "127.0.0.1"), "GET / HTTP/1.1\r\nHost: chat.example\r\n"+tc.head+"\r\n\r\n")
		if tc.want == 0 && (resp == nil || resp.StatusCode == http.StatusRequestHeaderFieldsTooLarge) {
			continue
		}
		if resp == nil || resp.StatusCode != tc.want {
			t.Errorf("%d bytes: %v, want %d", len(tc.head), resp, tc.want)
			continue
		}
		if tc.want == 431 && (!strings.Contains(body, `"code":"too_large"`) || resp.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%d bytes: %s", len(tc.head), body)
		}
	}
	resp, _ := say(t, from(t, d, "127.0.0.1"), "GET /"+strings.Repeat("x", 5<<10)+" HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	if resp == nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long path: %v, want 431", resp)
	}
	if n := weftest.Metric(t, d.metrics, "weft_door_refused_requests_total"); n != 3 {
		t.Errorf("%v refusals are counted, want 3", n)
	}
	weftest.Eventually(t, "what was cut off is counted", func() bool { return weftest.Metric(t, d.metrics, "weft_door_unread_connections_total") == 1 })
}

// Half requests are held no longer than a browser would take for a whole one, and counted.
func TestHalfRequestsEnd(t *testing.T) {
	d := open(t, door.Config{})
	serve(t, d, hello, func(s *http.Server) {
		if s.ReadHeaderTimeout != 10*time.Second || s.ReadTimeout != 30*time.Second || s.IdleTimeout != time.Minute {
			t.Errorf("times are %s, %s, %s", s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout)
		}
		s.ReadHeaderTimeout = 200 * time.Millisecond // so that the test need not wait
	})
	began := time.Now()
	half := from(t, d, "127.0.0.1")
	if _, err := io.WriteString(half, "GET / HTTP/1.1\r\nHost: "); err != nil {
		t.Fatal(err)
	}
	silent := from(t, d, "127.0.0.1")
	for _, c := range []net.Conn{half, silent} {
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they were held for %s", took)
	}
	if resp, _ := say(t, from(t, d, "127.0.0.1"), "hello\r\n\r\n"); resp == nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("what is no HTTP: %v", resp)
	}
	weftest.Eventually(t, "they are counted", func() bool { return weftest.Metric(t, d.metrics, "weft_door_unread_connections_total") == 3 })
	whole := from(t, d, "127.0.0.1")
	if resp, _ := say(t, whole, get); resp == nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a whole request: %v", resp)
	}
	_ = whole.Close()
	weftest.Eventually(t, "it has gone", func() bool { return weftest.Metric(t, d.metrics, "weft_door_connections") == 0 })
	if n := weftest.Metric(t, d.metrics, "weft_door_unread_connections_total"); n != 3 {
		t.Errorf("a connection with a request is counted as one without: %v", n)
	}
}

func prefixes(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	p, err := door.ParsePrefixes(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A client's address is its connection's, unless that is a trusted proxy's, whose word is taken as far as trust goes.
func TestWhoseWordIsTaken(t *testing.T) {
	d := open(t, door.Config{Trusted: prefixes(t, "127.0.0.0/30", "10.0.0.0/8", "2001:db8::1")})
	serve(t, d, hello)
	for _, tc := range []struct{ name, local, forwarded, want string }{
		{"a client", "127.0.0.9", "", "127.0.0.9"},
		{"a client that claims to be another", "127.0.0.9", "X-Forwarded-For: 203.0.113.7\r\n", "127.0.0.9"},
		{"through a proxy", "127.0.0.1", "X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
		{"through two", "127.0.0.1", "X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\n", "203.0.113.7"},
		{"through a proxy, claiming to be another", "127.0.0.1", "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n", "203.0.113.7"},
		{"through a proxy, claiming to be a proxy", "127.0.0.1", "X-Forwarded-For: 10.9.9.9, 203.0.113.7\r\n", "203.0.113.7"},
		{"in two headers", "127.0.0.1", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
		{"of nobody, through a proxy", "127.0.0.1", "", "127.0.0.1"},
		{"of what is no address", "127.0.0.1", "X-Forwarded-For: unknown\r\n", "127.0.0.1"},
		{"of what is no address, behind one that is", "127.0.0.1", "X-Forwarded-For: <script>, 203.0.113.7\r\n", "203.0.113.7"},
		{"with a port", "127.0.0.1", "X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7"},
		{"IPv6 counts with its /64", "127.0.0.1", "X-Forwarded-For: 2001:db8:1:2:3:4:5:6\r\n", "2001:db8:1:2::"},
		{"IPv6 with a port", "127.0.0.1", "X-Forwarded-For: [2001:db8:1:2:3:4:5:6]:80\r\n", "2001:db8:1:2::"},
		{"IPv4 in IPv6 is IPv4", "127.0.0.1", "X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7"},
		{"other headers say nothing", "127.0.0.1", "X-Real-IP: 203.0.113.7\r\nForwarded: for=203.0.113.7\r\n", "127.0.0.1"},
	} {
		resp, body := say(t, from(t, d, tc.local), "GET / HTTP/1.1\r\nHost: chat.example\r\n"+tc.forwarded+"\r\n")
		if resp == nil || resp.StatusCode != http.StatusOK || body != tc.want {
			t.Errorf("%s: %v %q, want %s", tc.name, resp, body, tc.want)
		}
	}
}

// A PROXY header is taken from trusted proxies, which must send one, and from nobody else.
func TestProxyProtocol(t *testing.T) {
	d := open(t, door.Config{Trusted: prefixes(t, "127.0.0.1"), ProxyProtocol: true})
	serve(t, d, hello, func(s *http.Server) { s.ReadHeaderTimeout = 2 * time.Second })
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x1f\x90"
	for _, tc := range []struct{ name, local, text, want string }{
		{"version 1", "127.0.0.1", "PROXY TCP4 203.0.113.7 127.0.0.1 4711 8080\r\n" + get, "203.0.113.7"},
		{"version 1, IPv6", "127.0.0.1", "PROXY TCP6 2001:db8:1:2::9 ::1 4711 8080\r\n" + get, "2001:db8:1:2::"},
		{"version 2", "127.0.0.1", v2 + get, "203.0.113.7"},
		{"the proxy's own, a health check", "127.0.0.1", "PROXY UNKNOWN\r\n" + get, "127.0.0.1"},
		{"none, by a proxy", "127.0.0.1", get, ""},
		{"one that is none, by a proxy", "127.0.0.1", "PROXY TCP4 a b c d\r\n" + get, ""},
		{"a client without", "127.0.0.9", get, "127.0.0.9"},
		{"a client with one", "127.0.0.9", "PROXY TCP4 203.0.113.7 127.0.0.1 4711 8080\r\n" + get, ""},
		{"a client with one of version 2", "127.0.0.9", v2 + get, ""},
	} {
		resp, body := say(t, from(t, d, tc.local), tc.text)
		ok := resp != nil && resp.StatusCode == http.StatusOK
		if ok != (tc.want != "") || ok && body != tc.want {
			t.Errorf("%s: %v %q, want %q", tc.name, resp, body, tc.want)
		}
	}
	// who comes through a proxy has headers of its own, too: the proxy's header says who they are
	resp, body := say(t, from(t, d, "127.0.0.1"), "PROXY TCP4 203.0.113.7 127.0.0.1 4711 8080\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n")
	if resp == nil || body != "203.0.113.7" {
		t.Errorf("a client behind a proxy that claims to be another: %q", body)
	}
}

// Connections from a trusted proxy are many people's, and not counted as one address's.
func TestAProxyIsNotOneClient(t *testing.T) {
	d := open(t, door.Config{Trusted: prefixes(t, "127.0.0.1"), PerAddress: 1})
	serve(t, d, hello)
	for i := range 3 {
		if resp, _ := say(t, from(t, d, "127.0.0.1"), get); resp == nil {
			t.Errorf("connection %d of a proxy is refused", i+1)
		}
	}
}

func TestWhatADoorRefuses(t *testing.T) {
	for name, cfg := range map[string]door.Config{
		"--proxy-protocol needs":   {ProxyProtocol: true},
		"--origins":                {Origins: []string{"chat.example"}},
		"--origins: want":          {Origins: []string{"https://chat.example/"}},
		"--origins: want origins":  {Origins: []string{"ftp://chat.example"}},
		"--tls-cert and --tls-key": {TLS: door.TLS{CertFile: "x"}},
		"exclude each other":       {TLS: door.TLS{CertFile: "x", KeyFile: "y", Hosts: []string{"z"}}},
		"--acme-cache":             {TLS: door.TLS{Hosts: []string{"z"}}},
	} {
		cfg.Listen = "127.0.0.1:0"
		d, err := door.Open(cfg, weftest.Logger(t), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %q", cfg, err, name)
		}
		if err == nil {
			_ = d.Close()
		}
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "10.0.0.0/8,"} {
		if _, err := door.ParsePrefixes([]string{bad}); err == nil {
			t.Errorf("%q is taken for a network", bad)
		}
	}
}
