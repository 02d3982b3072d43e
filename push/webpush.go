package push

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/weft-im/weft/fabric"
)

// maxWebPush is how many bytes a Web Push carries: a service takes 4,096 at least (RFC 8030, 7.2), of which 86 are the
// header, 16 the tag and 1 the delimiter of the padding (RFC 8188).
const maxWebPush = 4096 - headerBytes - 16 - 1

// headerBytes is the header of aes128gcm with a P-256 key in it: salt, record size, length of the key, key (RFC 8188, 2.1).
const headerBytes = 16 + 4 + 1 + publicBytes

// publicBytes is an uncompressed point on P-256 (X9.62).
const publicBytes = 65

const authBytes = 16 // RFC 8291, 3.2

// subscription is a browser's, as far as it takes part in the encryption.
type subscription struct {
	public *ecdh.PublicKey
	auth   []byte
}

// parseSubscription reads the keys of a PushSubscription.
func parseSubscription(p256dh, auth string) (s subscription, err error) {
	raw, err := fromBase64(p256dh)
	if err == nil {
		s.public, err = ecdh.P256().NewPublicKey(raw)
	}
	if err != nil {
		return s, fabric.Errorf(fabric.CodeBadRequest, "keys.p256dh: want an uncompressed point on P-256 in base64url")
	}
	if s.auth, err = fromBase64(auth); err != nil || len(s.auth) != authBytes {
		return s, fabric.Errorf(fabric.CodeBadRequest, "keys.auth: want %d bytes in base64url", authBytes)
	}
	return s, nil
}

// fromBase64 reads base64 in the alphabet of URLs or the other, with padding or without, as browsers' code writes it.
func fromBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	return base64.RawURLEncoding.DecodeString(text)
}

// encrypt encrypts data for a subscription with a key pair that is used once (RFC 8291, 3.3 and 3.4), as one record of
// aes128gcm. It costs the two multiplications on the curve, of which the standard library's are the quickest there are:
// docs/adr/0014 has figures.
func (s subscription) encrypt(data []byte, salt [16]byte, once *ecdh.PrivateKey) ([]byte, error) {
	shared, err := once.ECDH(s.public)
	if err != nil {
		return nil, fmt.Errorf("web push: agree on a key: %w", err)
	}
	sender := once.PublicKey().Bytes()
	info := append(append([]byte("WebPush: info\x00"), s.public.Bytes()...), sender...)
	ikm, err := hkdf.Key(sha256.New, shared, s.auth, string(info), 32)
	if err != nil {
		return nil, fmt.Errorf("web push: derive keys: %w", err)
	}
	prk, err := hkdf.Extract(sha256.New, ikm, salt[:])
	if err != nil {
		return nil, fmt.Errorf("web push: derive keys: %w", err)
	}
	key, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, fmt.Errorf("web push: derive keys: %w", err)
	}
	nonce, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, fmt.Errorf("web push: derive keys: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("web push: encrypt: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("web push: encrypt: %w", err)
	}
	out := make([]byte, 0, headerBytes+len(data)+1+gcm.Overhead())
	out = append(out, salt[:]...)
	out = binary.BigEndian.AppendUint32(out, 4096) // the record's size: at least as large as the one record
	out = append(out, publicBytes)
	out = append(out, sender...)
	plain := append(append(make([]byte, 0, len(data)+1), data...), 2) // the last record's delimiter
	return gcm.Seal(out, nonce, plain, nil), nil
}

func (s subscription) seal(data []byte) ([]byte, error) {
	once, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("web push: make a key: %w", err)
	}
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails
	return s.encrypt(data, salt, once)
}

// Lifetimes of what says to a push service who we are: RFC 8292 allows 24 hours; half of it is left when it is renewed.
const (
	vapidLives  = 12 * time.Hour
	vapidRenew  = 6 * time.Hour
	maxVAPIDs   = 10_000 // origins
	vapidKey    = "vapid"
	scalarBytes = 32
)

// vapid says to push services who we are (RFC 8292): one token an origin, signed once in hours and not for every push.
type vapid struct {
	public  string // base64url
	signer  jose.Signer
	contact string
	now     func() time.Time

	mu     sync.Mutex
	tokens map[string]vapidToken // by origin
}

type vapidToken struct {
	header string
	renew  time.Time
}

// newVAPIDKey returns a new key as it is kept: base64url of the private scalar.
func newVAPIDKey() (string, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a VAPID key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(k.Bytes()), nil
}

func newVAPID(key, contact string, now func() time.Time) (*vapid, error) {
	raw, err := fromBase64(key)
	if err != nil || len(raw) != scalarBytes {
		return nil, errors.New("the VAPID key is not 32 bytes in base64url")
	}
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, fmt.Errorf("the VAPID key: %w", err)
	}
	public, err := ec.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("the VAPID key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ec}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("the VAPID key: %w", err)
	}
	return &vapid{
		public: base64.RawURLEncoding.EncodeToString(public), signer: signer, contact: contact, now: now,
		tokens: make(map[string]vapidToken),
	}, nil
}

// header returns the Authorization for an origin.
func (v *vapid) header(origin string) (string, error) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if t, ok := v.tokens[origin]; ok && now.Before(t.renew) {
		return t.header, nil
	}
	token, err := jwt.Signed(v.signer).Claims(struct {
		Audience string `json:"aud"` // one, as text: that is how all services read it
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}{origin, now.Add(vapidLives).Unix(), v.contact}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign for %s: %w", origin, err)
	}
	if len(v.tokens) >= maxVAPIDs { // a wildcard's hosts are many
		clear(v.tokens)
	}
	t := vapidToken{"vapid t=" + token + ", k=" + v.public, now.Add(vapidRenew)}
	v.tokens[origin] = t
	return t.header, nil
}

// webPush pushes by the services that speak RFC 8030.
type webPush struct {
	vapid   *vapid
	clients map[string]*http.Client // by lane
}

// Urgency of RFC 8030, 5.3, and how long a service may keep what a device is not there for.
const (
	urgencyHigh   = "high"
	urgencyNormal = "normal"
	urgencyLow    = "low"
)

// send implements provider.
func (w *webPush) send(ctx context.Context, d *destination, n *notification) outcome {
	data, err := n.payload(maxWebPush)
	if err != nil {
		return outcome{result: resultBroken, detail: err.Error()}
	}
	body, err := d.subscription.seal(data)
	if err != nil {
		return outcome{result: resultBroken, detail: err.Error()}
	}
	authorization, err := w.vapid.header(d.url.Scheme + "://" + d.url.Host)
	if err != nil {
		return outcome{result: resultBroken, detail: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.address.Endpoint, bytes.NewReader(body))
	if err != nil {
		return outcome{result: resultBroken, detail: "endpoint"}
	}
	h := req.Header
	h.Set("Authorization", authorization)
	h.Set("Content-Encoding", "aes128gcm")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("TTL", strconv.Itoa(int(n.ttl.Seconds())))
	h.Set("Urgency", n.urgency)
	if n.topic != "" {
		h.Set("Topic", n.topic)
	}
	resp, err := w.clients[d.lane].Do(req)
	if err != nil {
		return failed(err)
	}
	return answered(resp, nil)
}

// Address is how a device is reached, as it is kept.
type Address struct {
	Endpoint string `json:"endpoint,omitempty"`
	P256dh   string `json:"p256dh,omitempty"`
	Auth     string `json:"auth,omitempty"`
	Token    string `json:"token,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Sandbox  bool   `json:"sandbox,omitempty"`
}

func (a Address) encode() (string, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return string(data), nil
}
