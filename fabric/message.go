package fabric

import (
	"encoding/json"
	"time"
)

// Bounds of a message as a client writes it.
const (
	MaxBodyBytes = 64 << 10 // a body's JSON, in bytes
	MaxKindBytes = 32
	MaxCIDBytes  = 36
)

// Message is what a sender writes. Its JSON is the payload in the channel's log and, with what the store adds, the
// message object of the wire, so that it is never taken apart on the way.
type Message struct {
	From UserID          `json:"from"`
	CID  string          `json:"cid"`            // the client's id: the same CID from the same sender is the same message
	Kind string          `json:"kind"`           // text, media, edit, …; an application's own begin with x-
	Body json.RawMessage `json:"body"`           // opaque to everyone between the two clients
	Only bool            `json:"only,omitempty"` // nobody but its sender may see it: see IsOnly
}

// Stored is a message with its place in its channel's log.
type Stored struct {
	Channel ChannelID `json:"channel"`
	Seq     uint64    `json:"seq"`  // grows within a channel, not gapless
	Prev    uint64    `json:"prev"` // the seq before it in the same channel, 0 for the first
	At      int64     `json:"at"`   // Unix milliseconds UTC, by the store's clock
	Message
}

// Sent is what a sender is told once the message is durable.
type Sent struct {
	Channel ChannelID `json:"channel"`
	Seq     uint64    `json:"seq"`
	Prev    uint64    `json:"prev"`
	At      int64     `json:"at"`
}

// ValidKind reports whether s can be a message's kind: 1 to MaxKindBytes of a-z, 0-9, '-', '_' and '.', first a letter.
func ValidKind(s string) bool {
	if len(s) == 0 || len(s) > MaxKindBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// ValidCID reports whether s can be a client's id of a message: a UUID in lower-case text.
func ValidCID(s string) bool { return isID(s) }

// Millis returns t as the wire has it.
func Millis(t time.Time) int64 { return t.UnixMilli() }

// Receipt is a user's high-water marks in a channel: delivered up to, read up to. A mark never falls.
type Receipt struct {
	User      UserID `json:"user"`
	Delivered uint64 `json:"delivered"`
	Read      uint64 `json:"read"`
	Private   bool   `json:"private,omitempty"` // what was read is nobody else's to know
}

// Merge returns the higher of both marks of r and o. What is read was delivered.
func (r Receipt) Merge(o Receipt) Receipt {
	r.Read = max(r.Read, o.Read)
	r.Delivered = max(r.Delivered, o.Delivered, r.Read)
	return r
}

// For returns r as the viewer may see it.
func (r Receipt) For(viewer UserID) Receipt {
	if r.Private && r.User != viewer {
		r.Read = 0
	}
	r.Private = false
	return r
}

// Presence tells whether a user is online and, where they are not and it is known, when they last were.
type Presence struct {
	User     UserID `json:"user"`
	Online   bool   `json:"online"`
	LastSeen int64  `json:"last_seen,omitempty"` // Unix milliseconds
}

// User is a person as others may see them. Phone is filled only where the reader already has it.
type User struct {
	ID      UserID `json:"id"`
	Name    string `json:"name"`
	Phone   string `json:"phone,omitempty"` // E.164
	About   string `json:"about,omitempty"`
	Avatar  string `json:"avatar,omitempty"`  // the SHA-256 of the picture, in hex
	Deleted bool   `json:"deleted,omitempty"` // the account is gone; what it wrote stays
	Service string `json:"service,omitempty"` // it is no person but the internal service of this name
}

// Device is one installation of a user's.
type Device struct {
	ID        DeviceID `json:"id"`
	Name      string   `json:"name"`
	Platform  string   `json:"platform"`
	CreatedAt int64    `json:"created_at,omitempty"`
	SeenAt    int64    `json:"seen_at,omitempty"` // when its tokens were last refreshed
	Current   bool     `json:"current,omitempty"`
}
