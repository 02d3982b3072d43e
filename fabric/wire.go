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

// onlySuffix ends the payload of a message that only its sender may see: one to somebody who has blocked them. It stands
// behind the body, where no client can write: a body is one JSON value.
const onlySuffix = `,"only":true}`

// AppendOnlyPayload is AppendPayload for a message that only its sender may see.
func AppendOnlyPayload(dst []byte, from UserID, cid, kind string, body []byte) []byte {
	dst = AppendPayload(dst, from, cid, kind, body)
	return append(dst[:len(dst)-1], onlySuffix...)
}

// IsOnly reports whether only its sender may see the message with this payload.
func IsOnly(payload []byte) bool { return bytes.HasSuffix(payload, []byte(onlySuffix)) }

// CutOnly returns who alone may see the message with this payload, "" for one that is for all, and the payload as they
// see it.
func CutOnly(payload []byte) (only UserID, seen []byte) {
	if !IsOnly(payload) {
		return "", payload
	}
	end := len(payload) - len(onlySuffix)
	return SenderOf(payload), append(payload[:end:end], '}')
}

// SenderOf returns the sender in a payload as AppendPayload writes it, "" for any other.
func SenderOf(payload []byte) UserID {
	const before = len(`{"from":"`)
	if len(payload) < before+IDLen || payload[0] != '{' || payload[before-1] != '"' {
		return ""
	}
	return UserID(payload[before : before+IDLen])
}

// HasKind reports whether a payload as AppendPayload writes it is of this kind. It looks at one place: no record is
// decoded to find that it is a usual one.
func HasKind(payload []byte, kind string) bool {
	const at = len(`{"from":"","cid":"","kind":"`) + 2*IDLen
	end := at + len(kind)
	return len(payload) > end && payload[end] == '"' && string(payload[at:end]) == kind && string(payload[at-8:at]) == `"kind":"`
}

// KindOf returns the kind in a payload as AppendPayload writes it, "" for any other. It decodes nothing.
func KindOf(payload []byte) string {
	const at = len(`{"from":"","cid":"","kind":"`) + 2*IDLen
	if len(payload) <= at || string(payload[at-8:at]) != `"kind":"` {
		return ""
	}
	end := bytes.IndexByte(payload[at:min(len(payload), at+MaxKindBytes+1)], '"')
	if end < 0 {
		return ""
	}
	return string(payload[at : at+end])
}
