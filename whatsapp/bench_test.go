package whatsapp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weft-im/weft/whatsapp"
)

// A chat of 100,000 messages, a tenth of them files, and a tenth WhatsApp's own lines.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for i := range 100_000 {
		stamp := fmt.Sprintf("[%02d.%02d.23, %02d:%02d:%02d] ", i/3600%28+1, i/100_800+1, i/3600%24, i/60%60, i%60)
		switch i % 10 {
		case 0:
			fmt.Fprintf(&text, "\u200e%sAnn: \u200e<Anhang: %08d-PHOTO-2023-12-31-23-59-59.jpg>\n", stamp, i)
		case 1:
			fmt.Fprintf(&text, "%sTrip: \u200eAnn hat Bob hinzugefügt\n", stamp)
		default:
			fmt.Fprintf(&text, "%sBob: the quick brown fox jumps over the lazy dog, for the %dth time\nand again\n", stamp, i)
		}
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := whatsapp.Parse(strings.NewReader(text.String()), whatsapp.Options{Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}

// Lines that cost the most to look through.
func BenchmarkParseHostile(b *testing.B) {
	const size = whatsapp.MaxMessageBytes / 2 // of both lines together at most what a message may have
	for name, line := range map[string]string{
		"brackets": strings.Repeat("<", size-64),
		"marked":   "\u200e" + strings.Repeat("added changed left ", size/20),
		"parens":   strings.Repeat("a (", size/4) + ")",
		"colons":   "\u200e<" + strings.Repeat("a: ", size/4) + ".x>",
		"marks":    strings.Repeat("\u200e", size/4),
	} {
		b.Run(name, func(b *testing.B) {
			text := "[31.12.23, 23:59:59] Ann: " + line + "\n" + line + "\n"
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := whatsapp.Parse(strings.NewReader(text), whatsapp.Options{Now: now}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
