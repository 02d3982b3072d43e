package edge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/ingest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// Who signed in and out, changed a role or a service, and was refused what, is in the audit log, by whichever part of the
// fabric saw it; no secret is, and no phone.
func TestWhatMattersIsWrittenDown(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Ingest: &ingest.Config{}})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	secrets := map[string]string{}
	for _, g := range []struct {
		name                   string
		phone, access, refresh string
	}{
		{"ann", ann.User.Phone, ann.AccessToken, ann.RefreshToken}, {"bob", bob.User.Phone, bob.AccessToken, bob.RefreshToken},
		{"cem", cem.User.Phone, cem.AccessToken, cem.RefreshToken},
	} {
		secrets[g.name+"'s phone"], secrets[g.name+"'s token"] = strings.TrimPrefix(g.phone, "+"), strings.Split(g.access, ".")[2]
		secrets[g.name+"'s refresh token"] = g.refresh
	}
	group := newGroup(t, e, ann, bob)
	invite := do(t, e, ann, "POST", "/v1/groups/"+string(group)+"/invites", map[string]any{}, 201).Str("code")
	secrets["an invite"] = invite

	// refusals, of calls and ops
	do(t, e, cem, "GET", "/v1/channels/"+string(group)+"/messages", nil, 403)
	do(t, e, cem, "DELETE", "/v1/me", map[string]any{"phone": ann.User.Phone}, 403)
	ask(t, e.URL, "GET", "/v1/me", ann.AccessToken+"x", "")
	c := edgetest.Connect(t, e, cem, "")
	c.Synced()
	c.Call("history", map[string]any{"channel": group})
	edgetest.Dial(t, e).Call("hello", map[string]any{"token": bob.AccessToken + "x"})
	// a code that is wrong, and one that is right but spent
	wrong := otherThan(code(t, e, bob.User.Phone))
	secrets["a wrong code"] = wrong
	trade(t, e, bob.User.Phone, wrong)
	trade(t, e, strings.Repeat(bob.User.Phone, 1000), wrong) // no phone at all
	// a role, a device, a refresh token that comes twice
	do(t, e, ann, "PUT", "/v1/groups/"+string(group)+"/members/"+string(bob.User.ID), map[string]any{"role": "admin"}, 200)
	tablet := edgetest.SignIn(t, e.URL, ann.User.Phone, "tablet")
	do(t, e, ann, "DELETE", "/v1/devices/"+string(tablet.Device.ID), nil, 204)
	refresh(t, e, bob.RefreshToken, "")
	refresh(t, e, bob.RefreshToken, "")
	// a service comes, changes and goes
	nc := f.NATS.Connect(t)
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	hook, secret := "https://hooks.weft.test/secret-path", "whsec_"+strings.Repeat("QUJD", 11)
	secrets["a webhook's secret"], secrets["a webhook's path"] = secret, "secret-path"
	asked[contract.ServicesAddReply](t, nc, subjects.ServicesAdd, contract.ServicesAddRequest{Name: "orders", Title: "Orders", MayUsers: true, Credential: public})
	asked[json.RawMessage](t, nc, subjects.ServicesSet, contract.ServicesSetRequest{Name: "orders", Webhook: &hook})
	asked[json.RawMessage](t, nc, subjects.ServicesRemove, contract.ServicesRemoveRequest{Name: "orders"})

	stream, err := f.NATS.JetStream(t).Stream(t.Context(), subjects.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	read := func() (events []audit.Event, text string) {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for seq := uint64(1); seq <= info.State.LastSeq; seq++ {
			m, err := stream.GetMsg(t.Context(), seq)
			if err != nil {
				t.Fatal(err)
			}
			var ev audit.Event
			if err := json.Unmarshal(m.Data, &ev); err != nil || ev.At == 0 || !strings.HasSuffix(m.Subject, "."+string(ev.What)) {
				t.Errorf("%s: %s, %v", m.Subject, m.Data, err)
			}
			if len(m.Data) > 2000 {
				t.Errorf("%s: an event of %d bytes", m.Subject, len(m.Data))
			}
			events = append(events, ev)
			fmt.Fprintf(&b, "%s %s\n", m.Subject, m.Data)
		}
		return events, b.String()
	}
	for _, want := range []audit.Event{
		{What: audit.SignIn, User: ann.User.ID, Device: ann.Device.ID},
		{What: audit.SignInRefused, Op: "token", Code: fabric.CodeUnauthenticated},
		{What: audit.SignInRefused, Op: "token", Code: fabric.CodeBadRequest},
		{What: audit.DeviceRevoked, User: ann.User.ID, Device: tablet.Device.ID},
		{What: audit.RefreshReused, User: bob.User.ID, Device: bob.Device.ID},
		{What: audit.RoleChanged, User: ann.User.ID, Other: bob.User.ID, Channel: group},
		{What: audit.Refused, User: cem.User.ID, Op: "GET /v1/channels/{id}/messages", Code: fabric.CodeForbidden},
		{What: audit.Refused, User: cem.User.ID, Op: "DELETE /v1/me", Code: fabric.CodeForbidden},
		{What: audit.Refused, User: cem.User.ID, Op: "history", Code: fabric.CodeForbidden},
		{What: audit.Refused, Op: "GET /v1/me", Code: fabric.CodeUnauthenticated},
		{What: audit.Refused, Op: "hello", Code: fabric.CodeUnauthenticated},
		{What: audit.ServiceAdded, Service: "orders"},
		{What: audit.ServiceChanged, Service: "orders"},
		{What: audit.ServiceRemoved, Service: "orders"},
	} {
		is := func(ev audit.Event) bool {
			return ev.What == want.What && (want.User == "" || ev.User == want.User) && (want.Device == "" || ev.Device == want.Device) &&
				(want.Other == "" || ev.Other == want.Other) && (want.Channel == "" || ev.Channel == want.Channel) && (want.Op == "" || ev.Op == want.Op) &&
				ev.Code == want.Code && (want.Service == "" || ev.Service == want.Service)
		}
		weftest.Eventually(t, fmt.Sprintf("%+v is written down", want), func() bool {
			events, _ := read()
			for _, ev := range events {
				if is(ev) {
					return true
				}
			}
			return false
		})
	}
	_, text := read()
	for name, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("the audit log has %s in it:\n%s", name, text)
		}
	}
	if hint := audit.Phone(bob.User.Phone); !strings.Contains(text, hint) {
		t.Errorf("whose sign-in was refused can't be told: want %s in\n%s", hint, text)
	}
}
