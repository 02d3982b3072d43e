package edge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// answer is what the server answered over HTTP.
type answer struct {
	edgetest.Object
	status int
	header http.Header
}

func (a answer) code() fabric.Code { return fabric.Code(a.Str("code")) }

// ask makes a request as it stands; token and body may be empty.
func ask(t *testing.T, url, method, path, token, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &a.Object); err != nil {
			t.Fatalf("%s %s: answered with %q: %v", method, path, data, err)
		}
	}
	return a
}

// code has a one-time code sent to a phone.
func code(t *testing.T, e *edgetest.Edge, phone string) string {
	t.Helper()
	otp := ask(t, e.URL, "POST", "/v1/auth/otp", "", fmt.Sprintf(`{"phone":%q}`, phone))
	if otp.status != http.StatusAccepted || len(otp.Str("dev_code")) != auth.CodeDigits {
		t.Fatalf("one-time code: %d %v", otp.status, otp)
	}
	return otp.Str("dev_code")
}

// otherThan returns a code that isn't this one.
func otherThan(code string) string { return string('0'+(code[0]-'0'+1)%10) + code[1:] }

// trade trades a code for tokens.
func trade(t *testing.T, e *edgetest.Edge, phone, code string) answer {
	t.Helper()
	return ask(t, e.URL, "POST", "/v1/auth/token", "",
		fmt.Sprintf(`{"phone":%q,"code":%q,"name":"ann","device":{"name":"phone","platform":"test"}}`, phone, code))
}

