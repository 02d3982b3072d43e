package postgres_test

import (
	"testing"

	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/weftest"
)

func TestName(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://ann:secret@db.example/weft":                  "weft at db.example:5432",
		"postgres://ann:secret@one:5433,two:5434/weft":           "weft at one:5433, two:5434",
		"host=db.example user=ann password=secret sslmode=allow": "ann at db.example:5432",
	} {
		if got, err := postgres.Name(url); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", url, got, err, want)
		}
	}
	t.Setenv("PGHOST", "db.example")
	t.Setenv("PGPORT", "6432")
	t.Setenv("PGDATABASE", "weft")
	t.Setenv("PGPASSWORD", "secret")
	if got, err := postgres.Name("postgres://"); err != nil || got != "weft at db.example:6432" {
		t.Errorf("by the environment: %q, %v", got, err)
	}
}

func TestFabric(t *testing.T) {
	s := open(t, weftest.Postgres(t))
	if id, err := s.Fabric(t.Context()); err != nil || id != "" {
		t.Errorf("of an empty database: %q, %v", id, err)
	}
	if err := s.Claim(t.Context(), "mine"); err != nil {
		t.Fatal(err)
	}
	if id, err := s.Fabric(t.Context()); err != nil || id != "mine" {
		t.Errorf("of a claimed one: %q, %v", id, err)
	}
}
