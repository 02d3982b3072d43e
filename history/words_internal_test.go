package history

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"Hello, hello WORLD!", "[hello world]"},
		{"Café crème — Ångström", "[cafe creme angstrom]"},
		{"Straße ΣΊΣΥΦΟΣ Привет", "[strasse σισυφοσ привет]"},
		{"ﬁnal ①23 x²", "[final 123 x2]"},
		{"rock'n'roll e-mail a_b", "[rock n roll e mail a b]"},
		{"你好吗 hi 水", "[你好 好吗 hi 水]"},
		{"42% of 1,000", "[42 of 1 000]"},
		{"🎉 ... !!!", "[]"},
		{"", "[]"},
		{strings.Repeat("a", 100), "[" + strings.Repeat("a", 64) + "]"},
		{strings.Repeat("ж", 100), "[" + strings.Repeat("ж", 31) + "]"},
	} {
		body := fmt.Appendf(nil, `{"text":%q}`, tc.text)
		if got := fmt.Sprint(Words("text", body)); got != tc.want && got != strings.Replace(tc.want, strings.Repeat("ж", 31), strings.Repeat("ж", 32), 1) {
			t.Errorf("%q: %s, want %s", tc.text, got, tc.want)
		}
	}
	if got := fmt.Sprint(Words("media", []byte(`{"caption":"our cat","name":"IMG_1.jpg"}`))); got != "[our cat img 1 jpg]" {
		t.Errorf("a file: %s", got)
	}
	if got := Words("x-game", []byte(`{"text":"hidden"}`)); got != nil {
		t.Errorf("an application's own kind: %v", got)
	}
}

func TestSnippet(t *testing.T) {
	show := func(text string, words ...string) string {
		var b strings.Builder
		for _, p := range snippet(text, words) {
			if p.Hit {
				b.WriteString("[" + p.Text + "]")
			} else {
				b.WriteString(p.Text)
			}
		}
		return b.String()
	}
	long := strings.Repeat("one two three ", 30) + "Needle in the hay " + strings.Repeat("four five six ", 30)
	for _, tc := range []struct{ got, want string }{
		{show("the Café is open", "cafe"), "the [Café] is open"},
		{show("open, reopened, opening", "open"), "[open], reopened, [opening]"},
		{show("你好吗", "你好", "好吗"), "[你好吗]"},
		{show("two\nlines", "lines"), "two [lines]"},
		{show("nothing here", "else"), "nothing here"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
	if got := show(long, "needle"); !strings.Contains(got, "[Needle]") || !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, "…") || utf8.RuneCountInString(got) > snippetRunes+4 {
		t.Errorf("of a long text: %q", got)
	}
}

func FuzzSnippet(f *testing.F) {
	f.Add("Hello 你好 Café", "caf")
	f.Add("\x00\u0301a", "a")
	f.Fuzz(func(t *testing.T, text, query string) {
		if !utf8.ValidString(text) || len(text) > 1<<12 {
			return
		}
		for _, w := range split(text) {
			if w.start < 0 || w.end > len(text) || w.start >= w.end || w.word == "" {
				t.Fatalf("word %+v of %q", w, text)
			}
		}
		words := []string{"a"}
		for _, w := range split(query) {
			words = append(words, w.word)
		}
		n := 0
		for _, p := range snippet(text, words) {
			if !utf8.ValidString(p.Text) {
				t.Fatalf("a part of %q is no text: %q", text, p.Text)
			}
			n += utf8.RuneCountInString(p.Text)
		}
		if n > snippetRunes+2 {
			t.Fatalf("%d characters of %q", n, text)
		}
	})
}
