package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weft-im/weft/fabric"
)

// rememberedTokens bounds how many good tokens are remembered. A signature costs 75 µs to check, a hash 1: whoever comes
// back on the same edge with the same token, as all do after a network's hiccup, is let in at once.
const rememberedTokens = 1 << 15

// goodTokens remembers bearer tokens that were found good, by their hash. It holds two generations and forgets the old
// one when the young one is full: no list, no pointers, 90 bytes a token, of which an edge has one a connection.
type goodTokens struct {
	mu         sync.Mutex
	young, old map[tokenKey]goodToken
}

// tokenKey is half of a token's SHA-256: nobody finds a second token with the same 128 bits.
type tokenKey [16]byte

type goodToken struct {
	user, device uuid.UUID
	expires      int64 // Unix seconds
}

func keyOf(token string) tokenKey {
	h := sha256.Sum256([]byte(token))
	return tokenKey(h[:16])
}

func (g *goodTokens) get(k tokenKey) (Claims, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.young[k]
	if !ok {
		if t, ok = g.old[k]; !ok {
			return Claims{}, false
		}
		g.put(k, t)
	}
	return Claims{
		User: fabric.UserID(t.user.String()), Device: fabric.DeviceID(t.device.String()), ExpiresAt: time.Unix(t.expires, 0),
	}, true
}

// add remembers what a token says. One that is bound to a key is not remembered: its signature is checked in any case.
func (g *goodTokens) add(k tokenKey, c Claims) {
	user, err := uuid.Parse(string(c.User))
	if err != nil || c.PublicKey != "" {
		return
	}
	device, err := uuid.Parse(string(c.Device))
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(k, goodToken{user, device, c.ExpiresAt.Unix()})
}

// forget forgets all.
func (g *goodTokens) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.young, g.old = nil, nil
}

// put is called with mu held.
func (g *goodTokens) put(k tokenKey, t goodToken) {
	if len(g.young) >= rememberedTokens/2 {
		g.old, g.young = g.young, nil
	}
	if g.young == nil {
		g.young = make(map[tokenKey]goodToken)
	}
	g.young[k] = t
}
