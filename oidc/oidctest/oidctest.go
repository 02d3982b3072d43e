// Package oidctest runs a real OpenID Connect issuer on loopback, and signs people in there as a browser would.
package oidctest

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/weft-im/weft/oidc"
)

// Redirect is where the issuer sends people back to. Nothing listens there: a browser is stopped before it goes.
const Redirect = "http://localhost:9999/back"

// Password is everybody's.
const Password = "verysecure"

// Issuer is a running one.
type Issuer struct {
	URL    string
	Config oidc.Config // Weft's, as the issuer has it registered
	people people
}

type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User         { return p[id] }
func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (p people) ExampleClientID() string                     { return "service" }

var clients atomic.Int64

// Start starts an issuer that knows some people by name. It ends with the test.
func Start(t testing.TB, names ...string) *Issuer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{URL: "http://" + l.Addr().String() + "/", people: people{}}
	for _, name := range names {
		i.people[name] = &storage.User{ID: name, Username: name, Password: Password, FirstName: name, LastName: "Weaver", Email: name + "@weavers.example", EmailVerified: true}
	}
	i.Config = oidc.Config{Issuer: i.URL, Name: "Weavers", ClientID: fmt.Sprintf("weft%d", clients.Add(1)), ClientSecret: "secret"}
	storage.RegisterClients(storage.WebClient(i.Config.ClientID, i.Config.ClientSecret, Redirect))
	server := &http.Server{Handler: exampleop.SetupServer(i.URL, storage.NewStorage(i.people), slog.New(slog.DiscardHandler), false)} //nolint:gosec // a test's
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // it ends by Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return i
}

// Allow has people sent back to another address as well.
func (i *Issuer) Allow(redirect string) {
	storage.RegisterClients(storage.WebClient(i.Config.ClientID, i.Config.ClientSecret, Redirect, redirect))
}

// SignIn goes where Weft sends somebody, signs them in there, and returns the code and the state that they come back with.
func (i *Issuer) SignIn(t testing.TB, to, name string) (code, state string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back *url.URL
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), Redirect) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Body.Close()
	form := url.Values{"username": {name}, "password": {Password}, "id": {page.Request.URL.Query().Get("authRequestID")}}
	done, err := browser.PostForm(i.URL+"login/username", form)
	if err != nil {
		t.Fatal(err)
	}
	_ = done.Body.Close()
	if back == nil {
		t.Fatalf("the issuer sent nobody back: %s at %s", done.Status, done.Request.URL)
	}
	return back.Query().Get("code"), back.Query().Get("state")
}
