// Package oidc signs people in by an organisation's OpenID Connect issuer (OpenID Connect Core 1.0): the code flow with a
// client secret, PKCE (RFC 7636), state and nonce. It keeps nothing: what is to be known between the two steps is a
// Pending, which the caller keeps secret and uses once.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"crypto/rand"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/weft-im/weft/fabric"
)

// Config names the issuer, and Weft as it knows it.
type Config struct {
	Issuer       string // URL, as in its discovery document
	Name         string // what people see on the button; the issuer's host without it
	ClientID     string
	ClientSecret string
}

// callWithin is how long one question to the issuer may take.
const callWithin = 4 * time.Second

// Bounds, in bytes.
const (
	maxRedirectBytes = 500
	maxCodeBytes     = 4096
	maxNameBytes     = 100
	maxAnswerBytes   = 1 << 20
)

// Client signs people in. Any number of goroutines may use it.
type Client struct {
	cfg  Config
	http *http.Client

	mu       sync.Mutex
	provider *gooidc.Provider // nil until the issuer could be asked
}

// New checks a configuration. The issuer is first asked as somebody signs in.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.Issuer)
	switch {
	case err != nil || !safe(u):
		return nil, fmt.Errorf("--oidc-issuer: want an https URL (http for localhost), got %q", cfg.Issuer)
	case cfg.ClientID == "":
		return nil, errors.New("--oidc-client-id is missing: what the issuer knows this server as")
	}
	if cfg.Name == "" {
		cfg.Name = u.Hostname()
	}
	return &Client{cfg: cfg, http: &http.Client{Timeout: callWithin, Transport: bounded{http.DefaultTransport}}}, nil
}

// bounded reads no more of an answer than maxAnswerBytes: the libraries behind it read whatever comes.
type bounded struct{ http.RoundTripper }

// RoundTrip makes a request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswerBytes), resp.Body}
	}
	return resp, err //nolint:wrapcheck // http.Client wraps it
}

// safe reports whether what is sent to a URL can't be read on the way.
func safe(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Host != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || u.Scheme == "http" && local)
}

// Name returns what people see.
func (c *Client) Name() string { return c.cfg.Name }

// Pending is a sign-in between its two steps.
type Pending struct {
	Redirect string `json:"redirect"`
	Verifier string `json:"verifier"` // of PKCE
	Nonce    string `json:"nonce"`
}

// Begin returns where to send a person, who comes back to redirect with state and a code.
func (c *Client) Begin(ctx context.Context, state, redirect string) (to string, p Pending, err error) {
	u, err := url.Parse(redirect)
	if err != nil || len(redirect) > maxRedirectBytes || !safe(u) {
		return "", p, fabric.Errorf(fabric.CodeBadRequest, "redirect_uri: want an https URL of up to %d bytes without fragment (http for localhost)", maxRedirectBytes)
	}
	provider, err := c.ask(ctx)
	if err != nil {
		return "", p, err
	}
	p = Pending{Redirect: redirect, Verifier: oauth2.GenerateVerifier(), Nonce: rand.Text()}
	return c.oauth(provider, redirect).AuthCodeURL(state, gooidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier)), p, nil
}

// Person is who signed in: Subject is theirs at the issuer for ever, Name is what it calls them.
type Person struct{ Issuer, Subject, Name string }

// ErrRefused says that the issuer, or what it said, is no proof of who somebody is. It has CodeUnauthenticated.
var ErrRefused = fabric.Errorf(fabric.CodeUnauthenticated, "the sign-in is not good (any more): begin again")

// Finish trades a code for who came back with it.
func (c *Client) Finish(ctx context.Context, p Pending, code string) (Person, error) {
	if code == "" || len(code) > maxCodeBytes {
		return Person{}, fabric.Errorf(fabric.CodeBadRequest, "code: want what came back from the issuer")
	}
	provider, err := c.ask(ctx)
	if err != nil {
		return Person{}, err
	}
	ctx = gooidc.ClientContext(ctx, c.http)
	oauth := c.oauth(provider, p.Redirect)
	tokens, err := oauth.Exchange(ctx, code, oauth2.VerifierOption(p.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError:
		return Person{}, fmt.Errorf("%w (%s)", ErrRefused, refused.ErrorCode)
	case err != nil:
		return Person{}, c.away(err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return Person{}, fmt.Errorf("%w: the issuer sent no ID token", ErrRefused)
	}
	id, err := provider.VerifierContext(ctx, &gooidc.Config{ClientID: c.cfg.ClientID}).Verify(ctx, raw)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if id.Nonce != p.Nonce || id.Subject == "" {
		return Person{}, fmt.Errorf("%w: it is another sign-in's", ErrRefused)
	}
	person := Person{Issuer: id.Issuer, Subject: id.Subject}
	var claims names
	if err := id.Claims(&claims); err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if person.Name = claims.pick(); person.Name == "" {
		// Many issuers tell names only here. Without a name people sign in as well.
		if info, err := provider.UserInfo(ctx, oauth.TokenSource(ctx, tokens)); err == nil && info.Subject == id.Subject && info.Claims(&claims) == nil {
			person.Name = claims.pick()
		}
	}
	return person, nil
}

// names are the claims that may be what people call somebody.
type names struct {
	Name      string `json:"name"`
	Preferred string `json:"preferred_username"`
	Email     string `json:"email"`
}

// pick returns the first of them that a profile can have.
func (n names) pick() string {
	for _, s := range []string{n.Name, n.Preferred, n.Email} {
		if s = clean(s); s != "" {
			return s
		}
	}
	return ""
}

// clean returns text that a name may be: without control characters, and not too long.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > maxNameBytes {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimSpace(s)
}

func (c *Client) oauth(provider *gooidc.Provider, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: redirect,
		Scopes: []string{gooidc.ScopeOpenID, "profile", "email"},
	}
}

// ask returns the issuer, whose discovery document is read once it is there.
func (c *Client) ask(ctx context.Context) (*gooidc.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider != nil {
		return c.provider, nil
	}
	// The provider reads keys later with what is in this context: the client, and no deadline of this request's.
	provider, err := gooidc.NewProvider(gooidc.ClientContext(context.WithoutCancel(ctx), c.http), c.cfg.Issuer)
	if err != nil {
		return nil, c.away(err)
	}
	c.provider = provider
	return provider, nil
}

// awayError is an issuer that does not answer as one. What it said is for the log, not for the person who signs in.
type awayError struct{ err error }

func (e awayError) Error() string {
	return "the OpenID Connect issuer does not answer: " + e.err.Error()
}

// Unwrap makes it an error with CodeUnavailable.
func (e awayError) Unwrap() []error { return []error{errAway, e.err} }

var errAway = fabric.Errorf(fabric.CodeUnavailable, "the organisation's sign-in does not answer: try again later")

func (c *Client) away(err error) error { return awayError{err} }
