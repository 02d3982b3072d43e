package history_test

import (
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/storage/storagetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// database is a real store, with users and chats as a test wants them.
type database struct{ storagetest.Store }

func openStore(t testing.TB) database {
	t.Helper()
	return database{enginetest.Open(t)}
}

func (d database) newUser(t testing.TB) fabric.UserID {
	return storagetest.NewUser(t, d.Store, "somebody").ID
}

func (d database) open(t testing.TB, a, b fabric.UserID) fabric.ChannelID {
	return storagetest.Open(t, d.Store, a, b, 1)
}
