package weftest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// Surroundings are what processes of one fabric share: NATS, its credentials, the keys, a database.
type Surroundings struct{ NATS, Creds, Keys, Database string }

// NewSurroundings makes them for a test, and ends them with it.
func NewSurroundings(t *testing.T) Surroundings {
	t.Helper()
	s := Surroundings{Keys: t.TempDir(), Database: Postgres(t)}
	keys, err := auth.OpenKeys(s.Keys, 0)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute,
		Operator: keys.Operator(), System: keys.SystemAccount(), Accounts: keys.Accounts(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	s.NATS, s.Creds = srv.ClientURL(), keys.CredsFile(subjects.RoleOperator)
	return s
}
