package history

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
)

const (
	ann = fabric.UserID("0197e5a4-0000-7000-8000-00000000000a")
	cid = "0197e5a4-0000-7000-8000-0000000000c1"
)

func TestDecode(t *testing.T) {
	usual := string(fabric.AppendPayload(nil, ann, cid, "text", []byte(`{"text":"hi \"there\" , \u0000 {"}`)))
	for _, tc := range []struct {
		name, payload string
		body          string // "" where the payload is refused
	}{
		{"as the edge writes it", usual, `{"text":"hi \"there\" , \u0000 {"}`},
		{"a body that holds the word before a body", string(fabric.AppendPayload(nil, ann, cid, "text", []byte(`{"t":"\",\"body\":"}`))), `{"t":"\",\"body\":"}`},
		{"a body that is no object", string(fabric.AppendPayload(nil, ann, cid, "x-n", []byte(`17`))), `17`},
		{"another order", `{"body":{"n":1},"kind":"text","cid":"` + cid + `","from":"` + string(ann) + `"}`, `{"n":1}`},
		{"spaces and lines", "{ \"from\": \"" + string(ann) + "\",\n\"cid\":\"" + cid + "\",\"kind\":\"text\",\"body\":{\n \"n\": 1 } }", `{"n":1}`},
		{"a further field after the body", usual[:len(usual)-1] + `,"x":{}}`, `{"text":"hi \"there\" , \u0000 {"}`},
		{"empty", ``, ""},
		{"no JSON", `hello`, ""},
		{"no object", `["from"]`, ""},
		{"cut off", usual[:len(usual)-3], ""},
		{"a body that is no JSON", string(fabric.AppendPayload(nil, ann, cid, "text", []byte(`{"text":`))), ""},
		{"no body", `{"from":"` + string(ann) + `","cid":"` + cid + `","kind":"text"}`, ""},
		{"no sender's id", strings.Replace(usual, string(ann), "someone", 1), ""},
		{"upper case", strings.ToUpper(usual), ""},
		{"no kind's name", strings.Replace(usual, `"text"`, `"Te xt"`, 1), ""},
		{"no cid", strings.Replace(usual, cid, "1", 1), ""},
		{"too long", string(fabric.AppendPayload(nil, ann, cid, "text", []byte(`"`+strings.Repeat("x", fabric.MaxBodyBytes)+`"`))), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := decode([]byte(tc.payload))
			if tc.body == "" {
				if err == nil {
					t.Fatalf("got %+v, want it refused", m)
				}
				return
			}
			if err != nil || m.From != ann || m.CID != cid || string(m.Body) != tc.body {
				t.Errorf("got %+v body %s (%v), want body %s", m, m.Body, err, tc.body)
			}
		})
	}
}

// Whatever lies in a log: what is cut says the same as what encoding/json reads, and what decode accepts can stand in a
// reply among others.
func FuzzDecode(f *testing.F) {
	f.Add(fabric.AppendPayload(nil, ann, cid, "text", []byte(`{"text":"hi"}`)))
	f.Add([]byte(`{"from":"` + string(ann) + `","cid":"` + cid + `","kind":"text","body":{"text":1},"body":2}`))
	f.Add([]byte("{\"body\":[\n1]}"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := decode(payload)
		if err != nil {
			return
		}
		var plain fabric.Message
		if err := json.Unmarshal(payload, &plain); err != nil {
			t.Fatalf("decode accepts what encoding/json refuses (%v): %s", err, payload)
		}
		var body bytes.Buffer
		if err := json.Compact(&body, plain.Body); err != nil {
			t.Fatal(err)
		}
		var cutBody bytes.Buffer
		if err := json.Compact(&cutBody, m.Body); err != nil {
			t.Fatalf("body %s: %v", m.Body, err)
		}
		if m.Only != plain.Only || m.From != plain.From || m.CID != plain.CID || m.Kind != plain.Kind || body.String() != cutBody.String() {
			t.Fatalf("decode says %+v, encoding/json %+v", m, plain)
		}
		r := newReply()
		r.add(&Shown{Stored: fabric.Stored{Channel: "a.b", Seq: 1, Message: m}})
		object := r.msgs[0]
		if !json.Valid(object) || bytes.IndexByte(object, '\n') >= 0 {
			t.Fatalf("message object %s is not one line of JSON", object)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	payload := fabric.AppendPayload(nil, ann, cid, "text", []byte(`{"text":"a message of usual length, as people write them to one another"}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(payload); err != nil {
			b.Fatal(err)
		}
	}
}
