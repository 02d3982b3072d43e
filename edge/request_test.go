package edge

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
)

// decodeAll takes a frame apart: what it asks, and which errors its objects are answered with.
func decodeAll(frame string) (got []request, wrong []string) {
	d := requestDecoders.Get().(*requestDecoder)
	defer requestDecoders.Put(d)
	d.reset([]byte(frame))
	for {
		var r request
		err := d.next(&r)
		var known *fabric.Error
		switch {
		case errors.Is(err, io.EOF):
			return got, wrong
		case errors.As(err, &known):
			wrong = append(wrong, known.Message)
		case err != nil:
			panic("an error without a code: " + err.Error())
		default:
			got = append(got, r)
		}
	}
}

func TestFrameIsTakenApart(t *testing.T) {
	for _, tc := range []struct {
		name, frame string
		ops         []string
		wrong       int
	}{
		{"one object", `{"op":"ping","id":1}`, []string{"ping"}, 0},
		{"several lines", "{\"op\":\"ping\"}\n{\"op\":\"ack\",\"seq\":7}", []string{"ping", "ack"}, 0},
		{"a trailing line feed and blank lines", "\n{\"op\":\"ping\"}\n\n", []string{"ping"}, 0},
		{"an object over several lines", "{\n \"op\": \"ping\"\n}", []string{"ping"}, 0},
		{"unknown fields", `{"op":"ping","new":{"deep":[1,2]}}`, []string{"ping"}, 0},
		{"an escaped field name", `{"\u006fp":"ping"}`, []string{"ping"}, 0},
		{"null is absent", `{"op":"ping","seq":null,"on":null}`, []string{"ping"}, 0},
		{"empty", ``, nil, 0},
		{"no JSON between two that are", "{\"op\":\"ping\"}\nwhat?\n{\"op\":\"read\"}", []string{"ping", "read"}, 1},
		{"cut off", `{"op":"ping"`, nil, 1},
		{"cut off inside a value", `{"op":"pi`, nil, 1},
		{"an array", `["op"]`, nil, 1},
		{"no op", `{"id":1}`, nil, 1},
		{"an id that is an object", `{"op":"ping","id":{}}`, nil, 1},
		{"a negative seq, then a good one", "{\"op\":\"ack\",\"seq\":-1}\n{\"op\":\"ack\",\"seq\":1}", []string{"ack"}, 1},
		{"a seq past 64 bits", `{"op":"ack","seq":18446744073709551616}`, nil, 1},
		{"a fraction", `{"op":"ack","seq":1.5}`, nil, 1},
		{"text that is not UTF-8", "{\"op\":\"\xff\"}", nil, 1},
		{"users that are not", `{"op":"watch","users":["a",1]}`, nil, 1},
		{"a very long id", `{"op":"ping","id":"` + strings.Repeat("x", 100) + `"}`, nil, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, wrong := decodeAll(tc.frame)
			var ops []string
			for _, r := range got {
				ops = append(ops, r.op)
			}
			if strings.Join(ops, " ") != strings.Join(tc.ops, " ") || len(wrong) != tc.wrong {
				t.Errorf("got %v and errors %q, want %v and %d errors", ops, wrong, tc.ops, tc.wrong)
			}
		})
	}
}

func TestFieldsOfASend(t *testing.T) {
	got, wrong := decodeAll(`{"op":"send","id":"a-1","to":"x\u0041","cid":"c","kind":"text","body":{"text":"h\"i\n"},"limit":9,"on":true,"after":0}`)
	if len(got) != 1 {
		t.Fatalf("got %d objects, errors %q", len(got), wrong)
	}
	r := got[0]
	if string(r.id) != `"a-1"` || r.to != "xA" || r.cid != "c" || r.kind != "text" || string(r.body) != `{"text":"h\"i\n"}` ||
		r.limit != 9 || r.on == nil || !*r.on || r.after == nil || *r.after != 0 {
		t.Errorf("got %+v", r)
	}
}

// FuzzRequestDecoder holds the decoder to what everything behind it relies on: it ends, it never panics, its errors have
// codes, and an id or a body that it hands on is one JSON value by the standard library's measure too.
func FuzzRequestDecoder(f *testing.F) {
	for _, seed := range []string{
		`{"op":"ping","id":1}`, "{\"op\":\"send\",\"body\":{\"a\":[1,2,{}]}}\n{\"op\":\"ack\"}", `{"op":"x","id":"é"}`,
		"{", "}\n{\"op\":\"ping\"}", `{"op":"ping","op":"ack"}`, "[[[[", "\"\n\"", `{"body":1e999}`, "{\"op\":\"watch\",\"users\":[\"\"]}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := requestDecoders.Get().(*requestDecoder)
		defer requestDecoders.Put(d)
		d.reset(frame)
		for range len(frame) + 2 {
			var r request
			err := d.next(&r)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				var known *fabric.Error
				if !errors.As(err, &known) {
					t.Fatalf("error without a code: %v", err)
				}
				continue
			}
			if r.id != nil && !json.Valid(r.id) || r.body != nil && !json.Valid(r.body) {
				t.Fatalf("id %q or body %q is no JSON value", r.id, r.body)
			}
			if r.body != nil {
				payload, err := payloadOf(outgoing{from: fabric.NewUserID(), cid: fabric.NewCID(), kind: "text", body: r.body}, false)
				if err != nil {
					t.Fatalf("body %q: %v", r.body, err)
				}
				if !json.Valid(payload) || !fabric.IsPayload(payload) {
					t.Fatalf("payload %q is not one line of JSON", payload)
				}
			}
		}
		t.Fatal("the decoder does not come to an end")
	})
}

func BenchmarkDecodeSend(b *testing.B) {
	frame := []byte(`{"op":"send","id":17,"to":"` + string(fabric.Direct(fabric.NewUserID(), fabric.NewUserID())) +
		`","cid":"` + fabric.NewCID() + `","kind":"text","body":{"text":"` + strings.Repeat("x", 100) + `"}}`)
	d := requestDecoders.Get().(*requestDecoder)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		var r request
		d.reset(frame)
		if err := d.next(&r); err != nil {
			b.Fatal(err)
		}
	}
}
