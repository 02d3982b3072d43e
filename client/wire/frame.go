// Package wire reads the frames of subprotocol weft.v1 as a client gets them: one or more JSON objects, of which the
// fields of the hot path are found in one pass that validates the JSON and allocates nothing.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Frame reads the objects of one WebSocket message after the other. Its buffer is used again for each message: whatever an
// object names is valid until the next Fill or Reset. The zero Frame is empty.
type Frame struct {
	data []byte
	rd   bytes.Buffer
	dec  jsontext.Decoder
}

// KeepBuffer is the largest buffer that is held on to between frames.
const KeepBuffer = 64 << 10

// Fill reads a whole message.
func (f *Frame) Fill(r io.Reader) error {
	if cap(f.data) > KeepBuffer {
		f.data = nil
	}
	data := f.data[:0]
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	f.Reset(data)
	return nil
}

// Reset begins to read data, which stays the caller's but must not change meanwhile.
func (f *Frame) Reset(data []byte) {
	f.data = data
	f.rd = *bytes.NewBuffer(data)
	// The decoder parses a bytes.Buffer in place. Names that come twice are a server's fault that harms nobody: the last
	// one counts, and no set of names has to be kept.
	f.dec.Reset(&f.rd, jsontext.AllowDuplicateNames(true))
}

// Object is one object of a frame with the fields that the hot path knows, as they stand in the frame: texts without
// their quotes, Body, OK and Err as raw JSON. What is cold is decoded from Raw.
type Object struct {
	Raw     []byte
	ID      uint64
	Ev      []byte
	OK, Err []byte

	Channel, User, From, CID, Kind, Change, Cursor []byte
	Seq, Prev, At, Delivered, Read                 uint64
	On                                             bool
	Body                                           []byte
}

// ErrMalformed says that a frame holds something that is no JSON object.
var ErrMalformed = errors.New("malformed frame")

// Next reads the frame's next object into o; io.EOF says that there is none.
func (f *Frame) Next(o *Object) error {
	*o = Object{}
	tok, err := f.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("%w: %s where an object belongs", ErrMalformed, tok.Kind())
	}
	start := f.dec.InputOffset() - 1
	for f.dec.PeekKind() != '}' {
		name, err := f.value()
		if err != nil {
			return err
		}
		value, err := f.value()
		if err != nil {
			return err
		}
		o.set(name, value)
	}
	if _, err := f.dec.ReadToken(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	o.Raw = f.data[start:f.dec.InputOffset()]
	return nil
}

// value returns the next value as it stands in data: the decoder's own slice would not outlive its next step.
func (f *Frame) value() ([]byte, error) {
	v, err := f.dec.ReadValue()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	end := f.dec.InputOffset()
	return f.data[end-int64(len(v)) : end], nil
}

// set keeps a field; unknown ones and such of another type than expected are ignored, as PROTOCOL asks of clients.
func (o *Object) set(name, value []byte) {
	switch string(name) {
	case `"id"`:
		o.ID = number(value)
	case `"ev"`:
		o.Ev = text(value)
	case `"ok"`:
		o.OK = value
	case `"err"`:
		o.Err = value
	case `"channel"`:
		o.Channel = text(value)
	case `"seq"`:
		o.Seq = number(value)
	case `"prev"`:
		o.Prev = number(value)
	case `"at"`:
		o.At = number(value)
	case `"from"`:
		o.From = text(value)
	case `"cid"`:
		o.CID = text(value)
	case `"kind"`:
		o.Kind = text(value)
	case `"body"`:
		o.Body = value
	case `"user"`:
		o.User = text(value)
	case `"delivered"`:
		o.Delivered = number(value)
	case `"read"`:
		o.Read = number(value)
	case `"on"`:
		o.On = string(value) == "true"
	case `"change"`:
		o.Change = text(value)
	case `"cursor"`:
		o.Cursor = text(value)
	}
}

// text returns the text of a JSON string, nil where value is none. It allocates only for escapes, which no id has.
func text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil
	}
	return unquoted
}

// number returns a whole number ≥ 0, or 0 where value is none or too large for one.
func number(value []byte) (n uint64) {
	if len(value) > 19 { // fewer digits can't overflow
		return 0
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
