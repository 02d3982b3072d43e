package users_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/weftest"
)

// directory is a users role on a real NATS and a real database, with a clock of the test's.
type directory struct {
	t    testing.TB
	nats *weftest.NATS
	nc   *nats.Conn
	keys *auth.Keys
	now  time.Time
}

func TestMain(m *testing.M) { enginetest.Main(m) }

func newDirectory(t testing.TB, cfg users.Config) *directory {
	d := &directory{t: t, nats: weftest.StartNATS(t, natsconfig.FabricConfig{}), now: time.Now()}
	d.nc = d.nats.Connect(t)
	var err error
	if d.keys, err = auth.OpenKeys(t.TempDir(), 0); err != nil {
		t.Fatal(err)
	}
	store := enginetest.Open(t)
	cfg.Now = func() time.Time { return d.now }
	role, err := users.New(t.Context(), d.nats.Connect(t), store, d.keys.Issuer(), cfg, weftest.Logger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- role.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-role.Ready()
	return d
}

// ask asks a verb; code is the error's, empty for none.
func ask[Reply any](d *directory, verb subjects.Verb, req any) (reply Reply, code fabric.Code) {
	d.t.Helper()
	reply, err := service.Call[Reply](d.t.Context(), d.nc, verb, req)
	if err != nil {
		code = fabric.CodeOf(err)
	}
	return reply, code
}

func (d *directory) signIn(phone, name string) contract.UsersTokenReply {
	d.t.Helper()
	otp, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: phone})
	if code != "" {
		d.t.Fatalf("one-time code for %s: %s", phone, code)
	}
	reply, code := ask[contract.UsersTokenReply](d, subjects.UsersToken, contract.UsersTokenRequest{
		Phone: phone, Code: otp.DevCode, Name: name, Device: contract.NewDevice{Name: name + "'s phone", Platform: "test"},
	})
	if code != "" {
		d.t.Fatalf("sign %s in: %s", phone, code)
	}
	return reply
}

// smsService answers on the subject for one-time codes as a service that sends text messages would.
func (d *directory) smsService(answer string) <-chan contract.SendOTPRequest {
	d.t.Helper()
	got := make(chan contract.SendOTPRequest, 10)
	nc := d.nats.Connect(d.t)
	_, err := nc.Subscribe(subjects.SendOTP, func(m *nats.Msg) {
		var req contract.SendOTPRequest
		if err := json.Unmarshal(m.Data, &req); err != nil {
			d.t.Error(err)
		}
		got <- req
		if err := m.Respond([]byte(answer)); err != nil {
			d.t.Error(err)
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

func TestCodeGoesOutByNATS(t *testing.T) {
	d := newDirectory(t, users.Config{})
	const phone = "+49 151 2345 6789"
	if _, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: phone}); code != fabric.CodeUnavailable {
		t.Errorf("while no service sends messages: %q, want unavailable", code)
	}
	sent := d.smsService(`{}`)
	reply, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: phone})
	if code != "" || reply.Phone != "+4915123456789" || reply.DevCode != "" {
		t.Fatalf("got %+v, %q; the code must not be in the reply", reply, code)
	}
	sms := <-sent
	if sms.Phone != reply.Phone || len(sms.Code) != auth.CodeDigits || sms.ExpiresAt != reply.ExpiresAt {
		t.Errorf("the service got %+v", sms)
	}
	token, code := ask[contract.UsersTokenReply](d, subjects.UsersToken, contract.UsersTokenRequest{Phone: phone, Code: sms.Code})
	if code != "" || token.User.Name != reply.Phone {
		t.Errorf("sign in: %+v, %q", token, code)
	}
	claims, err := d.keys.Verifier().Verify(token.AccessToken)
	if err != nil || claims.User != token.User.ID || claims.Device != token.Device.ID {
		t.Errorf("the access token says %+v, %v", claims, err)
	}
}

func TestServiceThatCannotSend(t *testing.T) {
	d := newDirectory(t, users.Config{})
	d.smsService(`{"err":{"code":"unavailable","message":"no credit"}}`)
	if _, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: "+4915123456789"}); code != fabric.CodeUnavailable {
		t.Errorf("got %q", code)
	}
}

