package history

import (
	"encoding/json"
	"strconv"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// maxReplyBytes bounds a reply's message objects; one message fits always.
const maxReplyBytes = 512 << 10

// reply collects message objects until one of its bounds is reached.
type reply struct {
	msgs    []json.RawMessage
	bytes   int
	scratch []byte
	only    bool // say of a message that only its sender may see it
}

func newReply() *reply { return &reply{msgs: []json.RawMessage{}} } // an empty list, not null

// room reports whether m may be added: the first one always.
func (r *reply) room(m *Shown) bool {
	return len(r.msgs) == 0 || r.bytes+objectBytes(m) <= maxReplyBytes
}

func (r *reply) add(m *Shown) {
	size := objectBytes(m)
	r.msgs = append(r.msgs, r.object(m, size))
	r.bytes += size
}

func (r *reply) object(m *Shown, size int) []byte {
	if r.only && m.Only {
		r.scratch = fabric.AppendOnlyPayload(r.scratch[:0], m.From, m.CID, m.Kind, m.Body)
	} else {
		r.scratch = fabric.AppendPayload(r.scratch[:0], m.From, m.CID, m.Kind, m.Body)
	}
	b := fabric.AppendMessage(make([]byte, 0, size), m.Channel, m.Seq, m.Prev, m.At, r.scratch)
	if m.EditedAt|m.DeletedAt|m.ExpiresAt != 0 || len(m.Reactions) > 0 || m.Starred || m.Pinned {
		b = appendShown(b[:len(b)-1], m)
	}
	return b
}

// appendShown appends what a message object has beside the message, and ends it.
func appendShown(b []byte, m *Shown) []byte {
	for _, f := range []struct {
		name string
		at   int64
	}{{"edited_at", m.EditedAt}, {"deleted_at", m.DeletedAt}, {"expires_at", m.ExpiresAt}} {
		if f.at != 0 {
			b = append(append(append(b, `,"`...), f.name...), `":`...)
			b = strconv.AppendInt(b, f.at, 10)
		}
	}
	if len(m.Reactions) > 0 {
		if data, err := json.Marshal(m.Reactions); err == nil { // strings, numbers and booleans always can be
			b = append(append(b, `,"reactions":`...), data...)
		}
	}
	if m.Starred {
		b = append(b, `,"starred":true`...)
	}
	if m.Pinned {
		b = append(b, `,"pinned":true`...)
	}
	return append(b, '}')
}

// object returns one message object.
func object(m *Shown) json.RawMessage {
	var r reply
	return r.object(m, objectBytes(m))
}

// objectBytes is at least the length of m's message object.
func objectBytes(m *Shown) int {
	const words, numbers = 160, 6 * 20
	n := words + numbers + len(m.Channel) + len(m.From) + len(m.CID) + len(m.Kind) + len(m.Body)
	for _, r := range m.Reactions {
		n += 80 + len(r.Emoji) + len(r.Users)*(fabric.IDLen+3)
	}
	return n
}

// limitOf returns how many messages a page has for what was asked.
func limitOf(asked int) int {
	if asked <= 0 {
		return contract.DefaultPage
	}
	return min(asked, contract.MaxPage)
}
