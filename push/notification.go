package push

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weft-im/weft/fabric"
)

// What a notification may show, as each device says for itself.
const (
	ShowAll    = "all"    // who has written what
	ShowSender = "sender" // who has written, and not what
	ShowNone   = "none"   // that something was written
)

// Kinds of what is pushed.
const (
	pushMessage  = "message"  // there are new messages
	pushWithdraw = "withdraw" // a message was deleted: what shows it shows it no longer
	pushEdit     = "edit"     // a message was edited: what shows it shows it as it is now, without a sound
	pushRead     = "read"     // everything up to Seq was read on another device
	pushNotice   = "notify"   // from an internal service, without a message
	pushTest     = "test"
)

// Payload is what a device gets, the same from every push service: a Web Push has it as its content, FCM and APNs in
// "weft" beside what they show by themselves. docs/push.md tells apps what to do with it.
type Payload struct {
	Kind    string           `json:"kind"`
	User    fabric.UserID    `json:"user"`              // whose it is: not for whoever is signed in by now
	Channel fabric.ChannelID `json:"channel,omitempty"` // what to open
	Seq     uint64           `json:"seq,omitempty"`     // the newest message's; of a withdrawal, an edit, a read: whose
	Count   int              `json:"count,omitempty"`   // messages that this is about
	Lines   []Line           `json:"lines,omitempty"`   // the newest of them, oldest first, where they may be shown
	Title   string           `json:"title,omitempty"`
	Body    string           `json:"body,omitempty"`
	Link    string           `json:"link,omitempty"`
	Tag     string           `json:"tag,omitempty"` // a notification takes the place of one with the same tag
	Badge   *int             `json:"badge,omitempty"`
	At      int64            `json:"at"` // Unix milliseconds
}

// Line is one message in a notification.
type Line struct {
	Seq  uint64 `json:"seq"`
	From string `json:"from,omitempty"` // in a group
	Text string `json:"text"`
}

// maxLines is how many messages a notification shows.
const maxLines = 5

// notification is a payload on its way, with what push services want to know of it.
type notification struct {
	Payload

	topic   string // by which a newer one takes an older one's place at the service
	urgency string
	ttl     time.Duration
	silent  bool // it shows nothing by itself
}

// How long push services may keep what a device is not there for.
const (
	messageTTL = 28 * 24 * time.Hour // what all of them take
	changeTTL  = 24 * time.Hour
	testTTL    = time.Minute
)

// render makes what a device gets from a job, within what it may show.
func (j *job) render(show string, badge *int) *notification {
	n := &notification{
		Payload: Payload{
			Kind: j.Kind, User: j.User, Channel: j.Channel, Seq: j.Seq, Count: j.Count, At: j.At, Badge: badge,
			Tag: string(j.Channel),
		},
		topic: topicOf(j.User, string(j.Channel)), urgency: urgencyHigh, ttl: messageTTL,
	}
	switch j.Kind {
	case pushMessage:
		n.messages(j, show)
	case pushEdit:
		if show == ShowAll {
			n.Lines = j.Lines
		}
		n.quiet(j)
	case pushWithdraw, pushRead:
		n.quiet(j)
	case pushNotice:
		n.Tag, n.topic = "n."+j.ID, topicOf(j.User, j.ID)
		n.urgency, n.Link = urgencyNormal, j.Link
		n.Title, n.Body = j.Title, j.Body
		if show != ShowAll {
			n.Title, n.Body = j.From, "New notification"
		}
		if show == ShowNone {
			n.Title, n.Body = "New notification", ""
		}
	case pushTest:
		n.Tag, n.topic, n.ttl = "test", "", testTTL
		n.Title, n.Body = "Test", "Notifications reach this device."
	}
	return n
}

