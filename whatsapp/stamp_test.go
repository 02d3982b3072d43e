package whatsapp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/whatsapp"
)

func parse(t *testing.T, o whatsapp.Options, lines ...string) *whatsapp.Chat {
	t.Helper()
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now.IsZero() {
		o.Now = now
	}
	c, err := whatsapp.Parse(strings.NewReader(strings.Join(lines, "\n")), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every way in which phones write the last minute of 2023, before a name and a text.
func TestStamps(t *testing.T) {
	const minute, second = "2023-12-31 23:59:00", "2023-12-31 23:59:59"
	for _, c := range []struct{ stamp, want string }{
		{"[31.12.23, 23:59:59] ", second},
		{"\u200e[31.12.23, 23:59:59] ", second},
		{"\ufeff[31.12.2023, 23:59:59] ", second},
		{"31.12.23, 23:59 - ", minute},
		{"31.12.2023, 23:59 - ", minute},
		{"31.12.23 23:59 - ", minute},
		{"31.12.23, 23:59 – ", minute},
		{"12/31/23, 11:59 PM - ", minute},
		{"12/31/23, 11:59\u202fPM - ", minute},
		{"12/31/2023, 11:59\u00a0pm - ", minute},
		{"[12/31/23, 11:59:59 PM] ", second},
		{"[12/31/23, 11:59:59\u202fPM] ", second},
		{"31/12/2023, 23:59 - ", minute},
		{"31/12/2023, 11:59 pm - ", minute},
		{"2023-12-31, 23:59 - ", minute},
		{"[2023-12-31, 23:59:59] ", second},
		{"2023-12-31, 11:59 p.m. - ", minute},
		{"2023-12-31 23 h 59 - ", minute},
		{"2023-12-31T23:59 - ", minute},
		{"31/12/23 23:59 - ", minute},
		{"31/12/2023 à 23:59 - ", minute},
		{"[31/12/2023 à 23:59:59] ", second},
		{"31-12-23 23:59 - ", minute},
		{"31-12-2023 23:59 - ", minute},
		{"31.12.2023 um 23:59 Uhr - ", minute},
		{"31.12.2023 klo 23.59 - ", minute},
		{"31/12/23 23.59 - ", minute},
		{"2023. 12. 31. 오후 11:59 - ", minute},
		{"2023. 12. 31. 23:59 - ", minute},
		{"2023년 12월 31일 오후 11:59 - ", minute},
		{"2023年12月31日 23:59 - ", minute},
		{"2023/12/31 23:59 - ", minute},
		{"[2023/12/31 下午11:59:59] ", second},
		{"2023/12/31 午後11:59 - ", minute},
		{"23/12/31 23:59 - ", minute},
		{"31/12/23 11:59 p. m. - ", minute},
		{"31/12/23 11:59\u00a0p.\u00a0m. - ", minute},
		{"[31/12/23, 11:59:59 p.m.] ", second},
		{"\u200f٣١\u200f/١٢\u200f/٢٠٢٣، ٢٣:٥٩ - ", minute},
		{"٣١/١٢/٢٠٢٣, ١١:٥٩ م - ", minute},
		{"۲۰۲۳/۱۲/۳۱،\u200f ۲۳:۵۹ - ", minute},
		{"३१/१२/२३, ११:५९ अपराह्न - ", minute},
		{"31.12.23 г., 23:59 ч. - ", minute},
		{"31. 12. 2023. 23:59 - ", minute},
		{"31.12.2023 ÖS 11:59 - ", minute},
		{"31/12/2566 23:59 - ", minute},
		{"31/12/2023, 23:59:59: ", second},
		{"31/12/2023, 23:59 PM - ", minute}, // 24 hours and the word: the number says it
	} {
		chat := parse(t, whatsapp.Options{}, c.stamp+"Ann: hi: there")
		m := chat.Messages[0]
		if got := m.At.Format("2006-01-02 15:04:05"); got != c.want {
			t.Errorf("%q is %s, want %s", c.stamp, got, c.want)
		}
		if m.Author != "Ann" || m.Text != "hi: there" {
			t.Errorf("%q: %q says %q", c.stamp, m.Author, m.Text)
		}
	}
}

func TestHalvesOfTheDay(t *testing.T) {
	for stamp, want := range map[string]string{
		"12/31/23, 12:00 AM - ": "00:00", "12/31/23, 12:00 PM - ": "12:00", "12/31/23, 1:05 AM - ": "01:05", "12/31/23, 11:59 PM - ": "23:59",
		"2023/12/31 午後0:30 - ": "12:30", "2023/12/31 中午11:30 - ": "11:30", "2023/12/31 中午12:30 - ": "12:30", "2023/12/31 中午1:00 - ": "13:00",
		"2023/12/31 凌晨12:10 - ": "00:10", "2023/12/31 晚上8:00 - ": "20:00",
	} {
		if got := parse(t, whatsapp.Options{}, stamp+"Ann: hi").Messages[0].At.Format("15:04"); got != want {
			t.Errorf("%s is %s, want %s", stamp, got, want)
		}
	}
}

// What begins like a message and is none stays in the message above it.
func TestNoStamps(t *testing.T) {
	for _, text := range []string{
		"31.12.23", "31.12.23, 23:59", "31.12.23, 24:00 - Bob: no", "31.12.23, 23:60 - Bob: no", "31.13.23, 23:59 - Bob: no", "30.02.23, 23:59 - Bob: no",
		"0.12.23, 23:59 - Bob: no", "31.12.1999, 23:59 - Bob: no", "31.12/23, 23:59 - Bob: no", "31.12.23, 23:59-24:00 open", "31.12.23, 23:5 - Bob: no",
		"[31.12.23, 23:59:59] Bob: another style", "12/31/23, 11:59 PM - Bob: another style", "31.12.2023, 23:59 - Bob: another style",
		"31.12.23, 23:59:59 - Bob: another style", "31.12.23, 11:59 PM - Bob: another style", "1.2.3", "3.1415, 2.71 - e", "10:30 - 11:00 lunch",
	} {
		c := parse(t, whatsapp.Options{}, "01.02.23, 10:00 - Ann: before", text, "31.12.23, 10:00 - Bob: after")
		if len(c.Messages) != 2 || c.Messages[0].Text != "before\n"+text {
			t.Errorf("%q: %+v", text, c.Messages)
		}
	}
}

func TestOrder(t *testing.T) {
	const day, month, year = whatsapp.DayFirst, whatsapp.MonthFirst, whatsapp.YearFirst
	for _, c := range []struct {
		name    string
		dates   string
		asked   whatsapp.Order
		want    whatsapp.Order
		guessed bool
	}{
		{"a first field over 12", "01/02/23 13/02/23", whatsapp.Auto, day, false},
		{"a second field over 12", "1/2/23 1/13/23", whatsapp.Auto, month, false},
		{"days that ascend", "01/02/23 02/02/23 01/03/23", whatsapp.Auto, day, false},
		{"months that ascend", "02/01/23 02/02/23 03/01/23", whatsapp.Auto, month, false},
		{"nothing tells", "01/02/23 02/03/23", whatsapp.Auto, day, true},
		{"nothing tells but the caller", "01/02/23 02/03/23", month, month, false},
		{"a caller who is wrong", "13/02/23 14/02/23 1/2/23", month, month, false},
		{"a dot is never the month first", "01.02.23 02.03.23", whatsapp.Auto, day, false},
		{"a dash neither", "01-02-23 02-03-23", whatsapp.Auto, day, false},
		{"a year of four digits in front", "2023/02/01 2023/01/02", whatsapp.Auto, year, false},
		{"and nobody asks it", "2023/02/01 2023/01/02", month, year, false},
		{"a year of two digits in front", "23/01/30 23/02/01 23/02/02", whatsapp.Auto, year, false},
		{"a day that is to come", "09/11/24 01/12/24 02/09/24", whatsapp.Auto, month, false},
		{"one line of WhatsApp's out of its time", "20/01/23 01/02/23 02/02/23 03/02/23 13/02/23", whatsapp.Auto, day, false},
		{"a pasted line of another phone", "13/01/23 14/01/23 15/01/23 01/16/23 17/01/23", whatsapp.Auto, day, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			for d := range strings.FieldsSeq(c.dates) {
				lines = append(lines, d+", 10:00 - Ann: hi")
			}
			chat := parse(t, whatsapp.Options{Order: c.asked}, lines...)
			if chat.Order != c.want || chat.Guessed != c.guessed {
				t.Errorf("got %s, guessed %t; want %s, %t", chat.Order, chat.Guessed, c.want, c.guessed)
			}
		})
	}
}

// Where nothing tells, the way of the United States is told by what only they write.
func TestOrderGuess(t *testing.T) {
	for line, want := range map[string]whatsapp.Order{
		"1/2/23, 9:05 PM - Ann: hi":   whatsapp.MonthFirst,
		"01/02/23, 9:05 pm - Ann: hi": whatsapp.DayFirst,
		"1/2/23, 21:05 - Ann: hi":     whatsapp.DayFirst,
	} {
		if c := parse(t, whatsapp.Options{}, line); c.Order != want || !c.Guessed {
			t.Errorf("%s: %s, guessed %t", line, c.Order, c.Guessed)
		}
	}
}

func TestZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, whatsapp.Options{Zone: berlin}, "[01.07.23, 12:00:00] Ann: summer", "[01.12.23, 12:00:00] Ann: winter")
	for i, want := range []string{"2023-07-01T10:00:00Z", "2023-12-01T11:00:00Z"} {
		if got := c.Messages[i].At.UTC().Format(time.RFC3339); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("x", whatsapp.MaxLineBytes)
	for _, c := range []struct {
		name, text string
		code       fabric.Code
		says       string
	}{
		{"nothing", "", fabric.CodeBadRequest, "no message"},
		{"blank lines", "\n\n \r\n", fabric.CodeBadRequest, "no message"},
		{"no export", "Dear diary,\nit is Monday", fabric.CodeBadRequest, "line 1"},
		{"UTF-16", "\xff\xfe1\x002\x00", fabric.CodeBadRequest, "UTF-8"},
		{"no date at all", "32.12.23, 10:00 - Ann: hi\n", fabric.CodeBadRequest, "date"},
		{"an endless line", "31.12.23, 10:00 - Ann: hi\n" + long + "y\n", fabric.CodeTooLarge, "line 2"},
		{"an endless message", "31.12.23, 10:00 - Ann: hi\n" + strings.Repeat(long[:1<<19]+"\n", 3), fabric.CodeTooLarge, "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := whatsapp.Parse(strings.NewReader(c.text), whatsapp.Options{Now: now})
			if fabric.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.says)
			}
		})
	}
}
