package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/whatsapp"
)

// KindSystem is the kind of records that hold what WhatsApp itself said: who came, who called.
const KindSystem = "x-whatsapp-system"

// body is that of an imported record.
type body struct {
	Text        string       `json:"text"` // never empty: a file without a text has its name
	Imported    imported     `json:"imported"`
	Attachments []attachment `json:"attachments,omitempty"`
}

// imported tells what the file had.
type imported struct {
	At      int64  `json:"at"`             // when it was written, Unix milliseconds
	From    string `json:"from,omitempty"` // the author's name in the file
	Edited  bool   `json:"edited,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	Omitted bool   `json:"omitted,omitempty"` // it had media that the export left out
	Part    int    `json:"part,omitempty"`    // of a text that was too long for one message, from 1
	Parts   int    `json:"parts,omitempty"`
}

type attachment struct {
	Name string `json:"name"`
	Size int64  `json:"size,omitempty"` // bytes; absent where the export lacks the file
}

// record is what becomes a record of the log: a message of the file, or a part of one.
type record struct {
	cid   string
	from  fabric.UserID
	msg   *whatsapp.Message
	text  string
	part  int // from 1
	parts int
}

func (r record) kind() string {
	if r.msg.System {
		return KindSystem
	}
	return fabric.MsgText
}

// body returns the record's, in one line.
func (r record) body() ([]byte, error) {
	m := r.msg
	b := body{Text: r.text, Imported: imported{
		At: fabric.Millis(m.At), From: m.Author, Edited: m.Edited, Deleted: m.Deleted, Omitted: m.Omitted,
	}}
	if r.parts > 1 {
		b.Imported.Part, b.Imported.Parts = r.part, r.parts
	}
	if r.part == 1 {
		for _, a := range m.Attachments {
			b.Attachments = append(b.Attachments, attachment{Name: a.Name, Size: a.Size})
		}
	}
	return encode(b)
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// payload returns the record as it lies in the log. The error names the line of the file.
func (r record) payload() ([]byte, error) {
	b, err := r.body()
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.msg.Line, err)
	}
	if len(b) > fabric.MaxBodyBytes {
		return nil, fabric.Errorf(fabric.CodeTooLarge, "line %d: the message has %d bytes, more than %d", r.msg.Line, len(b), fabric.MaxBodyBytes)
	}
	return fabric.AppendPayload(nil, r.from, r.cid, r.kind(), b), nil
}

// records returns a chat's messages as records, in its order, from the members who are their authors. system is who
// system lines are from. Messages that say nothing have none.
func records(channel fabric.ChannelID, messages []whatsapp.Message, from map[string]fabric.UserID, system fabric.UserID) []record {
	var records []record
	nth := make(map[string]int)
	for i := range messages {
		m := &messages[i]
		text := m.Text
		if text == "" {
			text = names(m)
		}
		if text == "" {
			continue
		}
		who, ok := from[m.Author]
		if !ok {
			who = system // WhatsApp's own, or a call by somebody who never wrote
		}
		key := keyOf(channel, m)
		nth[key]++
		parts := split(text, maxText)
		for part, text := range parts {
			records = append(records, record{
				cid: cidOf(key, nth[key], part), from: who, msg: m, text: text, part: part + 1, parts: len(parts),
			})
		}
	}
	return records
}

func names(m *whatsapp.Message) string {
	list := make([]string, len(m.Attachments))
	for i, a := range m.Attachments {
		list[i] = a.Name
	}
	return strings.Join(list, ", ")
}

// space is the namespace of imported messages' cids (RFC 9562, section 6.5). It never changes.
var space = uuid.MustParse("5b0f2a9e-8d5c-4c9c-9d0a-7e0f3f1f6a51")

// keyOf returns what tells a message from others of its channel. The time is that on the phone's clock: in which zone it
// was is not in the file, and may be told otherwise at the next import.
func keyOf(channel fabric.ChannelID, m *whatsapp.Message) string {
	at := m.At.Format("2006-01-02T15:04:05")
	if m.Notice {
		at = "" // not stable from one export to the next
	}
	var b strings.Builder
	for _, field := range []string{string(channel), at, m.Author, m.Text, names(m)} {
		b.WriteString(strconv.Itoa(len(field)))
		b.WriteByte(':')
		b.WriteString(field)
	}
	return b.String()
}

// cidOf returns the cid of a part of the nth message with a key.
func cidOf(key string, nth, part int) string {
	return uuid.NewSHA1(space, fmt.Appendf(nil, "%s#%d.%d", key, nth, part)).String()
}

// maxText is how long a text may be in JSON, in bytes: what is in a body beside it takes less than the rest, since names are
// bounded (whatsapp.MaxNameBytes, of up to six bytes each in JSON) and so is how many there are.
const maxText = fabric.MaxBodyBytes * 3 / 4

// split cuts a text into parts of at most `most` bytes of JSON each, behind a line or a word where there is one near the
// end.
func split(text string, most int) []string {
	var parts []string
	for size, i, word := 0, 0, 0; ; {
		if i == len(text) {
			return append(parts, text)
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if size += jsonBytes(r, n); size <= most {
			i += n
			if r == '\n' || r == ' ' {
				word = i
			}
			continue
		}
		cut := i
		if word > i/2 {
			cut = word
		}
		parts = append(parts, text[:cut])
		text, size, i, word = text[cut:], 0, 0, 0
	}
}

// jsonBytes returns how many bytes, at most, a rune of n bytes takes in a JSON string.
func jsonBytes(r rune, n int) int {
	switch {
	case strings.ContainsRune("\"\\\n\r\t", r):
		return 2
	case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
		return 6
	}
	return n
}

// place reads where a message object of the history stands, and its cid.
func place(object []byte) (seq uint64, cid string, err error) {
	var m struct {
		Seq uint64 `json:"seq"`
		CID string `json:"cid"`
	}
	if err := json.Unmarshal(object, &m); err != nil {
		return 0, "", fmt.Errorf("read a message of the channel: %w", err)
	}
	return m.Seq, m.CID, nil
}
