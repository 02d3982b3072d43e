package client

import (
	"context"
	"net/http"
)

// Methods are the ways in that a server has.
type Methods struct {
	OTP  bool        `json:"otp"`            // by a one-time code: API.OTP, then API.Token
	OIDC *OIDCMethod `json:"oidc,omitempty"` // by an organisation's issuer: API.OIDCStart, then API.OIDCToken
}

// OIDCMethod is an organisation's OpenID Connect issuer.
type OIDCMethod struct {
	Name string `json:"name"` // what people know it as
}

// Methods tells how people sign in.
func (a API) Methods(ctx context.Context) (Methods, error) {
	var m Methods
	err := a.call(ctx, http.MethodGet, "/v1/auth/methods", "", nil, &m)
	return m, err
}

// OIDCStart is a sign-in by the organisation's issuer that has begun, for ten minutes.
type OIDCStart struct {
	URL   string `json:"url"`   // where to send the person
	State string `json:"state"` // what they must come back with: keep it, and nowhere that another can write to
}

// OIDCStart begins a sign-in by the organisation's issuer. The person comes back to redirectURI, which the issuer has
// registered, with the state and a code in the query, or with an error there. A program without a web server of its own
// listens on loopback for that (RFC 8252 section 7.3).
func (a API) OIDCStart(ctx context.Context, redirectURI string) (OIDCStart, error) {
	var s OIDCStart
	in := struct {
		RedirectURI string `json:"redirect_uri"`
	}{redirectURI}
	err := a.post(ctx, "/v1/auth/oidc/start", "", in, &s)
	return s, err
}

// OIDCSignIn trades what came back from the issuer for tokens; the first time it registers the user, who has no phone.
// Where the state is not the one that OIDCStart gave, don't: it is somebody else's sign-in.
type OIDCSignIn struct {
	State  string    `json:"state"`
	Code   string    `json:"code"`
	Device NewDevice `json:"device"`
}

// OIDCToken signs a device in, once.
func (a API) OIDCToken(ctx context.Context, in OIDCSignIn) (Grant, error) {
	var g Grant
	err := a.post(ctx, "/v1/auth/oidc/token", "", in, &g)
	return g, err
}
