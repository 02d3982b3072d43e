package whatsapp_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/whatsapp"
)

// entry is a file in a .zip.
type entry struct{ name, body string }

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		how := zip.Deflate
		if e.body == "" {
			how = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: how})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readZip(b []byte, name string) (*whatsapp.Chat, error) {
	return whatsapp.Read(bytes.NewReader(b), int64(len(b)), name, whatsapp.Options{Now: now})
}

const (
	android = "31.12.23, 23:59 - Ann: IMG-20231231-WA0001.jpg (file attached)\n31.12.23, 23:59 - Ann: IMG-20231231-WA0002.jpg (file attached)\n"
	ios     = "\u200e[31.12.23, 23:59:59] Ann: \u200e<attached: 00000001-PHOTO-2023-12-31-23-59-59.jpg>\n"
)

func TestZip(t *testing.T) {
	for _, c := range []struct {
		name, file string
		entries    []entry
		chat       string
		found      []int64 // sizes, -1 for a missing one
	}{
		{
			"Android", "WhatsApp Chat with Ann (2).zip",
			[]entry{{"WhatsApp Chat with Ann.txt", android}, {"IMG-20231231-WA0001.jpg", "12345"}}, "Ann", []int64{5, -1},
		},
		{
			"Android, German", "export.zip",
			[]entry{{"DOC-20231231-WA0009.txt", "not the chat"}, {"WhatsApp Chat mit Anna Müller.txt", android}, {"IMG-20231231-WA0001.jpg", "12345"}}, "Anna Müller", []int64{5, -1},
		},
		{
			"iOS", "WhatsApp Chat - Trip: 2024.zip",
			[]entry{{"_chat.txt", ios}, {"00000001-PHOTO-2023-12-31-23-59-59.jpg", "123"}, {"notes about WhatsApp.txt", "x"}}, "Trip: 2024", []int64{3},
		},
		{
			"in a folder, packed again on a Mac", "trip.zip",
			[]entry{{"trip/_chat.txt", ios}, {"trip/00000001-PHOTO-2023-12-31-23-59-59.jpg", "123"}, {"__MACOSX/trip/_chat.txt", "x"}}, "", []int64{3},
		},
		{
			"any text, if it is the only one", "x.zip",
			[]entry{{"chat mit anna.txt", android}}, "", []int64{-1, -1},
		},
		{
			"names that are paths are nothing", "x.zip",
			[]entry{{"_chat.txt", android}, {"../IMG-20231231-WA0001.jpg", "1"}, {"/IMG-20231231-WA0002.jpg", "1"}, {"a/IMG-20231231-WA0001.jpg", "1"}}, "", []int64{-1, -1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			chat, err := readZip(zipOf(t, c.entries...), c.file)
			if err != nil {
				t.Fatal(err)
			}
			var found []int64
			for _, m := range chat.Messages {
				for _, a := range m.Attachments {
					if !a.Found {
						a.Size = -1
					}
					found = append(found, a.Size)
				}
			}
			if chat.Name != c.chat || fmt.Sprint(found) != fmt.Sprint(c.found) {
				t.Errorf("%q, %v", chat.Name, found)
			}
		})
	}
}

func TestZipRefused(t *testing.T) {
	says := func(size uint32) []byte { // what the directory says of the text
		b := zipOf(t, entry{"_chat.txt", android})
		binary.LittleEndian.PutUint32(b[bytes.LastIndex(b, []byte("PK\x01\x02"))+24:], size)
		return b
	}
	var many []entry
	for i := range whatsapp.MaxEntries + 1 {
		many = append(many, entry{fmt.Sprint(i), ""})
	}
	sound := zipOf(t, entry{"_chat.txt", android})
	for _, c := range []struct {
		name string
		zip  []byte
		code fabric.Code
		says string
	}{
		{"no text", zipOf(t, entry{"a.jpg", "x"}), fabric.CodeBadRequest, "_chat.txt"},
		{"two texts", zipOf(t, entry{"a.txt", "x"}, entry{"b.txt", "y"}), fabric.CodeBadRequest, `"a.txt" and "b.txt"`},
		{"too deep", zipOf(t, entry{"a/b/_chat.txt", android}), fabric.CodeBadRequest, "_chat.txt"},
		{"a bomb", says(whatsapp.MaxTextBytes + 1), fabric.CodeTooLarge, "more than"},
		{"a bomb that lies", says(uint32(len(android) - 1)), fabric.CodeBadRequest, "zip"},
		{"a text that is shorter than it says", says(uint32(len(android) + 1)), fabric.CodeBadRequest, "EOF"},
		{"too many files", zipOf(t, many...), fabric.CodeTooLarge, "files"},
		{"cut off", sound[:len(sound)-30], fabric.CodeBadRequest, "zip"},
		{"broken", append(append([]byte{}, sound[:40]...), append([]byte("garbage"), sound[47:]...)...), fabric.CodeBadRequest, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readZip(c.zip, "x.zip")
			if fabric.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.says)
			}
		})
	}
}

// endless gives the same line for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, "31.12.23, 23:59 - Ann: and so on\n"), nil }

func TestEndless(t *testing.T) {
	if _, err := whatsapp.Parse(endless{}, whatsapp.Options{Now: now}); fabric.CodeOf(err) != fabric.CodeTooLarge {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "WhatsApp Chat with Bo.txt")
	if err := os.WriteFile(file, []byte(android), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := whatsapp.Open(file, whatsapp.Options{})
	if err != nil || c.Name != "Bo" || len(c.Messages) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := whatsapp.Open(dir, whatsapp.Options{}); fabric.CodeOf(err) != fabric.CodeBadRequest {
		t.Error(err)
	}
	if _, err := whatsapp.Open(filepath.Join(dir, "none"), whatsapp.Options{}); !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Error(err)
	}
}
