package pushtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FCM is Firebase Cloud Messaging, with Google's exchange of tokens beside it.
type FCM struct {
	*inbox
	URL         string
	Credentials []byte // of a service account of its project

	key       *rsa.PrivateKey
	tokens    map[string]bool // given out
	exchanges int
}

const (
	fcmProject = "weavers-1"
	fcmEmail   = "push@weavers-1.iam.gserviceaccount.com"
	fcmKeyID   = "0123abcd"
)

// StartFCM starts the service, which ends with the test.
func StartFCM(t testing.TB) *FCM {
	f := &FCM{inbox: newInbox(t), tokens: make(map[string]bool)}
	var err error
	if f.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", f.exchange)
	mux.HandleFunc("POST /v1/projects/"+fcmProject+"/messages:send", f.send)
	server := httptest.NewServer(mux)
	t.Cleanup(func() { close(f.release); server.Close() })
	f.URL = server.URL
	der, err := x509.MarshalPKCS8PrivateKey(f.key)
	if err != nil {
		t.Fatal(err)
	}
	if f.Credentials, err = json.Marshal(map[string]string{
		"type": "service_account", "project_id": fcmProject, "private_key_id": fcmKeyID, "client_email": fcmEmail, "token_uri": f.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}); err != nil {
		t.Fatal(err)
	}
	return f
}

// Exchanges returns how many access tokens were given out; Revoke ends them.
func (f *FCM) Exchanges() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.exchanges
}

// exchange checks a JWT and gives a token for it (RFC 7523, 2.1).
func (f *FCM) exchange(w http.ResponseWriter, r *http.Request) {
	refuse := func(why string) {
		f.t.Errorf("FCM's exchange of tokens: %s", why)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": why}) // RFC 6749, 5.2
	}
	if got := r.FormValue("grant_type"); got != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		refuse("grant_type is " + got)
		return
	}
	parts := strings.Split(r.FormValue("assertion"), ".")
	if len(parts) != 3 {
		refuse("the assertion is no JWT")
		return
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	now := time.Now().Unix()
	switch {
	case err != nil || decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil:
		refuse("the assertion can't be read")
	case header.Alg != "RS256" || header.Kid != fcmKeyID:
		refuse(fmt.Sprintf("the header is %+v", header))
	case rsa.VerifyPKCS1v15(&f.key.PublicKey, crypto.SHA256, sum[:], signature) != nil:
		refuse("the signature does not fit")
	case claims.Iss != fcmEmail || claims.Aud != f.URL+"/token" || claims.Scope != "https://www.googleapis.com/auth/firebase.messaging":
		refuse(fmt.Sprintf("the claims are %+v", claims))
	case claims.Exp < now || claims.Exp > claims.Iat+3600 || claims.Iat > now+60:
		refuse(fmt.Sprintf("it holds from %d to %d, now is %d", claims.Iat, claims.Exp, now))
	default:
		token := "ya29." + rand.Text()
		f.mu.Lock()
		f.tokens[token] = true
		f.exchanges++
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599,"token_type":"Bearer"}`, token)
	}
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// FCMError is the body of an error as FCM has it.
func FCMError(status, code string) string {
	return fmt.Sprintf(`{"error":{"code":400,"message":"no","status":%q,"details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":%q}]}}`, status, code)
}

var seconds = regexp.MustCompile(`^[0-9]+s$`)

// send checks a message (https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages) and takes it.
func (f *FCM) send(w http.ResponseWriter, r *http.Request) {
	bad := func(status int, code, why string) {
		f.t.Errorf("FCM: %s", why)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, FCMError(code, code))
	}
	f.mu.Lock()
	known := f.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	f.mu.Unlock()
	if !known {
		bad(http.StatusUnauthorized, "UNAUTHENTICATED", "the token is none of ours")
		return
	}
	var req struct {
		Message struct {
			Token   string            `json:"token"`
			Data    map[string]string `json:"data"`
			Android struct {
				CollapseKey  string `json:"collapse_key"`
				Priority     string `json:"priority"`
				TTL          string `json:"ttl"`
				Notification *struct {
					Title string `json:"title"`
					Body  string `json:"body"`
					Tag   string `json:"tag"`
					Count int    `json:"notification_count"`
				} `json:"notification"`
			} `json:"android"`
		} `json:"message"`
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, 16<<10))
	dec.DisallowUnknownFields() // as Google's servers do
	if err := dec.Decode(&req); err != nil {
		bad(http.StatusBadRequest, "INVALID_ARGUMENT", err.Error())
		return
	}
	m := req.Message
	a := f.tried(m.Token)
	size := 0
	for k, v := range m.Data {
		size += len(k) + len(v)
		if strings.HasPrefix(k, "google") || k == "from" || k == "message_type" {
			bad(http.StatusBadRequest, "INVALID_ARGUMENT", "the key "+k+" is reserved")
			return
		}
	}
	if n := m.Android.Notification; n != nil {
		size += len(n.Title) + len(n.Body) + len(n.Tag)
	}
	switch {
	case m.Token == "" || m.Android.Priority != "HIGH" && m.Android.Priority != "NORMAL" || !seconds.MatchString(m.Android.TTL):
		bad(http.StatusBadRequest, "INVALID_ARGUMENT", fmt.Sprintf("the message is %+v", m))
	case size > 4096:
		bad(http.StatusBadRequest, "INVALID_ARGUMENT", fmt.Sprintf("%d bytes", size))
	case refuse(w, r, a, f.release):
	default:
		f.take(Push{Device: m.Token, Topic: m.Android.CollapseKey, Data: []byte(m.Data["weft"]), Header: http.Header{
			"Priority": {m.Android.Priority}, "Ttl": {m.Android.TTL}, "Shown": {strconv.FormatBool(m.Android.Notification != nil)},
		}})
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"name":"projects/%s/messages/0:%s"}`, fcmProject, rand.Text())
	}
}

