package push_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// An internal service notifies a user without writing to them: once for a cid, by what the device shows, and not where the
// user has blocked it.
func TestAServiceNotifies(t *testing.T) {
	w := newWorld(t, nil)
	nc := w.f.NATS.Connect(t)
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	added, err := service.Call[contract.ServicesAddReply](t.Context(), nc, subjects.ServicesAdd,
		contract.ServicesAddRequest{Name: "parcels", Title: "Parcels", MayUsers: true, Credential: public})
	if err != nil {
		t.Fatal(err)
	}
	notify := func(to, cid, body string) (sent contract.ServiceSent) {
		t.Helper()
		data, err := json.Marshal(contract.ServiceSend{CID: cid, Kind: "notify", Body: json.RawMessage(body)})
		if err != nil {
			t.Fatal(err)
		}
		m, err := nc.Request(subjects.ServiceSend("parcels", fabric.ChannelID(to)), data, 10*time.Second)
		if err == nil {
			err = json.Unmarshal(m.Data, &sent)
		}
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	bob, cem := w.user("bob"), w.user("cem")
	w.subscribe(bob, "bob", nil)
	w.subscribe(cem, "cem", func(r *contract.PushRegistration) { r.Show = push.ShowSender })
	cid := fabric.NewCID()
	const parcel = `{"title":"Your parcel","body":"is at your neighbour's","link":"/parcels/7"}`
	for i := range 2 {
		sent := notify("u."+string(bob.User.ID), cid, parcel)
		if sent.OK == nil || sent.OK.Seq != 0 || sent.Stream != subjects.PushStream || sent.Duplicate != (i == 1) {
			t.Errorf("it is answered with %+v", sent)
		}
	}
	got := payload(t, w.web.Await("bob", 1)[0])
	if got.Kind != "notify" || got.Title != "Your parcel" || got.Body != "is at your neighbour's" || got.Link != "/parcels/7" || got.Channel != "" {
		t.Errorf("pushed was %+v", got)
	}
	notify("u."+string(cem.User.ID), fabric.NewCID(), parcel)
	if got := payload(t, w.web.Await("cem", 1)[0]); got.Title != "Parcels" || strings.Contains(got.Body, "neighbour") {
		t.Errorf("pushed was %+v", got)
	}
	var list struct{ Channels []contract.Channel }
	w.call(bob, "GET", "/v1/channels", nil, &list)
	if len(list.Channels) != 0 {
		t.Errorf("a notification opened a chat: %+v", list.Channels)
	}

	if status := w.call(bob, "PUT", "/v1/blocks/"+string(added.User), nil, nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if sent := notify("u."+string(bob.User.ID), fabric.NewCID(), parcel); sent.Err == nil || sent.Err.Code != fabric.CodeForbidden {
		t.Errorf("a service that is blocked: %+v", sent)
	}
	for what, tc := range map[string]struct {
		to, body string
		code     fabric.Code
	}{
		"no title":          {"u." + string(bob.User.ID), `{"body":"x"}`, fabric.CodeBadRequest},
		"a long title":      {"u." + string(bob.User.ID), `{"title":"` + strings.Repeat("x", 101) + `"}`, fabric.CodeBadRequest},
		"a script":          {"u." + string(bob.User.ID), `{"title":"x","link":"javascript:alert(1)"}`, fabric.CodeBadRequest},
		"another origin":    {"u." + string(bob.User.ID), `{"title":"x","link":"//evil.example/"}`, fabric.CodeBadRequest},
		"plain http":        {"u." + string(bob.User.ID), `{"title":"x","link":"http://evil.example/"}`, fabric.CodeBadRequest},
		"what is not shown": {"u." + string(bob.User.ID), `{"title":"x","sound":"bell"}`, fabric.CodeBadRequest},
		"no object":         {"u." + string(bob.User.ID), `"x"`, fabric.CodeBadRequest},
		"a chat":            {string(fabric.Direct(bob.User.ID, added.User)), parcel, fabric.CodeBadRequest},
		"nobody":            {"u." + fabric.NewCID(), parcel, fabric.CodeNotFound},
	} {
		if sent := notify(tc.to, fabric.NewCID(), tc.body); sent.Err == nil || sent.Err.Code != tc.code {
			t.Errorf("%s: %+v", what, sent)
		}
	}
	w.settled(w.user("ann"), cem, "cem")
	if n := len(w.web.Taken("bob")); n != 1 {
		t.Errorf("Bob was notified %d times, want once", n)
	}
}
