package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/oidc"
)

// FuzzIssuer holds a sign-in to the issuer's signature: whatever else answers in its place, at any of its endpoints, nobody is
// let in, and the person who signs in is told a code and nothing of what was answered.
func FuzzIssuer(f *testing.F) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	claims := `{"iss":"ISSUER","aud":"weft","sub":"dora","nonce":"NONCE","exp":99999999999,"iat":1}`
	for _, token := range []string{
		part(`{"alg":"none"}`) + "." + part(claims) + ".", part(`{"alg":"HS256"}`) + "." + part(claims) + "." + part("x"),
		part(`{"alg":"RS256","kid":"1"}`) + "." + part(claims) + "." + part("x"), "x.y.z", "",
	} {
		data, err := json.Marshal(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token, "expires_in": 5})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(0), data)
	}
	for endpoint := range byte(3) {
		for _, seed := range []string{
			"", "{}", "null", "[]", "x", `{"access_token":1}`, `{"access_token":"a","id_token":5}`, `{"error":"invalid_grant","error_description":"<script>"}`,
			`{"keys":[{"kty":"oct","k":"eA"}]}`, `{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","kid":"1"}]}`, `{"issuer":"http://other/"}`, "\xff",
		} {
			f.Add(endpoint, []byte(seed))
		}
	}
	var mu sync.Mutex
	var endpoint byte
	var answer []byte
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	f.Cleanup(srv.Close)
	serve := func(path string, n byte, usual string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			body := []byte(usual)
			if endpoint == n {
				body = answer
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		})
	}
	unsigned, err := json.Marshal(map[string]string{"access_token": "a", "token_type": "Bearer", "id_token": part(`{"alg":"RS256","kid":"1"}`) + "." + part(claims) + "." + part("x")})
	if err != nil {
		f.Fatal(err)
	}
	serve("/token", 0, string(unsigned))
	serve("/keys", 1, `{"keys":[]}`)
	serve("/.well-known/openid-configuration", 2, `{"issuer":"`+srv.URL+`","authorization_endpoint":"`+srv.URL+`/auth","token_endpoint":"`+srv.URL+
		`/token","jwks_uri":"`+srv.URL+`/keys","userinfo_endpoint":"`+srv.URL+`/info","id_token_signing_alg_values_supported":["RS256"]}`)
	f.Fuzz(func(t *testing.T, n byte, say []byte) {
		mu.Lock()
		endpoint, answer = n%3, say
		mu.Unlock()
		c, err := oidc.New(oidc.Config{Issuer: srv.URL, ClientID: "weft", ClientSecret: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		person, err := c.Finish(t.Context(), oidc.Pending{Redirect: "https://chat.example/", Verifier: "v", Nonce: "NONCE"}, "code")
		if err == nil {
			t.Fatalf("endpoint %d says %q, and %+v is in", n%3, say, person)
		}
		var known *fabric.Error
		if !errors.As(err, &known) || known.Code != fabric.CodeUnauthenticated && known.Code != fabric.CodeUnavailable {
			t.Fatalf("endpoint %d says %q: %v", n%3, say, err)
		}
		if known.Message != "the sign-in is not good (any more): begin again" && known.Message != "the organisation's sign-in does not answer: try again later" {
			t.Fatalf("endpoint %d says %q: people are told %q", n%3, say, known.Message)
		}
	})
}
