package users_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
)

// FuzzSMSAnswer holds the sending of codes to what its service says: only JSON without an error is a yes, and whoever asked
// for a code is told nothing of the service's own words.
func FuzzSMSAnswer(f *testing.F) {
	for _, seed := range []string{
		"{}", "", "null", "[]", "ok", `{"err":null}`, `{"err":{}}`, `{"err":{"code":"forbidden","message":"account 4711 is locked"}}`, `{"err":5}`, "\xff",
		`{"ERR":{"code":"x"}}`, `{"err":{"code":"","message":""}}`, `{"err":"no credit"}`,
	} {
		f.Add([]byte(seed))
	}
	d := newDirectory(f, users.Config{Rates: users.Rates{Codes: 1 << 30, CodesPerPhone: 1 << 30}})
	var mu sync.Mutex
	var answer []byte
	nc := d.nats.Connect(f)
	if _, err := nc.Subscribe(subjects.SendOTP, func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		_ = m.Respond(answer)
	}); err != nil {
		f.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, say []byte) {
		mu.Lock()
		answer = say
		mu.Unlock()
		_, err := service.Call[contract.UsersOTPReply](t.Context(), d.nc, subjects.UsersOTP, contract.UsersOTPRequest{Phone: "+4915123456789"})
		var reply contract.SendOTPReply
		yes := json.Unmarshal(say, &reply) == nil && reply.Err == nil
		if (err == nil) != yes {
			t.Fatalf("the service says %q: %v", say, err)
		}
		if err != nil && err.Error() != "unavailable: the code could not be sent: try again later" {
			t.Fatalf("the service says %q, whoever asked is told %v", say, err)
		}
	})
}

// FuzzPhone holds phones as people write them to this: one is refused, or it is E.164, and that is itself again.
func FuzzPhone(f *testing.F) {
	for _, seed := range []string{"+49 151 23456789", "+1 (650) 253-0000", "tel:+49-151", "+49;ext=5", "+", "00491512345678", "+٤٩١٥١٢٣٤٥٦٧٨", "\xff", "+49151\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, possible := range []bool{false, true} {
			e164, err := users.Phone(text, possible)
			if err != nil {
				if fabric.CodeOf(err) != fabric.CodeBadRequest || strings.Contains(err.Error(), text) && len(text) > 20 {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if !utf8.ValidString(e164) || len(e164) < 5 || len(e164) > 16 || e164[0] != '+' || strings.Trim(e164[1:], "0123456789") != "" {
				t.Fatalf("%q is %q", text, e164)
			}
			if again, err := users.Phone(e164, possible); err != nil || again != e164 {
				t.Fatalf("%q is %q, and that is %q, %v", text, e164, again, err)
			}
		}
	})
}
