package contract

import (
	"encoding/json"

	"github.com/weft-im/weft/fabric"
)

// HistoryPageRequest asks for a page of a channel's messages: the newest ones, those before a seq, or those after one.
// Before and After exclude each other.
type HistoryPageRequest struct {
	User    fabric.UserID    `json:"user,omitempty"` // who reads; empty for a role that does for itself
	Channel fabric.ChannelID `json:"channel"`
	From    uint64           `json:"from,omitempty"` // what is before it the user may not read
	Before  uint64           `json:"before,omitempty"`
	After   *uint64          `json:"after,omitempty"` // 0 is the channel's beginning
	Limit   int              `json:"limit,omitempty"`
}

// HistoryPageReply has message objects in ascending seq; More tells of further ones in the direction asked.
type HistoryPageReply struct {
	Messages []json.RawMessage `json:"messages"`
	More     bool              `json:"more"`
}

// HistorySinceRequest asks for what a user's device has missed: every message of the user's channels after From and up
// to Upto, page by page.
type HistorySinceRequest struct {
	User fabric.UserID   `json:"user"`
	From fabric.Position `json:"from,omitempty"` // nil asks for Upto alone
	Upto fabric.Position `json:"upto,omitempty"` // nil in the first request: the reply sets it
	Next string          `json:"next,omitempty"` // of the page before
	// ForEdge is of an edge that hands what it reads to all who may see it: groups are left out, since it reads them once for
	// all of their members, and a message that only its sender may see says so, in a field "only".
	ForEdge bool `json:"for_edge,omitempty"`
}

// HistorySinceReply is a page of message objects, channel by channel, each in ascending seq. Upto is where the logs
// stood at or after the moment of the first request: whatever was stored before it is at or below Upto.
type HistorySinceReply struct {
	Messages []json.RawMessage `json:"messages"`
	Upto     fabric.Position   `json:"upto"`
	Next     string            `json:"next,omitempty"` // empty on the last page
}

// HistorySettleRequest waits until everything that was in the logs when it came is in SQL, or for a bounded moment.
type HistorySettleRequest struct{}

// HistorySettleReply tells how far the archive is, and whether that is all that was asked.
type HistorySettleReply struct {
	Archived fabric.Position `json:"archived"`
	Settled  bool            `json:"settled"`
}

// HistoryMessageRequest asks for one message as User sees it. The error has CodeNotFound where there is none at Seq, or
// none that the user may read.
type HistoryMessageRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
	Seq     uint64           `json:"seq"`
	From    uint64           `json:"from,omitempty"`
}

// HistoryMessageReply is the message object.
type HistoryMessageReply struct {
	Message json.RawMessage `json:"message"`
}

// HistoryAdmitRequest asks whether User may publish a record that changes a message: an edit, a delete, a reaction, a
// pin. Admin says that the user is an admin of the channel. A refusal says why.
type HistoryAdmitRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
	From    uint64           `json:"from,omitempty"`
	Admin   bool             `json:"admin,omitempty"`
	Kind    string           `json:"kind"`
	Body    json.RawMessage  `json:"body"`
}

// HistoryAdmitReply says of the message that would be changed whether nobody but its sender may see it: then nobody else
// may see what changes it.
type HistoryAdmitReply struct {
	Only bool `json:"only,omitempty"`
}

// HistoryHideRequest deletes a message for User alone. It can't be taken back.
type HistoryHideRequest = HistoryMessageRequest

// HistoryStarRequest stars a message for User, or no longer.
type HistoryStarRequest struct {
	HistoryMessageRequest
	On bool `json:"on"`
}

// HistoryStarredRequest asks for a page of the messages that User has starred, newest star first.
type HistoryStarredRequest struct {
	User   fabric.UserID `json:"user"`
	Limit  int           `json:"limit,omitempty"`
	Cursor string        `json:"cursor,omitempty"`
}

// HistoryStarredReply is the page; Cursor is empty at the end.
type HistoryStarredReply struct {
	Messages []json.RawMessage `json:"messages"`
	Cursor   string            `json:"cursor,omitempty"`
}

// HistoryPinsRequest asks for a channel's pinned messages.
type HistoryPinsRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
	From    uint64           `json:"from,omitempty"`
}

// HistoryPinsReply lists them, the one pinned last first; MaxPins at most.
type HistoryPinsReply struct {
	Messages []json.RawMessage `json:"messages"`
}

// MaxPins bounds the pinned messages of a channel: pinning one more unpins the one pinned first.
const MaxPins = 50

// HistorySearchRequest searches User's own channels, or the one named, for messages with all of the words in Query.
type HistorySearchRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel,omitempty"`
	Query   string           `json:"query"`
	Limit   int              `json:"limit,omitempty"`
	Cursor  string           `json:"cursor,omitempty"`
}

// HistorySearchReply has the hits, newest first; Cursor is empty at the end.
type HistorySearchReply struct {
	Hits   []SearchHit `json:"hits"`
	Cursor string      `json:"cursor,omitempty"`
}

// SearchHit is a message that was found, and the part of its text in which.
type SearchHit struct {
	Message json.RawMessage `json:"message"`
	Snippet []SnippetPart   `json:"snippet"`
}

// SnippetPart is a stretch of a snippet; Hit marks what was searched for.
type SnippetPart struct {
	Text string `json:"text"`
	Hit  bool   `json:"hit,omitempty"`
}
