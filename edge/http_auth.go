package edge

import (
	"net/http"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/subjects"
)

func (e *Edge) authRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/auth/methods", e.strange(e.getMethods))
	mux.HandleFunc("POST /v1/auth/otp", e.strange(e.postOTP))
	mux.HandleFunc("POST /v1/auth/token", e.strange(e.postToken))
	mux.HandleFunc("POST /v1/auth/oidc/start", e.strange(e.postOIDCStart))
	mux.HandleFunc("POST /v1/auth/oidc/token", e.strange(e.postOIDCToken))
	mux.HandleFunc("POST /v1/auth/refresh", e.strange(e.postRefresh))
	mux.Handle("POST /v1/auth/logout", e.signedIn(e.postLogout))
}

func (e *Edge) getMethods(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		return e.ask(r, subjects.UsersMethods, contract.UsersMethodsRequest{})
	})
}

func (e *Edge) postOTP(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var body struct {
			Phone string `json:"phone"`
		}
		if err := readJSON(r, &body); err != nil {
			return 0, nil, err
		}
		_, reply, err := e.ask(r, subjects.UsersOTP, contract.UsersOTPRequest{Phone: body.Phone, Address: fromOf(r).String()})
		return http.StatusAccepted, reply, err
	})
}

func (e *Edge) postToken(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var req contract.UsersTokenRequest
		if err := readJSON(r, &req); err != nil {
			return 0, nil, err
		}
		req.Address = fromOf(r).String()
		return e.ask(r, subjects.UsersToken, req)
	})
}

func (e *Edge) postRefresh(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var req contract.UsersRefreshRequest
		if err := readJSON(r, &req); err != nil {
			return 0, nil, err
		}
		req.Address = fromOf(r).String()
		return e.ask(r, subjects.UsersRefresh, req)
	})
}

func (e *Edge) postOIDCStart(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var req contract.UsersOIDCStartRequest
		if err := readJSON(r, &req); err != nil {
			return 0, nil, err
		}
		req.Address = fromOf(r).String()
		return e.ask(r, subjects.UsersOIDCStart, req)
	})
}

func (e *Edge) postOIDCToken(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var req contract.UsersOIDCTokenRequest
		if err := readJSON(r, &req); err != nil {
			return 0, nil, err
		}
		req.Address = fromOf(r).String()
		return e.ask(r, subjects.UsersOIDCToken, req)
	})
}

func (e *Edge) postLogout(r *http.Request, c caller) (int, any, error) {
	return e.revoke(r, c.user, c.device)
}
