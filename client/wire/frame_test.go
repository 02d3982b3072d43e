package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/weft-im/weft/client/wire"
)

const (
	messageEvent = `{"ev":"message","channel":"01890000-0000-7000-8000-00000000000a.01890000-0000-7000-8000-00000000000b","seq":123456,` +
		`"prev":123450,"at":1712345678901,"from":"01890000-0000-7000-8000-00000000000a","cid":"01890000-1111-7000-8000-00000000000a","kind":"text",` +
		`"body":{"text":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}}`
	sendReply = `{"id":42,"ok":{"channel":"01890000-0000-7000-8000-00000000000a.01890000-0000-7000-8000-00000000000b","seq":123456,"prev":123450,"at":1712345678901}}`
)

func objects(t *testing.T, data string) []wire.Object {
	t.Helper()
	var f wire.Frame
	if err := f.Fill(strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	var all []wire.Object
	for {
		var o wire.Object
		err := f.Next(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		all = append(all, o)
	}
}

func TestAFrameHoldsSeveralObjects(t *testing.T) {
	got := objects(t, messageEvent+"\n"+sendReply+"\n\n"+`{"ev":"cur\u0073or","cursor":"c","seq":"no number","later":[{"seq":1}]}`)
	if len(got) != 3 {
		t.Fatalf("got %d objects, want 3", len(got))
	}
	if m := got[0]; string(m.Raw) != messageEvent || m.Seq != 123456 || m.Prev != 123450 || m.At != 1712345678901 || string(m.Kind) != "text" || m.Body[0] != '{' {
		t.Errorf("got %+v", m)
	}
	if r := got[1]; r.ID != 42 || !bytes.HasPrefix(r.OK, []byte(`{"channel"`)) || r.Ev != nil {
		t.Errorf("got %+v", r)
	}
	if c := got[2]; string(c.Ev) != "cursor" || string(c.Cursor) != "c" || c.Seq != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestMalformedFrames(t *testing.T) {
	for _, data := range []string{`{`, `[]`, `12`, `{"ev"}`, `{"ev":"message",}`, `{"ev":"message"} x`, `{"seq":01}`, "{\"ev\":\"\xff\"}"} {
		var f wire.Frame
		f.Reset([]byte(data))
		var err error
		for range 3 {
			var o wire.Object
			if err = f.Next(&o); err != nil {
				break
			}
		}
		if !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%q: got %v, want a malformed frame", data, err)
		}
	}
}

// FuzzFrame holds the decoder to encoding/json's word: what one reads, so does the other.
func FuzzFrame(f *testing.F) {
	f.Add(messageEvent)
	f.Add(sendReply)
	f.Add(`{"id":18446744073709551615,"on":true,"cursor":"a\"b","body":[1,{"seq":2}]}` + "\n{}")
	f.Fuzz(func(t *testing.T, data string) {
		var fr wire.Frame
		fr.Reset([]byte(data))
		dec := json.NewDecoder(strings.NewReader(data))
		for {
			var o wire.Object
			if err := fr.Next(&o); err != nil {
				return // stricter than encoding/json on what is no UTF-8
			}
			var want map[string]json.RawMessage
			if err := dec.Decode(&want); err != nil {
				t.Fatalf("%q is taken, encoding/json says %v", data, err)
			}
			if !bytes.Equal(o.Body, want["body"]) {
				t.Errorf("%q: body %q, want %q", data, o.Body, want["body"])
			}
			var cursor string
			if json.Unmarshal(want["cursor"], &cursor) == nil && cursor != string(o.Cursor) {
				t.Errorf("%q: cursor %q, want %q", data, o.Cursor, cursor)
			}
			var seq uint64
			if raw := want["seq"]; len(raw) <= 19 && json.Unmarshal(raw, &seq) == nil && seq != o.Seq {
				t.Errorf("%q: seq %d, want %d", data, o.Seq, seq)
			}
		}
	})
}
