package door_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/weft-im/weft/door"
)

// FuzzForwardedFor holds the reading of X-Forwarded-For to its promise: nobody but a trusted proxy says who a client is, a
// proxy never passes for a client where it names one, and what comes out is an address.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{
		"", "203.0.113.7", "203.0.113.7, 10.0.0.1", " 2001:db8::1 ,", "[2001:db8::1]:80", "::ffff:10.0.0.1", "fe80::1%eth0", "[fe80::1%25x]:1",
		"unknown", "1.2.3.4:99999", ",,,", "1.2.3.4\x00", "[[::1]]", "0x7f.1", "010.0.0.1",
	} {
		f.Add(seed, "10.0.0.1:80")
		f.Add(seed, "192.0.2.1:80")
	}
	trusted, err := door.ParsePrefixes([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	d := door.Unopened(door.Config{Trusted: trusted})
	f.Fuzz(func(t *testing.T, header, remote string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", header)
		got := d.Address(r)
		r.Header.Del("X-Forwarded-For")
		of := d.Address(r)
		if !trusted[0].Contains(of) && got != of {
			t.Fatalf("%q by %s, which is no proxy, is taken for %s", header, of, got)
		}
		if got != of && (!got.IsValid() || got.Zone() != "" || got.Is4In6()) {
			t.Fatalf("%q by %s is %s", header, of, got)
		}
		if who := door.Who(got); who.IsValid() && who.Is6() && who != netip.PrefixFrom(who, 64).Masked().Addr() {
			t.Fatalf("%s counts as %s", got, who)
		}
		// the last one that is no proxy stands in the header, as it is
		if got != of && !strings.Contains(header, ".") && !strings.Contains(header, ":") {
			t.Fatalf("%q is taken for %s", header, got)
		}
	})
}

// FuzzProxyHeader reads what a proxy's connection begins with: it ends, and what it says is an address or an error.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 203.0.113.7 127.0.0.1 4711 8080\r\nx", "PROXY TCP6 2001:db8::9 ::1 1 2\r\n", "PROXY UNKNOWN\r\n", "PROXY", "PROXY TCP4 a b c d\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x1f\x90x", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\xff\xff",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24", "GET / HTTP/1.1\r\n\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := proxyproto.NewConn(&recorded{in: bytes.NewReader(data)}, proxyproto.WithPolicy(proxyproto.REQUIRE))
		rest, err := io.ReadAll(bufio.NewReader(c))
		if err == nil && len(rest) > len(data) {
			t.Fatalf("%d bytes are read of %d", len(rest), len(data))
		}
		door.AddressIn(c.RemoteAddr()) // must not panic
	})
}

// recorded is a connection that has said all that it will.
type recorded struct {
	net.Conn
	in io.Reader
}

func (r *recorded) Read(b []byte) (int, error)      { return r.in.Read(b) }
func (r *recorded) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (r *recorded) LocalAddr() net.Addr             { return r.RemoteAddr() }
func (r *recorded) SetReadDeadline(time.Time) error { return nil }
func (r *recorded) SetDeadline(time.Time) error     { return nil }
func (r *recorded) Close() error                    { return nil }

// FuzzOrigin holds the door to its rule: a page of another origin gets no WebSocket and changes nothing.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{
		"http://chat.example", "https://foe.example", "null", "", "chat.example", "http://chat.example@foe.example", "http://foe.example/chat.example",
		"http://foe.example?chat.example", "http://chat.example:80", "http://CHAT.EXAMPLE", "http://chat.example\x00.foe", "//chat.example", "http://[::1]",
	} {
		f.Add(seed)
	}
	d := door.Unopened(door.Config{})
	f.Fuzz(func(t *testing.T, origin string) {
		reached := false
		r := httptest.NewRequest(http.MethodPost, "http://chat.example/", nil)
		r.Header["Origin"] = []string{origin}
		w := httptest.NewRecorder()
		d.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
		_, host, _ := strings.Cut(origin, "//")
		if i := strings.LastIndex(host, "@"); i >= 0 {
			host = host[i+1:]
		}
		if reached && origin != "" && !strings.HasPrefix(strings.ToLower(host), "chat.example") {
			t.Fatalf("a page of %q changes something", origin)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Fatalf("a page of %q reads", origin)
		}
		if !reached && w.Code != http.StatusForbidden {
			t.Fatalf("a page of %q: %d", origin, w.Code)
		}
	})
}
