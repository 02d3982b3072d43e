package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/weft-im/weft/fabric"
)

// Shown is a message as history has it: with what was done to it since it was written. A deleted one has the kind
// fabric.MsgDeleted and the body {}. Package view makes the same of what comes live.
type Shown struct {
	fabric.Stored
	EditedAt  int64      `json:"edited_at,omitempty"`  // Unix milliseconds, as the next two
	DeletedAt int64      `json:"deleted_at,omitempty"` // for everyone
	ExpiresAt int64      `json:"expires_at,omitempty"` // when it disappears
	Reactions []Reaction `json:"reactions,omitempty"`
	Starred   bool       `json:"starred,omitempty"` // by oneself
	Pinned    bool       `json:"pinned,omitempty"`
}

// Reaction is one emoji under a message.
type Reaction struct {
	Emoji string          `json:"emoji"`
	Count int             `json:"count"`
	Users []fabric.UserID `json:"users"`          // the first 20 of them
	Mine  bool            `json:"mine,omitempty"` // one's own is among all of them
}

// ShownPage is a part of a list of messages. Cursor gets the next one; it is empty at the end.
type ShownPage struct {
	Messages []Shown `json:"messages"`
	Cursor   string  `json:"cursor"`
}

func messagePath(channel fabric.ChannelID, seq uint64, after string) string {
	return pathOf("/v1/channels/", channel, "/messages/", strconv.FormatUint(seq, 10), after)
}

// Message returns one message.
func (a *Account) Message(ctx context.Context, channel fabric.ChannelID, seq uint64) (Shown, error) {
	var m Shown
	err := a.get(ctx, messagePath(channel, seq, ""), &m)
	return m, err
}

// DeleteForMe takes a message out of the user's own view of a channel, on all of their devices and for good. See
// Session.DeleteForAll for the other one.
func (a *Account) DeleteForMe(ctx context.Context, channel fabric.ChannelID, seq uint64) error {
	return a.call(ctx, http.MethodDelete, messagePath(channel, seq, "")+"?for=me", nil, nil)
}

// Star stars a message for the user, or no longer.
func (a *Account) Star(ctx context.Context, channel fabric.ChannelID, seq uint64, on bool) error {
	method := http.MethodDelete
	if on {
		method = http.MethodPut
	}
	return a.call(ctx, method, messagePath(channel, seq, "/star"), nil, nil)
}

// Starred returns a page of the messages that the user has starred, newest star first: the first one for an empty cursor.
func (a *Account) Starred(ctx context.Context, limit int, cursor string) (ShownPage, error) {
	var page ShownPage
	err := a.get(ctx, query{}.page(limit, cursor).of("/v1/starred"), &page)
	return page, err
}

// Pins returns a channel's pinned messages, the one pinned last first.
func (a *Account) Pins(ctx context.Context, channel fabric.ChannelID) ([]Shown, error) {
	var reply struct {
		Messages []Shown `json:"messages"`
	}
	err := a.get(ctx, pathOf("/v1/channels/", channel, "/pins"), &reply)
	return reply.Messages, err
}

// SearchQuery asks for messages with all of the words in Text, the last of which may be the beginning of one.
type SearchQuery struct {
	Text    string
	Channel fabric.ChannelID // of this channel only; empty for all of the user's
	Limit   int
	Cursor  string
}

// Hit is a message that was found, and the part of its text in which.
type Hit struct {
	Message Shown         `json:"message"`
	Snippet []SnippetPart `json:"snippet"`
}

// SnippetPart is a stretch of a snippet; Hit marks what was searched for.
type SnippetPart struct {
	Text string `json:"text"`
	Hit  bool   `json:"hit,omitempty"`
}

// HitPage is a part of what was found, newest first. Cursor gets the next one; it is empty at the end.
type HitPage struct {
	Hits   []Hit  `json:"hits"`
	Cursor string `json:"cursor"`
}

// Search searches the user's own channels.
func (a *Account) Search(ctx context.Context, q SearchQuery) (HitPage, error) {
	var page HitPage
	values := query{}.text("q", q.Text).text("channel", string(q.Channel)).page(q.Limit, q.Cursor)
	err := a.get(ctx, values.of("/v1/search"), &page)
	return page, err
}
