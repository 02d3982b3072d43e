package door

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// TLS says how connections are encrypted. The zero value is not at all: then a proxy in front does it.
type TLS struct {
	CertFile, KeyFile string // PEM; read again when they change

	Hosts     []string     // names for which certificates come by ACME (RFC 8555)
	Email     string       // that the authority may write to
	Directory string       // of the authority; Let's Encrypt's without it
	Cache     string       // folder that keeps certificates and the account's key
	HTTP      string       // host:port where the authority's questions are answered, and others sent to https; "" for TLS-ALPN only
	Client    *http.Client // for the authority; nil is the default
}

// certificates is where a server's certificate comes from.
type certificates interface {
	config() *tls.Config
	close() error
}

// lookAgainAfter is how long files are taken to be the same without a look.
const lookAgainAfter = time.Minute

func (t TLS) open(log *slog.Logger) (certificates, error) {
	switch {
	case t.CertFile == "" && t.KeyFile == "" && len(t.Hosts) == 0:
		return plain{}, nil
	case len(t.Hosts) > 0 && t.CertFile != "":
		return nil, errors.New("--tls-cert and --acme-hosts exclude each other: certificates come from one of them")
	case len(t.Hosts) > 0:
		return t.acme(log)
	case t.CertFile == "" || t.KeyFile == "":
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	f := &files{TLS: t, log: log}
	if err := f.read(time.Now()); err != nil {
		return nil, err
	}
	return f, nil
}

func baseConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

type plain struct{}

func (plain) config() *tls.Config { return nil }
func (plain) close() error        { return nil }

// files are a certificate and its key on disk. Whoever renews them need not tell: they are looked at once a minute.
type files struct {
	TLS

	log *slog.Logger

	mu     sync.Mutex
	cert   *tls.Certificate
	stamp  [2]time.Time
	looked time.Time
}

func (f *files) close() error { return nil }

func (f *files) config() *tls.Config {
	c := baseConfig()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if now := time.Now(); now.Sub(f.looked) >= lookAgainAfter {
			if err := f.read(now); err != nil { // half of them may be new: the next look has both
				f.log.Error("the certificate stays as it was", "err", err)
			}
		}
		return f.cert, nil
	}
	return c
}

// read reads the files if they have changed.
func (f *files) read(now time.Time) error {
	f.looked = now
	var stamp [2]time.Time
	for i, path := range []string{f.CertFile, f.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		stamp[i] = info.ModTime()
	}
	if f.cert != nil && stamp == f.stamp {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	if f.cert != nil {
		f.log.Info("a new certificate", "until", cert.Leaf.NotAfter)
	}
	f.cert, f.stamp = &cert, stamp
	return nil
}

// automatic gets and renews certificates by ACME.
type automatic struct {
	manager *autocert.Manager
	http    *http.Server // nil where only TLS-ALPN is used
	ended   chan struct{}
}

func (t TLS) acme(log *slog.Logger) (certificates, error) {
	if t.Cache == "" {
		return nil, errors.New("--acme-cache is missing: the folder that keeps certificates and the account's key")
	}
	if err := os.MkdirAll(t.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("--acme-cache: %w", err)
	}
	a := &automatic{ended: make(chan struct{}), manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(t.Cache), HostPolicy: autocert.HostWhitelist(t.Hosts...), Email: t.Email,
		Client: &acme.Client{DirectoryURL: t.Directory, HTTPClient: t.Client, UserAgent: "weft"},
	}}
	if t.Directory == "" {
		a.manager.Client.DirectoryURL = acme.LetsEncryptURL
	}
	if t.HTTP == "" {
		close(a.ended)
		return a, nil
	}
	l, err := net.Listen("tcp", t.HTTP)
	if err != nil {
		return nil, fmt.Errorf("--acme-http: %w", err)
	}
	a.http = &http.Server{
		Handler: a.manager.HTTPHandler(nil), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, MaxHeaderBytes: 8 << 10,
	}
	go func() {
		defer close(a.ended)
		if err := a.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the authority's questions are not answered any more", "err", err)
		}
	}()
	return a, nil
}

func (a *automatic) config() *tls.Config {
	c := baseConfig()
	c.GetCertificate = a.manager.GetCertificate
	c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	return c
}

func (a *automatic) close() error {
	if a.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := a.http.Shutdown(ctx)
	<-a.ended
	if err != nil {
		return fmt.Errorf("--acme-http: %w", errors.Join(err, a.http.Close()))
	}
	return nil
}
