package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"
)

// Lifetimes and bounds of one-time codes and refresh tokens.
const (
	CodeDigits  = 6
	CodeLife    = 5 * time.Minute
	CodeTries   = 5
	RefreshLife = 90 * 24 * time.Hour

	refreshBytes = 32 // 256 bits
	// MaxRefreshBytes bounds a refresh token as a client sends it.
	MaxRefreshBytes = 64
)

// Hash is what is stored of a secret: its SHA-256. The secrets are random and long, or short-lived and few tries are
// given, so that a slow hash would add nothing.
type Hash [sha256.Size]byte

// HashOf returns the hash of a secret.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// Equal compares in constant time.
func (h Hash) Equal(o Hash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// NewCode returns a one-time code of CodeDigits digits.
func NewCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("make code: %w", err)
	}
	return fmt.Sprintf("%0*d", CodeDigits, n), nil
}

// CodeHash hashes a code together with the phone it was sent to, so that equal codes don't have equal hashes.
func CodeHash(phone, code string) Hash { return HashOf(phone + "\x00" + code) }

// NewRefreshToken returns an opaque token; only its hash is to be stored.
func NewRefreshToken() string {
	b := make([]byte, refreshBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}