// quiet makes n one that shows nothing by itself. What it is about may have been pushed by a topic that it would take the
// place of, before the device had it: so it has one of its own.
func (n *notification) quiet(j *job) {
	n.silent, n.urgency, n.ttl = true, urgencyNormal, changeTTL
	n.topic = topicOf(j.User, j.Kind+" "+string(j.Channel)+" "+strconv.FormatUint(j.Seq, 10))
}

func (n *notification) messages(j *job, show string) {
	n.Title = j.From
	if j.Group != "" {
		n.Title = j.Group
	}
	summary := "New message"
	if j.Count > 1 {
		summary = strconv.Itoa(j.Count) + " new messages"
	}
	switch show {
	case ShowAll:
		n.Lines = j.Lines
		if len(j.Lines) == 0 {
			n.Body = summary
			return
		}
		last := j.Lines[len(j.Lines)-1]
		n.Body = last.Text
		if last.From != "" {
			n.Body = last.From + ": " + n.Body
		}
		if j.Count > 1 {
			n.Body = summary + "\n" + n.Body
		}
	case ShowSender:
		n.Body = summary
		if j.Group != "" && j.Count == 1 && len(j.Lines) == 1 {
			n.Body = j.Lines[0].From + ": " + summary
		}
	default:
		n.Title = summary
	}
}

// topicOf returns a topic as RFC 8030, 5.4 has it: up to 32 characters of base64url. It tells a push service nothing but
// that two are the same.
func topicOf(u fabric.UserID, what string) string {
	sum := sha256.Sum256([]byte(string(u) + " " + what))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// payload encodes the notification in up to most bytes: what it shows is shortened where it must be.
func (n *notification) payload(most int) ([]byte, error) {
	for {
		data, err := json.Marshal(n.Payload)
		if err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
		if len(data) <= most {
			return data, nil
		}
		if !n.shrink() {
			return nil, fmt.Errorf("a payload of %d bytes, which can't be less", len(data))
		}
	}
}

// shrink makes the notification smaller, if it can be.
func (n *notification) shrink() bool {
	const least = 32
	switch {
	case len(n.Lines) > 1:
		n.Lines = n.Lines[len(n.Lines)/2:]
	case len(n.Lines) == 1 && len(n.Lines[0].Text) > least:
		n.Lines = []Line{{Seq: n.Lines[0].Seq, From: clip(n.Lines[0].From, least), Text: clip(n.Lines[0].Text, len(n.Lines[0].Text)/2)}}
	case len(n.Lines) == 1:
		n.Lines = nil
	case len(n.Body) > least:
		n.Body = clip(n.Body, len(n.Body)/2)
	case len(n.Title) > least:
		n.Title = clip(n.Title, len(n.Title)/2)
	case n.Link != "":
		n.Link = ""
	default:
		return false
	}
	return true
}

// clip shortens a text to most bytes and an ellipsis, between runes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.TrimRight(s[:most], " ") + "…"
}

// maxPreview bounds what a notification shows of one message, in bytes.
const maxPreview = 400

// preview returns what a message's line says, and whom the message mentions.
func preview(kind string, body json.RawMessage) (text string, mentions []fabric.UserID) {
	var b struct {
		Text     string          `json:"text"`
		Mentions []fabric.UserID `json:"mentions"`
		Caption  string          `json:"caption"`
		Name     string          `json:"name"`
		Type     string          `json:"type"`
	}
	if json.Unmarshal(body, &b) != nil {
		return "New message", nil
	}
	switch kind {
	case fabric.MsgText:
		text = b.Text
	case fabric.MsgMedia:
		family, _, _ := strings.Cut(b.Type, "/")
		text = map[string]string{"image": "Photo", "video": "Video", "audio": "Voice message"}[family]
		if text == "" {
			text = "File"
			if b.Name != "" {
				text += ": " + b.Name
			}
		}
		if b.Caption != "" {
			text += ": " + b.Caption
		}
	}
	if text = clip(strings.TrimSpace(text), maxPreview); text == "" {
		text = "New message"
	}
	return text, b.Mentions
}