func TestCodesAreRated(t *testing.T) {
	d := newDirectory(t, users.Config{Rates: users.Rates{CodesPerPhone: 3, CodesPerAddress: 5}})
	d.smsService(`{}`)
	otp := func(phone, address string) fabric.Code {
		_, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: phone, Address: address})
		return code
	}
	for i := range 4 {
		want := fabric.Code("")
		if i == 3 {
			want = fabric.CodeRateLimited
		}
		if got := otp("+4915123456780", "10.0.0."+string(rune('1'+i))); got != want {
			t.Errorf("code %d for one phone: %q, want %q", i+1, got, want)
		}
	}
	for i := range 6 {
		want := fabric.Code("")
		if i == 5 {
			want = fabric.CodeRateLimited
		}
		if got := otp("+491512345679"+string(rune('0'+i)), "10.0.1.1"); got != want {
			t.Errorf("code %d for one address: %q, want %q", i+1, got, want)
		}
	}
	d.now = d.now.Add(2 * time.Hour)
	if got := otp("+4915123456780", "10.0.1.1"); got != "" {
		t.Errorf("an hour later: %q", got)
	}
}

func TestPhones(t *testing.T) {
	dev, live := newDirectory(t, users.Config{Dev: true}), newDirectory(t, users.Config{})
	live.smsService(`{}`)
	for _, tc := range []struct {
		text, e164 string
		devOnly    bool
	}{
		{"+4915123456789", "+4915123456789", false},
		{" +49 (151) 2345-6789 ", "+4915123456789", false},
		{"+1 650 253 0000", "+16502530000", false},
		{"+15550001111", "+15550001111", true}, // possible, but of no assigned range
		{"015123456789", "", false},
		{"+49", "", false},
		{"+999123456789", "", false},
		{"hello", "", false},
		{"", "", false},
		{"+49" + strings.Repeat("1", 60), "", false},
	} {
		for _, d := range []*directory{dev, live} {
			reply, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: tc.text})
			if want := tc.e164; want == "" || (tc.devOnly && d == live) {
				if code != fabric.CodeBadRequest {
					t.Errorf("%q (dev %t): %+v, %q, want it refused", tc.text, d == dev, reply, code)
				}
			} else if reply.Phone != want {
				t.Errorf("%q (dev %t): %+v, %q, want %s", tc.text, d == dev, reply, code, want)
			}
		}
	}
}

func TestRefresh(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	grant := d.signIn("+4915123456789", "ann")
	refresh := func(token, attempt string) (contract.UsersTokenReply, fabric.Code) {
		t.Helper()
		return ask[contract.UsersTokenReply](d, subjects.UsersRefresh, contract.UsersRefreshRequest{RefreshToken: token, Attempt: attempt})
	}
	first, code := refresh(grant.RefreshToken, "a1")
	if code != "" || first.User != grant.User || first.Device.ID != grant.Device.ID || first.RefreshToken == grant.RefreshToken {
		t.Fatalf("refresh: %+v, %q", first, code)
	}
	// the reply got lost: the same attempt again
	second, code := refresh(grant.RefreshToken, "a1")
	if code != "" || second.RefreshToken == first.RefreshToken {
		t.Fatalf("retry: %+v, %q", second, code)
	}
	third, code := refresh(second.RefreshToken, "")
	if code != "" {
		t.Fatalf("with the retry's token: %q", code)
	}
	// somebody has a copy of the first one
	if _, code := refresh(grant.RefreshToken, "a1"); code != fabric.CodeUnauthenticated {
		t.Errorf("a spent token: %q", code)
	}
	if _, code := refresh(third.RefreshToken, ""); code != fabric.CodeUnauthenticated {
		t.Errorf("the device's newest token after that: %q", code)
	}
	d.wantRevoked(grant)
	for _, bad := range []string{"", "x", grant.AccessToken, auth.NewRefreshToken().String()} {
		if _, code := refresh(bad, ""); code != fabric.CodeUnauthenticated {
			t.Errorf("%.20q: %q", bad, code)
		}
	}
}

// wantRevoked fails unless edges were told that the device of g is revoked.
func (d *directory) wantRevoked(g contract.UsersTokenReply) {
	d.t.Helper()
	kv, err := d.nats.JetStream(d.t).KeyValue(d.t.Context(), subjects.BucketRevoked)
	if err == nil {
		_, err = kv.Get(d.t.Context(), subjects.Revoked(g.User.ID, g.Device.ID))
	}
	if err != nil {
		d.t.Errorf("edges were not told: %v", err)
	}
}

func TestRefreshTokenExpires(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	grant := d.signIn("+4915123456789", "ann")
	d.now = d.now.Add(auth.RefreshLife + time.Second)
	_, code := ask[contract.UsersTokenReply](d, subjects.UsersRefresh, contract.UsersRefreshRequest{RefreshToken: grant.RefreshToken})
	if code != fabric.CodeUnauthenticated {
		t.Errorf("got %q", code)
	}
}

