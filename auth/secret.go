package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"

	"github.com/weft-im/weft/fabric"
)

// Lifetimes and bounds of one-time codes and refresh tokens.
const (
	CodeDigits  = 6
	CodeLife    = 5 * time.Minute
	CodeTries   = 5
	RefreshLife = 90 * 24 * time.Hour

	familyBytes = 16
	onceBytes   = 32
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

// RefreshToken is what a device trades for its next pair of tokens. It has a family, which stays the same for as long as
// the device is signed in, and a secret that is good once. Who shows the family with a spent secret shows a copy of a
// token from before, however old it is, and one row a device is enough to know it.
type RefreshToken struct {
	family [familyBytes]byte
	once   [onceBytes]byte
}

// NewRefreshToken returns the first token of a new family, Next the one that follows t.
func NewRefreshToken() RefreshToken {
	var t RefreshToken
	_, _ = rand.Read(t.family[:]) // never fails: crypto/rand ends the program instead
	return t.Next()
}

func (t RefreshToken) Next() RefreshToken {
	_, _ = rand.Read(t.once[:]) // as above
	return t
}

// ParseRefreshToken reads a token as a client sends it. The error has CodeUnauthenticated.
func ParseRefreshToken(text string) (RefreshToken, error) {
	var t RefreshToken
	if base64.RawURLEncoding.DecodedLen(len(text)) == familyBytes+onceBytes {
		if b, err := base64.RawURLEncoding.DecodeString(text); err == nil {
			copy(t.once[:], b[copy(t.family[:], b):])
			return t, nil
		}
	}
	return t, fabric.Errorf(fabric.CodeUnauthenticated, "that is no refresh token: sign in again")
}

// String returns the token as it goes to the client. Only its hashes are to be stored.
func (t RefreshToken) String() string {
	return base64.RawURLEncoding.EncodeToString(append(t.family[:], t.once[:]...))
}

// Hashes returns what is stored of t.
func (t RefreshToken) Hashes() (family, once Hash) {
	return sha256.Sum256(t.family[:]), sha256.Sum256(append(t.family[:], t.once[:]...))
}
