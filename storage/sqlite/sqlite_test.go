package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/storage/sqlite"
	"github.com/weft-im/weft/storage/storagetest"
)

func TestSQLite(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Store { return open(t, enginetest.SQLite(t)) })
}

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLiteKeepsWhatItHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder?with #odd% characters", "weft.db")
	if s, err := sqlite.Open(t.Context(), path); err == nil {
		_ = s.Close()
		t.Fatal("opened a database in a folder that is not there")
	}
	path = filepath.Join(t.TempDir(), "odd?name #of% a file.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ann := storagetest.NewUser(t, s, "ann")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).User(t.Context(), ann.ID)
	if err != nil || got != ann {
		t.Errorf("after opening it again: %v, %v, want %v", got, err, ann)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(files) == 0 || !strings.HasPrefix(filepath.Base(files[0]), "odd?name #of% a file.db") {
		t.Errorf("files: %v", files)
	}
}

func TestClaim(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "weft.db"))
	for _, id := range []string{"mine", "mine"} {
		if err := s.Claim(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if err := s.Claim(t.Context(), "another"); err == nil || !strings.Contains(err.Error(), "belongs to fabric mine") {
		t.Errorf("claimed for another fabric: %v", err)
	}
}
