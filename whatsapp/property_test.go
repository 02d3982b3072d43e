package whatsapp_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/whatsapp"
)

// style is how a phone writes an export.
type style struct {
	name   string
	layout string // of the time
	end    string
	mark   bool   // a mark before lines and words of WhatsApp's own
	file   string // a file, as a format
	gone   string // media that were left out
	edited string
	eol    string
	digits string // the ten digits, if others
}

var styles = []style{
	{"iOS, German", "[02.01.06, 15:04:05]", " ", true, "<Anhang: %s>", "Bild weggelassen", "<Diese Nachricht wurde bearbeitet.>", "\r\n", ""},
	{"iOS, American", "[1/2/06, 3:04:05\u202fPM]", " ", true, "<attached: %s>", "image omitted", "<This message was edited>", "\n", ""},
	{"iOS, Swedish", "[2006-01-02 15:04:05]", " ", true, "<bifogad: %s>", "bild utelämnad", "<Detta meddelande har redigerats>", "\n", ""},
	{"Android, German", "02.01.06, 15:04", " - ", false, "%s (Datei angehängt)", "<Medien ausgeschlossen>", "<Diese Nachricht wurde bearbeitet.>", "\n", ""},
	{"Android, American", "1/2/06, 3:04\u202fPM", " - ", false, "%s (file attached)", "<Media omitted>", "<This message was edited>", "\n", ""},
	{"Android, British", "02/01/2006, 15:04", " - ", false, "%s (file attached)", "<Media omitted>", "<This message was edited>", "\n", ""},
	{"Android, Spanish", "2/1/06 15:04", " - ", false, "%s (archivo adjunto)", "<Multimedia omitido>", "<Se editó este mensaje.>", "\n", ""},
	{"Android, French", "02/01/2006 à 15:04", " - ", false, "%s (fichier joint)", "<Médias omis>", "<Ce message a été modifié>", "\n", ""},
	{"Android, Korean", "2006. 1. 2. 15:04", " - ", false, "%s (파일 첨부됨)", "<미디어 제외됨>", "<이 메시지는 수정되었습니다>", "\n", ""},
	{"Android, Persian", "2006/1/2, 15:04", " - ", false, "%s (پیوست)", "<رسانه حذف شده>", "<این پیام ویرایش شد>", "\n", "۰۱۲۳۴۵۶۷۸۹"},
}

// render writes messages as a phone of the style does.
func (s style) render(messages []whatsapp.Message) string {
	var b strings.Builder
	for _, m := range messages {
		mark := ""
		if s.mark {
			mark = "\u200e"
		}
		stamp := m.At.Format(s.layout)
		if s.digits != "" {
			stamp = strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return []rune(s.digits)[r-'0']
				}
				return r
			}, stamp)
		}
		text := m.Text
		switch {
		case m.Omitted:
			text = mark + s.gone
		case len(m.Attachments) > 0 && s.mark:
			text = strings.TrimPrefix(text+" ", " ") + mark + fmt.Sprintf(s.file, m.Attachments[0].Name)
		case len(m.Attachments) > 0:
			text = strings.TrimSuffix(fmt.Sprintf(s.file, m.Attachments[0].Name)+"\n"+text, "\n")
		}
		if m.Edited {
			text += " " + mark + s.edited
		}
		if m.System {
			b.WriteString(stamp + s.end)
			if s.mark {
				b.WriteString("Trip: " + mark) // the group
			}
		} else {
			b.WriteString(stamp + s.end + m.Author + ": ")
		}
		b.WriteString(text + s.eol)
	}
	return b.String()
}

// wanted draws a chat that the style can tell.
func (s style) wanted(t *rapid.T) []whatsapp.Message {
	words := rapid.StringMatching(`[a-zäß😀日م0-9.,!?:()<>"-]{1,12}( [a-zäß😀日م0-9.,!?:()<>"-]{1,12}){0,3}`)
	at := time.Date(2016, 1, 20, 0, 0, 0, 0, time.UTC)
	unit := time.Minute
	if strings.Contains(s.layout, ":05") {
		unit = time.Second
	}
	var messages []whatsapp.Message
	n := rapid.IntRange(1, 30).Draw(t, "messages")
	for i := range n {
		at = at.Add(time.Duration(rapid.Int64Range(0, int64(90*24*time.Hour)).Draw(t, "later"))).Truncate(unit)
		m := whatsapp.Message{At: at, Author: rapid.SampledFrom([]string{"Ann", "Bo Ek", "+49 151 23456789", "~ Zoé", "א", "日本"}).Draw(t, "author")}
		text := strings.TrimSpace(strings.Join(rapid.SliceOfN(words, 1, 4).Draw(t, "text"), "\n"))
		switch kind := rapid.SampledFrom([]string{"text", "text", "text", "edited", "file", "caption", "gone", "system"}).Draw(t, "kind"); kind {
		case "text", "edited":
			m.Text, m.Edited = text, kind == "edited"
		case "file", "caption":
			m.Attachments = []whatsapp.Attachment{{Name: fmt.Sprintf("0000%04d-PHOTO-2023-12-31-23-59-59.jpg", i)}}
			if kind == "caption" {
				m.Text = text
			}
		case "gone":
			m.Omitted, m.Text = true, s.gone
		case "system":
			m.System, m.Author, m.Text = true, "", "Ann hat Bo hinzugefügt"
		}
		messages = append(messages, m)
	}
	return messages
}

