package whatsapp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/whatsapp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is later than all exports of the tests.
var now = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)

// line is a message as a golden file shows it.
type line struct {
	Line   int      `json:"line"`
	At     string   `json:"at"`
	Author string   `json:"author,omitempty"`
	Text   string   `json:"text"`
	Files  []string `json:"files,omitempty"`
	Marks  string   `json:"marks,omitempty"`
}

func show(m whatsapp.Message) line {
	l := line{Line: m.Line, At: m.At.Format("2006-01-02 15:04:05"), Author: m.Author, Text: m.Text}
	for _, a := range m.Attachments {
		l.Files = append(l.Files, a.Name)
	}
	var marks []string
	for _, f := range []struct {
		is   bool
		name string
	}{
		{m.System, "system"}, {m.Notice, "notice"}, {m.Deleted, "deleted"}, {m.Edited, "edited"}, {m.Omitted, "omitted"},
	} {
		if f.is {
			marks = append(marks, f.name)
		}
	}
	l.Marks = strings.Join(marks, " ")
	return l
}

// Each file in testdata is an export in the style of one phone and locale, with invented people.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			c, err := whatsapp.Open(file, whatsapp.Options{Zone: time.UTC, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(map[string]any{"order": c.Order.String(), "guessed": c.Guessed}); err != nil {
				t.Fatal(err)
			}
			for _, m := range c.Messages {
				if err := enc.Encode(show(m)); err != nil {
					t.Fatal(err)
				}
			}
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", out.Bytes(), want)
			}
		})
	}
}
