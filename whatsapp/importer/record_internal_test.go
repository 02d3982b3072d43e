package importer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/whatsapp"
)

const channel = fabric.ChannelID("g.01890a5d-ac96-774b-bcce-b302099a8057")

func message(at string, author, text string) whatsapp.Message {
	t, err := time.Parse("2006-01-02 15:04", at)
	if err != nil {
		panic(err)
	}
	return whatsapp.Message{At: t, Author: author, Text: text, System: author == ""}
}

func cids(messages ...whatsapp.Message) []string {
	var list []string
	for _, r := range records(channel, messages, nil, "") {
		list = append(list, r.cid)
	}
	return list
}

// The cids of imported messages are for ever: were they to change, whoever imports again would have everything twice.
func TestCIDsStay(t *testing.T) {
	file := message("2024-01-02 03:04", "Bob", "")
	file.Attachments = []whatsapp.Attachment{{Name: "IMG-20240102-WA0001.jpg"}}
	got := cids(
		message("2024-01-02 03:04", "Ann", "hi"), message("2024-01-02 03:04", "Ann", "hi"), message("2024-01-02 03:04", "", "Bob left"), file,
		message("2024-01-02 03:04", "Ann", strings.Repeat("long ", 20_000)),
	)
	want := []string{
		"a927a017-6dc9-5999-9d6d-146ddd365c90", "a4be5d4d-9cda-5d9f-b831-d8242ddc403e", "2db43df8-5d23-55b1-bc47-2223997d247e", "ca384e47-b69a-59e6-b031-a174e6b4f87d",
		"a096ebaa-21fd-5437-b35d-b4e168b3f189", "6b4b0940-3c6c-505a-8ed0-16e0bee623b2", "b88d747f-5e96-5746-b787-4836b211dec3",
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q", got)
	}
	for _, cid := range got {
		if !fabric.ValidCID(cid) {
			t.Errorf("%s is no cid", cid)
		}
	}
}

// A message is the same one in every export of the chat, and no two are the same one.
func TestCIDsTellMessages(t *testing.T) {
	a := message("2024-01-02 03:04", "Ann", "hi")
	before := message("2024-01-01 03:04", "Ann", "hi")
	later := message("2024-01-03 03:04", "Ann", "hi")
	berlin := a
	berlin.At = time.Date(2024, 1, 2, 3, 4, 0, 0, time.FixedZone("CET", 3600))
	notice := message("2024-01-02 03:04", "", "Messages are encrypted")
	notice.Notice = true
	stampedAnew := notice
	stampedAnew.At = later.At

	if short, long := cids(a, a, notice), cids(before, stampedAnew, a, a, later); short[0] != long[2] || short[1] != long[3] || short[2] != long[1] {
		t.Errorf("%q in a longer export %q", short, long)
	}
	if cids(a)[0] != cids(berlin)[0] {
		t.Error("another zone makes it another message")
	}
	seen := map[string]bool{}
	for _, cid := range cids(a, a, before, later, message("2024-01-02 03:04", "Bob", "hi"), message("2024-01-02 03:04", "Ann", "hi "), message("2024-01-02 03:04", "Annh", "i"), notice) {
		if seen[cid] {
			t.Errorf("%s twice", cid)
		}
		seen[cid] = true
	}
}

// A text comes in parts that fit, and is whole when they are put together.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		most := rapid.IntRange(6, 40).Draw(t, "most")
		parts := split(text, most)
		if strings.Join(parts, "") != text {
			t.Fatalf("%q", parts)
		}
		for _, p := range parts {
			b, err := encode(p)
			if err != nil {
				t.Fatal(err)
			}
			if len(b)-2 > most || p == "" && len(parts) > 1 {
				t.Fatalf("%q is %d bytes of JSON, more than %d", p, len(b)-2, most)
			}
		}
	})
	if got := split("one two three\nfour", 10); strings.Join(got, "|") != "one two |three\n|four" {
		t.Errorf("%q", got)
	}
}

// Whatever a message has, it fits into the log.
func TestLargestFits(t *testing.T) {
	m := message("2024-01-02 03:04", strings.Repeat("\u2028", whatsapp.MaxNameBytes/3), strings.Repeat("\x01\u2028\"x", whatsapp.MaxMessageBytes/6))
	for range whatsapp.MaxAttachments {
		m.Attachments = append(m.Attachments, whatsapp.Attachment{Name: strings.Repeat("\u2028", whatsapp.MaxNameBytes/3), Size: 1 << 62, Found: true})
	}
	var text strings.Builder
	for _, r := range records(channel, []whatsapp.Message{m}, nil, fabric.NewUserID()) {
		payload, err := r.payload()
		if err != nil {
			t.Fatal(err)
		}
		if !fabric.IsPayload(payload) || !json.Valid(payload) {
			t.Fatalf("%.100s", payload)
		}
		text.WriteString(r.text)
	}
	if text.String() != m.Text {
		t.Error("the parts are not the text")
	}
}

func TestDigits(t *testing.T) {
	for name, want := range map[string]string{
		"+49 151 23456789": "+4915123456789", "~ +1 (555) 123-4567": "+15551234567", "+44 7700 900‑123": "+447700900123",
		"Ann": "", "+1": "", "+49 Ann": "", "0151 2345678": "", "": "",
	} {
		if got := digits(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
