package fabric

import (
	"bytes"
	"strconv"
)

// AppendMessage appends the message object of the wire: what the store adds, then payload, which is a Message's JSON as
// it lies in the log. The payload is copied, never decoded: one pass over its bytes is all a message costs on its way out.
func AppendMessage(dst []byte, c ChannelID, seq, prev uint64, at int64, payload []byte) []byte {
	dst = append(dst, '{')
	return appendMessageFields(dst, c, seq, prev, at, payload)
}

// AppendMessageEvent is AppendMessage for a `message` event.
func AppendMessageEvent(dst []byte, c ChannelID, seq, prev uint64, at int64, payload []byte) []byte {
	dst = append(dst, `{"ev":"message",`...)
	return appendMessageFields(dst, c, seq, prev, at, payload)
}

// AppendEventOf appends the `message` event of a whole message object.
func AppendEventOf(dst, object []byte) []byte {
	dst = append(dst, `{"ev":"message",`...)
	return append(dst, object[1:]...)
}

func appendMessageFields(dst []byte, c ChannelID, seq, prev uint64, at int64, payload []byte) []byte {
	dst = append(dst, `"channel":"`...)
	dst = append(dst, c...)
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"prev":`...)
	dst = strconv.AppendUint(dst, prev, 10)
	dst = append(dst, `,"at":`...)
	dst = strconv.AppendInt(dst, at, 10)
	if len(payload) > 2 { // not {}
		dst = append(dst, ',')
	}
	return append(dst, payload[1:]...)
}

// AppendPayload appends a Message's JSON, the payload in the log, from parts that were checked: body is one JSON value
// without line feeds, since the wire separates objects by them.
func AppendPayload(dst []byte, from UserID, cid, kind string, body []byte) []byte {
	dst = append(dst, `{"from":"`...)
	dst = append(dst, from...)
	dst = append(dst, `","cid":"`...)
	dst = append(dst, cid...)
	dst = append(dst, `","kind":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","body":`...)
	dst = append(dst, body...)
	return append(dst, '}')
}

// IsPayload reports whether b can be a payload in the log: an object on one line.
func IsPayload(b []byte) bool {
	return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}' && bytes.IndexByte(b, '\n') < 0
}
