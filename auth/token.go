package auth

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// Issuer signs access tokens, by the newest of its folder's keys that the edges know of. Any number of goroutines may use
// it.
type Issuer struct {
	keys *Keys

	mu      sync.RWMutex
	key     nkeys.KeyPair
	account string
	none    error // why there is no key
}

// Issuer returns what signs access tokens. Where the folder has no key for that, Issue says so until Trust finds one.
func (k *Keys) Issuer() *Issuer {
	i := &Issuer{keys: k}
	i.none = i.Trust(k.Clients())
	return i
}

// Trust takes the account's word on which keys sign: from then on the newest of those that the folder has is used. An
// error leaves the key as it was.
func (i *Issuer) Trust(c Clients) error {
	files, err := i.keys.signingFiles()
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(files) {
		pair, err := readKey(i.keys.path(name))
		if err != nil {
			return err
		}
		pub, err := public(pair)
		if err != nil {
			return err
		}
		if slices.Contains(c.Signers, pub) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.key, i.account, i.none = pair, c.Account, nil
			return nil
		}
	}
	return fmt.Errorf("%s has no key that signs access tokens (%s…): copy it from where `weft auth` made it", i.keys.dir, signingPrefix)
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
	i.mu.RLock()
	key, account, none := i.key, i.account, i.none
	i.mu.RUnlock()
	if none != nil {
		return "", time.Time{}, none
	}
	uc.IssuerAccount = account
	uc.BearerToken = publicKey == ""
	uc.Tags.Add(tagUser+string(u), tagDevice+string(d))
	uc.Pub.Deny.Add(">")
	uc.Sub.Deny.Add(">")
	expires = now.Add(AccessLife).Truncate(time.Second)
	uc.Expires = expires.Unix()
	if token, err = uc.Encode(key); err != nil {
		return "", time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	return token, expires, nil
}

// Verifier checks access tokens; it holds no secret. Any number of goroutines may use it.
type Verifier struct {
	clients atomic.Pointer[Clients]
	good    goodTokens
	now     func() time.Time // time.Now where nil
}

// Verifier returns what checks access tokens.
func (k *Keys) Verifier() *Verifier {
	v := new(Verifier)
	v.Trust(k.Clients())
	return v
}

// Trust takes the account's word on which keys sign. What was found good before is checked again.
func (v *Verifier) Trust(c Clients) {
	v.clients.Store(&c)
	v.good.forget()
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
		clients := v.clients.Load()
		if c, err = check(clients, token); err != nil {
			return Claims{}, err
		}
		v.good.add(key, c)
		if v.clients.Load() != clients { // Trust came in between, and may have ended the token's key
			v.good.forget()
		}
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

// Remembers reports whether a token was found good lately: then Verify costs no signature. It may have expired.
func (v *Verifier) Remembers(token string) bool {
	if len(token) > maxTokenBytes {
		return false
	}
	_, known := v.good.get(keyOf(token))
	return known
}

var errMalformedToken = fabric.Errorf(fabric.CodeUnauthenticated, "the token is malformed: want an access token of this server")

// check returns what a token of this server's says, expired or not.
func check(clients *Clients, token string) (Claims, error) {
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
	if uc.IssuerAccount != clients.Account || !slices.Contains(clients.Signers, uc.Issuer) {
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
