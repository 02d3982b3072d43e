package contract

import "github.com/weft-im/weft/fabric"

// Media is what is told of a file to who may load it. Sender and recipients of a message get the same.
type Media struct {
	ID     fabric.MediaID `json:"media"`
	State  string         `json:"state"` // one of those below
	Name   string         `json:"name"`
	Type   string         `json:"type"` // by its bytes
	Size   int64          `json:"size"` // bytes
	SHA256 string         `json:"sha256"`

	// Of a picture.
	Width     int    `json:"width,omitempty"` // pixels, as it is to be looked at
	Height    int    `json:"height,omitempty"`
	Preview   string `json:"preview,omitempty"` // BlurHash
	Thumbnail bool   `json:"thumbnail,omitempty"`
}

// The states of a file.
const (
	MediaReady     = "ready"
	MediaChecking  = "checking"  // it is still looked at: nobody loads it yet
	MediaCondemned = "condemned" // a scanner found it harmful: nobody loads it any more
)

// Upload is what is noted of an upload that is not finished, in the bucket of uploads.
type Upload struct {
	ID        fabric.MediaID   `json:"id"`
	User      fabric.UserID    `json:"user"`
	Channel   fabric.ChannelID `json:"channel"`
	Name      string           `json:"name"`
	Type      string           `json:"type"` // as the client says
	Size      int64            `json:"size"`
	CreatedAt int64            `json:"created_at"` // Unix milliseconds
	ExpiresAt int64            `json:"expires_at"`
}

// MediaCreateRequest begins an upload of User's. The edge has seen to it that they may write to Channel. The error has
// CodeRateLimited where they have Uploads uploads that are not finished, or were given DayBytes today.
type MediaCreateRequest struct {
	User     fabric.UserID    `json:"user"`
	Channel  fabric.ChannelID `json:"channel"`
	Name     string           `json:"name"`
	Type     string           `json:"type"`
	Size     int64            `json:"size"`
	Uploads  int              `json:"uploads"`   // most at a time
	DayBytes int64            `json:"day_bytes"` // most in a day, UTC
	LivesMS  int64            `json:"lives_ms"`  // after that an unfinished one is removed
}

// MediaCreateReply is the upload.
type MediaCreateReply = Upload

// MediaFinishRequest makes an upload whose bytes are all there a file. Asked again, it answers the same. The error has
// CodeNotFound where there is no such upload of the user's, and CodeConflict where bytes are missing.
type MediaFinishRequest struct {
	User   fabric.UserID  `json:"user"`
	Upload fabric.MediaID `json:"upload"`

	// SHA256 is that of all the bytes, in hex, and Type the media type by the first ones: of the edge that has just written the
	// last one. Without them they are read from the upload's parts.
	SHA256 string `json:"sha256,omitempty"`
	Type   string `json:"type,omitempty"`
}

// MediaFinishReply is the file.
type MediaFinishReply = Media

// MediaDropRequest ends an upload that is not finished, and removes what there is of it.
type MediaDropRequest struct {
	User   fabric.UserID  `json:"user"`
	Upload fabric.MediaID `json:"upload"`
}

// MediaGetRequest asks for a file that User may load: one of theirs that no message has named yet, or one that a message
// names which they may read. Who has a link shows its token instead of User. The error has CodeNotFound where there is none
// that they may load, and CodeUnauthenticated for a token that is not good (any more).
type MediaGetRequest struct {
	User      fabric.UserID  `json:"user,omitempty"`
	Token     string         `json:"token,omitempty"`
	Media     fabric.MediaID `json:"media"`
	Thumbnail bool           `json:"thumbnail,omitempty"`
	Bytes     bool           `json:"bytes,omitempty"` // where they are is wanted too: the file must be ready
}

// MediaGetReply is the file and, where that was asked, what its bytes, or its thumbnail's, are kept under.
type MediaGetReply struct {
	Media
	Blob     fabric.MediaID `json:"blob,omitempty"`
	BlobSize int64          `json:"blob_size,omitempty"`
	BlobType string         `json:"blob_type,omitempty"`

	Disposition string `json:"disposition,omitempty"` // Content-Disposition
	URL         string `json:"url,omitempty"`         // from where the client gets them itself
}

// MediaClaimRequest asks whether User may name a file in a message that they are about to send. Until the message is in the
// database, or some minutes have passed, the file stays for it. The errors are MediaGetRequest's.
type MediaClaimRequest struct {
	User  fabric.UserID  `json:"user"`
	Media fabric.MediaID `json:"media"`
	CID   string         `json:"cid"`
}

// MediaClaimReply is the file.
type MediaClaimReply = Media

// MediaLinkRequest asks for a token by which a file can be loaded without more, for some minutes, as far as User may.
type MediaLinkRequest struct {
	User  fabric.UserID  `json:"user"`
	Media fabric.MediaID `json:"media"`
}

// MediaLinkReply is the token.
type MediaLinkReply struct {
	Token     string `json:"token"`
	ExpiresAt int64  `json:"expires_at"` // Unix milliseconds
}

// MediaScanRequest asks a scanner whether a file that was uploaded is harmful, before it is anybody's to load. Its bytes are
// in parts under Blob. The scanner may take up to half an hour; one that answers with Err, or not at all, holds the file back.
type MediaScanRequest struct {
	Blob   fabric.MediaID `json:"blob"`
	Size   int64          `json:"size"`
	Type   string         `json:"type"`
	SHA256 string         `json:"sha256"`
	User   fabric.UserID  `json:"user"`
}

// MediaScanReply says what was found in it; a file in which nothing was has no Harmful.
type MediaScanReply struct {
	Harmful string        `json:"harmful,omitempty"` // its name
	Err     *fabric.Error `json:"err,omitempty"`
}
