package chats

import (
	"context"

	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database.
type Store interface {
	// OpenDirect writes the row of the direct chat c of a and b unless it is there already. The error has CodeNotFound
	// where either user does not exist.
	OpenDirect(ctx context.Context, c fabric.ChannelID, a, b fabric.UserID, at int64) (created bool, err error)
	// List returns up to limit of u's channels after the place `before`, newest first.
	List(ctx context.Context, u fabric.UserID, before Place, limit int) ([]Entry, error)
	// Unread counts the messages of c with seq > after that are not from u. It stops counting at most.
	Unread(ctx context.Context, c fabric.ChannelID, u fabric.UserID, after uint64, most int) (int, error)
}

// Place is a place in a user's list of channels, which is ordered by At and then by Channel, both descending. Zero is
// the top.
type Place struct {
	At      int64
	Channel fabric.ChannelID
}

// Entry is a channel in a user's list.
type Entry struct {
	ID   fabric.ChannelID
	Kind fabric.Kind
	Name string
	Peer *fabric.User   // of a direct chat
	At   int64          // of the last message or, without one, when the channel was opened; Unix milliseconds
	Last *fabric.Stored // nil where nothing was ever written
}

// Place returns the place of e in the list it stands in.
func (e Entry) Place() Place { return Place{At: e.At, Channel: e.ID} }