func TestDevices(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true, Devices: 3})
	ann, bob := d.signIn("+4915123456780", "ann"), d.signIn("+4915123456781", "bob")
	d.now = d.now.Add(time.Minute)
	second, third, fourth := d.signIn("+4915123456780", "x"), d.signIn("+4915123456780", "x"), d.signIn("+4915123456780", "x")
	d.wantRevoked(ann) // seen longest ago of more than three
	list, _ := ask[contract.UsersDevicesReply](d, subjects.UsersDevices, contract.UsersDevicesRequest{User: ann.User.ID, Device: third.Device.ID})
	if len(list.Devices) != 3 || list.Devices[0].ID != second.Device.ID || list.Devices[0].Current || !list.Devices[1].Current {
		t.Errorf("devices: %+v", list)
	}
	revoke := func(u fabric.UserID, dev fabric.DeviceID) fabric.Code {
		_, code := ask[struct{}](d, subjects.UsersRevoke, contract.UsersRevokeRequest{User: u, Device: dev})
		return code
	}
	if code := revoke(bob.User.ID, fourth.Device.ID); code != fabric.CodeNotFound {
		t.Errorf("revoke of another's device: %q", code)
	}
	for range 2 {
		if code := revoke(ann.User.ID, fourth.Device.ID); code != "" {
			t.Errorf("revoke: %q", code)
		}
	}
	d.wantRevoked(fourth)
}

func TestProfile(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true, Rates: users.Rates{PhonesPerUser: 150}})
	ann, bob := d.signIn("+4915123456780", "ann"), d.signIn("+4915123456781", "bob")
	get := func(viewer, u fabric.UserID) (contract.UsersGetReply, fabric.Code) {
		return ask[contract.UsersGetReply](d, subjects.UsersGet, contract.UsersGetRequest{Viewer: viewer, User: u})
	}
	if me, _ := get(ann.User.ID, ann.User.ID); me.User != ann.User || me.Phone == "" {
		t.Errorf("oneself: %+v", me)
	}
	if other, _ := get(bob.User.ID, ann.User.ID); other.Name != "ann" || other.Phone != "" {
		t.Errorf("another: %+v, want no phone", other)
	}
	if _, code := get(bob.User.ID, fabric.NewUserID()); code != fabric.CodeNotFound {
		t.Errorf("nobody: %q", code)
	}
	for name, want := range map[string]fabric.Code{
		" Ann ✓ ": "", "": fabric.CodeBadRequest, "   ": fabric.CodeBadRequest, "a\x1b[2J": fabric.CodeBadRequest, strings.Repeat("x", 101): fabric.CodeBadRequest,
	} {
		reply, code := ask[contract.UsersGetReply](d, subjects.UsersUpdate, contract.UsersUpdateRequest{User: ann.User.ID, Name: &name})
		if code != want || (code == "" && reply.Name != strings.TrimSpace(name)) {
			t.Errorf("rename to %q: %+v, %q, want %q", name, reply, code, want)
		}
	}
	look := func(phones ...string) ([]fabric.User, fabric.Code) {
		reply, code := ask[contract.UsersLookupReply](d, subjects.UsersLookup, contract.UsersLookupRequest{User: ann.User.ID, Phones: phones})
		return reply.Users, code
	}
	found, code := look("+49 151 234 567 81", "+4915123456781", "no phone", "+4930111111")
	if code != "" || len(found) != 1 || found[0].ID != bob.User.ID || found[0].Phone != "+4915123456781" {
		t.Errorf("lookup: %+v, %q", found, code)
	}
	if _, code := look(); code != fabric.CodeBadRequest {
		t.Errorf("lookup of nothing: %q", code)
	}
	if _, code := look(make([]string, contract.MaxLookup+1)...); code != fabric.CodeBadRequest {
		t.Errorf("lookup of too many: %q", code)
	}
	if _, code := look(make([]string, contract.MaxLookup)...); code != "" {
		t.Errorf("lookup of many: %q", code)
	}
	if _, code := look(make([]string, contract.MaxLookup)...); code != fabric.CodeRateLimited {
		t.Errorf("lookup of too many an hour: %q", code)
	}
}

// Operators find the service with `nats micro ls`.
func TestServiceIsDiscoverable(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	subject, err := micro.ControlSubject(micro.InfoVerb, subjects.ServiceUsers, "")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := d.nc.Request(subject, nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(msg.Data, &info); err != nil || len(info.Endpoints) < 13 {
		t.Errorf("info: %s, %v", msg.Data, err)
	}
}
