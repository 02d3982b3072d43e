package ingest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// FuzzDecode holds what services send to what stands behind it: it is refused with a code and without our types' names, or
// it is one line of a log, said by nobody but the service.
func FuzzDecode(f *testing.F) {
	const cid = `"cid":"01890a5d-ac96-774b-bcce-b302099a8057"`
	for _, seed := range []string{
		`{` + cid + `,"kind":"text","body":{"text":"hi"}}`, `{` + cid + `,"kind":"text","body":{"a":` + "\n[1,\r\n2]}}", "", "null", "[]", "{}{}", "\xff",
		`{` + cid + `,"kind":"text","body":"\ud800"}`, `{` + cid + `,"kind":"text","body":1e999}`, `{` + cid + `,"kind":"member","body":{}}`,
		`{` + cid + `,"kind":"text","body":null,"from":"x","only":true}`, `{"cid":1,"kind":[],"body":}`, `{"CID":"x","Kind":"text","BODY":1}`,
		`{` + cid + `,"kind":"text","body":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		`{` + cid + `,"kind":"text","body":"` + strings.Repeat("x", fabric.MaxBodyBytes) + `"}`,
		`{` + cid + `,"kind":"text","body":` + strings.Repeat(" ", fabric.MaxBodyBytes) + `1}`,
	} {
		f.Add([]byte(seed), "svc.orders.send.u.01890a5d-ac96-774b-bcce-b302099a8057")
	}
	f.Add([]byte("{}"), "svc.orders.send.a")
	f.Add([]byte("{}"), "svc..send.a.b")
	f.Add([]byte("{}"), "svc.*.send.>.b")
	f.Add([]byte("{}"), "svc.orders.sen.send.u.x")
	f.Add([]byte("{}"), "svc.orders.send.a.send.b")
	orders := fabric.NewUserID()
	f.Fuzz(func(t *testing.T, data []byte, subject string) {
		if name, to, ok := subjects.ParseServiceSend(subject); ok {
			if name == "" || strings.ContainsRune(name, '.') || subject != "svc."+name+".send."+to {
				t.Fatalf("subject %q is service %q", subject, name)
			}
			if c, err := fabric.ParseChannelID(to); err == nil && c.Kind() == "" {
				t.Fatalf("subject %q is for channel %q", subject, to)
			}
		}
		m, err := decode(data)
		if err != nil {
			var known *fabric.Error
			if !errors.As(err, &known) || strings.Contains(known.Message, "contract.") || strings.Contains(known.Message, "json:") {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		payload := fabric.AppendPayload(nil, orders, m.CID, m.Kind, m.Body)
		if !json.Valid(payload) || !fabric.IsPayload(payload) || strings.ContainsAny(string(payload), "\r\n") {
			t.Fatalf("%q becomes %q, which is no line of a log", data, payload)
		}
		var stored fabric.Message
		if err := json.Unmarshal(payload, &stored); err != nil || stored.From != orders || stored.Only || fabric.IsServerKind(stored.Kind) {
			t.Fatalf("%q becomes a message of %+v, %v", data, stored, err)
		}
	})
}
