package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
)

const (
	messageEvent = `{"ev":"message","channel":"01890000-0000-7000-8000-00000000000a.01890000-0000-7000-8000-00000000000b","seq":123456,` +
		`"prev":123450,"at":1712345678901,"from":"01890000-0000-7000-8000-00000000000a","cid":"01890000-1111-7000-8000-00000000000a","kind":"text",` +
		`"body":{"text":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}}`
	sendReply = `{"id":42,"ok":{"channel":"01890000-0000-7000-8000-00000000000a.01890000-0000-7000-8000-00000000000b","seq":123456,"prev":123450,"at":1712345678901}}`
)

func objects(t *testing.T, data string) []object {
	t.Helper()
	var f frame
	if err := f.fill(strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	var all []object
	for {
		var o object
		err := f.next(&o)
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
	if m := got[0]; string(m.raw) != messageEvent || m.seq != 123456 || m.prev != 123450 || m.at != 1712345678901 || string(m.kind) != "text" || m.body[0] != '{' {
		t.Errorf("got %+v", m)
	}
	if r := got[1]; r.id != 42 || !bytes.HasPrefix(r.ok, []byte(`{"channel"`)) || r.ev != nil {
		t.Errorf("got %+v", r)
	}
	if c := got[2]; string(c.ev) != "cursor" || string(c.cursor) != "c" || c.seq != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestMalformedFrames(t *testing.T) {
	for _, data := range []string{`{`, `[]`, `12`, `{"ev"}`, `{"ev":"message",}`, `{"ev":"message"} x`, `{"seq":01}`, "{\"ev\":\"\xff\"}"} {
		var f frame
		f.reset([]byte(data))
		var err error
		for range 3 {
			var o object
			if err = f.next(&o); err != nil {
				break
			}
		}
		if !errors.Is(err, errFrame) {
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
		var fr frame
		fr.reset([]byte(data))
		dec := json.NewDecoder(strings.NewReader(data))
		for {
			var o object
			if err := fr.next(&o); err != nil {
				return // stricter than encoding/json on what is no UTF-8
			}
			var want map[string]json.RawMessage
			if err := dec.Decode(&want); err != nil {
				t.Fatalf("%q is taken, encoding/json says %v", data, err)
			}
			if !bytes.Equal(o.body, want["body"]) {
				t.Errorf("%q: body %q, want %q", data, o.body, want["body"])
			}
			var cursor string
			if json.Unmarshal(want["cursor"], &cursor) == nil && cursor != string(o.cursor) {
				t.Errorf("%q: cursor %q, want %q", data, o.cursor, cursor)
			}
			var seq uint64
			if raw := want["seq"]; len(raw) <= 19 && json.Unmarshal(raw, &seq) == nil && seq != o.seq {
				t.Errorf("%q: seq %d, want %d", data, o.seq, seq)
			}
		}
	})
}

func TestASendIsEncodedAsItIsMeant(t *testing.T) {
	got := appendSend(nil, 7, `a "quoted" name`, "c", "x-ü", []byte(`{"a":1}`))
	var back struct {
		Op, To, CID, Kind string
		ID                uint64
		Body              json.RawMessage
	}
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if back.Op != "send" || back.ID != 7 || back.To != `a "quoted" name` || back.CID != "c" || back.Kind != "x-ü" || string(back.Body) != `{"a":1}` {
		t.Errorf("%s reads as %+v", got, back)
	}
	if bytes.IndexByte(got, '\n') != len(got)-1 {
		t.Errorf("%q: a request ends with its only line feed", got)
	}
}

func TestNextFrame(t *testing.T) {
	requests := "aaa\nbb\ncccccccc\nd\n"
	var got []string
	for rest := []byte(requests); len(rest) > 0; {
		var frame []byte
		frame, rest = nextFrame(rest, 7)
		got = append(got, string(frame))
	}
	if want := []string{"aaa\nbb", "cccccccc", "d"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	if frame, rest := nextFrame([]byte(requests), 0); string(frame)+"\n" != requests || len(rest) != 0 {
		t.Errorf("without a limit: %q and %q", frame, rest)
	}
}

func TestOwnSeqsAreBounded(t *testing.T) {
	ch := make(seen).channel([]byte("g.x"))
	for seq := uint64(1); seq <= 10*maxOwn; seq++ {
		ch.sent(seq)
	}
	if len(ch.own) > maxOwn || !ch.isOwn(10*maxOwn) {
		t.Errorf("%d own seqs are kept, want at most %d and the newest among them", len(ch.own), maxOwn)
	}
	ch.told(10*maxOwn - 1)
	if len(ch.own) != 1 {
		t.Errorf("%d own seqs are kept above what was told, want 1", len(ch.own))
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(messageEvent)))
	var n, asked int
	s := &Session{seen: make(seen), in: inbox{handler: func(Event) { n++ }}}
	c := &conn{s: s}
	data := []byte(messageEvent)
	for b.Loop() {
		for _, ch := range s.seen {
			ch.last = 0 // tell it again
		}
		asked++
		c.frame.reset(data)
		if err := c.handleFrame(); err != nil {
			b.Fatal(err)
		}
	}
	if n != asked {
		b.Fatalf("%d messages of %d were told", n, asked)
	}
}

func BenchmarkDecodeSendReply(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(sendReply)))
	s := &Session{seen: make(seen), pending: make(map[uint64]*call)}
	c := &conn{s: s, online: true}
	data := []byte(sendReply)
	n := 0
	waiting := &call{sent: func(fabric.Sent, error) { n++ }}
	for b.Loop() {
		s.pending[42] = waiting
		c.frame.reset(data)
		if err := c.handleFrame(); err != nil {
			b.Fatal(err)
		}
	}
	if n == 0 {
		b.Fatal("no reply was told")
	}
}

func BenchmarkSend(b *testing.B) {
	b.ReportAllocs()
	s := &Session{opt: Options{Pending: 1 << 30}, pending: make(map[uint64]*call), conn: &conn{}}
	s.ctx = b.Context()
	s.outbox.wake = make(chan struct{}, 1)
	s.outbox.setOpen(true)
	draft := Draft{To: "01890000-0000-7000-8000-00000000000a.01890000-0000-7000-8000-00000000000b", Kind: "text", Body: json.RawMessage(`{"text":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}`)}
	sent := func(fabric.Sent, error) {}
	var spare []byte
	for b.Loop() {
		c, err := s.send(draft, sent)
		if err != nil {
			b.Fatal(err)
		}
		s.claim(c.id)
		spare = s.outbox.take(spare)
	}
}
