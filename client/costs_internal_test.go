package client

import (
	"bytes"
	"encoding/json"
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
		c.frame.Reset(data)
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
		c.frame.Reset(data)
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
