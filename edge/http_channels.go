package edge

import (
	"net/http"

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
