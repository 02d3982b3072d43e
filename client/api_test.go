package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// answering returns an API whose server checks the path and answers with this.
func answering(t *testing.T, path string, status int, contentType, body string) client.API {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.Path != path {
			t.Errorf("asked for %s %s, want %s", r.Method, r.URL.Path, path)
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(h.Close)
	return client.API{URL: h.URL + "/"}
}

const problemJSON = "application/problem+json"

func TestErrorsOfTheAPIAreTyped(t *testing.T) {
	cases := map[string]struct {
		status     int
		kind, body string
		code       fabric.Code
		message    string
	}{
		"problem":             {429, problemJSON, `{"type":"about:blank","title":"Too Many Requests","status":429,"code":"rate_limited","detail":"wait 3 s"}`, fabric.CodeRateLimited, "wait 3 s"},
		"problem, no detail":  {404, problemJSON, `{"title":"Not Found","status":404,"code":"not_found"}`, fabric.CodeNotFound, "Not Found"},
		"something between":   {502, "text/html", `<html>bad gateway`, fabric.CodeUnavailable, "the server answered with status 502"},
		"a status of its own": {418, "text/plain", ``, fabric.CodeBadRequest, "the server answered with status 418"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			api := answering(t, "POST /v1/auth/otp", tc.status, tc.kind, tc.body)
			_, err := api.OTP(t.Context(), "+4915112345678")
			var e *fabric.Error
			if !errors.As(err, &e) || e.Code != tc.code || e.Message != tc.message {
				t.Errorf("got %v, want %s: %s", err, tc.code, tc.message)
			}
		})
	}
}

func TestSignInAndOut(t *testing.T) {
	api := answering(t, "POST /v1/auth/otp", 202, "application/json", `{"phone":"+4915112345678","expires_at":5,"dev_code":"123456"}`)
	if otp, err := api.OTP(t.Context(), "+49 151 12345678"); err != nil || otp.DevCode != "123456" {
		t.Errorf("got %+v, %v", otp, err)
	}
	api = answering(t, "POST /v1/auth/token", 200, "application/json",
		`{"user":{"id":"u","name":"Ann","phone":"+49"},"device":{"id":"d"},"access_token":"a","expires_at":7,"refresh_token":"r"}`)
	if g, err := api.Token(t.Context(), client.SignIn{Phone: "+49", Code: "1"}); err != nil || g.User.Name != "Ann" || g.AccessToken != "a" || g.RefreshToken != "r" {
		t.Errorf("got %+v, %v", g, err)
	}
	api = answering(t, "POST /v1/auth/logout", 204, "", "")
	if err := api.Logout(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// renewing is a server whose refresh tokens can be spent once.
func renewing(t *testing.T) client.API {
	t.Helper()
	spent := map[string]bool{}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || spent[in.RefreshToken] {
			w.WriteHeader(http.StatusUnauthorized)
			w.Write([]byte(`{"code":"unauthenticated","detail":"spent"}`))
			return
		}
		spent[in.RefreshToken] = true
		json.NewEncoder(w).Encode(client.Grant{
			AccessToken: "access of " + in.RefreshToken, RefreshToken: in.RefreshToken + "'", ExpiresAt: time.Now().Add(time.Hour).UnixMilli(),
		})
	}))
	t.Cleanup(h.Close)
	return client.API{URL: h.URL}
}

func TestGrantsAreRenewedWhenTheyExpiredOrWereRefused(t *testing.T) {
	var saved client.Grant
	full := errors.New("the disk is full")
	fail := full
	save := func(g client.Grant) error {
		if fail == nil {
			saved = g
		}
		return fail
	}
	g := client.NewGrants(renewing(t), client.Grant{AccessToken: "a", RefreshToken: "r", ExpiresAt: time.Now().Add(time.Second).UnixMilli()}, save)
	mustBe := func(refused, want string) {
		t.Helper()
		got, err := g.Token(context.Background(), refused)
		if err != nil || got != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}

	if _, err := g.Token(t.Context(), ""); !errors.Is(err, full) {
		t.Fatalf("got %v, want that it can't be stored", err)
	}
	fail = nil
	mustBe("", "access of r") // the new one, not another one: r is spent
	if saved.RefreshToken != "r'" {
		t.Errorf("stored %+v, want the renewed grant", saved)
	}
	mustBe("some older one", "access of r")
	mustBe("access of r", "access of r'")
	if saved.RefreshToken != "r''" || g.Grant() != saved {
		t.Errorf("stored %+v, want the renewed grant", saved)
	}
}

func TestOptionsThatCanNotBe(t *testing.T) {
	for name, opt := range map[string]client.Options{
		"nobody":    {URL: "http://127.0.0.1"},
		"no scheme": {URL: "127.0.0.1:80", Tokens: client.StaticToken("t")},
		"no host":   {URL: "http://", Tokens: client.StaticToken("t")},
		"a file":    {URL: "file:///etc", Tokens: client.StaticToken("t")},
	} {
		if s, err := client.Dial(opt); err == nil {
			s.Close()
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTheBackoffSpreads(t *testing.T) {
	ceilings := map[int]time.Duration{0: 250 * time.Millisecond, 1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 6: 8 * time.Second, 7: 15 * time.Second, 99: 15 * time.Second}
	for attempt, ceiling := range ceilings {
		var least, most time.Duration = ceiling, 0
		for range 2000 {
			d := client.DefaultBackoff(attempt)
			least, most = min(least, d), max(most, d)
		}
		if least <= 0 || most > ceiling || least > ceiling/10 || most < ceiling*9/10 {
			t.Errorf("attempt %d waits between %s and %s, want anything up to %s", attempt, least, most, ceiling)
		}
	}
}
