package edge

import (
	"encoding/json"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

func (e *Edge) getChannels(r *http.Request, c caller) (int, any, error) {
	limit, _, err := queryUint(r, "limit")
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsList, contract.ChatsListRequest{
		User: c.user, Limit: int(min(limit, contract.MaxPage)), Cursor: r.URL.Query().Get("cursor"),
	})
}

// readable returns the channel that the path names, and how the caller stands in it, if they may read it.
func (e *Edge) readable(r *http.Request, c caller) (fabric.ChannelID, standing, error) {
	channel, err := fabric.ParseChannelID(r.PathValue("id"))
	if err != nil {
		return "", standing{}, err
	}
	st, err := e.standing(r.Context(), c.user, channel)
	return channel, st, err
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

func (e *Edge) getReceipts(r *http.Request, c caller) (int, any, error) {
	channel, _, err := e.readable(r, c)
	if err != nil {
		return 0, nil, err
	}
	seq, _, err := queryUint(r, "seq")
	if err != nil {
		return 0, nil, err
	}
	limit, _, err := queryUint(r, "limit")
	if err != nil {
		return 0, nil, err
	}
	return e.ask(r, subjects.ChatsReceipts, contract.ChatsReceiptsRequest{
		User: c.user, Channel: channel, Seq: seq, Limit: int(min(limit, contract.MaxReceipts)), Cursor: r.URL.Query().Get("cursor"),
	})
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
	if !e.callers.of(c.user).sends.Allow() {
		return 0, nil, fabric.Errorf(fabric.CodeRateLimited, "over %d messages a second: slow down", e.cfg.Limits.SendsPerSecond)
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
