package edge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
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
	mux.HandleFunc("GET /v1/limits", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, http.StatusOK, e.cfg.Limits) })

	e.authRoutes(mux)
	e.userRoutes(mux)
	e.avatarRoutes(mux)
	e.uploads.routes(mux)
	e.fileRoutes(mux)
	mux.Handle("GET /v1/devices", e.signedIn(e.getDevices))
	mux.Handle("DELETE /v1/devices/{id}", e.signedIn(e.deleteDevice))

	e.pushRoutes(mux)

	e.groupRoutes(mux)
	mux.Handle("GET /v1/channels", e.signedIn(e.getChannels))
	mux.Handle("GET /v1/channels/{id}", e.signedIn(etagged(e.getChannel)))
	mux.Handle("PATCH /v1/channels/{id}", e.signedIn(e.patchChannel))
	e.messageRoutes(mux)
	mux.Handle("GET /v1/channels/{id}/receipts", e.signedIn(e.getReceipts))

	documentRoutes(mux)

	mux.Handle("/v1/", unrouted(mux))
	if e.cfg.Web != nil {
		mux.Handle("/", e.cfg.Web)
	}
	return e.unlessDrained(mux)
}

// unlessDrained has clients that keep a connection go elsewhere once the edge drains, and serves nothing when it has.
func (e *Edge) unlessDrained(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-e.drainAsked:
			w.Header().Set("Connection", "close")
		default:
		}
		if e.drained.Load() {
			problem(w, fabric.Errorf(fabric.CodeUnavailable, "this server has gone down: try again"))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// caller is who makes a signed-in request.
type caller struct {
	user   fabric.UserID
	device fabric.DeviceID
}

// handler answers a signed-in request.
type handler = func(*http.Request, caller) (status int, body any, err error)

// signedIn admits requests with a good access token, and answers with what h returns.
func (e *Edge) signedIn(h handler) http.Handler { return e.signedInUpTo(maxRequestBytes, h) }

// signedInUpTo is signedIn for a request whose body has up to so many bytes.
func (e *Edge) signedInUpTo(bytes int64, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := e.admitted(w, r)
		if err != nil {
			e.failed(w, r, caller{}, err)
			return
		}
		done, err := e.one(c.user)
		if err != nil {
			e.failed(w, r, c, err)
			return
		}
		defer done()
		e.answerUpTo(bytes, w, r, c, func(r *http.Request) (int, any, error) { return h(r, c) })
	})
}

// signedInWriting is signedIn for what is no JSON: h writes the answer, or returns an error before it has begun. It sees
// to its own bounds.
func (e *Edge) signedInWriting(h func(http.ResponseWriter, *http.Request, caller) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := e.admitted(w, r)
		if err == nil {
			var done func()
			if done, err = e.one(c.user); err == nil {
				defer done()
				err = h(w, r, c)
			}
		}
		if err != nil {
			e.failed(w, r, c, err)
		}
	})
}

// admitted returns who makes a request, by its access token, if they may make one more now.
func (e *Edge) admitted(w http.ResponseWriter, r *http.Request) (caller, error) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: in any case
		w.Header().Set("WWW-Authenticate", "Bearer")
		return caller{}, fabric.Errorf(fabric.CodeUnauthenticated, "want the header Authorization: Bearer <access token>")
	}
	if !e.verifier.Remembers(token) && e.addresses.exhausted(fromOf(r)) {
		return caller{}, e.tooManyStrangers()
	}
	claims, err := e.authenticate(token)
	if err != nil {
		e.addresses.stranger(fromOf(r))
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return caller{}, err
	}
	b := e.callers.of(claims.User)
	if !b.ops.Allow() {
		return caller{}, fabric.Errorf(fabric.CodeRateLimited, "over %d requests a second: slow down", e.cfg.Limits.OpsPerSecond)
	}
	if p := paceOfRequest(r); !b.allow(p) {
		return caller{}, tooFast("such requests", e.cfg.Limits, p)
	}
	return caller{claims.User, claims.Device}, nil
}

