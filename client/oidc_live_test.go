package client_test

import (
	"errors"
	"testing"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/oidc/oidctest"
)

// Dora signs in by her organisation's issuer, with a key of her device: her tokens are good with it, and without it not.
func TestSignInByAnIssuerWithAKey(t *testing.T) {
	at := oidctest.Start(t, "dora")
	issuer := must[*oidc.Client](t)(oidc.New(at.Config))
	f := edgetest.Start(t, edgetest.Config{OIDC: issuer})
	e := f.Edge(t)
	ctx, api := t.Context(), client.API{URL: e.URL}
	if m := must[client.Methods](t)(api.Methods(ctx)); !m.OTP || m.OIDC == nil || m.OIDC.Name != "Weavers" {
		t.Errorf("methods: %+v", m)
	}
	key := must[*client.DeviceKey](t)(client.NewDeviceKey())
	public := must[string](t)(key.Public())
	begun := must[client.OIDCStart](t)(api.OIDCStart(ctx, oidctest.Redirect))
	code, state := at.SignIn(t, begun.URL, "dora")
	if state != begun.State {
		t.Fatalf("came back with state %q, want %q", state, begun.State)
	}
	in := client.OIDCSignIn{State: state, Code: code, Device: client.NewDevice{Name: "laptop", Platform: "test", PublicKey: public}}
	grant := must[client.Grant](t)(api.OIDCToken(ctx, in))
	if grant.User.Name != "dora Weaver" || grant.User.Phone != "" {
		t.Errorf("dora is %+v", grant.User)
	}
	if _, err := api.OIDCToken(ctx, in); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Errorf("the same again: %v", err)
	}

	other := must[*client.DeviceKey](t)(client.NewDeviceKey())
	for name, key := range map[string]*client.DeviceKey{"no key": nil, "another key": other} {
		if _, err := client.Connect(ctx, client.Options{URL: e.URL, Tokens: client.StaticToken(grant.AccessToken), DeviceKey: key}); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
			t.Errorf("with %s: %v", name, err)
		}
	}
	tokens := client.NewGrants(api, grant, nil)
	must[string](t)(tokens.Token(ctx, grant.AccessToken)) // what is renewed is bound to the same key
	s := must[*client.Session](t)(client.Connect(ctx, client.Options{URL: e.URL, Tokens: tokens, DeviceKey: key}))
	defer s.Close()

	// who has no phone confirms by name; the session ends, and tells why
	account := s.Account()
	if err := account.DeleteMe(ctx, "+4915120000001"); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("deleted by somebody's phone: %v", err)
	}
	mustNot(t, account.DeleteMeByName(ctx, "dora Weaver"))
	for range s.Events() { // until the session closes it
	}
	var revoked *client.RevokedError
	if err := s.Err(); !errors.As(err, &revoked) || revoked.Why != "deleted" || websocket.CloseStatus(err) != 4403 {
		t.Errorf("the session ended by %v, want that the account was deleted", err)
	}
}