// refresh spends a refresh token.
func refresh(t *testing.T, e *edgetest.Edge, token, attempt string) answer {
	t.Helper()
	return ask(t, e.URL, "POST", "/v1/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q,"attempt":%q}`, token, attempt))
}

func TestPhonesAreTakenAsPeopleWriteThem(t *testing.T) {
	e := edgetest.Start(t, edgetest.Config{}).Edge(t)
	for _, tc := range []struct {
		phone, want string // "" where it is refused
	}{
		{"+4915123456789", "+4915123456789"},
		{"+49 151 23456789", "+4915123456789"},
		{" +49 (151) 2345-6789 ", "+4915123456789"},
		{"+49 (0)151 23456789", "+4915123456789"},
		{"0151 23456789", ""},
		{"", ""},
		{"+49", ""},
		{"ann", ""},
		{"+49 151 23456789 or so, and anything else", ""},
		{"+999999999999999999", ""},
		{strings.Repeat("+49", 20_000), ""},
	} {
		t.Run(fmt.Sprintf("%.30s", tc.phone), func(t *testing.T) {
			got := ask(t, e.URL, "POST", "/v1/auth/otp", "", fmt.Sprintf(`{"phone":%q}`, tc.phone))
			if tc.want == "" {
				if got.status != http.StatusBadRequest || got.code() != fabric.CodeBadRequest {
					t.Errorf("%d %v, want 400", got.status, got)
				}
				return
			}
			if got.status != http.StatusAccepted || got.Str("phone") != tc.want || got.Num("expires_at") <= uint64(time.Now().UnixMilli()) {
				t.Errorf("%d %v, want %s", got.status, got, tc.want)
			}
		})
	}
}

func TestACodeSignsInOnce(t *testing.T) {
	e := edgetest.Start(t, edgetest.Config{}).Edge(t)
	const phone = "+4915123456789"
	first := code(t, e, phone)
	if got := trade(t, e, phone, otherThan(first)); got.status != http.StatusUnauthorized {
		t.Errorf("a wrong code: %d %v", got.status, got)
	}
	if got := trade(t, e, "+4915123456780", first); got.status != http.StatusUnauthorized {
		t.Errorf("the code of another phone: %d %v", got.status, got)
	}
	// the phone as it is written somewhere else is the same phone
	in := trade(t, e, "+49 151 23456789", first)
	user := sub(in.Object, "user")
	if in.status != http.StatusOK || user.Str("phone") != phone || user.Str("name") != "ann" || in.Str("access_token") == "" {
		t.Fatalf("the right code: %d %v", in.status, in)
	}
	if got := trade(t, e, phone, first); got.status != http.StatusUnauthorized {
		t.Errorf("the code again: %d %v", got.status, got)
	}
	me := ask(t, e.URL, "GET", "/v1/me", in.Str("access_token"), "")
	delete(me.Object, "privacy")
	if me.status != http.StatusOK || fmt.Sprint(me.Object) != fmt.Sprint(user) {
		t.Errorf("me: %d %v, want %v", me.status, me, user)
	}

	// a second device of the same user; a code takes the place of the one before
	second := code(t, e, phone)
	third := code(t, e, phone)
	if got := trade(t, e, phone, second); second != third && got.status != http.StatusUnauthorized {
		t.Errorf("a code that was replaced: %d %v", got.status, got)
	}
	again := trade(t, e, phone, third)
	if again.status != http.StatusOK || sub(again.Object, "user").Str("id") != user.Str("id") ||
		sub(again.Object, "device").Str("id") == sub(in.Object, "device").Str("id") {
		t.Errorf("a second device: %d %v", again.status, again)
	}
}

func TestWrongTriesAreCounted(t *testing.T) {
	e := edgetest.Start(t, edgetest.Config{}).Edge(t)
	for _, tc := range []struct{ wrong, want int }{
		{auth.CodeTries - 1, http.StatusOK},
		{auth.CodeTries, http.StatusUnauthorized},
	} {
		t.Run(strconv.Itoa(tc.wrong), func(t *testing.T) {
			phone := fmt.Sprintf("+491512345678%d", tc.wrong)
			right := code(t, e, phone)
			for range tc.wrong {
				if got := trade(t, e, phone, otherThan(right)); got.status != http.StatusUnauthorized {
					t.Fatalf("a wrong code: %d %v", got.status, got)
				}
			}
			if got := trade(t, e, phone, right); got.status != tc.want {
				t.Errorf("the right code after %d wrong ones: %d %v, want %d", tc.wrong, got.status, got, tc.want)
			}
			if got := trade(t, e, phone, code(t, e, phone)); got.status != http.StatusOK {
				t.Errorf("a new code: %d %v", got.status, got)
			}
		})
	}
}

// outEverywhere waits until a device's access token is refused on every edge.
func outEverywhere(t *testing.T, access string, edges ...*edgetest.Edge) {
	t.Helper()
	for _, e := range edges {
		weftest.Eventually(t, "the access token is refused", func() bool {
			got := ask(t, e.URL, "GET", "/v1/me", access, "")
			return got.status == http.StatusUnauthorized && got.code() == fabric.CodeUnauthenticated
		})
	}
}

func TestARefreshTokenWorksOnce(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann := f.User(t, e1, "ann")
	tablet := edgetest.SignIn(t, e1.URL, ann.User.Phone, "tablet")

	second := refresh(t, e1, ann.RefreshToken, "")
	if second.status != http.StatusOK || second.Str("refresh_token") == ann.RefreshToken || sub(second.Object, "device").Str("id") != string(ann.Device.ID) {
		t.Fatalf("refresh: %d %v", second.status, second)
	}
	third := refresh(t, e2, second.Str("refresh_token"), "x")
	access := third.Str("access_token")
	if got := ask(t, e2.URL, "GET", "/v1/me", access, ""); got.status != http.StatusOK {
		t.Fatalf("the new access token: %d %v", got.status, got)
	}
	ws := edgetest.Connect(t, e2, client.Grant{AccessToken: access}, "")
	ws.Synced()

	// somebody has a copy of the first one
	if got := refresh(t, e2, ann.RefreshToken, ""); got.status != http.StatusUnauthorized {
		t.Fatalf("the spent token: %d %v", got.status, got)
	}
	outEverywhere(t, access, e1, e2)
	outEverywhere(t, ann.AccessToken, e1, e2)
	if got := ws.Closed(); got != 4403 {
		t.Errorf("its session is closed with %d, want 4403", got)
	}
	if got := refresh(t, e1, third.Str("refresh_token"), ""); got.status != http.StatusUnauthorized {
		t.Errorf("the latest token: %d %v", got.status, got)
	}
	if got := ask(t, e1.URL, "GET", "/v1/me", tablet.AccessToken, ""); got.status != http.StatusOK {
		t.Errorf("the other device: %d %v", got.status, got)
	}
}

// A client whose reply got lost asks again with the same attempt.
func TestARefreshCanBeRetried(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	for _, tc := range []struct {
		name        string
		first, then string // the attempts
		between     func(t *testing.T, lost answer)
		want        int
	}{
		{"the same attempt", "one", "one", nil, http.StatusOK},
		{"another attempt", "one", "two", nil, http.StatusUnauthorized},
		{"no attempt", "", "", nil, http.StatusUnauthorized},
		{"the same attempt, when what was lost has been used", "one", "one", func(t *testing.T, lost answer) {
			if got := refresh(t, e, lost.Str("refresh_token"), "two"); got.status != http.StatusOK {
				t.Fatalf("refresh: %d %v", got.status, got)
			}
		}, http.StatusUnauthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ann := f.User(t, e, "ann")
			lost := refresh(t, e, ann.RefreshToken, tc.first)
			if lost.status != http.StatusOK {
				t.Fatalf("refresh: %d %v", lost.status, lost)
			}
			if tc.between != nil {
				tc.between(t, lost)
			}
			got := refresh(t, e, ann.RefreshToken, tc.then)
			if got.status != tc.want {
				t.Fatalf("again: %d %v, want %d", got.status, got, tc.want)
			}
			if tc.want != http.StatusOK {
				outEverywhere(t, ann.AccessToken, e)
				return
			}
			if next := refresh(t, e, got.Str("refresh_token"), "two"); next.status != http.StatusOK {
				t.Errorf("what the retry brought: %d %v", next.status, next)
			}
			// whoever comes with the lost one after that isn't the client
			if copied := refresh(t, e, lost.Str("refresh_token"), "three"); copied.status != http.StatusUnauthorized {
				t.Errorf("what was lost: %d %v", copied.status, copied)
			}
			outEverywhere(t, got.Str("access_token"), e)
		})
	}
}

