package history

import (
	"context"

	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database. The archive is the only one who writes messages.
type Store interface {
	// Archived returns the position up to which every shard is archived: a Position of length shards, 0 where a shard
	// was never archived.
	Archived(ctx context.Context, shards int) (fabric.Position, error)
	// Archive writes a batch of a shard's messages, ascending in seq, and moves the shard's position to upto, in one
	// transaction. A row that exists already stays as it is, and a position never falls. The batch may be empty.
	Archive(ctx context.Context, shard int, batch []fabric.Stored, upto uint64) error
	// Heads returns the seq of the newest archived message of each channel that has any.
	Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]uint64, error)
	// Page returns up to limit messages of c in ascending seq: the first ones after *after where that is given,
	// otherwise the last ones before `before`, or the newest where that is 0.
	Page(ctx context.Context, c fabric.ChannelID, before uint64, after *uint64, limit int) ([]fabric.Stored, error)
	// News returns, ascending and from start on (inclusive), up to limit of u's channels whose newest archived message
	// is past its shard's seq in from.
	News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error)
	// ChannelsOf returns, ascending and from start on (inclusive), up to limit of u's channels.
	ChannelsOf(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error)
}