// What a phone writes of a chat is the same chat when it is read.
func TestRenderedIsRead(t *testing.T) {
	for _, s := range styles {
		t.Run(s.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := s.wanted(t)
				order := whatsapp.DayFirst
				if strings.Contains(s.name, "American") {
					order = whatsapp.MonthFirst
				}
				text := s.render(want)
				c, err := whatsapp.Parse(strings.NewReader(text), whatsapp.Options{Zone: time.UTC, Order: order, Now: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)})
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				line := 1
				for i := range want {
					want[i].Line = line
					line += strings.Count(s.render(want[i:i+1]), "\n")
				}
				if len(c.Messages) != len(want) {
					t.Fatalf("%d messages, want %d, in\n%s", len(c.Messages), len(want), text)
				}
				for i, m := range c.Messages {
					if !reflect.DeepEqual(m, want[i]) {
						t.Fatalf("message %d is\n%+v, want\n%+v, in\n%s", i, m, want[i], text)
					}
				}
			})
		})
	}
}

// Whatever the text is, reading it ends, keeps its promises, and invents nothing.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, byte(0))
	}
	f.Add([]byte("[31.12.23, 23:59:59] \n[31.12.23, 23:59:59]\n[31.12.23, 23:59:59] : \n"), byte(1))
	f.Add([]byte("31.12.23, 23:59 - Ann: \u200e\u200e<: a.b>\n31.12.23, 23:59 -\n"), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, order byte) {
		c, err := whatsapp.Parse(bytes.NewReader(b), whatsapp.Options{Zone: time.UTC, Order: whatsapp.Order(order % 4), Now: now})
		if err != nil {
			return
		}
		lines := bytes.Count(b, []byte("\n")) + 1
		before, size := 0, 0
		for _, m := range c.Messages {
			switch {
			case m.Line <= before || m.Line > lines:
				t.Fatalf("line %d after %d of %d", m.Line, before, lines)
			case !utf8.ValidString(m.Text) || !utf8.ValidString(m.Author) || strings.Contains(m.Text, "\x00"):
				t.Fatalf("no text: %+v", m)
			case strings.ContainsAny(m.Author, "\n\r") || len(m.Author) > whatsapp.MaxNameBytes:
				t.Fatalf("no name: %+v", m)
			case m.Author == "" && !m.System:
				t.Fatalf("nobody wrote: %+v", m)
			case m.At.Year() < 2009 || m.At.Year() > 2099:
				t.Fatalf("no time: %+v", m)
			}
			for _, a := range m.Attachments {
				if strings.ContainsAny(a.Name, "/\\\n") || a.Found || len(a.Name) > whatsapp.MaxNameBytes {
					t.Fatalf("no file: %+v", a)
				}
			}
			before = m.Line
			size += len(m.Text)
		}
		if len(c.Messages) == 0 || size > 3*len(b) { // a byte that is no UTF-8 becomes a rune of three
			t.Fatalf("%d messages with %d bytes of %d", len(c.Messages), size, len(b))
		}
	})
}

// Whatever the file is, reading it ends.
func FuzzRead(f *testing.F) {
	f.Add(zipOf(f, entry{"_chat.txt", ios}, entry{"a.jpg", "x"}))
	f.Add(zipOf(f, entry{"WhatsApp Chat with Ann.txt", android}, entry{"../b.jpg", ""}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := whatsapp.Read(bytes.NewReader(b), int64(len(b)), "x.zip", whatsapp.Options{Now: now}); err == nil && len(c.Messages) == 0 {
			t.Fatal("no messages and no error")
		}
	})
}
