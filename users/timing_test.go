package users_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
)

// Whoever asks for codes, or tries them, can't tell a phone that has a user from one that has none: not by the answer, and
// not by how long it takes. Samples alternate, so that what else this machine does meets both alike, and medians are
// compared: those of a question less, or of a message that is not sent, differ by more than this allows.
func TestRegisteredPhonesAreNotToBeTold(t *testing.T) {
	const samples = 150
	d := newDirectory(t, users.Config{Rates: users.Rates{Codes: 1 << 30, CodesPerPhone: 1 << 30, CodesPerAddress: 1 << 30, TriesPerAddress: 1 << 30}})
	var sent sync.Map // codes by phone
	nc := d.nats.Connect(t)
	if _, err := nc.Subscribe(subjects.SendOTP, func(m *nats.Msg) {
		var req contract.SendOTPRequest
		if err := json.Unmarshal(m.Data, &req); err != nil {
			t.Error(err)
		}
		sent.Store(req.Phone, req.Code)
		_ = m.Respond([]byte(`{}`))
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	phones := []string{"+4915123456780", "+4915123456781"} // the first has a user
	ask := func(verb subjects.Verb, req any) (answer string, took time.Duration) {
		t.Helper()
		began := time.Now()
		data, err := service.CallRaw(t.Context(), d.nc, verb, req)
		took = time.Since(began)
		if err != nil {
			return err.Error(), took
		}
		return string(data), took
	}
	code := func(phone string) (string, time.Duration) {
		return ask(subjects.UsersOTP, contract.UsersOTPRequest{Phone: phone, Address: "192.0.2.1"})
	}
	code(phones[0])
	first, _ := sent.Load(phones[0])
	right, _ := first.(string)
	if a, _ := ask(subjects.UsersToken, contract.UsersTokenRequest{Phone: phones[0], Code: right, Name: "ann"}); !strings.Contains(a, "access_token") {
		t.Fatalf("sign in: %s", a)
	}
	for _, op := range []struct {
		name string
		want string // in the answer
		ask  func(phone string) (string, time.Duration)
	}{
		{"ask for a code", "expires_at", code},
		{"try a wrong code", "unauthenticated: the code is wrong", func(phone string) (string, time.Duration) {
			code(phone)
			return ask(subjects.UsersToken, contract.UsersTokenRequest{Phone: phone, Code: "wrong"})
		}},
		{"try a code where there is none", "unauthenticated: the code is wrong", func(phone string) (string, time.Duration) {
			return ask(subjects.UsersToken, contract.UsersTokenRequest{Phone: phone, Code: "wrong"})
		}},
	} {
		if op.name == "try a code where there is none" {
			for _, phone := range phones {
				for range 6 { // those that are left of the code before
					op.ask(phone)
				}
			}
		}
		// What this machine does else may favour one of them in a round, and not in each.
		for round := 1; ; round++ {
			var took [2][]time.Duration
			var answers [2]string
			for range samples {
				for _, i := range rand.Perm(2) {
					answer, long := op.ask(phones[i])
					took[i] = append(took[i], long)
					answers[i] = strings.ReplaceAll(answer, phones[i], "{phone}")
				}
			}
			if answers[0] != answers[1] || !strings.Contains(answers[0], op.want) {
				t.Errorf("%s: %s for a user's phone, %s for nobody's", op.name, answers[0], answers[1])
			}
			registered, none := median(took[0]), median(took[1])
			t.Logf("%s: %s for a user's phone, %s for nobody's", op.name, registered, none)
			if (registered - none).Abs() <= max(min(registered, none)*15/100, 40*time.Microsecond) {
				break
			}
			if round == 3 {
				t.Errorf("%s: %s for a user's phone, %s for nobody's: that tells", op.name, registered, none)
				break
			}
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// Codes that are almost right are as wrong as any, and as wrong as those of a phone without a user.
func TestAlmostRightCodes(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	ann := d.signIn("+4915123456780", "ann")
	right, code := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: ann.User.Phone})
	if code != "" {
		t.Fatal(code)
	}
	// a code that is right but for a digit, or has more of them, is as wrong as any
	for _, wrong := range []string{"", "0", right.DevCode[:5], right.DevCode + "0", " " + right.DevCode} {
		_, err := service.Call[contract.UsersTokenReply](t.Context(), d.nc, subjects.UsersToken, contract.UsersTokenRequest{Phone: ann.User.Phone, Code: wrong})
		_, nobody := service.Call[contract.UsersTokenReply](t.Context(), d.nc, subjects.UsersToken, contract.UsersTokenRequest{Phone: "+4915123456781", Code: wrong})
		if fabric.CodeOf(err) != fabric.CodeUnauthenticated || err.Error() != nobody.Error() {
			t.Errorf("code %q: %v, for nobody's phone %v", wrong, err, nobody)
		}
	}
}
