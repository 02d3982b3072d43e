package whatsapp

import (
	"unicode"
	"unicode/utf8"
)

// cursor walks through a line.
type cursor struct {
	s string
	i int
}

func (c *cursor) peek() rune {
	r, _ := utf8.DecodeRuneInString(c.s[c.i:])
	return r
}

func (c *cursor) skip(is func(rune) bool) (skipped bool) {
	for c.i < len(c.s) {
		r, n := utf8.DecodeRuneInString(c.s[c.i:])
		if !is(r) {
			break
		}
		c.i += n
		skipped = true
	}
	return skipped
}

// marks skips what can't be seen: WhatsApp puts direction marks around dates and names.
func (c *cursor) marks() { c.skip(isMark) }

// blanks skips spaces of every width, and marks.
func (c *cursor) blanks() bool { return c.skip(isBlank) }

func (c *cursor) rune(want rune) bool {
	c.marks()
	if c.i >= len(c.s) || c.peek() != want {
		return false
	}
	c.i += utf8.RuneLen(want)
	return true
}

// isMark reports whether r only directs text or takes no width: not the joiners, which make emoji and letters.
func isMark(r rune) bool {
	return r == '\u200b' || r == '\u200e' || r == '\u200f' || r == '\u061c' || r == '\ufeff' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func isBlank(r rune) bool { return unicode.IsSpace(r) || isMark(r) }

// number reads up to most decimal digits of any script.
func (c *cursor) number(most int) (value, digits int) {
	c.marks()
	for digits < most && c.i < len(c.s) {
		r, n := utf8.DecodeRuneInString(c.s[c.i:])
		d, ok := digit(r)
		if !ok {
			break
		}
		value = value*10 + d
		digits++
		c.i += n
	}
	return value, digits
}

// digit returns the value of a decimal digit. Unicode keeps the ten of a script together, and each zero at a multiple
// of ten from its block's first (the Unicode Standard, chapter 4.6); those that locales of phones use are here.
func digit(r rune) (int, bool) {
	if r >= '0' && r <= '9' {
		return int(r - '0'), true
	}
	if r < 0x660 || !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, zero := range zeros {
		if r >= zero && r <= zero+9 {
			return int(r - zero), true
		}
	}
	return 0, false
}

// word reads the longest of some words, whatever its case and its spaces' width, and returns which.
func (c *cursor) word(words []string) (int, bool) {
	best, end := -1, 0
	for i, w := range words {
		if n := prefix(c.s[c.i:], w); n > end {
			best, end = i, n
		}
	}
	c.i += end
	return best, best >= 0
}

// prefix returns how many bytes of s the word w takes, 0 where s does not begin with it.
func prefix(s, w string) int {
	i := 0
	for _, want := range w {
		for i < len(s) {
			r, n := utf8.DecodeRuneInString(s[i:])
			if !isMark(r) {
				break
			}
			i += n
		}
		if i >= len(s) {
			return 0
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) {
			r = ' '
		}
		if unicode.ToLower(r) != unicode.ToLower(want) {
			return 0
		}
		i += n
	}
	return i
}
