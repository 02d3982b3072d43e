package history

import (
	"encoding/json"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/weft-im/weft/fabric"
)

// What can be searched. Words are made here and nowhere else, so that a search finds on every engine what it finds on
// the other: both keep words as they are given.

// Bounds of what is indexed of one message.
const (
	maxIndexed   = 512 // words
	maxWordBytes = 64
)

// Searchable returns what can be searched of a message: a text, or what was written beside a file.
func Searchable(kind string, body []byte) string {
	switch kind {
	case fabric.MsgText:
		var b struct {
			Text string `json:"text"`
		}
		if json.Unmarshal(body, &b) == nil {
			return b.Text
		}
	case fabric.MsgMedia:
		var b struct {
			Caption string `json:"caption"`
			Name    string `json:"name"`
		}
		if json.Unmarshal(body, &b) == nil {
			return strings.TrimSpace(b.Caption + "\n" + b.Name)
		}
	}
	return ""
}

// Words returns the words of a message that is indexed, each once.
func Words(kind string, body []byte) []string {
	text := Searchable(kind, body)
	if text == "" {
		return nil
	}
	var words []string
	seen := make(map[string]bool)
	for _, w := range split(text) {
		if !seen[w.word] {
			seen[w.word] = true
			if words = append(words, w.word); len(words) == maxIndexed {
				break
			}
		}
	}
	return words
}

// word is a word of a text as it is compared, and where it stands, in bytes.
type word struct {
	word       string
	start, end int
}

// split returns the words of a text: runs of letters and digits, compared without case, accents and compatibility forms
// (NFKC, case folding). Of scripts that don't separate words, each two neighbours are one.
func split(text string) (words []word) {
	start, cjk := -1, false
	flush := func(end int) {
		if start < 0 {
			return
		}
		if cjk {
			words = append(words, pairs(text, start, end)...)
		} else if w := plain(text[start:end]); w != "" {
			words = append(words, word{w, start, end})
		}
		start = -1
	}
	for i, r := range text {
		isWord := unicode.IsLetter(r) || unicode.IsNumber(r) || (start >= 0 && unicode.IsMark(r))
		han := unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
		if unicode.IsMark(r) {
			han = cjk
		}
		if !isWord || (start >= 0 && han != cjk) {
			flush(i)
		}
		if isWord && start < 0 {
			start, cjk = i, han
		}
	}
	flush(len(text))
	return words
}

// pairs returns each two neighbouring characters of text[start:end], or the one there is.
func pairs(text string, start, end int) (words []word) {
	var at []int
	for i := range text[start:end] {
		at = append(at, start+i)
	}
	at = append(at, end)
	if len(at) == 2 {
		if w := plain(text[start:end]); w != "" {
			words = append(words, word{w, start, end})
		}
		return words
	}
	for i := 0; i+2 < len(at); i++ {
		if w := plain(text[at[i]:at[i+2]]); w != "" {
			words = append(words, word{w, at[i], at[i+2]})
		}
	}
	return words
}

// plain returns a word as it is compared: only letters and digits are left.
func plain(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		s = strings.ToLower(s)
	} else {
		// Transformers keep state: one for each call.
		t := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), norm.NFKC)
		if folded, _, err := transform.String(t, s); err == nil {
			s = folded
		}
		s = strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsNumber(r) {
				return r
			}
			return -1
		}, cases.Fold().String(s))
	}
	if len(s) > maxWordBytes {
		s = s[:maxWordBytes]
		for len(s) > 0 && s[len(s)-1] >= 0x80 && s[len(s)-1] < 0xc0 {
			s = s[:len(s)-1]
		}
		if len(s) > 0 && s[len(s)-1] >= 0xc0 {
			s = s[:len(s)-1]
		}
	}
	return s
}
