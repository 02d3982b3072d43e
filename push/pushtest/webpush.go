// Package pushtest has push services for tests: local servers that speak each one's real protocol, check what the real
// ones check and answer what they answer, also at their worst.
package pushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/contract"
)

// Answer is what a service does with a push. The zero value takes it.
type Answer struct {
	Status     int    // of HTTP; 0 is what the service says to one that it takes
	RetryAfter string // the header
	Body       string
	Hang       bool // it never answers
	Close      bool // it closes the connection in the middle of its answer
}

// Push is what a service was given for a device.
type Push struct {
	Device string // as the test called it
	Topic  string // by which it takes the place of an earlier one
	Header http.Header
	Data   []byte // the payload, as the device reads it
	At     time.Time
}

// WebPush is a push service of a browser (RFC 8030), with the browsers that have subscribed (RFC 8291).
type WebPush struct {
	*inbox
	URL string

	browsers map[string]*browser // by the path of the endpoint; guarded by the inbox's mu
}

type browser struct {
	name    string
	private *ecdh.PrivateKey
	auth    []byte
	vapid   string // the key that it has subscribed with
}

// StartWebPush starts a service, which ends with the test.
func StartWebPush(t testing.TB) *WebPush {
	w := &WebPush{inbox: newInbox(t), browsers: make(map[string]*browser)}
	server := httptest.NewServer(w)
	w.URL = server.URL
	t.Cleanup(func() {
		close(w.release)
		server.Close()
	})
	return w
}

// Subscribe has a browser subscribe with a fabric's VAPID key, and returns what its page sends to the fabric.
func (w *WebPush) Subscribe(name, vapidKey string) contract.PushRegistration {
	w.t.Helper()
	b := &browser{name: name, auth: make([]byte, 16), vapid: vapidKey}
	var err error
	if b.private, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		w.t.Fatal(err)
	}
	_, _ = rand.Read(b.auth)
	path := "/wp/" + rand.Text()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.browsers[path] = b
	return contract.PushRegistration{Kind: "webpush", Endpoint: w.URL + path, Keys: contract.PushKeys{
		P256dh: base64.RawURLEncoding.EncodeToString(b.private.PublicKey().Bytes()),
		Auth:   base64.RawURLEncoding.EncodeToString(b.auth),
	}}
}

func (w *WebPush) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	b := w.browsers[r.URL.Path]
	w.mu.Unlock()
	if b == nil {
		http.Error(rw, "no such subscription", http.StatusGone)
		return
	}
	a := w.tried(b.name)
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<10))
	if err != nil {
		return
	}
	status, err := w.check(r, b, body)
	if err != nil {
		w.t.Errorf("a push to %s: %v", b.name, err)
		http.Error(rw, err.Error(), status)
		return
	}
	data, err := b.decrypt(body)
	if err != nil {
		w.t.Errorf("%s can't decrypt its push: %v", b.name, err)
		http.Error(rw, "accepted", http.StatusCreated) // a service does not see it
		return
	}
	if refuse(rw, r, a, w.release) {
		return
	}
	w.take(Push{Device: b.name, Topic: r.Header.Get("Topic"), Header: r.Header.Clone(), Data: data})
	rw.Header().Set("Location", w.URL+"/m/"+rand.Text()) // RFC 8030, 5
	rw.WriteHeader(http.StatusCreated)
}

// refuse does what a test wants instead of taking a push.
func refuse(rw http.ResponseWriter, r *http.Request, a Answer, release <-chan struct{}) bool {
	switch {
	case a.Hang:
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case a.Close:
		rw.Header().Set("Content-Length", "100")
		panic(http.ErrAbortHandler)
	case a.Status != 0:
		if a.RetryAfter != "" {
			rw.Header().Set("Retry-After", a.RetryAfter)
		}
		rw.WriteHeader(a.Status)
		_, _ = io.WriteString(rw, a.Body)
		return true
	}
	return false
}

