package fabric

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// MaxShards bounds how many shards a fabric may have, and with it a cursor's length.
const MaxShards = 1024

// Position is a seq in every shard, by the shard's number. As a cursor it says: everything up to here was seen.
type Position []uint64

// Cursor is a Position as a client keeps it: opaque text, bound to one fabric.
type Cursor string

const cursorVersion = 1

// EncodeCursor returns p as opaque text of the fabric with this id.
func EncodeCursor(fabricID string, p Position) Cursor {
	b := make([]byte, 0, 5+len(p)*4)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint32(b, fabricTag(fabricID))
	for _, seq := range p {
		b = binary.AppendUvarint(b, seq)
	}
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// DecodeCursor returns the position that c names. It refuses, with CodeBadRequest, text that EncodeCursor did not make,
// and with CodeConflict a cursor of another fabric: its seqs mean nothing here, and the client starts without one.
func DecodeCursor(fabricID string, shards int, c Cursor) (Position, error) {
	malformed := Errorf(CodeBadRequest, "the cursor is not one that this server gave: say hello without one")
	if len(c) > 16+MaxShards*14 {
		return nil, malformed
	}
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil || len(b) < 5 || b[0] != cursorVersion {
		return nil, malformed
	}
	if binary.BigEndian.Uint32(b[1:]) != fabricTag(fabricID) {
		return nil, Errorf(CodeConflict, "the cursor is of another fabric: say hello without one")
	}
	b = b[5:]
	p := make(Position, 0, shards)
	for len(b) > 0 {
		seq, n := binary.Uvarint(b)
		if n <= 0 || len(p) == shards {
			return nil, malformed
		}
		p = append(p, seq)
		b = b[n:]
	}
	if len(p) != shards {
		return nil, malformed
	}
	return p, nil
}

// fabricTag tells cursors of different fabrics apart; it is no secret and guards nothing but a mistake.
func fabricTag(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()
}
