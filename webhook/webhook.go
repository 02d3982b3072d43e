// Package webhook posts events to other people's HTTP servers, signed as Standard Webhooks has it
// (https://www.standardwebhooks.com): the receiver checks that an event is ours, whole and new. A redirect is not
// followed, and an answer is not read beyond its status.
package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/weft-im/weft/fabric"
)

// Within bounds one post.
const Within = 20 * time.Second

// maxAnswer is how much of an answer is read, so that its connection can be used again; maxHeader bounds its headers.
const (
	maxAnswer = 4 << 10
	maxHeader = 64 << 10
)

// secretPrefix begins a secret's text, secretBytes is how many random bytes it has.
const (
	secretPrefix = "whsec_"
	secretBytes  = 32
)

// NewSecret returns a new secret that signs.
func NewSecret() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// ErrGone says that the receiver wants no more (HTTP 410).
var ErrGone = errors.New("the receiver wants no more events (410 Gone)")

// Event is what is posted.
type Event struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// Poster posts to one receiver. Any number of goroutines may use it.
type Poster struct {
	url    string
	sign   *standardwebhooks.Webhook
	client *http.Client
}

// New returns a poster for a URL.
func New(target, secret string) (*Poster, error) {
	if err := CheckURL(target); err != nil {
		return nil, err
	}
	sign, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, errors.New("webhook: the secret is not whsec_ and base64")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxHeader
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 16, 16, time.Minute
	return &Poster{url: target, sign: sign, client: &http.Client{
		Transport: transport, Timeout: Within,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// maxURLBytes bounds a receiver's URL.
const maxURLBytes = 2000

// CheckURL refuses a receiver that can't be posted to. Plain http is for this machine only: what is posted is private.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	good := err == nil && len(text) <= maxURLBytes && u.Host != "" && u.User == nil && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()))
	if !good {
		return fabric.Errorf(fabric.CodeBadRequest, "webhook: want an https URL of up to %d bytes, without user or fragment (http for localhost)", maxURLBytes)
	}
	return nil
}

// Close lets go of idle connections.
func (p *Poster) Close() { p.client.CloseIdleConnections() }

// Post posts an event under an id, the same one in each try. Any answer of 2xx is a yes; every error but ErrGone may be
// tried again.
func (p *Poster) Post(ctx context.Context, id string, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	now := time.Now()
	signature, err := p.sign.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("webhook: sign: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "weft",
		standardwebhooks.HeaderWebhookID:        id,
		standardwebhooks.HeaderWebhookTimestamp: strconv.FormatInt(now.Unix(), 10),
		standardwebhooks.HeaderWebhookSignature: signature,
	} {
		req.Header.Set(name, value)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) { // its text has the whole URL in it, which may have a secret
			err = of.Err
		}
		return fmt.Errorf("webhook at %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // only for the connection's sake
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusGone:
		return ErrGone
	}
	return fmt.Errorf("webhook at %s: it answers %s", req.URL.Host, resp.Status)
}