var topic = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// check checks a request as services do.
func (w *WebPush) check(r *http.Request, b *browser, body []byte) (status int, err error) {
	h := r.Header
	ttl, ttlErr := strconv.Atoi(h.Get("TTL"))
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, errors.New("not a POST")
	case ttlErr != nil || ttl < 0:
		return http.StatusBadRequest, fmt.Errorf("the TTL is %q (RFC 8030, 5.2)", h.Get("TTL"))
	case h.Get("Topic") != "" && !topic.MatchString(h.Get("Topic")):
		return http.StatusBadRequest, fmt.Errorf("the Topic is %q (RFC 8030, 5.4)", h.Get("Topic"))
	case h.Get("Urgency") != "" && !slices.Contains([]string{"very-low", "low", "normal", "high"}, h.Get("Urgency")):
		return http.StatusBadRequest, fmt.Errorf("the Urgency is %q (RFC 8030, 5.3)", h.Get("Urgency"))
	case h.Get("Content-Encoding") != "aes128gcm":
		return http.StatusUnsupportedMediaType, fmt.Errorf("the Content-Encoding is %q (RFC 8291, 4)", h.Get("Content-Encoding"))
	case len(body) > 4096:
		return http.StatusRequestEntityTooLarge, fmt.Errorf("%d bytes (RFC 8030, 7.2)", len(body))
	}
	if err := checkVAPID(h.Get("Authorization"), "http://"+r.Host, b.vapid); err != nil {
		return http.StatusForbidden, err
	}
	return 0, nil
}

// checkVAPID checks an Authorization as RFC 8292 has it.
func checkVAPID(header, origin, subscribed string) error {
	rest, ok := strings.CutPrefix(header, "vapid ")
	if !ok {
		return fmt.Errorf("the Authorization is %q", header)
	}
	params := make(map[string]string)
	for p := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		params[k] = v
	}
	if params["k"] != subscribed {
		return fmt.Errorf("the key is %q, subscribed was with %q", params["k"], subscribed)
	}
	raw, err := base64.RawURLEncoding.DecodeString(params["k"])
	if err != nil || len(raw) != 65 {
		return fmt.Errorf("the key is %q", params["k"])
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	var claims struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}
	if _, err := checkES256(params["t"], key, &claims); err != nil {
		return err
	}
	left := time.Until(time.Unix(claims.Expires, 0))
	switch {
	case claims.Audience != origin:
		return fmt.Errorf("aud is %q, want %q", claims.Audience, origin)
	case left <= 0 || left > 24*time.Hour:
		return fmt.Errorf("the token expires in %s: want up to a day", left)
	case !strings.HasPrefix(claims.Subject, "mailto:") && !strings.HasPrefix(claims.Subject, "https:"):
		return fmt.Errorf("sub is %q", claims.Subject)
	}
	return nil
}

// checkES256 checks a JWT's signature (RFC 7515), reads its claims, and returns the key's id in its header.
func checkES256(token string, key *ecdsa.PublicKey, claims any) (kid string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%q is no token", token)
	}
	var raw [3][]byte
	for i, p := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return "", fmt.Errorf("%q is no token", token)
		}
	}
	var header struct {
		Alg, Typ, Kid string
	}
	if err := json.Unmarshal(raw[0], &header); err != nil || header.Alg != "ES256" {
		return "", fmt.Errorf("the token's header is %s", raw[0])
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig := raw[2]
	if len(sig) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return "", errors.New("the token's signature does not fit")
	}
	return header.Kid, json.Unmarshal(raw[1], claims)
}

// decrypt is what a browser does (RFC 8188 and 8291), step by step and by other means than the sender.
func (b *browser) decrypt(body []byte) ([]byte, error) {
	if len(body) < 21+65+17 || body[20] != 65 {
		return nil, fmt.Errorf("%d bytes are no record", len(body))
	}
	salt, size, sender := body[:16], binary.BigEndian.Uint32(body[16:20]), body[21:86]
	if record := body[86:]; len(record) > int(size) {
		return nil, fmt.Errorf("more than one record of %d bytes", size)
	}
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	shared, err := b.private.ECDH(public)
	if err != nil {
		return nil, err
	}
	mac := func(key []byte, parts ...string) []byte {
		h := hmac.New(sha256.New, key)
		for _, p := range parts {
			h.Write([]byte(p))
		}
		return h.Sum(nil)
	}
	ikm := mac(mac(b.auth, string(shared)), "WebPush: info\x00", string(b.private.PublicKey().Bytes()), string(sender), "\x01")
	prk := mac(salt, string(ikm))
	block, err := aes.NewCipher(mac(prk, "Content-Encoding: aes128gcm\x00\x01")[:16])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, mac(prk, "Content-Encoding: nonce\x00\x01")[:12], body[86:], nil)
	if err != nil {
		return nil, err
	}
	plain = []byte(strings.TrimRight(string(plain), "\x00"))
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		return nil, errors.New("the last record's delimiter is missing")
	}
	return plain[:len(plain)-1], nil
}
