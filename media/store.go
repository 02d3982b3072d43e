package media

import (
	"context"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database.
//
// A file is removed only when three hold in one transaction: no archived message names it (the archive writes and removes
// these references together with its messages), nobody has a hold on it, and it has been so for a while.
type Store interface {
	// AddMedia notes a file and its content, in one transaction. Where the content is there already it is used, and the new
	// one's bytes are noted as to be removed. Asked again for the same file it changes nothing. It returns what is noted.
	AddMedia(ctx context.Context, f File, o Object) (File, Object, error)
	// Media returns a file. The error has CodeNotFound where there is none.
	Media(ctx context.Context, id fabric.MediaID) (File, Object, error)
	// Readable is Media if u may load it now: it is theirs and was never sent, or an archived message names it that u may
	// read. Otherwise the error has CodeNotFound.
	Readable(ctx context.Context, u fabric.UserID, id fabric.MediaID, now int64) (File, Object, error)
	// Hold keeps a file from being removed before `until`. The error has CodeNotFound where it is removed already.
	Hold(ctx context.Context, h Hold) error
	// Held reports whether somebody has a hold on a file at now.
	Held(ctx context.Context, id fabric.MediaID, now int64) (bool, error)

	// IdleMedia returns up to limit files that no message has named since before `before`, and on which nobody has a hold
	// at now, except those that were never sent and are younger than unsent (both Unix milliseconds).
	IdleMedia(ctx context.Context, before, unsent, now int64, limit int) ([]fabric.MediaID, error)
	// RemoveMedia removes those of the files that are still idle, and contents that no file has any more; their bytes are
	// noted as to be removed.
	RemoveMedia(ctx context.Context, ids []fabric.MediaID, now int64) (removed int, err error)
	// MediaErasures returns up to limit blobs whose bytes are to be removed, MediaErased says that they are.
	MediaErasures(ctx context.Context, limit int) ([]fabric.MediaID, error)
	MediaErased(ctx context.Context, blobs []fabric.MediaID) error
	// KnownBlobs returns those of the blobs that are some content's, or noted as to be removed.
	KnownBlobs(ctx context.Context, blobs []fabric.MediaID) ([]fabric.MediaID, error)

	// SpendMedia counts bytes that a user uploads on a day, if they stay within most.
	SpendMedia(ctx context.Context, u fabric.UserID, day, bytes, most int64) (ok bool, err error)
	// LinkKeys returns the keys that sign links, the newest first; AddLinkKey adds one if the newest is older than `before`,
	// and removes those from before `forget`.
	LinkKeys(ctx context.Context) ([]LinkKey, error)
	AddLinkKey(ctx context.Context, k LinkKey, before, forget int64) error
}

// File is a file as somebody has uploaded it.
type File struct {
	ID        fabric.MediaID
	User      fabric.UserID
	Channel   fabric.ChannelID
	Name      string
	SHA256    string // of its content
	CreatedAt int64  // Unix milliseconds
}

// Object is a content: files with equal bytes share it.
type Object struct {
	SHA256    string         // hex
	Blob      fabric.MediaID // what its bytes are kept under
	Size      int64
	Type      string
	State     string // contract.MediaReady and so on
	Width     int
	Height    int
	Preview   string
	Thumb     fabric.MediaID // "" for none
	ThumbSize int64
}

// Hold keeps a file for a message that is on its way.
type Hold struct {
	Media fabric.MediaID
	User  fabric.UserID
	CID   string
	Until int64 // Unix milliseconds
}

// LinkKey signs links.
type LinkKey struct {
	Key       []byte
	CreatedAt int64
}

func mediaOf(f File, o Object) contract.Media {
	return contract.Media{
		ID: f.ID, State: o.State, Name: f.Name, Type: o.Type, Size: o.Size, SHA256: o.SHA256,
		Width: o.Width, Height: o.Height, Preview: o.Preview, Thumbnail: o.Thumb != "",
	}
}
