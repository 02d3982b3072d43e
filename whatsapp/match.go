package whatsapp

import (
	"regexp"
	"strings"
)

// maxWords is longer, in bytes, than anything that WhatsApp says.
const maxWords = 2048

// vocabulary is the words of all locales, ready to be looked up.
type vocabulary struct {
	attached, omitted, edited, missed map[string]bool
	deleted                           map[string]bool
	deletedLike, callLike             *regexp.Regexp
	noticeLike, systemLike            *regexp.Regexp
}

var words = func() *vocabulary {
	v := &vocabulary{
		attached: map[string]bool{}, omitted: map[string]bool{}, edited: map[string]bool{}, missed: map[string]bool{}, deleted: map[string]bool{},
	}
	var deleted, calls, notice, system []string
	for _, l := range locales {
		add(v.attached, l.attached)
		add(v.omitted, l.omitted)
		add(v.edited, l.edited)
		add(v.missed, l.missed)
		for _, d := range l.deleted {
			if strings.Contains(d, "*") {
				deleted = append(deleted, d)
			} else {
				v.deleted[fold(d)] = true
			}
		}
		for _, c := range l.missed {
			calls = append(calls, c+"*")
		}
		calls = append(calls, l.calls...)
		notice = append(notice, l.notice...)
		system = append(system, l.system...)
	}
	v.deletedLike, v.callLike, v.noticeLike, v.systemLike = globs(deleted), globs(calls), globs(notice), globs(system)
	return v
}()

func add(m map[string]bool, words []string) {
	for _, w := range words {
		m[fold(w)] = true
	}
}

// globs returns what matches a whole text by any of some patterns, * standing for anything.
func globs(patterns []string) *regexp.Regexp {
	parts := make([]string, len(patterns))
	for i, p := range patterns {
		parts[i] = strings.ReplaceAll(regexp.QuoteMeta(fold(p)), `\*`, ".*")
	}
	return regexp.MustCompile("^(?:" + strings.Join(parts, "|") + ")$")
}

func (v *vocabulary) isDeleted(folded string) bool {
	return v.deleted[folded] || v.deletedLike.MatchString(folded)
}
func (v *vocabulary) isCall(folded string) bool   { return v.callLike.MatchString(folded) }
func (v *vocabulary) isNotice(folded string) bool { return v.noticeLike.MatchString(folded) }
func (v *vocabulary) isSystem(folded string) bool { return v.systemLike.MatchString(folded) }

// fold returns a text as words are compared: without marks, in lower case, with plain spaces and without a full stop at
// its end. It is "" for what is longer than anything that WhatsApp says.
func fold(s string) string {
	if len(s) > maxWords {
		return ""
	}
	s = strings.ToLower(clean(s))
	s = strings.TrimRight(s, ".。")
	return strings.ReplaceAll(s, "’", "'")
}
