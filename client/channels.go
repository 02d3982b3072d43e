package client

import (
	"context"
	"net/http"

	"github.com/weft-im/weft/fabric"
)

// Channel is a channel as the user's list shows it.
type Channel struct {
	ID       fabric.ChannelID `json:"id"`
	Kind     fabric.Kind      `json:"kind"`
	Name     string           `json:"name"`
	Avatar   string           `json:"avatar"`
	Peer     *fabric.User     `json:"peer"`     // of a direct chat
	Last     *Shown           `json:"last"`     // nil where there is no message
	Unread   int              `json:"unread"`   // counting ends at 1,000
	Receipts []fabric.Receipt `json:"receipts"` // of a direct chat: both users'; of a group: one's own

	All      *Marks           `json:"all"` // of a group, as those that follow
	Role     fabric.Role      `json:"role"`
	Members  int              `json:"members"`
	Settings *fabric.Settings `json:"settings"`

	Disappear int  `json:"disappear"` // seconds after which messages disappear; 0 for never
	Blocked   bool `json:"blocked"`   // the user has blocked the peer
	fabric.Prefs
}

// Marks are high-water marks of a group as a whole: what all of its members have passed.
type Marks struct {
	Delivered uint64 `json:"delivered"`
	Read      uint64 `json:"read"`
}

// ChannelPage is a part of the list, newest first. Cursor gets the next one; it is empty at the end.
type ChannelPage struct {
	Channels []Channel `json:"channels"`
	Cursor   string    `json:"cursor"`
}

// Channels returns a page of the user's channels: the first one for an empty cursor, of 50 for a limit of 0.
func (s *Session) Channels(ctx context.Context, limit int, cursor string) (ChannelPage, error) {
	var page ChannelPage
	err := s.ask(ctx, "channels", struct {
		Limit  int    `json:"limit,omitempty"`
		Cursor string `json:"cursor,omitempty"`
	}{limit, cursor}, &page)
	return page, err
}

// Channel returns one channel of the user's list.
func (a *Account) Channel(ctx context.Context, id fabric.ChannelID) (Channel, error) {
	var c Channel
	err := a.get(ctx, pathOf("/v1/channels/", id), &c)
	return c, err
}

// PrefsPatch changes how the user wants a channel shown; nil leaves a field as it is. All of the user's devices have it.
type PrefsPatch struct {
	MutedUntil   *int64 `json:"muted_until,omitempty"` // Unix milliseconds; fabric.MutedForever; 0 for not muted
	Archived     *bool  `json:"archived,omitempty"`
	Pinned       *bool  `json:"pinned,omitempty"`
	MarkedUnread *bool  `json:"marked_unread,omitempty"`
	// Disappear is after how many seconds messages of a direct chat disappear for both: one of fabric.DisappearTimes. Of a
	// group it is a setting.
	Disappear *int `json:"disappear,omitempty"`
}

// SetPrefs changes how the user wants a channel shown, and returns the channel as it is then.
func (a *Account) SetPrefs(ctx context.Context, id fabric.ChannelID, patch PrefsPatch) (Channel, error) {
	var c Channel
	err := a.call(ctx, http.MethodPatch, pathOf("/v1/channels/", id), patch, &c)
	return c, err
}

// ReceiptQuery asks for the marks of a channel's members.
type ReceiptQuery struct {
	Seq    uint64 `json:"seq,omitempty"`    // of those only who have this message; 0 for all
	Limit  int    `json:"limit,omitempty"`  // members in a page of a group's, 1,000 at most
	Cursor string `json:"cursor,omitempty"` // of the page before
}

// ReceiptPage is a part of the marks of a channel's members, those with any. Cursor gets the next one; it is empty at the
// end.
type ReceiptPage struct {
	Receipts []fabric.Receipt `json:"receipts"`
	Cursor   string           `json:"cursor"`
}

// Receipts returns the marks of a direct chat's users, or the first page of those of a group's members.
func (s *Session) Receipts(ctx context.Context, channel fabric.ChannelID) ([]fabric.Receipt, error) {
	page, err := s.ReceiptPage(ctx, channel, ReceiptQuery{})
	return page.Receipts, err
}

// ReceiptPage returns a page of the marks of a channel's members: who has a message, and who has read it.
func (s *Session) ReceiptPage(ctx context.Context, channel fabric.ChannelID, q ReceiptQuery) (ReceiptPage, error) {
	var page ReceiptPage
	err := s.ask(ctx, "receipts", struct {
		Channel fabric.ChannelID `json:"channel"`
		ReceiptQuery
	}{channel, q}, &page)
	return page, err
}
