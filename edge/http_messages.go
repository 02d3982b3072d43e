package edge

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// messageRoutes are the calls about messages.
func (e *Edge) messageRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/channels/{id}/messages", e.signedIn(e.getMessages))
	mux.Handle("POST /v1/channels/{id}/messages", e.signedIn(e.postMessage))
	mux.Handle("GET /v1/channels/{id}/messages/{seq}", e.signedIn(etagged(e.getMessage)))
	mux.Handle("DELETE /v1/channels/{id}/messages/{seq}", e.signedIn(e.deleteMessage))
	mux.Handle("PUT /v1/channels/{id}/messages/{seq}/star", e.signedIn(e.putStar))
	mux.Handle("DELETE /v1/channels/{id}/messages/{seq}/star", e.signedIn(e.deleteStar))
	mux.Handle("GET /v1/channels/{id}/pins", e.signedIn(e.getPins))
	mux.Handle("GET /v1/starred", e.signedIn(e.getStarred))
	mux.Handle("GET /v1/search", e.signedIn(e.getSearch))
}

func (e *Edge) getMessages(r *http.Request, c caller) (int, any, error) {
	channel, st, err := e.readable(r, c)
	if err != nil {
		return 0, nil, err
	}
	before, hasBefore, err := queryUint(r, "before")
	if err != nil {
		return 0, nil, err
	}
	after, hasAfter, err := queryUint(r, "after")
	if err != nil {
		return 0, nil, err
	}
	limit, _, err := queryUint(r, "limit")
	if err != nil {
		return 0, nil, err
	}
	if hasBefore && hasAfter {
		return 0, nil, fabric.Errorf(fabric.CodeBadRequest, "before and after exclude each other")
	}
	req := contract.HistoryPageRequest{
		User: c.user, Channel: channel, From: st.readsFrom(), Before: before, Limit: int(min(limit, contract.MaxPage)),
	}
	if hasAfter {
		req.After = &after
	}
	return e.ask(r, subjects.HistoryPage, req)
}

// postMessage sends as the op does; the same cid again is the same message, with 200 instead of 201.
func (e *Edge) postMessage(r *http.Request, c caller) (int, any, error) {
	var body struct {
		CID  string          `json:"cid"`
		Kind string          `json:"kind"`
		Body json.RawMessage `json:"body"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	// What is no UTF-8 gets past encoding/json, and would end the WebSocket of everybody whom it is sent to.
	if len(body.Body) > 0 && !jsontext.Value(body.Body).IsValid(jsontext.AllowDuplicateNames(true)) {
		return 0, nil, fabric.Errorf(fabric.CodeBadRequest, "body: want a JSON value in UTF-8")
	}
	if !e.callers.of(c.user).allow(paceSend) {
		return 0, nil, e.tooManySends()
	}
	stored, err := e.publish(r.Context(), outgoing{
		from: c.user, to: r.PathValue("id"), cid: body.CID, kind: body.Kind, body: body.Body,
	})
	if err != nil {
		return 0, nil, err
	}
	status := http.StatusCreated
	if stored.Duplicate {
		status = http.StatusOK
	}
	return status, stored.Sent, nil
}

// messageOf returns the message that the path names, as the caller asks for it.
func (e *Edge) messageOf(r *http.Request, c caller) (contract.HistoryMessageRequest, error) {
	channel, st, err := e.readable(r, c)
	if err != nil {
		return contract.HistoryMessageRequest{}, err
	}
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil || seq == 0 {
		return contract.HistoryMessageRequest{}, fabric.Errorf(fabric.CodeBadRequest, "the path: want the seq of a message")
	}
	return contract.HistoryMessageRequest{User: c.user, Channel: channel, Seq: seq, From: st.readsFrom()}, nil
}

func (e *Edge) getMessage(r *http.Request, c caller) (int, any, error) {
	req, err := e.messageOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	reply, err := service.Call[contract.HistoryMessageReply](r.Context(), e.nc, subjects.HistoryMessage, req)
	return http.StatusOK, reply.Message, err
}

// deleteMessage deletes a message for the caller alone or, with for=all, for everyone, which is a record in the log.
func (e *Edge) deleteMessage(r *http.Request, c caller) (int, any, error) {
	req, err := e.messageOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	switch whom := r.URL.Query().Get("for"); whom {
	case "", "me":
		return e.done(r, subjects.HistoryHide, req)
	case "all":
	default:
		return 0, nil, fabric.Errorf(fabric.CodeBadRequest, "for: want me or all")
	}
	if !e.callers.of(c.user).allow(paceSend) {
		return 0, nil, e.tooManySends()
	}
	body := strconv.AppendUint([]byte(`{"seq":`), req.Seq, 10)
	_, err = e.publish(r.Context(), outgoing{
		from: c.user, to: string(req.Channel), cid: fabric.NewCID(), kind: fabric.MsgDelete, body: append(body, '}'),
	})
	return http.StatusNoContent, nil, err
}

func (e *Edge) putStar(r *http.Request, c caller) (int, any, error) { return e.star(r, c, true) }

func (e *Edge) deleteStar(r *http.Request, c caller) (int, any, error) { return e.star(r, c, false) }

func (e *Edge) star(r *http.Request, c caller, on bool) (int, any, error) {
	req, err := e.messageOf(r, c)
	if err != nil {
		return 0, nil, err
	}
	return e.done(r, subjects.HistoryStar, contract.HistoryStarRequest{HistoryMessageRequest: req, On: on})
}

func (e *Edge) getPins(r *http.Request, c caller) (int, any, error) {
	channel, st, err := e.readable(r, c)
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.HistoryPins, contract.HistoryPinsRequest{User: c.user, Channel: channel, From: st.readsFrom()})
}

func (e *Edge) getStarred(r *http.Request, c caller) (int, any, error) {
	limit, _, err := queryUint(r, "limit")
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.HistoryStarred, contract.HistoryStarredRequest{
		User: c.user, Limit: int(min(limit, contract.MaxPage)), Cursor: r.URL.Query().Get("cursor"),
	})
}

// getSearch searches what the caller may read; who is in no channel finds nothing in it.
func (e *Edge) getSearch(r *http.Request, c caller) (int, any, error) {
	limit, _, err := queryUint(r, "limit")
	if err != nil {
		return 0, nil, err
	}
	q := r.URL.Query()
	return e.ask(r, subjects.HistorySearch, contract.HistorySearchRequest{
		User: c.user, Channel: fabric.ChannelID(q.Get("channel")), Query: q.Get("q"),
		Limit: int(min(limit, contract.MaxPage)), Cursor: q.Get("cursor"),
	})
}

func (e *Edge) tooManySends() error {
	return fabric.Errorf(fabric.CodeRateLimited, "over %d messages a second: slow down", e.cfg.Limits.SendsPerSecond)
}
