package sqlite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// What was deleted, or has disappeared, is in the database no more, nor are its words; and in its file next to nothing.
func TestWhatIsDeletedIsNowhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weft.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ann := fabric.NewUserID()
	c := fabric.Direct(ann, fabric.NewUserID())
	seq, at := uint64(0), int64(1_793_000_000_000)
	record := func(kind, text string) fabric.Stored {
		seq++
		body, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		return fabric.Stored{Channel: c, Seq: seq, Prev: seq - 1, At: at, Message: fabric.Message{From: ann, CID: fabric.NewCID(), Kind: kind, Body: body}}
	}
	// A word of its own in each: short ones, ones that take pages of their own, some edited, some that disappear.
	const n = 300
	word := func(i int, edit string) string { return fmt.Sprintf("secret%s%d", edit, 1000+i) }
	text := func(i int, word string) string {
		return word + " " + strings.Repeat("and more of it ", []int{0, 1, 5, 40, 400, 3000}[i%6]) + strings.ToUpper(word)
	}
	archive := func(b history.Batch) {
		t.Helper()
		if err := s.Archive(t.Context(), 0, b, seq); err != nil {
			t.Fatal(err)
		}
	}
	var seqs []uint64
	for range 3 {
		var b history.Batch
		for range n / 3 {
			i := len(seqs)
			a := history.Archival{Stored: record(fabric.MsgText, text(i, word(i, "")))}
			if i%4 == 0 {
				a.ExpiresAt = at + 1
			}
			seqs = append(seqs, a.Seq)
			b.Messages = append(b.Messages, a, history.Archival{Stored: record(fabric.MsgText, "stays")})
		}
		archive(b)
	}
	index := func() {
		t.Helper()
		for done := false; !done; {
			var err error
			if _, done, err = s.Index(t.Context(), 0, 7); err != nil {
				t.Fatal(err)
			}
		}
	}
	index()
	for i := 0; i < n; i += 3 { // grown ones and shrunk ones
		var b history.Batch
		for _, edit := range []string{"a", "b"} {
			c := history.Change{Stored: record(fabric.MsgEdit, text(i+len(edit), word(i, edit))), Target: seqs[i]}
			c.New, _ = json.Marshal(map[string]string{"text": text(i+1, word(i, edit))})
			b.Changes = append(b.Changes, c)
		}
		archive(b)
	}
	found := func() (in []string) {
		t.Helper()
		var busy, pages, copied int
		if err := s.write.db.QueryRowContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &copied); err != nil || busy != 0 {
			t.Fatalf("checkpoint: busy %d, %v", busy, err)
		}
		for _, name := range []string{path, path + "-wal"} {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data = bytes.ToLower(data)
			for i := range n {
				for _, edit := range []string{"", "a", "b"} {
					if w := word(i, edit); bytes.Contains(data, []byte(w)) {
						in = append(in, filepath.Base(name)+": "+w)
					}
				}
			}
		}
		return in
	}
	if in := found(); len(in) < n {
		t.Fatalf("only %d of them are in the file at first", len(in))
	}
	for {
		removed, err := s.Expire(t.Context(), at+1, 10)
		if err != nil {
			t.Fatal(err)
		}
		if removed == 0 {
			break
		}
	}
	for i := range n {
		if i%4 == 0 {
			continue
		}
		c := history.Change{Stored: record(fabric.MsgDelete, ""), Target: seqs[i]}
		archive(history.Batch{Changes: []history.Change{c}})
		if i == n/2 {
			index()
		}
	}
	// SQLite overwrites what it deletes, but not what it leaves behind on a page whose rows it moves to another one, as when
	// an edit makes them too long for it. That is rare, and gone when the page is written anew.
	if in := found(); len(in) > n/50 {
		t.Errorf("%d are in the file still: %s", len(in), strings.Join(in[:min(len(in), 20)], ", "))
	}
	if _, err := s.write.db.ExecContext(t.Context(), `VACUUM`); err != nil {
		t.Fatal(err)
	}
	if in := found(); len(in) > 0 {
		t.Errorf("%d are in the database still: %s", len(in), strings.Join(in[:min(len(in), 20)], ", "))
	}
}
