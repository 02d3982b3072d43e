package edge

import (
	"net/http"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/subjects"
)

// pushRoutes are the calls by which a device says how it is reached while its app is not there.
func (e *Edge) pushRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/push/vapid", e.signedIn(etagged(e.getVAPID)))
	mux.Handle("PUT /v1/devices/me/push", e.signedIn(e.putPush))
	mux.Handle("DELETE /v1/devices/me/push", e.signedIn(e.deletePush))
}

func (e *Edge) getVAPID(r *http.Request, _ caller) (int, any, error) {
	return e.ask(r, subjects.PushKey, contract.PushKeyRequest{})
}

func (e *Edge) putPush(r *http.Request, c caller) (int, any, error) {
	req := contract.PushSetRequest{User: c.user, Device: c.device}
	if err := readJSON(r, &req.PushRegistration); err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.PushSet, req)
}

func (e *Edge) deletePush(r *http.Request, c caller) (int, any, error) {
	return e.done(r, subjects.PushRemove, contract.PushRemoveRequest{User: c.user, Device: c.device})
}
