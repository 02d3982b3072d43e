package auth

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/fabric"
)

// Lifetimes and bounds of access tokens.
const (
	AccessLife = 15 * time.Minute
	// Skew is how far the clocks of those who sign and those who check may be apart.
	Skew          = time.Minute
	maxTokenBytes = 4 << 10
)

// Tags in which an access token names its user and device.
const (
	tagUser   = "user:"
	tagDevice = "device:"
)

// Claims are what a good access token says.
type Claims struct {
	User      fabric.UserID
	Device    fabric.DeviceID
	PublicKey string // the nkey that the token is bound to; empty for a bearer token
	ExpiresAt time.Time
}

// Issuer signs access tokens.
type Issuer struct {
	key     nkeys.KeyPair
	account string
}

// Issue returns an access token for a device: a NATS user JWT, bound to publicKey where that is not empty, else a bearer
// token. It may neither publish nor subscribe: edges act for it.
func (i *Issuer) Issue(u fabric.UserID, d fabric.DeviceID, publicKey string, now time.Time) (token string, expires time.Time, err error) {
	subject := publicKey
	if subject == "" {
		pair, err := nkeys.CreateUser() // its seed is forgotten here: nobody can sign for it
		if err != nil {
			return "", time.Time{}, fmt.Errorf("make key: %w", err)
		}
		if subject, err = pair.PublicKey(); err != nil {
			return "", time.Time{}, fmt.Errorf("make key: %w", err)
		}
		pair.Wipe()
	} else if !nkeys.IsValidPublicUserKey(publicKey) {
		return "", time.Time{}, fabric.Errorf(fabric.CodeBadRequest, "public_key: want the public half of a user nkey (U…)")
	}
	uc := jwt.NewUserClaims(subject)
	uc.IssuerAccount = i.account
	uc.BearerToken = publicKey == ""
	uc.Tags.Add(tagUser+string(u), tagDevice+string(d))
	uc.Pub.Deny.Add(">")
	uc.Sub.Deny.Add(">")
	expires = now.Add(AccessLife).Truncate(time.Second)
	uc.Expires = expires.Unix()
	if token, err = uc.Encode(i.key); err != nil {
		return "", time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	return token, expires, nil
}

// Verifier checks access tokens. Any number of goroutines may use it.
type Verifier struct {
	account string
	signers map[string]bool
	good    goodTokens
	now     func() time.Time // time.Now where nil
}

// Verify returns what token says. Every refusal has CodeUnauthenticated.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(token) > maxTokenBytes {
		return Claims{}, errMalformedToken
	}
	key := keyOf(token)
	c, known := v.good.get(key)
	if !known {
		var err error
		if c, err = v.check(token); err != nil {
			return Claims{}, err
		}
		v.good.add(key, c)
	}
	now := time.Now
	if v.now != nil {
		now = v.now
	}
	if now().After(c.ExpiresAt.Add(Skew)) {
		return Claims{}, fabric.Errorf(fabric.CodeUnauthenticated, "the token has expired: refresh it")
	}
	return c, nil
}

var errMalformedToken = fabric.Errorf(fabric.CodeUnauthenticated, "the token is malformed: want an access token of this server")

// check returns what a token of this server's says, expired or not.
func (v *Verifier) check(token string) (Claims, error) {
	if token == "" {
		return Claims{}, fabric.Errorf(fabric.CodeUnauthenticated, "want an access token")
	}
	if strings.Count(token, ".") != 2 {
		return Claims{}, errMalformedToken
	}
	// Decoding checks the signature against the issuer that the token names, and that issuer is checked next.
	uc, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return Claims{}, errMalformedToken
	}
	if uc.IssuerAccount != v.account || !v.signers[uc.Issuer] {
		return Claims{}, fabric.Errorf(fabric.CodeUnauthenticated, "the token is not of this server")
	}
	c := Claims{ExpiresAt: time.Unix(uc.Expires, 0)}
	if uc.Expires == 0 {
		return Claims{}, errMalformedToken
	}
	for _, tag := range uc.Tags {
		if id, ok := strings.CutPrefix(tag, tagUser); ok {
			c.User, err = fabric.ParseUserID(id)
		} else if id, ok := strings.CutPrefix(tag, tagDevice); ok {
			c.Device, err = fabric.ParseDeviceID(id)
		}
		if err != nil {
			return Claims{}, errMalformedToken
		}
	}
	if c.User == "" || c.Device == "" {
		return Claims{}, errMalformedToken
	}
	if !uc.BearerToken {
		c.PublicKey = uc.Subject
	}
	return c, nil
}

// VerifySignature checks that sig, base64url without padding, is nonce signed with the key that c is bound to.
func (v *Verifier) VerifySignature(c Claims, nonce, sig string) error {
	refused := fabric.Errorf(fabric.CodeUnauthenticated, "sig: want the nonce signed with the device's key, in base64url")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(sig, "="))
	if err != nil {
		return refused
	}
	key, err := nkeys.FromPublicKey(c.PublicKey)
	if err != nil || key.Verify([]byte(nonce), raw) != nil {
		return refused
	}
	return nil
}
