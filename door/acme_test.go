package door_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/weftest"
)

// authority is a certificate authority as Let's Encrypt is one: its own test server (Pebble), which asks the host that a
// certificate is for whether it is its own.
type authority struct {
	*httptest.Server

	roots *x509.CertPool
}

// newAuthority starts one that finds every host on this machine, its HTTP and TLS at these ports.
func newAuthority(t *testing.T, httpPort, tlsPort int) authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		answer := new(dns.Msg).SetReply(r)
		if q := r.Question[0]; q.Qtype == dns.TypeA {
			answer.Answer = append(answer.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1),
			})
		}
		_ = w.WriteMsg(answer) // whoever asked is gone
	})}
	go func() { _ = names.ActivateAndServe() }() // until it is shut down
	t.Cleanup(func() { _ = names.Shutdown() })
	store := db.NewMemoryStore()
	signs := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: 90 * 86400}})
	asks := va.New(quiet, httpPort, tlsPort, true, l.Addr().String(), store)
	front := wfe.New(quiet, store, asks, signs, []string{"ca.test"}, true, false, 1, 1)
	a := authority{httptest.NewTLSServer(front.Handler()), x509.NewCertPool()}
	t.Cleanup(a.Close)
	if !a.roots.AppendCertsFromPEM(signs.GetRootCert(0).PEM()) {
		t.Fatal("the authority has no root")
	}
	return a
}

// Certificates come from an authority by either of its challenges, are kept, and are got for no other name.
func TestACME(t *testing.T) {
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			const host = "chat.weft.test"
			front, plain := weftest.FreePort(t), weftest.FreePort(t)
			a := newAuthority(t, plain, front)
			cfg := door.Config{Listen: addr(front), TLS: door.TLS{
				Hosts: []string{host}, Email: "ops@weft.test", Directory: a.URL + wfe.DirectoryPath, Cache: t.TempDir(), Client: a.Client(),
			}}
			if challenge == "http-01" {
				cfg.TLS.HTTP = addr(plain)
			}
			d := open(t, cfg)
			serve(t, d, hello)
			dial := func(name string) (*x509.Certificate, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				c, err := (&tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: a.roots, MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", d.Addr().String())
				if err != nil {
					return nil, err
				}
				defer c.Close()
				return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
			}
			first, err := dial(host)
			if err != nil {
				t.Fatalf("no certificate: %v", err)
			}
			if err := first.VerifyHostname(host); err != nil {
				t.Error(err)
			}
			if _, err := dial("other.weft.test"); err == nil {
				t.Error("there is a certificate for a name that nobody asked one for")
			}
			if challenge == "http-01" { // everybody else is sent to https
				client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr(plain)+"/chat?x=1", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if to := resp.Header.Get("Location"); resp.StatusCode/100 != 3 || !strings.HasPrefix(to, "https://"+host) {
					t.Errorf("plain HTTP is answered with %d to %q", resp.StatusCode, to)
				}
			}
			// What was got is kept: after a restart the authority need not be there.
			d.end()
			a.Close()
			cfg.Listen = "127.0.0.1:0"
			cfg.TLS.HTTP = ""
			d = open(t, cfg)
			serve(t, d, hello)
			if again, err := dial(host); err != nil || !again.Equal(first) {
				t.Errorf("after a restart: %v, another certificate: %v", err, err == nil)
			}
		})
	}
}
