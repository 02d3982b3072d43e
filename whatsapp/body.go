package whatsapp

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lrm is the mark that WhatsApp puts before what it writes itself, on iOS always, on Android before some names of files.
const lrm = "\u200e"

// interpreter says what entries are.
type interpreter struct {
	files map[string]int64 // beside the text; nil where that is unknown
	ios   bool
	// chats are the authors who are no people: iOS gives WhatsApp's own lines the chat's name, or a member's.
	chats map[string]bool
}

// chatsThemselves returns the authors of whom there is nothing but WhatsApp's own lines: on iOS that is the group.
func chatsThemselves(entries []entry) map[string]bool {
	person, chats := make(map[string]bool), make(map[string]bool)
	for _, e := range entries {
		switch {
		case person[e.author]:
		case own(e):
			chats[e.author] = true
		default:
			person[e.author] = true
			delete(chats, e.author)
		}
	}
	return chats
}

// own reports whether an entry of iOS may be WhatsApp's own line: one that begins with its mark and stands for nothing
// that a person does, as files, places, polls and calls do.
func own(e entry) bool {
	first := e.raw[0]
	if !strings.HasPrefix(first, lrm) || strings.TrimSpace(strings.Join(e.raw[1:], "")) != "" {
		return false
	}
	text := fold(first)
	_, _, _, file := attachedIOS(first)
	return text != "" && !file && !words.omitted[lastWords(first)] && !words.isDeleted(text) && !words.isCall(text) &&
		!strings.Contains(text, "://")
}

// says reports whether an entry that has an author is WhatsApp's own line all the same.
func (p *interpreter) says(e entry) bool {
	if !p.ios || !own(e) {
		return false
	}
	text := fold(e.raw[0])
	return p.chats[e.author] || words.isNotice(text) || words.isSystem(text) ||
		strings.HasPrefix(text, fold(e.author)+" ") // "Ann: Ann left"
}

func (p *interpreter) message(e entry) Message {
	m := Message{Line: e.line, At: e.at, Author: e.author}
	if e.author == "" || p.says(e) {
		m.Text = joined(e.raw)
		m.System, m.Author = true, ""
		m.Notice = words.isNotice(fold(e.raw[0]))
		return m
	}
	marked := strings.HasPrefix(e.raw[0], lrm)
	edited(&m, e.raw)
	p.attachments(&m, e.raw)
	whole := joined(e.raw)
	p.omitted(&m, e.raw)
	if m.Text = joined(e.raw); m.Text == "" && m.Omitted {
		m.Text = whole
	}
	text := fold(m.Text)
	m.Deleted = words.isDeleted(text)
	m.System = words.missed[text] || p.ios && marked && words.isCall(text) // who called is the author
	if m.System || m.Omitted || len(m.Attachments) > 0 {
		m.Text = strings.ReplaceAll(m.Text, lrm, "") // WhatsApp's, between its own words
	}
	return m
}

// joined returns lines as one text, without the marks that WhatsApp begins them with.
func joined(lines []string) string {
	plain := make([]string, len(lines))
	for i, l := range lines {
		plain[i] = strings.TrimLeft(l, lrm)
	}
	return strings.TrimFunc(strings.Join(plain, "\n"), func(r rune) bool { return unicode.IsSpace(r) || r == '\u200e' })
}

// edited takes the mark of an edited message off its end.
func edited(m *Message, lines []string) {
	last := len(lines) - 1
	for last > 0 && strings.TrimFunc(lines[last], isBlank) == "" {
		last--
	}
	before, inside, ok := angled(lines[last])
	if !ok || !words.edited[fold(inside)] {
		return
	}
	m.Edited = true
	lines[last] = strings.TrimRightFunc(before, isBlank)
}

