package sqlite

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// newestVersion returns the version of this build's schema.
func newestVersion(t *testing.T) int64 {
	t.Helper()
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(files)) // numbered from 1 without a gap
}

// Every migration goes down and up again.
func TestMigrationsBothWays(t *testing.T) {
	w, err := openWriter(filepath.Join(t.TempDir(), "weft.db"), "FULL", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	schema := func() string {
		t.Helper()
		found, err := w.db.QueryContext(t.Context(), `SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%' ORDER BY name`)
		if err != nil {
			t.Fatal(err)
		}
		defer found.Close()
		var all []string
		for found.Next() {
			var one string
			if err := found.Scan(&one); err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	newest := newestVersion(t)
	var up []string
	for v := int64(0); v <= newest; v++ {
		if err := migrate(t.Context(), w.db, v); err != nil {
			t.Fatal(err)
		}
		up = append(up, schema())
	}
	for v := newest; v >= 0; v-- {
		if err := migrate(t.Context(), w.db, v); err != nil {
			t.Fatal(err)
		}
		if got := schema(); got != up[v] {
			t.Errorf("down to %d:\n got %s\nwant %s", v, got, up[v])
		}
	}
	if err := migrate(t.Context(), w.db, -1); err != nil {
		t.Fatal(err)
	}
	if got := schema(); got != up[newest] || !strings.Contains(got, "CREATE TABLE messages") {
		t.Errorf("up again: %s", got)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weft.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), fmt.Sprint("schema version 999, this weft knows up to ", newestVersion(t))) {
		t.Errorf("open: %v", err)
	}
}

func BenchmarkArchive(b *testing.B) {
	for _, channels := range []int{50, 5000, 50_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "weft.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var all []fabric.ChannelID
			for range channels {
				all = append(all, fabric.Direct(fabric.NewUserID(), fabric.NewUserID()))
			}
			body := []byte(`{"text":"` + strings.Repeat("x", 100) + `"}`)
			from, cid := fabric.NewUserID(), fabric.NewCID()
			const size = 2000
			batch := make([]history.Archival, size)
			seq := uint64(0)
			b.ReportAllocs()
			for range b.N {
				for i := range batch {
					seq++
					batch[i].Stored = fabric.Stored{Channel: all[seq%uint64(channels)], Seq: seq, Prev: seq, At: int64(seq),
						Message: fabric.Message{From: from, CID: cid, Kind: "text", Body: body}}
				}
				if err := s.Archive(b.Context(), 0, history.Batch{Messages: batch}, seq); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/message")
		})
	}
}
