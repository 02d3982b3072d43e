package whatsapp

import (
	"strings"
	"testing"
	"time"
)

func one(t *testing.T, text string) Message {
	t.Helper()
	c, err := Parse(strings.NewReader(text+"\n"), Options{Zone: time.UTC, Now: time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return c.Messages[len(c.Messages)-1]
}

// Every word of every locale does what its place in the table says, as both systems write it.
func TestLocales(t *testing.T) {
	const android, ios = "31.12.23, 23:59 - Ann: ", "[31.12.23, 23:59:59] Ann: hi\n\u200e[31.12.23, 23:59:59] Ann: "
	for _, l := range locales {
		t.Run(l.name, func(t *testing.T) {
			for _, w := range l.attached {
				// A name that only the word makes an attachment: it is not beside the text, and not as WhatsApp names them.
				for _, text := range []string{android + "my plan.pdf (" + w + ")", "[31.12.23, 23:59:59] Ann: <" + w + ": my plan.pdf>"} {
					if m := one(t, text); len(m.Attachments) != 1 || m.Attachments[0].Name != "my plan.pdf" || m.Text != "" {
						t.Errorf("%s: %+v", text, m)
					}
				}
			}
			for _, w := range l.omitted {
				for _, text := range []string{android + "<" + w + ">", ios + lrm + w, ios + "plan.pdf • " + lrm + w + "."} {
					if m := one(t, text); !m.Omitted || m.System || m.Text == "" {
						t.Errorf("%s: %+v", text, m)
					}
				}
			}
			for _, w := range l.deleted {
				w = strings.ReplaceAll(w, "*", "Bob")
				for _, text := range []string{android + w, android + w + ".", ios + lrm + w + "."} {
					if m := one(t, text); !m.Deleted || m.System || m.Author != "Ann" {
						t.Errorf("%s: %+v", text, m)
					}
				}
			}
			for _, w := range l.edited {
				for _, text := range []string{android + "hello <" + w + ">", ios + "hello " + lrm + "<" + w + ".>"} {
					if m := one(t, text); !m.Edited || m.Text != "hello" {
						t.Errorf("%s: %+v", text, m)
					}
				}
			}
			for _, w := range l.missed {
				for _, text := range []string{android + w, ios + lrm + w, ios + lrm + w + ", " + lrm + "21:03"} {
					if m := one(t, text); !m.System || m.Author != "Ann" {
						t.Errorf("%s: %+v", text, m)
					}
				}
			}
			for _, w := range l.notice {
				w = strings.ReplaceAll(w, "*", " x ")
				for _, text := range []string{"31.12.23, 23:59 - " + w, ios + lrm + w} {
					if m := one(t, text); !m.System || !m.Notice || m.Author != "" {
						t.Errorf("%s: %+v", text, m)
					}
				}
			}
			for _, w := range l.system {
				text := ios + lrm + strings.ReplaceAll(w, "*", "Bob")
				if m := one(t, text); !m.System || m.Author != "" {
					t.Errorf("%s: %+v", text, m)
				}
			}
		})
	}
}

// What a person types is theirs, however much it looks like WhatsApp's words.
func TestWordsOfPeople(t *testing.T) {
	for _, text := range []string{
		"Bob left", "you added me?", "image omitted from the talk", "This message was deleted, why?", "<b>bold</b>", "<note: see plan>", "<https://example.org/a.pdf>",
		"see plan.pdf (page 3)", "look (file attached)", "I missed a voice call", "a <This message was edited> b", "../../etc/passwd (file attached)", `C:\boot.ini (file attached)`,
		"<attached: ../../etc/passwd>", "<attached: a/b.jpg>",
	} {
		for _, begin := range []string{"31.12.23, 23:59 - Ann: ", "[31.12.23, 23:59:59] Ann: "} {
			m := one(t, begin+text)
			if m.Text != text || m.Author != "Ann" || m.System || m.Deleted || m.Edited || m.Omitted || len(m.Attachments) > 0 {
				t.Errorf("%s: %+v", text, m)
			}
		}
	}
}

// On iOS a system line has an author. It is told by what no person's line has.
func TestSystemLinesOfIOS(t *testing.T) {
	const stamp = "[31.12.23, 23:59:59] "
	for _, c := range []struct {
		name, lines, last string
		system            bool
	}{
		{"the group, in a language that nobody knows", "Trip: " + lrm + "Blah blah\nAnn: hi\nTrip: " + lrm + "Ann bleh Bob", "Ann bleh Bob", true},
		{"a member, named again", "Ann: hi\nAnn: " + lrm + "Ann blub", "Ann blub", true},
		{"a member, in words that are known", "Ann: hi\nAnn: " + lrm + "You changed the subject to “Plan: B”", "You changed the subject to “Plan: B”", true},
		{"a member, in words that nobody knows", "Ann: hi\nAnn: " + lrm + "Blah blah", "Blah blah", false},
		{"a place", "Ann: hi\nAnn: " + lrm + "Location: https://maps.google.com/?q=1,2", "Location: https://maps.google.com/?q=1,2", false},
		{"no mark", "Ann: hi\nAnn: Ann left", "Ann left", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := stamp + strings.ReplaceAll(c.lines, "\n", "\n"+stamp)
			m := one(t, text)
			if m.System != c.system || m.Text != c.last || (m.Author == "") != c.system {
				t.Errorf("%+v", m)
			}
		})
	}
}

// A word that means two things would make one of them unreachable.
func TestLocalesDoNotClash(t *testing.T) {
	meaning := map[string]string{}
	for _, l := range locales {
		for what, list := range map[string][]string{"omitted": l.omitted, "deleted": l.deleted, "edited": l.edited, "missed": l.missed} {
			for _, w := range list {
				if before, ok := meaning[fold(w)]; ok && before != what {
					t.Errorf("%s: %q is %s and %s", l.name, w, before, what)
				}
				meaning[fold(w)] = what
			}
		}
	}
	if len(meaning) < 400 {
		t.Errorf("only %d words", len(meaning))
	}
}