// paceOfRequest tells the pace of an HTTP request: what is read, and what makes or joins a group.
func paceOfRequest(r *http.Request) pace {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return paceRead
	case r.Pattern == "POST /v1/groups" || r.Pattern == "POST /v1/invites/{code}":
		return paceJoin
	}
	return paceNone
}

// one has a user's request at work if not too many of theirs are; done ends it.
func (e *Edge) one(u fabric.UserID) (done func(), err error) {
	at := e.callers.of(u).calls
	select {
	case at <- struct{}{}:
		return func() { <-at }, nil
	default:
		return nil, fabric.Errorf(fabric.CodeRateLimited, "%d of your requests are at work: wait for these", e.cfg.Limits.RequestsAtOnce)
	}
}

// strange admits a request of a stranger's: a sign-in, or one without a token.
func (e *Edge) strange(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !e.addresses.stranger(fromOf(r)) {
			e.failed(w, r, caller{}, e.tooManyStrangers())
			return
		}
		h(w, r)
	}
}

// answer bounds a request, runs h, and writes what it returns. A json.RawMessage goes out as it is.
func (e *Edge) answer(w http.ResponseWriter, r *http.Request, h func(*http.Request) (int, any, error)) {
	e.answerUpTo(maxRequestBytes, w, r, caller{}, h)
}

func (e *Edge) answerUpTo(bytes int64, w http.ResponseWriter, r *http.Request, c caller, h func(*http.Request) (int, any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*callTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, bytes)
	status, body, err := h(r)
	switch {
	case err != nil:
		e.failed(w, r, c, err)
	case body == nil:
		w.WriteHeader(status)
	default:
		writeJSON(w, r, status, body)
	}
}

// failed answers with an error; what is no client's doing is logged.
func (e *Edge) failed(w http.ResponseWriter, r *http.Request, c caller, err error) {
	known, is := fabric.AsError(err)
	if !is && !errors.Is(err, context.Canceled) {
		e.log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	if known.Code == fabric.CodeRateLimited {
		w.Header().Set("Retry-After", "1")
	}
	e.noteRefusal(known, c, r)
	problem(w, err)
}

// noteRefusal counts a refusal, and writes it down where it matters.
func (e *Edge) noteRefusal(err *fabric.Error, c caller, r *http.Request) {
	e.metrics.refused.WithLabelValues(string(err.Code)).Inc()
	e.auditRefusal(err, c.user, c.device, fromOf(r), r.Pattern)
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

func (e *Edge) revoke(r *http.Request, u fabric.UserID, d fabric.DeviceID) (int, any, error) {
	if _, err := service.CallRaw(r.Context(), e.nc, subjects.UsersRevoke, contract.UsersRevokeRequest{User: u, Device: d}); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
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
	if err := bodyError(err); fabric.CodeOf(err) == fabric.CodeTooLarge {
		return err
	}
	if errors.Is(err, io.EOF) {
		return fabric.Errorf(fabric.CodeBadRequest, "want a JSON object as the request's body")
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) { // its text has our types' names in it
		if mistyped.Field == "" {
			return fabric.Errorf(fabric.CodeBadRequest, "want a JSON object as the request's body")
		}
		return fabric.Errorf(fabric.CodeBadRequest, "the request's body: %s is not what belongs there", mistyped.Field)
	}
	return fabric.Errorf(fabric.CodeBadRequest, "the request's body: %s", clip(err.Error()))
}

// bodyError is the error of reading a request's body.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fabric.Errorf(fabric.CodeTooLarge, "the request is over %d bytes", tooLarge.Limit)
	}
	return fabric.Errorf(fabric.CodeBadRequest, "the request's body could not be read to its end")
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

// writeJSON answers with body; see etagged for one that has a tag.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	tag, hasTag := body.(tagged)
	if hasTag {
		body = tag.body
	}
	data, err := json.Marshal(body)
	if err != nil {
		problem(w, err)
		return
	}
	if hasTag {
		serve(w, r, "application/json", data)
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
	problemWith(w, fabric.StatusOf(e.Code), e)
}

func problemWith(w http.ResponseWriter, status int, e *fabric.Error) {
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
