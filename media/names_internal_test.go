package media

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weft-im/weft/media/blob"
)

func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{
		"cat.jpg": "cat.jpg", "": "file", ".": "file", "..": "file", "/": "file", "  ": "file",
		"../../etc/passwd": "passwd", `C:\Users\ann\notes.txt`: "notes.txt", "a\x00b\nc\u0085d": "abcd",
		"photo\u202Egpj.exe": "photogpj.exe", "Grüße ✓.pdf": "Grüße ✓.pdf", "bad\xff.txt": "bad\uFFFD.txt",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
	if got := cleanName(strings.Repeat("ü", 300)); len(got) > MaxNameBytes || !utf8.ValidString(got) {
		t.Errorf("a long name becomes %d bytes", len(got))
	}
}

func TestDisposition(t *testing.T) {
	for _, tc := range []struct{ name, kind, want string }{
		{"cat.jpg", "image/jpeg", `inline; filename=cat.jpg`},
		{"a b.txt", "text/plain; charset=utf-8", `inline; filename="a b.txt"`},
		{"x.svg", "image/svg+xml", `attachment; filename=x.svg`},
		{"x.html", "text/html; charset=utf-8", `attachment; filename=x.html`},
		{"x.pdf", "application/pdf", `attachment; filename=x.pdf`},
		{"song.ogg", "audio/ogg", `inline; filename=song.ogg`},
		{"Grüße.pdf", "application/pdf", `attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf`},
		{`a"; b`, "application/zip", `attachment; filename="a\"; b"`},
	} {
		if got := disposition(tc.name, tc.kind); got != tc.want {
			t.Errorf("%s of %s: %s, want %s", tc.name, tc.kind, got, tc.want)
		}
	}
}

// The type is what the bytes are; a client may say no more than that a film is heard only.
func TestTypeOf(t *testing.T) {
	const webm, mp4 = "\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
	for _, tc := range []struct{ head, said, want string }{
		{"<html><body>", "image/png", "text/html; charset=utf-8"},
		{"\x89PNG\r\n\x1a\n", "text/html", "image/png"},
		{"hello", "text/html", "text/plain; charset=utf-8"},
		{"", "image/png", "text/plain"},
		{"\x00\x01\x02\x03", "image/jpeg", "application/octet-stream"},
		{webm, "video/webm", "video/webm"},
		{webm, "audio/webm;codecs=opus", "audio/webm"},
		{webm, "text/html", "video/webm"},
		{mp4, "audio/mp4", "audio/mp4"},
		{`<svg xmlns="http://www.w3.org/2000/svg"/>`, "image/png", "image/svg+xml"},
	} {
		if got := typeOf(blob.TypeOf([]byte(tc.head)), tc.said); got != tc.want {
			t.Errorf("%.20q said to be %s is %s, want %s", tc.head, tc.said, got, tc.want)
		}
	}
}
