package edge

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weft-im/weft/fabric"
)

// request is one object of a client's frame. Absent fields are zero; after and on tell absent from zero by a pointer.
// Its byte slices point into the frame and hold until the frame's buffer is used again.
type request struct {
	op  string
	id  []byte // as it came: a JSON number or string, nil where no reply is wanted
	seq uint64

	token, sig, cursor     string
	to, channel, cid, kind string
	code                   string
	before                 uint64
	after                  *uint64
	limit                  int
	on                     *bool
	users                  []string
	body                   []byte // one JSON value
}

// maxIDBytes bounds a request's id, which is echoed.
const maxIDBytes = 64

// requestDecoder takes frames apart. It belongs to one goroutine at a time.
type requestDecoder struct {
	dec *jsontext.Decoder
	src bytes.Buffer
	buf []byte
	at  int // offset of src's first byte in buf
}

var requestDecoders = sync.Pool{New: func() any {
	return &requestDecoder{dec: jsontext.NewDecoder(new(bytes.Buffer))}
}}

// reset starts on a frame.
func (d *requestDecoder) reset(frame []byte) {
	d.buf, d.at = frame, 0
	d.restart()
}

func (d *requestDecoder) restart() {
	d.src = *bytes.NewBuffer(d.buf[d.at:])
	d.dec.Reset(&d.src, jsontext.AllowDuplicateNames(true))
}

// next decodes the frame's next object into r. It returns io.EOF at the frame's end. After any other error, which is a
// fabric.Error, it goes on behind the line feed that ends the line on which the bad object began: since objects are
// separated by line feeds, one bad object costs no other.
func (d *requestDecoder) next(r *request) error {
	*r = request{}
	began := d.at + int(d.dec.InputOffset())
	err := d.object(r)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	var known *fabric.Error
	if errors.As(err, &known) {
		return err // the object is whole, and read to its end
	}
	for began < len(d.buf) && (d.buf[began] == '\n' || d.buf[began] == '\r' || d.buf[began] == ' ' || d.buf[began] == '\t') {
		began++
	}
	if i := bytes.IndexByte(d.buf[began:], '\n'); i >= 0 {
		d.at = began + i + 1
	} else {
		d.at = len(d.buf)
	}
	d.restart()
	return fabric.Errorf(fabric.CodeBadRequest, "not a JSON object of weft.v1: want {\"op\":…}, objects separated by line feeds")
}

// object reads one object. Errors of the JSON's form are jsontext's; errors of a field's value come as fabric.Error when
// the object has been read to its end.
func (d *requestDecoder) object(r *request) error {
	switch kind := d.dec.PeekKind(); kind {
	case '{':
	case jsontext.KindInvalid:
		_, err := d.dec.ReadToken() // io.EOF, or what is wrong
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return err
	default:
		if _, err := d.dec.ReadValue(); err != nil {
			return syntax(err)
		}
		return fabric.Errorf(fabric.CodeBadRequest, "want an object with an op, got another JSON value")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	var wrong error
	for d.dec.PeekKind() != '}' {
		name, err := d.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		field := fieldOf(name)
		value, err := d.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		// The decoder's slice holds until its next call only; the same bytes stand in the frame.
		end := d.at + int(d.dec.InputOffset())
		value = d.buf[end-len(value) : end]
		if err := r.set(field, value); err != nil && wrong == nil {
			wrong = err
		}
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	if wrong == nil && r.op == "" {
		return fabric.Errorf(fabric.CodeBadRequest, "the object has no op")
	}
	return wrong
}

// syntax keeps an unfinished object from looking like the frame's end.
func syntax(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fieldOf returns a field's name without an allocation for those we know.
func fieldOf(quoted []byte) string {
	switch string(quoted) {
	case `"op"`:
		return "op"
	case `"id"`:
		return "id"
	case `"to"`:
		return "to"
	case `"cid"`:
		return "cid"
	case `"kind"`:
		return "kind"
	case `"body"`:
		return "body"
	case `"channel"`:
		return "channel"
	case `"seq"`:
		return "seq"
	}
	if name, err := jsontext.AppendUnquote(nil, quoted); err == nil {
		return string(name)
	}
	return ""
}

// ops are the names of the operations, so that naming one allocates nothing.
var ops = func() map[string]string {
	m := make(map[string]string)
	for _, op := range []string{
		"hello", "send", "ack", "read", "typing", "history", "channels", "receipts",
		"watch", "unwatch", "active", "join", "leave", "ping",
	} {
		m[`"`+op+`"`] = op
	}
	return m
}()

func (r *request) set(field string, v jsontext.Value) (err error) {
	if len(v) == 4 && string(v) == "null" && field != "body" {
		return nil // as if it were absent
	}
	switch field {
	case "op":
		if op, ok := ops[string(v)]; ok {
			r.op = op
			return nil
		}
		r.op, err = text(field, v)
	case "id":
		if k := v.Kind(); (k != '0' && k != '"') || len(v) > maxIDBytes {
			return fabric.Errorf(fabric.CodeBadRequest, "id: want a number or a string of at most %d bytes", maxIDBytes)
		}
		r.id = v
	case "to":
		r.to, err = text(field, v)
	case "channel":
		r.channel, err = text(field, v)
	case "cid":
		r.cid, err = text(field, v)
	case "kind":
		r.kind, err = text(field, v)
	case "token":
		r.token, err = text(field, v)
	case "sig":
		r.sig, err = text(field, v)
	case "cursor":
		r.cursor, err = text(field, v)
	case "code":
		r.code, err = text(field, v)
	case "body":
		r.body = v
	case "seq":
		r.seq, err = number(field, v)
	case "before":
		r.before, err = number(field, v)
	case "after":
		var after uint64
		after, err = number(field, v)
		r.after = &after
	case "limit":
		var limit uint64
		limit, err = number(field, v)
		r.limit = int(min(limit, 1<<20))
	case "on":
		k := v.Kind()
		if k != 't' && k != 'f' {
			return fabric.Errorf(fabric.CodeBadRequest, "on: want true or false")
		}
		on := k == 't'
		r.on = &on
	case "users":
		r.users, err = texts(field, v)
	}
	return err
}

// text returns a string's value; most have nothing to unescape.
func text(field string, v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", fabric.Errorf(fabric.CodeBadRequest, "%s: want a string", field)
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), nil
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", fabric.Errorf(fabric.CodeBadRequest, "%s: want a string", field)
	}
	return string(s), nil
}

func number(field string, v jsontext.Value) (uint64, error) {
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil {
		return 0, fabric.Errorf(fabric.CodeBadRequest, "%s: want a whole number of 0 or more", field)
	}
	return n, nil
}

func texts(field string, v jsontext.Value) ([]string, error) {
	wrong := fabric.Errorf(fabric.CodeBadRequest, "%s: want an array of strings", field)
	if v.Kind() != '[' {
		return nil, wrong
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil, wrong
	}
	var list []string
	for dec.PeekKind() != ']' {
		item, err := dec.ReadValue()
		if err != nil {
			return nil, wrong
		}
		s, err := text(field, item)
		if err != nil {
			return nil, wrong
		}
		list = append(list, s)
	}
	return list, nil
}
