package edge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/oidc/oidctest"
)

// signInOfAnOrganisation makes the calls of a server that has an issuer.
func signInOfAnOrganisation(t *testing.T) *held {
	t.Helper()
	at := oidctest.Start(t, "dora")
	h := hold(t, startNode(t, t.TempDir(), true, func(c *node.Config) { c.OIDC = at.Config }))
	const start, token = "/v1/auth/oidc/start", "/v1/auth/oidc/token"
	h.do(call{op: "getMethods", want: 200, path: "/v1/auth/methods"})
	begun := h.do(call{op: "postOIDCStart", want: 200, path: start, body: fmt.Sprintf(`{"redirect_uri":%q}`, oidctest.Redirect)})
	h.do(call{op: "postOIDCStart", want: 400, path: start, body: `{"redirect_uri":"http://chat.example/"}`})
	h.do(call{op: "postOIDCStart", want: 413, path: start, body: `{"redirect_uri":"x","pad":"` + strings.Repeat("x", 80<<10) + `"}`})
	code, state := at.SignIn(t, begun.Str("url"), "dora")
	body := fmt.Sprintf(`{"state":%q,"code":%q,"device":{"name":"laptop","platform":"test"}}`, state, code)
	grant := h.do(call{op: "postOIDCToken", want: 200, path: token, body: body})
	h.do(call{op: "postOIDCToken", want: 401, path: token, body: body})
	h.do(call{op: "postOIDCToken", want: 400, path: token, body: `{"state":"x","code":"x","device":{"public_key":"x"}}`, wrong: true})
	h.do(call{op: "postOIDCToken", want: 413, path: token, body: `{"state":"x","code":"x","pad":"` + strings.Repeat("x", 80<<10) + `"}`})

	// who has no phone confirms by name
	access := grant.Str("access_token")
	h.do(call{op: "getMe", want: 200, path: "/v1/me", token: access})
	h.do(call{op: "deleteMe", want: 403, path: "/v1/me", token: access, body: `{"phone":"+4915120000001"}`})
	h.do(call{op: "deleteMe", want: 403, path: "/v1/me", token: access, body: `{"name":"bob"}`})
	h.do(call{op: "deleteMe", want: 204, path: "/v1/me", token: access, body: `{"name":"dora Weaver"}`})
	return h
}

// floodOfStrangers makes the calls that need no token, until they are too many for one address.
func floodOfStrangers(t *testing.T) *held {
	t.Helper()
	h := hold(t, startNode(t, t.TempDir(), true, func(c *node.Config) { c.Limits.StrangersPerSecond = 1 }))
	for _, c := range []call{
		{op: "getMethods", path: "/v1/auth/methods"},
		{op: "postToken", path: "/v1/auth/token", body: `{"phone":"+4915120000001","code":"1"}`},
		{op: "postRefresh", path: "/v1/auth/refresh", body: `{"refresh_token":"` + strings.Repeat("x", 64) + `"}`},
		{op: "postOIDCStart", path: "/v1/auth/oidc/start", body: `{"redirect_uri":"x"}`},
		{op: "postOIDCToken", path: "/v1/auth/oidc/token", body: `{"state":"x","code":"x"}`},
	} {
		c.want, c.until = 429, true
		h.do(c)
	}
	return h
}
