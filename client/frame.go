package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// frame reads the objects of one WebSocket message after the other. Its buffer is used again for each: whatever an object
// names is valid until the next fill.
type frame struct {
	data []byte
	rd   bytes.Buffer
	dec  jsontext.Decoder
}

// keepFrame is the largest buffer that a connection holds on to between frames.
const keepFrame = 64 << 10

// fill reads a whole message.
func (f *frame) fill(r io.Reader) error {
	if cap(f.data) > keepFrame {
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
	f.reset(data)
	return nil
}

func (f *frame) reset(data []byte) {
	f.data = data
	f.rd = *bytes.NewBuffer(data)
	// The decoder parses a bytes.Buffer in place. Names that come twice are a server's fault that harms nobody: the last
	// one counts, and no set of names has to be kept.
	f.dec.Reset(&f.rd, jsontext.AllowDuplicateNames(true))
}

// object is one object of a frame with the fields that the hot path knows, as they stand in the frame: ids without their
// quotes, body, ok and err as raw JSON. What is cold is decoded from raw.
type object struct {
	raw     []byte
	id      uint64
	ev      []byte
	ok, err []byte

	channel, user, from, cid, kind, change, cursor []byte
	seq, prev, at, delivered, read                 uint64
	on                                             bool
	body                                           []byte
}

// errFrame says that the server sent something that is no JSON object.
var errFrame = errors.New("malformed frame")

// next reads the frame's next object into o; io.EOF says that there is none.
func (f *frame) next(o *object) error {
	*o = object{}
	tok, err := f.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("%w: %s where an object belongs", errFrame, tok.Kind())
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
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	o.raw = f.data[start:f.dec.InputOffset()]
	return nil
}

// value returns the next value as it stands in data: the decoder's own slice would not outlive its next step.
func (f *frame) value() ([]byte, error) {
	v, err := f.dec.ReadValue()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	end := f.dec.InputOffset()
	return f.data[end-int64(len(v)) : end], nil
}

// set keeps a field; unknown ones and such of another type than expected are ignored, as PROTOCOL asks of clients.
func (o *object) set(name, value []byte) {
	switch string(name) {
	case `"id"`:
		o.id = number(value)
	case `"ev"`:
		o.ev = text(value)
	case `"ok"`:
		o.ok = value
	case `"err"`:
		o.err = value
	case `"channel"`:
		o.channel = text(value)
	case `"seq"`:
		o.seq = number(value)
	case `"prev"`:
		o.prev = number(value)
	case `"at"`:
		o.at = number(value)
	case `"from"`:
		o.from = text(value)
	case `"cid"`:
		o.cid = text(value)
	case `"kind"`:
		o.kind = text(value)
	case `"body"`:
		o.body = value
	case `"user"`:
		o.user = text(value)
	case `"delivered"`:
		o.delivered = number(value)
	case `"read"`:
		o.read = number(value)
	case `"on"`:
		o.on = string(value) == "true"
	case `"change"`:
		o.change = text(value)
	case `"cursor"`:
		o.cursor = text(value)
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
