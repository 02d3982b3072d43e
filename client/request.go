package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weft-im/weft/fabric"
)

// appendSend appends a send request and the line feed that separates objects.
func appendSend(dst []byte, id uint64, to, cid, kind string, body []byte) []byte {
	dst = append(dst, `{"op":"send","id":`...)
	dst = strconv.AppendUint(dst, id, 10)
	dst = append(dst, `,"to":`...)
	dst = appendText(dst, to)
	dst = append(dst, `,"cid":`...)
	dst = appendText(dst, cid)
	dst = append(dst, `,"kind":`...)
	dst = appendText(dst, kind)
	dst = append(dst, `,"body":`...)
	dst = append(dst, body...)
	return append(dst, "}\n"...)
}

// appendMark appends an ack or read without an id: it has no reply.
func appendMark(dst []byte, op string, channel fabric.ChannelID, seq uint64) []byte {
	dst = append(dst, `{"op":"`...)
	dst = append(dst, op...)
	dst = append(dst, `","channel":`...)
	dst = appendText(dst, string(channel))
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	return append(dst, "}\n"...)
}

// appendText appends s as a JSON string. Ids and kinds are plain and copied as they stand.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			// The error says only that what is no UTF-8 was replaced; such a name finds nothing, and the server says so.
			dst, _ = jsontext.AppendQuote(dst, s)
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// encodeRequest returns a request of the cold path: fields is a struct that holds the op's own fields.
func encodeRequest(op string, id uint64, fields any) ([]byte, error) {
	own, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("client: encode %s: %w", op, err)
	}
	b := append([]byte(`{"op":`), strconv.Quote(op)...)
	if id != 0 {
		b = append(b, `,"id":`...)
		b = strconv.AppendUint(b, id, 10)
	}
	if len(own) > len("{}") {
		b = append(append(b, ','), own[1:len(own)-1]...)
	}
	return append(b, "}\n"...), nil
}

// oneLine returns body as the wire wants it: one JSON value without line feeds.
func oneLine(body []byte) ([]byte, error) {
	if !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "a message's body must be one JSON value")
	}
	if bytes.IndexByte(body, '\n') < 0 {
		return body, nil
	}
	v := jsontext.Value(bytes.Clone(body))
	if err := v.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "a message's body must be one JSON value: %v", err)
	}
	return v, nil
}
