package edge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// talkOfPushes has somebody who is not there be written to, and say how they are reached.
func talkOfPushes(t *testing.T, nc *nats.Conn, web *pushtest.WebPush, ella client.Grant, a *edgetest.Conn) {
	t.Helper()
	key, err := service.Call[contract.PushKeyReply](t.Context(), nc, subjects.PushKey, contract.PushKeyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	set := contract.PushSetRequest{User: ella.User.ID, Device: ella.Device.ID, PushRegistration: web.Subscribe("ella", key.Key)}
	if _, err := service.CallRaw(t.Context(), nc, subjects.PushSet, set); err != nil {
		t.Fatal(err)
	}
	a.Send(string(ella.User.ID), "", "are you there?")
	web.Await("ella", 1)
	tested, err := service.Call[contract.PushTestReply](t.Context(), nc, subjects.PushTest, contract.PushTestRequest{User: ella.User.ID})
	if err != nil || len(tested.Devices) != 1 || tested.Devices[0].Result != "ok" {
		t.Errorf("a test: %+v, %v", tested, err)
	}
	if _, err := service.CallRaw(t.Context(), nc, subjects.PushRemove, contract.PushRemoveRequest{User: ella.User.ID, Device: ella.Device.ID}); err != nil {
		t.Error(err)
	}
}

// pushes makes the calls about how a device is reached.
func (h *held) pushes(ann edgetest.Object) {
	t, access, path := h.t, ann.Str("access_token"), "/v1/devices/me/push"
	web := pushtest.StartWebPush(t)
	key := h.again(call{op: "getVAPID", want: 200, path: "/v1/push/vapid", token: access}).Str("key")
	reg := web.Subscribe("ann", key)
	endpoint := "https://updates.push.services.mozilla.com/wpush/v2/x" // nothing is pushed to it here
	body := fmt.Sprintf(`{"kind":"webpush","endpoint":%q,"keys":{"p256dh":%q,"auth":%q},"show":"none","mentions":true}`, endpoint, reg.Keys.P256dh, reg.Keys.Auth)
	h.do(call{op: "putPush", want: 200, path: path, token: access, body: body})
	h.do(call{op: "putPush", want: 400, path: path, token: access, body: strings.Replace(body, endpoint, reg.Endpoint, 1)})
	h.do(call{op: "putPush", want: 413, path: path, token: access, body: pad, wrong: true})
	h.do(call{op: "deletePush", want: 204, path: path, token: access})
	h.refused(call{op: "getVAPID", path: "/v1/push/vapid"}, call{op: "putPush", path: path, body: body}, call{op: "deletePush", path: path})
}
