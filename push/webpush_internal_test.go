package push

import (
	"crypto/ecdh"
	"encoding/base64"
	"net/netip"
	"testing"
	"time"
)

// The example of RFC 8291, appendix A: the same keys and salt give the same bytes.
func TestEncryptionOfTheRFC(t *testing.T) {
	raw := func(text string) []byte {
		t.Helper()
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s, err := parseSubscription("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg")
	if err != nil {
		t.Fatal(err)
	}
	once, err := ecdh.P256().NewPrivateKey(raw("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.encrypt([]byte("When I grow up, I want to be a watermelon"), [16]byte(raw("DGv6ra1nlYgDCS1FRnbzlw")), once)
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if text := base64.RawURLEncoding.EncodeToString(got); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// The token of an origin is signed once, and anew well before it expires.
func TestVAPIDIsSignedOnceInHours(t *testing.T) {
	key, err := newVAPIDKey()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v, err := newVAPID(key, DefaultContact, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	header := func(origin string) string {
		t.Helper()
		h, err := v.header(origin)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := header("https://a.example")
	if header("https://b.example") == first {
		t.Error("two origins have one token")
	}
	now = now.Add(vapidRenew - time.Second)
	if header("https://a.example") != first {
		t.Error("it was signed again")
	}
	now = now.Add(2 * time.Second)
	if header("https://a.example") == first {
		t.Error("a token is used until it expires")
	}
	for _, wrong := range []string{"", "AAAA", "!", base64.RawURLEncoding.EncodeToString(make([]byte, 32))} {
		if _, err := newVAPID(wrong, DefaultContact, time.Now); err == nil {
			t.Errorf("%q is a key", wrong)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"142.250.1.1": true, "2a00:1450:4001::5e": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "0.0.0.0": false,
		"100.64.0.1": false, "255.255.255.255": false, "224.0.0.1": false, "::1": false, "::": false, "fc00::1": false, "fe80::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v", text, got)
		}
	}
}

// A service of a browser's whose name leads into somebody's own network is not connected to.
func TestNoConnectionToPrivateAddresses(t *testing.T) {
	for _, private := range []bool{false, true} {
		resp, err := newClient(private, 1, time.Second).Get("http://127.0.0.1:1/")
		if err == nil {
			resp.Body.Close()
			t.Fatal("port 1 answers")
		}
		if got := reasonOf(err) == "private_address"; got == private {
			t.Errorf("where private addresses are allowed (%v): %v", private, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "99999999": maxRetryAfter, "99999999999999999999999": 0,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0,
	} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	at := time.Now().Add(30 * time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	if got := retryAfter(at); got < 25*time.Second || got > 30*time.Second {
		t.Errorf("%s is in %s", at, got)
	}
}

// Whatever is in a notification, it fits, and is text still.
func TestPayloadsFit(t *testing.T) {
	long := ""
	for range 3000 {
		long += "ü"
	}
	n := &notification{Payload: Payload{Kind: pushMessage, Title: long, Body: long, Link: "https://example.com/" + long, Lines: []Line{{Text: long}, {From: long, Text: long}}}}
	for _, most := range []int{maxWebPush, 1000, 300, 150} {
		data, err := n.payload(most)
		if err != nil || len(data) > most {
			t.Errorf("%d bytes of %d, %v", len(data), most, err)
		}
	}
	if _, err := n.payload(10); err == nil {
		t.Error("a notification in 10 bytes")
	}
}

// The rest between tries grows, and is not the same for all.
func TestBackoff(t *testing.T) {
	r := &Role{cfg: Config{Backoff: time.Second}}
	for tries, most := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 5: 32 * time.Second, 40: backoffMost, 4000: backoffMost} {
		seen := make(map[time.Duration]bool)
		for range 20 {
			d := r.backoff(tries)
			if d < most/2 || d > most {
				t.Errorf("after %d tries: %s, want up to %s", tries, d, most)
			}
			seen[d] = true
		}
		if len(seen) < 2 {
			t.Errorf("after %d tries it is always the same", tries)
		}
	}
}

// What a message's line says.
func TestPreview(t *testing.T) {
	for _, tc := range []struct{ kind, body, want string }{
		{"text", `{"text":" hi "}`, "hi"},
		{"text", `{"text":""}`, "New message"},
		{"text", `[1]`, "New message"},
		{"media", `{"type":"image/png","caption":"the loom","name":"a.png"}`, "Photo: the loom"},
		{"media", `{"type":"video/mp4"}`, "Video"},
		{"media", `{"type":"audio/ogg","name":"a.ogg"}`, "Voice message"},
		{"media", `{"type":"application/pdf","name":"a.pdf"}`, "File: a.pdf"},
		{"cipher", `{"text":"not for us"}`, "New message"},
		{"x-poll", `"which one?"`, "New message"},
	} {
		if got, _ := preview(tc.kind, []byte(tc.body)); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.kind, tc.body, got, tc.want)
		}
	}
	if _, mentions := preview("text", []byte(`{"text":"@bob","mentions":["b"]}`)); len(mentions) != 1 {
		t.Errorf("mentions: %v", mentions)
	}
}

func BenchmarkSeal(b *testing.B) {
	private, err := ecdh.P256().NewPrivateKey([]byte("12345678901234567890123456789012"))
	if err != nil {
		b.Fatal(err)
	}
	s := subscription{public: private.PublicKey(), auth: make([]byte, authBytes)}
	data := make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.seal(data); err != nil {
			b.Fatal(err)
		}
	}
}
