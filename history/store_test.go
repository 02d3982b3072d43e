package history_test

import (
	"path/filepath"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/storage/sqlite"
	"github.com/weft-im/weft/storage/storagetest"
)

// database is a real store, with users and chats as a test wants them.
type database struct{ *sqlite.DB }

func openStore(t testing.TB) database {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weft.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return database{db}
}

func (d database) newUser(t testing.TB) fabric.UserID {
	return storagetest.NewUser(t, d.DB, "somebody").ID
}

func (d database) open(t testing.TB, a, b fabric.UserID) fabric.ChannelID {
	return storagetest.Open(t, d.DB, a, b, 1)
}
