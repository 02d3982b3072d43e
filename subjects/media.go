package subjects

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Upload returns the key of an upload in the bucket of uploads, UploadsOf what matches all of a user's.
func Upload(u fabric.UserID, m fabric.MediaID) string { return string(u) + "." + string(m) }
func UploadsOf(u fabric.UserID) string                { return string(u) + ".*" }

// ParseUpload takes a key of the bucket of uploads apart.
func ParseUpload(key string) (u fabric.UserID, m fabric.MediaID, ok bool) {
	user, upload, ok := strings.Cut(key, ".")
	return fabric.UserID(user), fabric.MediaID(upload), ok
}

// MediaBucket returns the name of the object store that holds a shard's files, MediaStream that of the stream which it is
// (NATS ADR-20).
func MediaBucket(shard int) string { return "MEDIA_" + strconv.Itoa(shard) }
func MediaStream(shard int) string { return "OBJ_" + MediaBucket(shard) }

// MediaShard returns the shard of a file's bytes among n: FNV-1a of its id, as a channel's log has it.
func MediaShard(id fabric.MediaID, n int) int { return Shard(fabric.ChannelID(id), n) }

// MediaPart returns the subject of a part of a file, MediaParts what matches all of its parts, and MediaChunks what an
// object's meta data names for them: the object store reads $O.<bucket>.C.<that>.
func MediaPart(id fabric.MediaID, shard, part int) string {
	return "$O." + MediaBucket(shard) + ".C." + string(id) + "." + strconv.Itoa(part)
}

func MediaParts(id fabric.MediaID, shard int) string {
	return "$O." + MediaBucket(shard) + ".C." + MediaChunks(id)
}

func MediaChunks(id fabric.MediaID) string { return string(id) + ".*" }

// MediaFirstParts matches the first part of every file in a shard, and MediaOfPart returns whose part a subject is.
func MediaFirstParts(shard int) string { return "$O." + MediaBucket(shard) + ".C.*.0" }

func MediaOfPart(subject string) (fabric.MediaID, bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 5 {
		return "", false
	}
	return fabric.MediaID(tokens[3]), true
}

// MediaMeta returns the subject of a file's meta data, where the object store looks for an object of the file's name.
func MediaMeta(id fabric.MediaID, shard int) string {
	return "$O." + MediaBucket(shard) + ".M." + base64.URLEncoding.EncodeToString([]byte(id))
}

// Headers of a part.
const (
	// HeaderOffset says how many of the file's bytes there are up to the part's end, HeaderHash what SHA-256 has made of
	// these so far.
	HeaderOffset = "Weft-Offset"
	HeaderHash   = "Weft-Hash"
	// HeaderType says what media type the file is of by its first bytes, so that nobody has to read these again.
	HeaderType = "Weft-Type"

	HeaderRollup          = "Nats-Rollup"
	HeaderExpectedLastSeq = "Nats-Expected-Last-Subject-Sequence"
	RollupSubject         = "sub"
)
