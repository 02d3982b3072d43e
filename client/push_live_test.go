package client_test

import (
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/push/pushtest"
)

// A device is told of what comes while it is away, for as long as it wants.
func TestPush(t *testing.T) {
	web := pushtest.StartWebPush(t)
	f := edgetest.Start(t, edgetest.Config{Push: &push.Config{Delay: 1, Services: []string{web.URL}}})
	e := f.Edge(t)
	bob := connect(t, f, e, "Bob")
	account := bob.account
	reg := web.Subscribe("bob", must[string](t)(account.VAPIDKey(t.Context())))
	if err := account.SetPush(t.Context(), client.PushRegistration{
		Kind: reg.Kind, Endpoint: reg.Endpoint, Keys: client.PushKeys{P256dh: reg.Keys.P256dh, Auth: reg.Keys.Auth}, Show: "sender",
	}); err != nil {
		t.Fatal(err)
	}
	if list, err := f.Store.PushTargets(t.Context(), []fabric.UserID{bob.id}); err != nil || len(list) != 1 || list[0].Show != "sender" {
		t.Errorf("Bob is reached by %+v, %v", list, err)
	}
	if err := account.SetPush(t.Context(), client.PushRegistration{Kind: "pigeon"}); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Errorf("by pigeon: %v", err)
	}
	for range 2 {
		if err := account.RemovePush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if list, err := f.Store.PushTargets(t.Context(), []fabric.UserID{bob.id}); err != nil || len(list) != 0 {
		t.Errorf("Bob is reached by %+v, %v", list, err)
	}
}
