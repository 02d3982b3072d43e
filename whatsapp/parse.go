package whatsapp

import (
	"bytes"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/weft-im/weft/fabric"
)

// Parse reads the text of an export, without attachments. The error has CodeBadRequest where it is none, CodeTooLarge
// where it is over a bound.
func Parse(r io.Reader, o Options) (*Chat, error) {
	return parse(r, nil, o)
}

// parse is Parse where the files beside the text are known: sizes by name.
func parse(r io.Reader, files map[string]int64, o Options) (*Chat, error) {
	text, err := readText(r)
	if err != nil {
		return nil, err
	}
	begins, err := scan(text)
	if err != nil {
		return nil, err
	}
	stamps := make([]stamp, len(begins))
	for i, b := range begins {
		stamps[i] = b.stamp
	}
	zone := o.Zone
	if zone == nil {
		zone = time.Local
	}
	c := &Chat{}
	c.Order, c.Guessed = decideOrder(stamps, o.Order, o.Now)
	entries, err := cut(text, begins, c.Order, zone)
	if err != nil {
		return nil, err
	}
	p := interpreter{files: files, ios: stamps[0].style.end != '-'}
	if p.ios {
		p.chats = chatsThemselves(entries)
	}
	c.Messages = make([]Message, len(entries))
	for i, e := range entries {
		c.Messages[i] = p.message(e)
	}
	return c, nil
}

// readText reads all of r as UTF-8.
func readText(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxTextBytes+1))
	switch {
	case err != nil:
		return "", fabric.Errorf(fabric.CodeBadRequest, "read the chat's text: %v", err)
	case len(b) > MaxTextBytes:
		return "", fabric.Errorf(fabric.CodeTooLarge, "the chat's text has more than %d bytes", MaxTextBytes)
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return "", fabric.Errorf(fabric.CodeBadRequest, "the chat's text is UTF-16, which WhatsApp does not write: save it as UTF-8")
	}
	// NUL is no text: PostgreSQL, for one, refuses it.
	return strings.ToValidUTF8(strings.ReplaceAll(string(b), "\x00", "\ufffd"), "\ufffd"), nil
}

// begin is a line that may begin a message.
type begin struct {
	line  int // from 1
	start int // of the line, in the text
	rest  int // of what follows the stamp
	stamp stamp
}

// scan finds the lines that begin in the style of the first one.
func scan(text string) ([]begin, error) {
	var begins []begin
	for line, at := 1, 0; at < len(text); line++ {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at
		}
		if end > MaxLineBytes {
			return nil, fabric.Errorf(fabric.CodeTooLarge, "line %d has more than %d bytes: no message is that long", line, MaxLineBytes)
		}
		s := text[at : at+end]
		st, rest, ok := scanStamp(strings.TrimSuffix(s, "\r"))
		switch {
		case len(begins) == 0 && !ok && strings.TrimFunc(s, isBlank) != "":
			return nil, fabric.Errorf(fabric.CodeBadRequest,
				"line %d does not begin a message as WhatsApp exports it (a date, a time, a name): %s", line, excerpt(s))
		case ok && (len(begins) == 0 || st.style == begins[0].stamp.style):
			if len(begins) == MaxMessages {
				return nil, fabric.Errorf(fabric.CodeTooLarge, "line %d: more than %d messages", line, MaxMessages)
			}
			begins = append(begins, begin{
				line: line, start: at, rest: at + len(strings.TrimSuffix(s, "\r")) - len(rest), stamp: st,
			})
		}
		at += end + 1
	}
	if len(begins) == 0 {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "there is no message in the file")
	}
	return begins, nil
}

// excerpt shows the beginning of a line, bounded and in one line.
func excerpt(s string) string {
	const most = 60 // runes
	n := 0
	for i := range s {
		if n++; n > most {
			return `"` + clean(s[:i]) + `…"`
		}
	}
	return `"` + clean(s) + `"`
}

// entry is a message before it is known what it says.
type entry struct {
	line   int
	at     time.Time
	author string
	raw    []string // its lines, with WhatsApp's marks
}

// cut takes the text apart. A line that begins like a message but has no date in the chat's order is part of the one
// above it.
func cut(text string, begins []begin, o Order, zone *time.Location) ([]entry, error) {
	entries := make([]entry, 0, len(begins))
	ends := len(text)
	for i := len(begins) - 1; i >= 0; i-- {
		b := begins[i]
		at, ok := b.stamp.at(o, zone)
		if !ok {
			continue
		}
		raw := text[b.rest:ends]
		if len(raw) > MaxMessageBytes {
			return nil, fabric.Errorf(fabric.CodeTooLarge, "the message in line %d has more than %d bytes", b.line, MaxMessageBytes)
		}
		e := entry{line: b.line, at: at}
		e.author, e.raw = split(raw)
		entries = append(entries, e)
		ends = b.start
	}
	if len(entries) == 0 {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "no message in the file has a date that there is, read as %s", o)
	}
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
	return entries, nil
}

// split takes the author off an entry's text. A name is what stands before the first colon with a space; where
// quotation marks are open there, it is a line of WhatsApp's own that quotes a name with a colon in it.
func split(raw string) (author string, lines []string) {
	lines = strings.Split(raw, "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	name, text, ok := strings.Cut(lines[0], ": ")
	if !ok {
		name, ok = strings.CutSuffix(strings.TrimRightFunc(lines[0], isBlank), ":")
		text = ""
	}
	name = clean(name)
	if !ok || name == "" || len(name) > MaxNameBytes || quotes(name)%2 != 0 {
		return "", lines
	}
	lines[0] = text
	return name, lines
}

func quotes(s string) (n int) {
	for _, r := range s {
		if strings.ContainsRune(`"“”„«»「」『』`, r) {
			n++
		}
	}
	return n
}

// clean returns a line without marks, and with plain spaces.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case isMark(r):
			return -1
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		}
		return r
	}, s))
}
