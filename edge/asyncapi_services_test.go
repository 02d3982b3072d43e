package edge_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/oidc/oidctest"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// talkOfServices has an internal service come, write to ann, be written to, and go.
func talkOfServices(t *testing.T, nc *nats.Conn, ann client.Grant, a *edgetest.Conn) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	added, err := service.Call[contract.ServicesAddReply](t.Context(), nc, subjects.ServicesAdd, contract.ServicesAddRequest{
		Name: "orders", Title: "Orders", MayUsers: true, Credential: public,
	})
	if err != nil {
		t.Fatal(err)
	}
	title := "Orders and returns"
	for _, q := range []struct {
		verb subjects.Verb
		req  any
	}{
		{subjects.ServicesList, contract.ServicesListRequest{}},
		{subjects.ServicesSet, contract.ServicesSetRequest{Name: "orders", Title: &title}},
	} {
		if _, err := service.CallRaw(t.Context(), nc, q.verb, q.req); err != nil {
			t.Errorf("%s: %v", q.verb, err)
		}
	}

	inbox, err := nc.SubscribeSync(subjects.ServiceInboxes("orders"))
	if err != nil {
		t.Fatal(err)
	}
	kind, body := "text", `{"text":"it is on its way"}`
	say := func(to string) (sent contract.ServiceSent) {
		t.Helper()
		payload, err := json.Marshal(contract.ServiceSend{CID: fabric.NewCID(), Kind: kind, Body: json.RawMessage(body)})
		if err != nil {
			t.Fatal(err)
		}
		m, err := nc.Request(subjects.ServiceSend("orders", fabric.ChannelID(to)), payload, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(m.Data, &sent); err != nil {
			t.Fatal(err)
		}
		return sent
	}
	if sent := say("u." + string(ann.User.ID)); sent.OK == nil {
		t.Errorf("a service's message is answered with %+v", sent)
	}
	if sent := say("g." + fabric.NewCID()); sent.Err == nil {
		t.Errorf("a group that it may not write to: %+v", sent)
	}
	a.Await("the service's word", func(o edgetest.Object) bool {
		return o.Event() == "message" && o["from"] == string(added.User)
	})
	a.Send(string(fabric.Direct(ann.User.ID, added.User)), "", "thanks")
	kind, body = "notify", `{"title":"Your parcel","body":"is at your neighbour's","link":"/parcels/7"}`
	if sent := say("u." + string(ann.User.ID)); sent.OK == nil || sent.OK.Seq != 0 {
		t.Errorf("a service's notification is answered with %+v", sent)
	}
	if _, err := inbox.NextMsg(10 * time.Second); err != nil {
		t.Errorf("the service gets what is written to it: %v", err)
	}
	if _, err := service.CallRaw(t.Context(), nc, subjects.ServicesRemove, contract.ServicesRemoveRequest{Name: "orders"}); err != nil {
		t.Error(err)
	}
}

// signInByIssuer has somebody sign in by an organisation's issuer.
func signInByIssuer(t *testing.T, nc *nats.Conn, at *oidctest.Issuer, name string) {
	t.Helper()
	if _, err := service.CallRaw(t.Context(), nc, subjects.UsersMethods, contract.UsersMethodsRequest{}); err != nil {
		t.Error(err)
	}
	begun, err := service.Call[contract.UsersOIDCStartReply](t.Context(), nc, subjects.UsersOIDCStart, contract.UsersOIDCStartRequest{RedirectURI: oidctest.Redirect})
	if err != nil {
		t.Fatal(err)
	}
	code, state := at.SignIn(t, begun.URL, name)
	if _, err := service.CallRaw(t.Context(), nc, subjects.UsersOIDCToken, contract.UsersOIDCTokenRequest{
		State: state, Code: code, Device: contract.NewDevice{Name: "laptop", Platform: "test"},
	}); err != nil {
		t.Error(err)
	}
}