func TestLogoutAndDevices(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e1, "ann"), f.User(t, e1, "bob")
	tablet := edgetest.SignIn(t, e2.URL, ann.User.Phone, "tablet")
	laptop := edgetest.SignIn(t, e2.URL, ann.User.Phone, "laptop")
	devices := func() (ids []string, current string) {
		t.Helper()
		got := ask(t, e1.URL, "GET", "/v1/devices", ann.AccessToken, "")
		if got.status != http.StatusOK {
			t.Fatalf("devices: %d %v", got.status, got)
		}
		for _, d := range got.Object["devices"].([]any) {
			d := edgetest.Object(d.(map[string]any))
			ids = append(ids, d.Str("id"))
			if d["current"] == true {
				current += d.Str("id")
			}
		}
		return ids, current
	}
	ids, current := devices()
	if want := fmt.Sprint([]fabric.DeviceID{ann.Device.ID, tablet.Device.ID, laptop.Device.ID}); fmt.Sprint(ids) != want || current != string(ann.Device.ID) {
		t.Errorf("devices %v, current %s, want %s, the first one current", ids, current, want)
	}
	// bob can't sign it out, ann can, and twice is no error
	tabletPath := "/v1/devices/" + string(tablet.Device.ID)
	for _, tc := range []struct {
		who  client.Grant
		want int
	}{{bob, http.StatusNotFound}, {ann, http.StatusNoContent}, {ann, http.StatusNoContent}} {
		if got := ask(t, e1.URL, "DELETE", tabletPath, tc.who.AccessToken, ""); got.status != tc.want || (got.status == http.StatusNoContent && got.Object != nil) {
			t.Errorf("%s deletes ann's tablet: %d %v, want %d", tc.who.User.Name, got.status, got, tc.want)
		}
	}
	outEverywhere(t, tablet.AccessToken, e1, e2)
	if got := ask(t, e1.URL, "POST", "/v1/auth/logout", laptop.AccessToken, ""); got.status != http.StatusNoContent {
		t.Errorf("logout: %d %v", got.status, got)
	}
	outEverywhere(t, laptop.AccessToken, e1, e2)
	for _, g := range []client.Grant{tablet, laptop} {
		if got := refresh(t, e1, g.RefreshToken, ""); got.status != http.StatusUnauthorized {
			t.Errorf("refresh of %s: %d %v", g.Device.Name, got.status, got)
		}
	}
	if ids, _ := devices(); len(ids) != 1 {
		t.Errorf("devices after it: %v", ids)
	}
}

