package edge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// maxRequestBytes bounds an HTTP request's body: a message's, with room for what wraps it.
const maxRequestBytes = fabric.MaxBodyBytes + 8<<10

// Handler returns all that clients reach over HTTP: the API, the WebSocket, and the web client where there is one.
func (e *Edge) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ws", e.accept)
	mux.HandleFunc("GET /v1/limits", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, e.cfg.Limits) })

	mux.HandleFunc("POST /v1/auth/otp", e.postOTP)
	mux.HandleFunc("POST /v1/auth/token", e.postToken)
	mux.HandleFunc("POST /v1/auth/refresh", e.postRefresh)
	mux.Handle("POST /v1/auth/logout", e.signedIn(e.postLogout))

	e.userRoutes(mux)
	mux.Handle("GET /v1/devices", e.signedIn(e.getDevices))
	mux.Handle("DELETE /v1/devices/{id}", e.signedIn(e.deleteDevice))

	e.groupRoutes(mux)
	mux.Handle("GET /v1/channels", e.signedIn(e.getChannels))
	mux.Handle("GET /v1/channels/{id}", e.signedIn(e.getChannel))
	mux.Handle("PATCH /v1/channels/{id}", e.signedIn(e.patchChannel))
	e.messageRoutes(mux)
	mux.Handle("GET /v1/channels/{id}/receipts", e.signedIn(e.getReceipts))

	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, fabric.Errorf(fabric.CodeNotFound, "there is no %s %s", r.Method, clip(r.URL.Path)))
	})
	if e.cfg.Web != nil {
		mux.Handle("/", e.cfg.Web)
	}
	return mux
}

// caller is who makes a signed-in request.
type caller struct {
	user   fabric.UserID
	device fabric.DeviceID
}

// signedIn admits requests with a good access token, and answers with what h returns.
func (e *Edge) signedIn(h func(*http.Request, caller) (status int, body any, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: in any case
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, fabric.Errorf(fabric.CodeUnauthenticated, "want the header Authorization: Bearer <access token>"))
			return
		}
		claims, err := e.authenticate(token)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			problem(w, err)
			return
		}
		if !e.callers.of(claims.User).ops.Allow() {
			problem(w, fabric.Errorf(fabric.CodeRateLimited, "over %d requests a second: slow down", e.cfg.Limits.OpsPerSecond))
			return
		}
		e.answer(w, r, func(r *http.Request) (int, any, error) {
			return h(r, caller{claims.User, claims.Device})
		})
	})
}

// answer bounds a request, runs h, and writes what it returns. A json.RawMessage goes out as it is.
func (e *Edge) answer(w http.ResponseWriter, r *http.Request, h func(*http.Request) (int, any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*callTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	status, body, err := h(r)
	if err != nil {
		if _, known := fabric.AsError(err); !known && !errors.Is(err, context.Canceled) {
			e.log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		problem(w, err)
		return
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	writeJSON(w, status, body)
}

var errRevoked = fabric.Errorf(fabric.CodeUnauthenticated, "this device was signed out: sign in again")

// authenticate checks an access token, and that its device was not revoked since.
func (e *Edge) authenticate(token string) (auth.Claims, error) {
	claims, err := e.verifier.Verify(token)
	if err != nil {
		return claims, err
	}
	if e.revoked.has(claims.User, claims.Device) {
		return claims, errRevoked
	}
	return claims, nil
}

func (e *Edge) getDevices(r *http.Request, c caller) (int, any, error) {
	return e.ask(r, subjects.UsersDevices, contract.UsersDevicesRequest{User: c.user, Device: c.device})
}

func (e *Edge) deleteDevice(r *http.Request, c caller) (int, any, error) {
	d, err := fabric.ParseDeviceID(r.PathValue("id"))
	if err != nil {
		return 0, nil, err
	}
	return e.revoke(r, c.user, d)
}

func (e *Edge) postLogout(r *http.Request, c caller) (int, any, error) {
	return e.revoke(r, c.user, c.device)
}

func (e *Edge) revoke(r *http.Request, u fabric.UserID, d fabric.DeviceID) (int, any, error) {
	if _, err := service.CallRaw(r.Context(), e.nc, subjects.UsersRevoke, contract.UsersRevokeRequest{User: u, Device: d}); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

func (e *Edge) postOTP(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var body struct {
			Phone string `json:"phone"`
		}
		if err := readJSON(r, &body); err != nil {
			return 0, nil, err
		}
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		_, reply, err := e.ask(r, subjects.UsersOTP, contract.UsersOTPRequest{Phone: body.Phone, Address: host})
		return http.StatusAccepted, reply, err
	})
}

func (e *Edge) postToken(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var req contract.UsersTokenRequest
		if err := readJSON(r, &req); err != nil {
			return 0, nil, err
		}
		return e.ask(r, subjects.UsersToken, req)
	})
}

func (e *Edge) postRefresh(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(r *http.Request) (int, any, error) {
		var req contract.UsersRefreshRequest
		if err := readJSON(r, &req); err != nil {
			return 0, nil, err
		}
		return e.ask(r, subjects.UsersRefresh, req)
	})
}

// ask passes a service's reply on as it stands.
func (e *Edge) ask(r *http.Request, verb subjects.Verb, req any) (int, any, error) {
	data, err := service.CallRaw(r.Context(), e.nc, verb, req)
	return http.StatusOK, json.RawMessage(data), err
}

// readJSON decodes a request's body, one JSON object.
func readJSON(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	err := dec.Decode(into)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("there is more than one JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fabric.Errorf(fabric.CodeTooLarge, "the request is over %d bytes", tooLarge.Limit)
	case errors.Is(err, io.EOF):
		return fabric.Errorf(fabric.CodeBadRequest, "want a JSON object as the request's body")
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) { // its text has our types' names in it
		return fabric.Errorf(fabric.CodeBadRequest, "the request's body: %s is not what belongs there", mistyped.Field)
	}
	return fabric.Errorf(fabric.CodeBadRequest, "the request's body: %s", clip(err.Error()))
}

// queryUint reads a whole number from the query; ok is false where it is absent.
func queryUint(r *http.Request, name string) (n uint64, ok bool, err error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, false, fabric.Errorf(fabric.CodeBadRequest, "%s: want a whole number of 0 or more", name)
	}
	return n, true, nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		problem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	secure(w, "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that is gone is no error of ours
}

// problem answers with an error as RFC 9457 has it, with Weft's code beside.
func problem(w http.ResponseWriter, err error) {
	e, _ := fabric.AsError(err)
	status := fabric.StatusOf(e.Code)
	data, err := json.Marshal(struct {
		Type   string      `json:"type"`
		Title  string      `json:"title"`
		Status int         `json:"status"`
		Code   fabric.Code `json:"code"`
		Detail string      `json:"detail"`
	}{"about:blank", http.StatusText(status), status, e.Code, e.Message})
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	secure(w, "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data) // as above
}

func secure(w http.ResponseWriter, cache string) {
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("X-Content-Type-Options", "nosniff")
}
