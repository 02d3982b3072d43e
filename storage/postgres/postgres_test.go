package postgres_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/storagetest"
	"github.com/weft-im/weft/weftest"
)

func TestPostgres(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storagetest.Store { return open(t, enginetest.Postgres(t)) })
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

// Whoever opens an empty database at the same time as others finds it migrated.
func TestOpenAtOnce(t *testing.T) {
	url := weftest.Postgres(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Archived(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestClaim(t *testing.T) {
	url := weftest.Postgres(t)
	for _, id := range []string{"mine", "mine"} {
		if err := open(t, url).Claim(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if err := open(t, url).Claim(t.Context(), "another"); err == nil || !strings.Contains(err.Error(), "belongs to fabric mine") {
		t.Errorf("claimed for another fabric: %v", err)
	}
}

// What is wrong with a URL is said; its password, or what a wrong parse takes for something else, is not.
func TestURLs(t *testing.T) {
	closed := "postgres://weft:se%2Fcret@127.0.0.1:1/weft"
	for url, want := range map[string]string{
		"":                                       "want postgres://",
		"localhost:5432":                         "want postgres://",
		"mysql://weft:secret@localhost/weft?a=b": "want postgres://",
		"postgres://weft:se/cret@localhost/weft": "characters like / # ? @ % :",
		"postgres://weft:se%zzcret@localhost/weft":           "characters like / # ? @ % :",
		"postgres://weft:secret@localhost:no/weft":           "want postgres://",
		"postgres://weft:secret@h/d?sslmode=maybe":           "sslmode",
		"postgres://weft:secret@h/d?pool_max_conns=many":     "pool_max_conns",
		"postgres://weft:secret@h/d?connect_timeout=secret":  "connect_timeout",
		"host=127.0.0.1 port=1 user=weft password=secret":    "connect",
		"host=127.0.0.1 port=x user=weft password='se cret'": "port",
		"host=127.0.0.1 password='secret user=weft":          "the PostgreSQL URL is wrong",
		closed: "connect",
	} {
		s, err := postgres.Open(t.Context(), url)
		if err == nil {
			_ = s.Close()
			t.Errorf("opened %s", url)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", url, err, want)
		}
		for _, secret := range []string{"secret", "se/cret", "cret", "se%", "weft:se"} {
			if text := strings.ReplaceAll(err.Error(), "secret user", ""); strings.Contains(text, secret) {
				t.Errorf("%s: the error shows the password: %v", url, err)
			}
		}
	}
	_, err := postgres.Open(t.Context(), closed)
	if fabric.CodeOf(err) != fabric.CodeUnavailable {
		t.Errorf("nobody is there: %v, want it to be unavailable", err)
	}
}

// A server that takes a connection and says nothing does not hold anybody for ever.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	begin := time.Now()
	_, err = postgres.Open(t.Context(), "postgres://weft@"+l.Addr().String()+"/weft?sslmode=disable&connect_timeout=1")
	var known *fabric.Error
	if !errors.As(err, &known) || known.Code != fabric.CodeUnavailable || time.Since(begin) > 10*time.Second {
		t.Errorf("open: %v after %s", err, time.Since(begin))
	}
}