// Only members read and write a chat; what is refused tells nothing of it.
func TestWhoMayReadAndWrite(t *testing.T) {
	data := t.TempDir()
	e := &edgetest.Edge{URL: startNode(t, data, true)}
	ann := edgetest.SignIn(t, e.URL, "+4915120000001", "ann")
	bob := edgetest.SignIn(t, e.URL, "+4915120000002", "bob")
	cem := edgetest.SignIn(t, e.URL, "+4915120000003", "cem")
	keys, err := auth.OpenKeys(filepath.Join(data, "keys"), 0)
	if err != nil {
		t.Fatal(err)
	}
	others, err := auth.OpenKeys(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	issued := func(k *auth.Keys, at time.Time) string {
		t.Helper()
		token, _, err := k.Issuer().Issue(ann.User.ID, ann.Device.ID, "", at)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	chat := "/v1/channels/" + string(edgetest.Direct(ann, bob))
	message := func() string {
		return fmt.Sprintf(`{"cid":%q,"kind":"text","body":{"text":"for your eyes only"}}`, fabric.NewCID())
	}
	if got := ask(t, e.URL, "POST", chat+"/messages", ann.AccessToken, message()); got.status != http.StatusCreated {
		t.Fatalf("send: %d %v", got.status, got)
	}
	for _, who := range []struct {
		name, token string
		want        int
	}{
		{"a member", ann.AccessToken, http.StatusOK},
		{"the other member", bob.AccessToken, http.StatusOK},
		{"a token of a moment ago", issued(keys, time.Now().Add(-time.Minute)), http.StatusOK},
		{"a stranger", cem.AccessToken, http.StatusForbidden},
		{"no token", "", http.StatusUnauthorized},
		{"an expired token", issued(keys, time.Now().Add(-auth.AccessLife-auth.Skew-time.Second)), http.StatusUnauthorized},
		{"a token of another server", issued(others, time.Now()), http.StatusUnauthorized},
		{"a refresh token", ann.RefreshToken, http.StatusUnauthorized},
		{"garbage", "x.y.z", http.StatusUnauthorized},
		{"much garbage", strings.Repeat("x", 5000), http.StatusUnauthorized},
		{"a token that was changed", strings.Replace(ann.AccessToken, ".", ".e", 1), http.StatusUnauthorized},
	} {
		for _, what := range []struct{ name, method, path, body string }{
			{"messages", "GET", chat + "/messages", ""},
			{"receipts", "GET", chat + "/receipts", ""},
			{"send", "POST", chat + "/messages", message()},
			{"me", "GET", "/v1/me", ""},
			{"channels", "GET", "/v1/channels", ""},
		} {
			t.Run(who.name+", "+what.name, func(t *testing.T) {
				want := who.want
				switch {
				case what.name == "send" && want == http.StatusOK:
					want = http.StatusCreated
				case what.path == "/v1/me" || what.path == "/v1/channels":
					if want == http.StatusForbidden { // everybody has their own
						want = http.StatusOK
					}
				}
				got := ask(t, e.URL, what.method, what.path, who.token, what.body)
				if got.status != want {
					t.Fatalf("%d %v, want %d", got.status, got, want)
				}
				if strings.Contains(fmt.Sprint(got.Object), "for your eyes only") && who.want != http.StatusOK {
					t.Errorf("%s was shown %v", who.name, got)
				}
				challenge := got.header.Get("WWW-Authenticate")
				if want == http.StatusUnauthorized && !strings.HasPrefix(challenge, "Bearer") {
					t.Errorf("401 with the challenge %q", challenge)
				}
			})
		}
	}
	if list := ask(t, e.URL, "GET", "/v1/channels", cem.AccessToken, ""); len(list.Object["channels"].([]any)) != 0 {
		t.Errorf("cem's channels: %v", list)
	}
	for _, channel := range []fabric.ChannelID{fabric.Self(ann.User.ID), "g." + fabric.ChannelID(fabric.NewCID())} {
		if got := ask(t, e.URL, "GET", "/v1/channels/"+string(channel)+"/messages", bob.AccessToken, ""); got.status != http.StatusForbidden {
			t.Errorf("%s, read by bob: %d %v", channel, got.status, got)
		}
	}
}
