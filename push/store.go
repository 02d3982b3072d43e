package push

import (
	"context"

	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database.
type Store interface {
	// SetPush notes how a device is reached, instead of how it was before. A hash that another device had is that one's no
	// longer: a browser or an app that is signed in anew must not get what its last user would. The error has CodeNotFound
	// where the user has no such device, or it was revoked.
	SetPush(ctx context.Context, t Target) error
	// RemovePush forgets how a device is reached; with a hash only if it is reached by that. was is false where it was not
	// known.
	RemovePush(ctx context.Context, d fabric.DeviceID, hash string) (was bool, err error)
	// PushTargets returns the devices of the users that can be reached, and PushTarget one of them, nil where it can't.
	PushTargets(ctx context.Context, users []fabric.UserID) ([]Target, error)
	PushTarget(ctx context.Context, d fabric.DeviceID) (*Target, error)
	// PushMembers returns, by ascending user and device and behind these, up to limit devices of a group's members that can
	// be reached.
	PushMembers(ctx context.Context, c fabric.ChannelID, afterUser fabric.UserID, afterDevice fabric.DeviceID, limit int) ([]Member, error)
	// PushStandings returns how each of the users stands in a channel and to who writes there, in the order of asks.
	PushStandings(ctx context.Context, asks []Ask) ([]Standing, error)
	// PushNames returns what the users are called, of those who are there.
	PushNames(ctx context.Context, users []fabric.UserID) (map[fabric.UserID]string, error)
	// PushBlockers returns those of the users who have blocked somebody.
	PushBlockers(ctx context.Context, users []fabric.UserID, blocked fabric.UserID) ([]fabric.UserID, error)

	// PushPositions returns up to where each shard is queued; of one that is not in it, nothing is known.
	PushPositions(ctx context.Context) (map[int]uint64, error)
	SetPushPositions(ctx context.Context, at map[int]uint64) error
	// PushKey returns the value of a key, which is fresh where there was none.
	PushKey(ctx context.Context, name, fresh string) (string, error)
	// Lease gives holder what the name stands for until then, unless somebody else holds it at now.
	Lease(ctx context.Context, name, holder string, now, until int64) (bool, error)
}

// Target is a device that can be reached.
type Target struct {
	User      fabric.UserID
	Device    fabric.DeviceID
	Kind      string // KindWebPush, KindFCM or KindAPNs
	Address   string // JSON: see Address
	Hash      string // of what the push service knows the device by
	Show      string // ShowAll, ShowSender or ShowNone
	Mentions  bool   // a mention in a muted chat is pushed
	CreatedAt int64  // Unix milliseconds
}

// Member is a device of a group's member.
type Member struct {
	Target

	From       uint64 // the seq of the record that made them a member
	MutedUntil int64  // see fabric.Prefs
}

// Ask asks how a user stands in a channel, and to who writes there.
type Ask struct {
	User    fabric.UserID
	Channel fabric.ChannelID
	Sender  fabric.UserID
}

// Standing is the answer.
type Standing struct {
	Member     bool // the user is in the channel
	MutedUntil int64
	Blocked    bool   // the user has blocked the sender
	Sender     string // what the sender is called
	Group      string // what the group is called
}