var (
	// insideIOS is what stands in <attached: name>, whatever the language.
	insideIOS = regexp.MustCompile(`^[\s\x{200e}]*([^:：]+?)[\s\x{00a0}\x{202f}]*[:：][\s\x{200e}]*(.+)$`)
	// attachedAndroid is name (file attached) on a line of its own.
	attachedAndroid = regexp.MustCompile(`^[\s\x{200e}\x{200f}]*(\S.*?) \(([^()]+)\)[\s\x{200e}\x{200f}]*$`)
	// named is a file's name as WhatsApp makes them.
	named = regexp.MustCompile(`^([A-Z]{3}-\d{8}-WA\d+|\d{8}-[A-Z_]+-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)\b`)
)

// maxMark bounds, in bytes, the marks that are looked for: a file's name and the words around it.
const maxMark = 2 * MaxNameBytes

// angled takes what stands in angle brackets off the end of a line.
func angled(line string) (before, inside string, ok bool) {
	l := strings.TrimRightFunc(line, isBlank)
	from := strings.LastIndexByte(l, '<')
	if from < 0 || !strings.HasSuffix(l, ">") || len(l)-from > maxMark {
		return "", "", false
	}
	return l[:from], l[from+1 : len(l)-1], true
}

// attachedIOS takes <attached: name> off the end of a line.
func attachedIOS(line string) (before, word, name string, ok bool) {
	before, inside, ok := angled(line)
	if !ok {
		return "", "", "", false
	}
	parts := insideIOS.FindStringSubmatch(inside)
	if parts == nil || !isName(clean(parts[2])) {
		return "", "", "", false
	}
	return before, fold(parts[1]), clean(parts[2]), true
}

// attachments takes the names of files out of the lines.
func (p *interpreter) attachments(m *Message, lines []string) {
	for i, l := range lines {
		if len(m.Attachments) == MaxAttachments {
			return
		}
		if before, word, name, ok := attachedIOS(l); ok && (words.attached[word] || strings.HasSuffix(before, lrm) || p.has(name)) {
			p.attach(m, name)
			lines[i] = strings.TrimRightFunc(before, isBlank)
			continue
		}
		if i > 0 || len(l) > maxMark {
			continue // Android names the file first, and the caption below it
		}
		if parts := attachedAndroid.FindStringSubmatch(l); parts != nil {
			name := clean(parts[1])
			if isName(name) && (words.attached[fold(parts[2])] || p.has(name) || named.MatchString(name) || strings.HasPrefix(l, lrm)) {
				p.attach(m, name)
				lines[i] = ""
			}
		}
	}
}

func (p *interpreter) has(name string) bool { _, ok := p.files[name]; return ok }

func (p *interpreter) attach(m *Message, name string) {
	size, ok := p.files[name]
	m.Attachments = append(m.Attachments, Attachment{Name: name, Size: size, Found: ok})
}

// isName reports whether s can be the name of a file: one with an extension, and no path.
func isName(s string) bool {
	if s == "" || len(s) > MaxNameBytes || !utf8.ValidString(s) || strings.ContainsAny(s, `/\`) || strings.ContainsFunc(s, unicode.IsControl) {
		return false
	}
	dot := strings.LastIndexByte(s, '.')
	return dot > 0 && dot < len(s)-1 && len(s)-dot <= 12 && !strings.ContainsFunc(s[dot:], unicode.IsSpace)
}

// omitted takes out the words that stand in place of media.
func (p *interpreter) omitted(m *Message, lines []string) {
	first := strings.TrimFunc(lines[0], isBlank)
	if inner, ok := strings.CutPrefix(first, "<"); ok {
		if inner, ok = strings.CutSuffix(inner, ">"); ok && words.omitted[fold(inner)] {
			m.Omitted, lines[0] = true, ""
		}
		return
	}
	for i, l := range lines {
		at := strings.LastIndex(l, lrm)
		if at < 0 && (!p.ios || i > 0 || len(lines) > 1) {
			continue // iOS marks its words; older ones stand alone
		}
		at = max(at, 0)
		if words.omitted[fold(l[at:])] {
			m.Omitted = true
			lines[i] = strings.TrimRightFunc(l[:at], isBlank)
		}
	}
}

// lastWords returns what follows the last mark of a line.
func lastWords(l string) string { return fold(l[max(strings.LastIndex(l, lrm), 0):]) }
