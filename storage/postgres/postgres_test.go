package postgres_test

import (
	"testing"

	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/storagetest"
	"github.com/weft-im/weft/weftest"
)

func TestPostgres(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Store { return open(t, weftest.Postgres(t)) })
}

func open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	s, err := postgres.Open(t.Context(), url)
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
