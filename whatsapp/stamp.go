package whatsapp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// stamp is the date and time with which a message begins, as it stands there: which of the numbers is the day, the file
// as a whole tells.
type stamp struct {
	date              [3]int
	hour, minute, sec int
	style             style
	padded            bool // a day or month below ten has a leading zero
}

// style is what all stamps of one export have in common, since one phone wrote them all. A pasted excerpt of another
// phone's export is told from a message by it.
type style struct {
	bracket bool // [date time] author: text, as on iOS
	sep     rune // between the date's numbers
	wide    int  // which of them is a year of four digits, -1 for none
	seconds bool
	half    bool // twelve hours and a word for which half of the day
	end     rune // what ends the stamp: ] - or :
}

// scanStamp reads the beginning of a line. rest is what follows the stamp; ok is false where the line does not begin a
// message.
func scanStamp(line string) (s stamp, rest string, ok bool) {
	c := cursor{s: line}
	c.marks()
	s.style.bracket = c.rune('[')
	if !c.date(&s) || !c.gap() {
		return s, "", false
	}
	before := c.halfOfDay()
	if c.blanks(); !c.time(&s) {
		return s, "", false
	}
	after := c.halfOfDay()
	c.tail()
	if before != halfNone && after != halfNone {
		return s, "", false
	}
	if h := max(before, after); h != halfNone {
		s.style.half = true
		s.hour = h.hour(s.hour)
	}
	if s.hour > 23 || s.minute > 59 || s.sec > 59 || !c.end(&s) {
		return s, "", false
	}
	return s, c.s[c.i:], true
}

// date reads three numbers and what stands between them.
func (c *cursor) date(s *stamp) bool {
	s.style.wide = -1
	for i := range s.date {
		value, digits := c.number(4)
		switch {
		case digits == 0 || digits == 3:
			return false
		case digits == 4 && (i == 1 || s.style.wide >= 0):
			return false
		case digits == 4:
			s.style.wide = i
		case digits == 2 && value < 10 && i < 2:
			s.padded = true
		}
		s.date[i] = value
		if i == 2 {
			break
		}
		sep, ok := c.separator()
		switch {
		case !ok:
			return false
		case i == 0:
			s.style.sep = sep
		case s.style.sep != sep:
			return false
		}
	}
	return true
}

// separator reads what stands between two numbers of a date. The words of year and month count as one separator.
func (c *cursor) separator() (rune, bool) {
	c.blanks()
	r := c.peek()
	switch r {
	case '.', '/', '-':
	case '年', '月', '년', '월':
		c.i += utf8.RuneLen(r)
		c.blanks()
		return '年', true
	default:
		return 0, false
	}
	c.i++
	c.blanks()
	return r, true
}

// gap skips what stands between date and time; there must be something.
func (c *cursor) gap() bool {
	from := c.i
	for range 4 { // as in " г., " or ", um "
		c.blanks()
		switch c.peek() {
		case ',', '،', '、', '.', '日', '일':
			c.i += utf8.RuneLen(c.peek())
			continue
		}
		if _, ok := c.word(joiners); !ok {
			break
		}
	}
	return c.i > from
}

// time reads hours, minutes and perhaps seconds.
func (c *cursor) time(s *stamp) bool {
	var digits int
	if s.hour, digits = c.number(2); digits == 0 {
		return false
	}
	sep, ok := c.colon()
	if !ok {
		return false
	}
	if s.minute, digits = c.number(2); digits != 2 {
		return false
	}
	mark := *c
	if again, ok := c.colon(); ok && again == sep {
		if s.sec, digits = c.number(2); digits == 2 {
			s.style.seconds = true
			return true
		}
	}
	*c, s.sec = mark, 0
	return true
}

// colon reads what stands between hours and minutes: a colon, a dot, or an h.
func (c *cursor) colon() (rune, bool) {
	c.marks()
	switch r := c.peek(); r {
	case ':', '.', 'h':
		c.i++
		return r, true
	case '：':
		c.i += utf8.RuneLen(r)
		return ':', true
	}
	for _, h := range []string{" h ", "\u00a0h\u00a0", "\u202fh\u202f"} { // fr-CA
		if strings.HasPrefix(c.s[c.i:], h) {
			c.i += len(h)
			return 'h', true
		}
	}
	return 0, false
}

// tail skips what some locales put behind the time.
func (c *cursor) tail() {
	mark := *c
	c.blanks()
	if _, ok := c.word(tails); !ok {
		*c = mark
	}
}

// end reads what ends the stamp: ] on iOS, a dash between spaces on Android, a colon in what iOS exported before 2018.
func (c *cursor) end(s *stamp) bool {
	if s.style.bracket {
		s.style.end = ']'
		c.blanks()
		if !c.rune(']') {
			return false
		}
		return c.i == len(c.s) || c.skip(func(r rune) bool { return r == ' ' || r == '\u00a0' })
	}
	if s.style.seconds && c.rune(':') {
		s.style.end = ':'
		return c.skip(unicode.IsSpace)
	}
	if !c.blanks() || c.i == len(c.s) {
		return false
	}
	switch r := c.peek(); r {
	case '-', '–', '—':
		s.style.end = '-'
		c.i += utf8.RuneLen(r)
	default:
		return false
	}
	return c.i == len(c.s) || c.skip(func(r rune) bool { return r == ' ' || r == '\u00a0' })
}

// half is what a word between or behind the numbers says about the hour.
type half int

const (
	halfNone half = iota
	halfAM
	halfPM
	halfNoon // 中午: from 11 to 13
)

// hour returns an hour of twelve as one of 24. Some phones write 24 hours and the word: then the number says it.
func (h half) hour(n int) int {
	switch {
	case n > 12, h == halfNoon && n == 11:
		return n
	case h == halfAM:
		return n % 12
	}
	return n%12 + 12
}

func (c *cursor) halfOfDay() half {
	mark := *c
	c.blanks()
	i, ok := c.word(halfWords)
	if !ok {
		*c = mark
		return halfNone
	}
	return halves[i].half
}
