package users_test

import (
	"net/url"
	"testing"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/oidc/oidctest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
)

func issuer(t *testing.T, names ...string) (*oidctest.Issuer, *oidc.Client) {
	t.Helper()
	i := oidctest.Start(t, names...)
	c, err := oidc.New(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	return i, c
}

func (d *directory) begin(redirect string) (contract.UsersOIDCStartReply, fabric.Code) {
	d.t.Helper()
	return ask[contract.UsersOIDCStartReply](d, subjects.UsersOIDCStart, contract.UsersOIDCStartRequest{RedirectURI: redirect})
}

func (d *directory) finish(state, code string) (contract.UsersTokenReply, fabric.Code) {
	d.t.Helper()
	return ask[contract.UsersTokenReply](d, subjects.UsersOIDCToken, contract.UsersOIDCTokenRequest{
		State: state, Code: code, Device: contract.NewDevice{Name: "laptop", Platform: "test"},
	})
}

func TestSignInByAnIssuer(t *testing.T) {
	at, client := issuer(t, "ann", "bob")
	d := newDirectory(t, users.Config{OIDC: client, NoCodes: true})
	if m, _ := ask[contract.UsersMethodsReply](d, subjects.UsersMethods, contract.UsersMethodsRequest{}); m.OTP || m.OIDC == nil || m.OIDC.Name != "Weavers" {
		t.Errorf("methods: %+v", m)
	}
	signIn := func(name string) contract.UsersTokenReply {
		t.Helper()
		begun, code := d.begin(oidctest.Redirect)
		if code != "" {
			t.Fatalf("start: %q", code)
		}
		with, state := at.SignIn(t, begun.URL, name)
		if state != begun.State {
			t.Fatalf("came back with state %q, want %q", state, begun.State)
		}
		grant, code := d.finish(state, with)
		if code != "" {
			t.Fatalf("token: %q", code)
		}
		// what was spent is good for nothing
		if _, code := d.finish(state, with); code != fabric.CodeUnauthenticated {
			t.Errorf("the same again: %q", code)
		}
		return grant
	}
	ann, bob, again := signIn("ann"), signIn("bob"), signIn("ann")
	if ann.User.ID != again.User.ID || ann.User.ID == bob.User.ID || ann.Device.ID == again.Device.ID {
		t.Errorf("ann is %+v, then %+v; bob is %+v", ann.User, again.User, bob.User)
	}
	if ann.User.Name != "ann Weaver" || ann.User.Phone != "" {
		t.Errorf("ann is %+v, want the issuer's name and no phone", ann.User)
	}
	if claims, err := d.keys.Verifier().Verify(ann.AccessToken); err != nil || claims.User != ann.User.ID {
		t.Errorf("the access token: %+v, %v", claims, err)
	}
	renewed, code := ask[contract.UsersTokenReply](d, subjects.UsersRefresh, contract.UsersRefreshRequest{RefreshToken: ann.RefreshToken})
	if code != "" || renewed.User.Phone != "" {
		t.Errorf("refresh: %+v, %q", renewed, code)
	}
	if _, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: "+4915123456789"}); code != fabric.CodeForbidden {
		t.Errorf("a code where there are none: %q", code)
	}
	if _, code := ask[contract.UsersTokenReply](d, subjects.UsersToken, contract.UsersTokenRequest{Phone: "+4915123456789", Code: "123456"}); code != fabric.CodeForbidden {
		t.Errorf("a sign-in by code where there are none: %q", code)
	}
}

// What belongs to one sign-in is no good for another.
func TestSignInsAreNotMixedUp(t *testing.T) {
	at, client := issuer(t, "ann", "mallory")
	d := newDirectory(t, users.Config{OIDC: client})
	first, _ := d.begin(oidctest.Redirect)
	second, _ := d.begin(oidctest.Redirect)
	third, _ := d.begin(oidctest.Redirect)
	code1, _ := at.SignIn(t, first.URL, "mallory")
	code2, state2 := at.SignIn(t, second.URL, "ann")
	for name, try := range map[string]struct{ state, code string }{
		"another's code":    {third.State, code1}, // PKCE
		"no such state":     {"ABCDEFGHIJKLMNOPQRSTUVWXYZ", code2},
		"a state's subject": {"*", code2},
		"no state":          {"", code2},
		"a made-up code":    {first.State, "made up"},
	} {
		if grant, code := d.finish(try.state, try.code); code != fabric.CodeUnauthenticated {
			t.Errorf("%s: %+v, %q", name, grant, code)
		}
	}
	if _, code := d.finish(second.State, ""); code != fabric.CodeBadRequest {
		t.Errorf("no code: %q", code)
	}
	if _, code := d.finish(state2, code2); code != fabric.CodeUnauthenticated {
		t.Errorf("a state that was spent on nothing: %q", code)
	}
	for _, bad := range []string{"", "no url", "http://chat.example/", "https://u:p@chat.example/", "https://chat.example/#x", "javascript:alert(1)"} {
		if _, code := d.begin(bad); code != fabric.CodeBadRequest {
			t.Errorf("redirect to %q: %q", bad, code)
		}
	}
	u, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"code_challenge_method": "S256", "response_type": "code", "state": first.State, "redirect_uri": oidctest.Redirect} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("people are sent off with %s %q, want %q", name, got, want)
		}
	}
	if q := u.Query(); q.Get("nonce") == "" || q.Get("code_challenge") == "" {
		t.Errorf("people are sent off without nonce or challenge: %s", first.URL)
	}
}

func TestIssuerThatIsAway(t *testing.T) {
	client, err := oidc.New(oidc.Config{Issuer: "http://127.0.0.1:1", ClientID: "weft"})
	if err != nil {
		t.Fatal(err)
	}
	d := newDirectory(t, users.Config{OIDC: client})
	if _, code := d.begin(oidctest.Redirect); code != fabric.CodeUnavailable {
		t.Errorf("start: %q", code)
	}
	none := newDirectory(t, users.Config{})
	if _, code := none.begin(oidctest.Redirect); code != fabric.CodeNotFound {
		t.Errorf("start without an issuer: %q", code)
	}
	if _, code := none.finish("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "x"); code != fabric.CodeNotFound {
		t.Errorf("token without an issuer: %q", code)
	}
	for _, bad := range []oidc.Config{{Issuer: "http://id.example", ClientID: "weft"}, {Issuer: "id.example", ClientID: "weft"}, {Issuer: "https://id.example"}} {
		if _, err := oidc.New(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
