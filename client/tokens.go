package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
)

// TokenSource gives the access token for an attempt to connect. refused is the token that the server just did not take,
// empty where it took the last one: a source that has nothing better answers with CodeUnauthenticated, and the session
// is signed out. Any other error is tried again.
type TokenSource interface {
	Token(ctx context.Context, refused string) (string, error)
}

// StaticToken is an access token that nobody renews.
type StaticToken string

// Token returns the token, unless the server refused it.
func (t StaticToken) Token(_ context.Context, refused string) (string, error) {
	if refused == string(t) {
		return "", fabric.Errorf(fabric.CodeUnauthenticated, "the access token is not taken (any more), and there is no way to renew it")
	}
	return string(t), nil
}

// renewBefore is how long before its end an access token counts as expired: a handshake takes its time.
const renewBefore = 30 * time.Second

// Grants is a TokenSource that renews a Grant when it expires or was refused.
type Grants struct {
	api  API
	save func(Grant) error

	mu      sync.Mutex
	grant   Grant
	attempt string // to renew it, from the first try until one is answered
	unsaved bool
}

// NewGrants returns a source that begins with grant. save, where it is not nil, stores each new one before it is used:
// the old refresh token is spent by then. If it fails, so does the attempt to connect, and the next one saves again.
func NewGrants(api API, grant Grant, save func(Grant) error) *Grants {
	return &Grants{api: api, save: save, grant: grant}
}

// Token returns the grant's access token, renewed first where it expired or is the refused one.
func (g *Grants) Token(ctx context.Context, refused string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.store(); err != nil {
		return "", err
	}
	expired := time.Until(time.UnixMilli(g.grant.ExpiresAt)) < renewBefore
	if !expired && g.grant.AccessToken != refused {
		return g.grant.AccessToken, nil
	}
	if g.attempt == "" {
		g.attempt = fabric.NewCID()
	}
	next, err := g.api.Refresh(ctx, g.grant.RefreshToken, g.attempt)
	if err != nil {
		return "", fmt.Errorf("renew the access token: %w", err)
	}
	g.grant, g.attempt, g.unsaved = next, "", true
	if err := g.store(); err != nil {
		return "", err
	}
	return next.AccessToken, nil
}

// store saves a grant that is not saved yet; with g.mu held.
func (g *Grants) store() error {
	if g.save == nil || !g.unsaved {
		return nil
	}
	if err := g.save(g.grant); err != nil {
		return fmt.Errorf("store the renewed tokens: %w", err)
	}
	g.unsaved = false
	return nil
}

// Grant returns the grant as it stands.
func (g *Grants) Grant() Grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grant
}
