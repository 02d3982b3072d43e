// Package contract holds what roles ask of one another over NATS: the request and the reply of every verb in package
// subjects, named <Service><Verb>Request and …Reply. They are JSON; a failed request carries a fabric.Error.
//
// A request names the user on whose behalf it is made. Only roles can reach these subjects, and the edge fills that
// field from the session's checked token, never from what a client wrote.
package contract

import (
	"encoding/json"

	"github.com/weft-im/weft/fabric"
)

// UsersOTPRequest asks for a one-time code to be sent to a phone.
type UsersOTPRequest struct {
	Phone   string `json:"phone"`             // as the person typed it, with country code
	Address string `json:"address,omitempty"` // the client's address, for rates
}

// UsersOTPReply tells where the code went and until when it holds.
type UsersOTPReply struct {
	Phone     string `json:"phone"`      // E.164
	ExpiresAt int64  `json:"expires_at"` // Unix milliseconds
	DevCode   string `json:"dev_code,omitempty"`
}

// SendOTPRequest asks the service that sends text messages, on subjects.SendOTP, to send a one-time code.
type SendOTPRequest struct {
	Phone     string `json:"phone"` // E.164
	Code      string `json:"code"`
	ExpiresAt int64  `json:"expires_at"` // Unix milliseconds
}

// SendOTPReply is its answer: {} once the message is on its way.
type SendOTPReply struct {
	Err *fabric.Error `json:"err,omitempty"`
}

// UsersTokenRequest trades a one-time code for tokens; the first time it registers the user.
type UsersTokenRequest struct {
	Phone  string    `json:"phone"`
	Code   string    `json:"code"`
	Name   string    `json:"name,omitempty"`
	Device NewDevice `json:"device"`
}

// NewDevice is a device as it presents itself at sign-in.
type NewDevice struct {
	Name      string `json:"name"`
	Platform  string `json:"platform"`
	PublicKey string `json:"public_key,omitempty"` // a user nkey (U…): the access token is bound to it
}

// UsersTokenReply is a signed-in device's pair of tokens, of a sign-in or of a refresh.
type UsersTokenReply struct {
	User         fabric.User   `json:"user"`
	Device       fabric.Device `json:"device"`
	AccessToken  string        `json:"access_token"`
	ExpiresAt    int64         `json:"expires_at"` // of the access token, Unix milliseconds
	RefreshToken string        `json:"refresh_token"`
}

// UsersRefreshRequest spends a refresh token for a new pair. A token that was spent already revokes its device, except in
// a retry: a client whose reply got lost asks again with the same Attempt, and gets another pair for as long as the
// lost one was never used.
type UsersRefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
	Attempt      string `json:"attempt,omitempty"` // the client's id of this try, up to MaxAttempt bytes
}

// MaxAttempt bounds a client's id of a try to refresh, in bytes.
const MaxAttempt = 64

// UsersRevokeRequest revokes a device of the user's own: its tokens stop working and its sessions end within a second.
type UsersRevokeRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device"`
}

// UsersGetRequest asks for a user as Viewer may see them; the phone is there only for oneself.
type UsersGetRequest struct {
	Viewer fabric.UserID `json:"viewer"`
	User   fabric.UserID `json:"user"`
}

// UsersGetReply is the user.
type UsersGetReply struct {
	fabric.User
}

// UsersUpdateRequest changes one's own profile; nil leaves a field as it is. The reply is UsersGetReply.
type UsersUpdateRequest struct {
	User fabric.UserID `json:"user"`
	Name *string       `json:"name,omitempty"`
}

// MaxLookup bounds how many phones one lookup may name.
const MaxLookup = 100

// UsersLookupRequest asks which of the phones belong to users.
type UsersLookupRequest struct {
	User   fabric.UserID `json:"user"`
	Phones []string      `json:"phones"`
}

// UsersLookupReply lists those found, each with the phone it was asked by in E.164.
type UsersLookupReply struct {
	Users []fabric.User `json:"users"`
}

// UsersDevicesRequest asks for the user's own devices; Device is the one that asks.
type UsersDevicesRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device"`
}

// UsersDevicesReply lists the devices, oldest first.
type UsersDevicesReply struct {
	Devices []fabric.Device `json:"devices"`
}

// ChatsOpenRequest opens the direct chat of User and Peer, if it isn't open yet. Refused with CodeNotFound where the
// peer does not exist.
type ChatsOpenRequest struct {
	User fabric.UserID `json:"user"`
	Peer fabric.UserID `json:"peer"`
}

// ChatsOpenReply names the chat.
type ChatsOpenReply struct {
	Channel fabric.ChannelID `json:"channel"`
}

// Page limits of lists.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// ChatsListRequest asks for a page of the user's channels, newest first.
type ChatsListRequest struct {
	User   fabric.UserID `json:"user"`
	Limit  int           `json:"limit,omitempty"`
	Cursor string        `json:"cursor,omitempty"` // of the page before
}

// ChatsListReply is a page of channels; Cursor is empty at the end.
type ChatsListReply struct {
	Channels []Channel `json:"channels"`
	Cursor   string    `json:"cursor,omitempty"`
}

// Channel is a channel as one member's list shows it.
type Channel struct {
	ID       fabric.ChannelID `json:"id"`
	Kind     fabric.Kind      `json:"kind"`
	Name     string           `json:"name"`
	Peer     *fabric.User     `json:"peer,omitempty"`
	Last     json.RawMessage  `json:"last,omitempty"` // a message object
	Unread   int              `json:"unread"`         // at most MaxUnread
	Receipts []fabric.Receipt `json:"receipts"`
}

// MaxUnread is where counting stops: a list shows "1000+" at most.
const MaxUnread = 1000

// ChatsReceiptsRequest asks for the marks of a channel's members.
type ChatsReceiptsRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
}

// ChatsReceiptsReply has one entry per member with any mark.
type ChatsReceiptsReply struct {
	Receipts []fabric.Receipt `json:"receipts"`
}

// HistoryPageRequest asks for a page of a channel's messages: the newest ones, those before a seq, or those after one.
// Before and After exclude each other.
type HistoryPageRequest struct {
	Channel fabric.ChannelID `json:"channel"`
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
