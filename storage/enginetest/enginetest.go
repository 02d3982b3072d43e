// Package enginetest lets the tests of roles and of whole fabrics run on either SQL engine. They open their store by Open;
// a package whose tests are to hold on both has
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
// Others run on SQLite. The variable WEFT_TEST_SQL, sqlite or postgres, says on which one alone.
package enginetest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/sqlite"
	"github.com/weft-im/weft/storage/storagetest"
	"github.com/weft-im/weft/weftest"
)

// variable names the engine of all tests.
const variable = "WEFT_TEST_SQL"

// The engines.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
)

// engine is that of the tests that run now.
var engine = onSQLite

// Open returns an empty store, which it closes when the test ends.
func Open(t testing.TB) storagetest.Store {
	t.Helper()
	var store interface {
		storagetest.Store
		Close() error
	}
	var err error
	switch name := named(engine); name {
	case onSQLite:
		store, err = sqlite.Open(t.Context(), SQLite(t))
	case onPostgres:
		store, err = postgres.Open(t.Context(), Postgres(t))
	default:
		t.Fatalf("%s is %q: want %s or %s", variable, name, onSQLite, onPostgres)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// Migrating a database is what most tests would spend most of their time on, the more under the race detector. Each
// process of tests does it once and copies that.

// SQLite returns the path of an empty database of the test's own with the newest schema.
func SQLite(t testing.TB) string {
	t.Helper()
	data, err := migratedSQLite()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "weft.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var migratedSQLite = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "enginetest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "weft.db")
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // which leaves all in one file
		return nil, err
	}
	return os.ReadFile(path)
})

// Postgres returns the URL of an empty database of the test's own with the newest schema.
var Postgres = weftest.PostgresCopies(func(url string) error {
	db, err := postgres.Open(context.Background(), url)
	if err != nil {
		return err
	}
	return db.Close()
})

// named returns the engine that the variable names, or else the other one.
func named(otherwise string) string {
	if name := os.Getenv(variable); name != "" {
		return name
	}
	return otherwise
}

// Main runs a package's tests on SQLite and then on PostgreSQL, and ends the process. Benchmarks and fuzzing, which are
// asked for by name, run once.
func Main(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if named("") == "" && !asked("test.bench") && !asked("test.fuzz") && !asked("test.list") {
		engine = onPostgres
		fmt.Println("the same on PostgreSQL:")
		code = max(code, m.Run())
	}
	os.Exit(code)
}

func asked(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != ""
}
