package client

import (
	"encoding/json"
	"time"

	"github.com/weft-im/weft/fabric"
)

// Event is what a session tells: one of *Message, *Receipt, *Typing, *Presence, *ChannelChange, *Synced, *Checkpoint and
// *StateChange. Events come in the order in which the server sent them, and nobody changes one after it came.
type Event interface{ event() }

// Message is a record of one of the user's channels, from others or from the user's other devices: a message, or what
// changes one (fabric.IsChange) or the channel (fabric.IsServerKind). Package view makes of a channel's records what is to
// be shown.
type Message struct{ fabric.Stored }

// Receipt is how far a user's marks have come in a direct chat; the user may be oneself, on another device. In a group
// User is empty, and the marks are what all of its members have passed.
type Receipt struct {
	Channel fabric.ChannelID `json:"channel"`
	fabric.Receipt
}

// Typing says that a user began or stopped typing. Show it for at most TypingShown, unless it is renewed.
type Typing struct {
	Channel fabric.ChannelID
	User    fabric.UserID
	On      bool
}

// While somebody types, their client renews it each TypingRenewed, and others show it for TypingShown.
const (
	TypingRenewed = 4 * time.Second
	TypingShown   = 6 * time.Second
)

// Presence is the presence of a watched user.
type Presence struct{ fabric.Presence }

// ChannelChange says what changed in the user's list of channels, by Change: one of fabric's constants of that name, or
// ChangeRead. Ignore changes that you do not know.
//
//   - added: to the group Channel, called Name, by the record Seq of its log: what comes behind it comes to the user
//   - removed: from it by that record, after which nothing comes; also where the user left it themselves
//   - read: on another device, up to Read
//   - prefs: Prefs is how the user wants the channel shown from now on
//   - starred, hidden: the message Seq was (or, with On false, is no longer) starred, was deleted for oneself
//   - blocked: User was (or, with On false, is no longer) blocked
//   - profile: one's own profile or privacy: ask for Account.Me again
type ChannelChange struct {
	fabric.ChannelChange
	Read uint64          `json:"read"`
	Raw  json.RawMessage `json:"-"` // the whole event, for changes with further fields
}

// ChangeRead is the change that only edges tell: what the user has read on another device.
const ChangeRead = "read"

// Synced ends what a (re)connect brought: live from here on.
type Synced struct {
	Cursor fabric.Cursor
	// Fresh says that there was no cursor to resume from: list the channels and page back.
	Fresh bool
}

// Checkpoint comes now and then: whoever has handled every event before it can resume from its cursor.
type Checkpoint struct{ Cursor fabric.Cursor }

// StateChange says how the session stands. It is a hint: Session.State is the truth of the moment.
type StateChange struct {
	State State
	Err   error         // why, where the connection was lost
	Retry time.Duration // while Offline: when the next attempt begins
}

// State is how a session stands with its server.
type State int

// The states of a session.
const (
	Connecting State = iota // an attempt is under way
	Online                  // hello was answered; what was missed is coming or has come
	Offline                 // waiting before the next attempt
	Lagging                 // Online, but events fall until the consumer has made room: see the package's promises
	SignedOut               // the server revoked the device, or its tokens can't be renewed: final
	Closed                  // by Close: final
)

func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Online:
		return "online"
	case Offline:
		return "offline"
	case Lagging:
		return "lagging"
	case SignedOut:
		return "signed out"
	case Closed:
		return "closed"
	}
	return "unknown"
}

func (*Message) event()       {}
func (*Receipt) event()       {}
func (*Typing) event()        {}
func (*Presence) event()      {}
func (*ChannelChange) event() {}
func (*Synced) event()        {}
func (*Checkpoint) event()    {}
func (*StateChange) event()   {}