// APNs is Apple's push service.
type APNs struct {
	*inbox
	URL   string
	Key   []byte // a .p8
	Roots *x509.CertPool

	key    *ecdsa.PrivateKey
	tokens map[string]bool // seen
}

// What the service knows the key by, and the app.
const (
	APNsKeyID  = "ABC123DEFG"
	APNsTeamID = "DEF123GHIJ"
	APNsTopic  = "im.weft.app"
)

// StartAPNs starts the service, which ends with the test. It speaks HTTP/2 only.
func StartAPNs(t testing.TB) *APNs {
	a := &APNs{inbox: newInbox(t), tokens: make(map[string]bool), Roots: x509.NewCertPool()}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	server := httptest.NewUnstartedServer(a)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() { close(a.release); server.Close() })
	a.Roots.AddCert(server.Certificate())
	a.URL = server.URL
	return a
}

// Tokens returns how many provider tokens were seen.
func (a *APNs) Tokens() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.tokens)
}

var deviceToken = regexp.MustCompile(`^/3/device/([0-9a-f]{64,})$`)

func (a *APNs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bad := func(status int, reason, why string) {
		a.t.Errorf("APNs: %s: %s", reason, why)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"reason":%q}`, reason)
	}
	h := r.Header
	token, ok := strings.CutPrefix(h.Get("Authorization"), "bearer ")
	var claims struct {
		Iss string
		Iat int64
	}
	kid, err := checkES256(token, &a.key.PublicKey, &claims)
	if !ok || err != nil || kid != APNsKeyID || claims.Iss != APNsTeamID {
		bad(http.StatusForbidden, "InvalidProviderToken", fmt.Sprintf("kid %s, %+v: %v", kid, claims, err))
		return
	}
	if age := time.Since(time.Unix(claims.Iat, 0)); age < -time.Minute || age > time.Hour {
		bad(http.StatusForbidden, "ExpiredProviderToken", age.String())
		return
	}
	a.mu.Lock()
	a.tokens[token] = true
	a.mu.Unlock()
	to := deviceToken.FindStringSubmatch(r.URL.Path)
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<10))
	var p struct {
		APS struct {
			Alert *struct {
				Title string `json:"title"`
				Body  string `json:"body"`
			} `json:"alert"`
			Badge            *int   `json:"badge"`
			Sound            string `json:"sound"`
			ContentAvailable int    `json:"content-available"`
		} `json:"aps"`
		Weft json.RawMessage `json:"weft"`
	}
	expires, expiresErr := strconv.ParseInt(h.Get("Apns-Expiration"), 10, 64)
	kind, priority := h.Get("Apns-Push-Type"), h.Get("Apns-Priority")
	switch {
	case r.ProtoMajor != 2:
		bad(http.StatusBadRequest, "BadRequest", r.Proto)
	case r.Method != http.MethodPost || to == nil:
		bad(http.StatusBadRequest, "BadPath", r.URL.Path)
	case h.Get("Apns-Topic") != APNsTopic:
		bad(http.StatusBadRequest, "DeviceTokenNotForTopic", h.Get("Apns-Topic"))
	case len(h.Get("Apns-Collapse-Id")) > 64:
		bad(http.StatusBadRequest, "BadCollapseId", h.Get("Apns-Collapse-Id"))
	case expiresErr != nil || expires < time.Now().Unix():
		bad(http.StatusBadRequest, "BadExpirationDate", h.Get("Apns-Expiration"))
	case len(body) > 4096:
		bad(http.StatusRequestEntityTooLarge, "PayloadTooLarge", strconv.Itoa(len(body)))
	case err != nil || json.Unmarshal(body, &p) != nil:
		bad(http.StatusBadRequest, "BadMessageId", string(body))
	case kind == "alert" && (p.APS.Alert == nil || priority != "10"):
		bad(http.StatusBadRequest, "BadPriority", string(body))
	case kind == "background" && (p.APS.Alert != nil || p.APS.Sound != "" || p.APS.ContentAvailable != 1 || priority != "5"):
		bad(http.StatusBadRequest, "BadPriority", string(body))
	case kind != "alert" && kind != "background":
		bad(http.StatusBadRequest, "InvalidPushType", kind)
	case refuse(w, r, a.tried(to[1]), a.release):
	default:
		w.Header().Set("Apns-Id", rand.Text())
		a.take(Push{Device: to[1], Topic: h.Get("Apns-Collapse-Id"), Header: h.Clone(), Data: body})
	}
}
