package history

import (
	"encoding/json"
	"unicode"
	"unicode/utf8"

	"github.com/weft-im/weft/fabric"
)

// maxEmoji bounds a reaction, in bytes: the longest emoji there are, families with skin tones, have less.
const maxEmoji = 64

// parseChange reads the body of a record that changes a message. The error has CodeBadRequest.
func parseChange(kind string, body []byte) (c Change, err error) {
	var b struct {
		Seq   *uint64         `json:"seq"`
		Body  json.RawMessage `json:"body"`
		Emoji *string         `json:"emoji"`
		On    *bool           `json:"on"`
	}
	if json.Unmarshal(body, &b) != nil || b.Seq == nil || *b.Seq == 0 {
		return c, fabric.Errorf(fabric.CodeBadRequest, "body of %s: want an object with the seq of a message", kind)
	}
	c.Target = *b.Seq
	switch kind {
	case fabric.MsgEdit:
		if len(b.Body) == 0 || string(b.Body) == "null" {
			return c, fabric.Errorf(fabric.CodeBadRequest, "body of edit: want {seq, body}, body being the message's new one")
		}
		c.New = b.Body
	case fabric.MsgReaction:
		if b.Emoji == nil || !validEmoji(*b.Emoji) {
			return c, fabric.Errorf(fabric.CodeBadRequest, `body of reaction: want {seq, emoji}, one emoji of up to %d bytes, or "" to take it back`, maxEmoji)
		}
		c.Emoji = *b.Emoji
	case fabric.MsgPin:
		if b.On == nil {
			return c, fabric.Errorf(fabric.CodeBadRequest, "body of pin: want {seq, on}, true or false")
		}
		c.On = *b.On
	}
	return c, nil
}

// validEmoji reports whether s can be a reaction. Which of them are emoji changes with every version of Unicode; a short
// text without blanks or control characters does no harm.
func validEmoji(s string) bool {
	if len(s) > maxEmoji || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

// disappearOf returns the time after which messages disappear from a record on, in seconds, where the record sets it.
func disappearOf(m *fabric.Stored) (seconds int, ok bool) {
	switch m.Kind {
	case fabric.MsgGroup:
		var c fabric.GroupChange
		if json.Unmarshal(m.Body, &c) == nil && c.Settings != nil {
			return c.Settings.Disappear, true
		}
	case fabric.MsgSettings:
		var c struct {
			Disappear int `json:"disappear"`
		}
		if json.Unmarshal(m.Body, &c) == nil {
			return c.Disappear, true
		}
	}
	return 0, false
}

// expiry returns when a message disappears that comes while those of its channel do after so many seconds, 0 for never.
func expiry(m *fabric.Stored, seconds int) int64 {
	if seconds <= 0 || !disappears(m.Kind) {
		return 0
	}
	return m.At + int64(seconds)*1000
}

// disappears reports whether a message of a channel where they do is one of them. What the server says of a channel
// stays.
func disappears(kind string) bool { return !fabric.IsServerKind(kind) }
