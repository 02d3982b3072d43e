package history

import (
	"context"
	"encoding/json"

	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database. The archive is the only one who writes messages.
type Store interface {
	ArchiveStore
	ReadStore
	MarkStore
	EraseStore
	SearchStore
}

// ArchiveStore keeps what was written.
type ArchiveStore interface {
	// Archived returns the position up to which every shard is archived: a Position of length shards, 0 where a shard
	// was never archived.
	Archived(ctx context.Context, shards int) (fabric.Position, error)
	// Archive writes a batch of a shard's records and moves the shard's position to upto, in one transaction. What is at or
	// below the position already changes nothing, and a position never falls. The batch may be empty. That a message names a
	// file is noted with it, and forgotten in the transaction in which it is deleted or expires: see media.Store.
	Archive(ctx context.Context, shard int, batch Batch, upto uint64) error
	// Heads returns what is known of each of the channels that has any record.
	Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]Head, error)
}

// Head is where the archive of a channel ends.
type Head struct {
	Seq       uint64 // of the newest record there ever was
	Disappear int    // seconds after which messages disappear that come now
}

// Batch is records of a shard to be archived.
type Batch struct {
	Messages  []Archival               // those that lists and pages show, ascending in seq
	Changes   []Change                 // those that change them, ascending in seq, each behind what it changes
	Disappear map[fabric.ChannelID]int // channels where this has changed, and to what in the end
}

// Archival is a message as it is archived.
type Archival struct {
	fabric.Stored
	ExpiresAt int64          // Unix milliseconds, 0 for never
	Media     fabric.MediaID // the file that it names, "" for none
}

// Change is a record that changes a message. An edit is applied where its sender wrote the message; the others wherever
// the message is there and not deleted. (Who may delete or pin is checked before the record is published.) One that only
// its sender may see is applied to a message of that sort alone: how it changes others, they alone see; see Private.
type Change struct {
	fabric.Stored
	Target uint64          // the message's seq, 0 for none
	New    json.RawMessage // an edit's new body
	Emoji  string          // a reaction's, "" for none any more
	On     bool            // whether a pin pins
}

// View is who reads what of a channel, and when.
type View struct {
	Channel fabric.ChannelID
	User    fabric.UserID
	From    uint64 // what is before it they may not read
	Now     int64  // Unix milliseconds: what disappears is gone by its time, not by when somebody clears it away
}

// ReadStore answers what was written. No message is given to who must not see it: one that only its sender may see, one
// that the reader has deleted for themselves, one whose time is over.
type ReadStore interface {
	// Page returns up to limit messages in ascending seq: the first ones after *after where that is given, otherwise the
	// last ones before `before`, or the newest where that is 0.
	Page(ctx context.Context, v View, before uint64, after *uint64, limit int) ([]Shown, error)
	// Message returns the message at seq; ok is false where there is none that may be read.
	Message(ctx context.Context, v View, seq uint64) (m Shown, ok bool, err error)
	// Decorate adds reactions, stars and pins to messages of one channel.
	Decorate(ctx context.Context, v View, msgs []Shown) error
	// Private returns, ascending, the records that changed any of the messages, of those of which one is v.User's alone to
	// see: applied in their order, they make the messages what v.User sees. There are such in direct chats only.
	Private(ctx context.Context, v View, msgs []Shown) ([]Shown, error)
	// Records returns up to limit records after `after` and up to upto in ascending seq, those that change messages among
	// them; messages are as they are now.
	Records(ctx context.Context, v View, after, upto uint64, limit int) ([]Shown, error)
	// News returns, by ascending channel and from start on (inclusive), spans of u's channels that have a record past their
	// shard's seq in from. All spans of a channel come together: about limit come, at least one channel's; more says that
	// there are further channels.
	News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) (list []Span, more bool, err error)
	// Spans is News with or without records.
	Spans(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) (list []Span, more bool, err error)
}

// Span is a stretch of a channel's log that a user receives: all of a direct chat, and of a group what was written while
// they were a member.
type Span struct {
	Channel    fabric.ChannelID
	From, Upto uint64 // both included; Upto 0 has no end
}

// Shown is a message as history shows it.
type Shown struct {
	fabric.Stored
	EditedAt  int64 // Unix milliseconds, 0 for never; as the next two
	DeletedAt int64 // then its kind is fabric.MsgDeleted and its body {}
	ExpiresAt int64

	Reactions []Reaction
	Starred   bool
	Pinned    bool
}

// Reaction is one emoji that people have reacted with.
type Reaction struct {
	Emoji string          `json:"emoji"`
	Count int             `json:"count"`
	Users []fabric.UserID `json:"users"` // the first ReactionUsers of them
	Mine  bool            `json:"mine,omitempty"`
}

// ReactionUsers bounds how many users a Reaction names.
const ReactionUsers = 20

// MarkStore keeps what users note about messages.
type MarkStore interface {
	// Hide deletes a message for one user.
	Hide(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seq uint64) error
	// Star stars a message for a user, or no longer. The error has CodeConflict where the user has most already.
	Star(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seq uint64, on bool, at int64, most int) error
	// Starred returns up to limit of the messages that u has starred and may read now, behind `after`, newest star first.
	Starred(ctx context.Context, u fabric.UserID, now int64, after StarPlace, limit int) ([]StarredMessage, error)
	// Pins returns the pinned messages of a channel, the one pinned last first.
	Pins(ctx context.Context, v View, limit int) ([]Shown, error)
}

// StarPlace is a place in a user's list of stars. Zero is before all of them.
type StarPlace struct {
	At     int64
	Target int64 // of the database's own
}

// StarredMessage is a message in a user's list of stars.
type StarredMessage struct {
	Shown
	Place StarPlace
}

// EraseStore clears away what is to be seen no more.
type EraseStore interface {
	// Expire removes up to limit messages whose time was over at now, with all that hangs on them.
	Expire(ctx context.Context, now int64, limit int) (removed int, err error)
	// Erasures returns up to limit records whose bodies are to be erased from the logs, Erased says that they are.
	Erasures(ctx context.Context, limit int) ([]Erasure, error)
	Erased(ctx context.Context, done []Erasure) error
}

// Erasure is a record that is to be erased from its shard's log.
type Erasure struct {
	Shard int
	Seq   uint64
}
