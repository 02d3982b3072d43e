package history

import (
	"encoding/json"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Bounds of a reply.
const (
	maxReplyBytes = 512 << 10 // of message objects; one message fits always
)

// reply collects message objects until one of its bounds is reached.
type reply struct {
	msgs    []json.RawMessage
	bytes   int
	scratch []byte
}

func newReply() *reply { return &reply{msgs: []json.RawMessage{}} } // an empty list, not null

// room reports whether m may be added: the first one always.
func (r *reply) room(m fabric.Stored) bool {
	return len(r.msgs) == 0 || r.bytes+objectBytes(m) <= maxReplyBytes
}

func (r *reply) add(m fabric.Stored) {
	size := objectBytes(m)
	r.scratch = fabric.AppendPayload(r.scratch[:0], m.From, m.CID, m.Kind, m.Body)
	r.msgs = append(r.msgs, fabric.AppendMessage(make([]byte, 0, size), m.Channel, m.Seq, m.Prev, m.At, r.scratch))
	r.bytes += size
}

// objectBytes is at least the length of m's message object.
func objectBytes(m fabric.Stored) int {
	const words, numbers = 80, 3 * 20
	return words + numbers + len(m.Channel) + len(m.From) + len(m.CID) + len(m.Kind) + len(m.Body)
}

// limitOf returns how many messages a page has for what was asked.
func limitOf(asked int) int {
	if asked <= 0 {
		return contract.DefaultPage
	}
	return min(asked, contract.MaxPage)
}
