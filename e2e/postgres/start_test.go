package postgres_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weft-im/weft/weftest"
)

// output is what a process has printed.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// run starts weft with more of an environment, and returns what it prints and how it ends. It is interrupted once it has
// printed `until`.
func run(t *testing.T, until string, env []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out output
	cmd := exec.CommandContext(ctx, weftest.Binary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for asked := false; ; {
		select {
		case err := <-ended:
			return out.String(), err
		case <-tick.C:
			if !asked && until != "" && strings.Contains(out.String(), until) {
				asked = true
				if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func upArgs(t *testing.T, more ...string) []string {
	return append([]string{"up", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0",
		"--nats-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, more...)
}

// Where the database's URL comes from, and that nothing of it is shown but where the database is.
func TestURL(t *testing.T) {
	database := weftest.Postgres(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("postgres", "s3cret") // the tests' server asks for none
	name := strings.TrimPrefix(u.Path, "/")
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(u.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	data := upArgs(t) // one folder, which the database belongs to then
	pg := []string{"PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGUSER=postgres", "PGPASSWORD=s3cret", "PGDATABASE=" + name, "PGSSLMODE=disable"}
	const ends = "Ctrl-C drains"
	for _, tc := range []struct {
		name  string
		until string
		env   []string
		args  []string
		want  string
		fails bool
	}{
		{"a flag", ends, nil, []string{"--postgres", u.String()}, "sql        PostgreSQL, " + name + " at " + u.Host, false},
		{"a variable", ends, []string{"WEFT_POSTGRES=" + u.String()}, nil, name + " at " + u.Host, false},
		{"a file", ends, nil, []string{"--postgres-file", file}, name + " at " + u.Host, false},
		{"PostgreSQL's own variables", ends, pg, []string{"--postgres", "postgres://"}, name + " at " + u.Host, false},
		{"two of them", "", nil, []string{"--postgres", u.String(), "--postgres-file", file}, "exclude each other", true},
		{"an empty file", "", nil, []string{"--postgres-file", empty}, "is empty", true},
		{"no file", "", nil, []string{"--postgres-file", "/nowhere/url"}, "/nowhere/url", true},
		{"nobody there", "waiting for the database", nil, []string{"--postgres", "postgres://weft:s3cret@127.0.0.1:1/there"}, "there at 127.0.0.1:1", true},
		{"no URL", "", nil, []string{"--postgres", "postgres://weft:s3/cret@h/weft"}, "--postgres: the PostgreSQL URL", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := run(t, tc.until, tc.env, append(data, tc.args...)...)
			if (err != nil) != tc.fails || !strings.Contains(out, tc.want) {
				t.Errorf("%v, want it to say %q:\n%s", err, tc.want, out)
			}
			if strings.Contains(out, "s3cret") || strings.Contains(out, "cret@") {
				t.Errorf("the password is shown:\n%s", out)
			}
		})
	}
}

// What `weft serve` is not told it asks for, by the flag's name.
func TestServeAsks(t *testing.T) {
	around := newSurroundings(t)
	nats := []string{"serve", "--ops-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--nats", around.NATS, "--creds", around.Creds, "--keys", around.Keys}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"serve"}, "--nats is missing"},
		{append(nats, "--roles", "edge,telex"), `--roles: there is no role "telex": want some of edge, users, chats, history, presence, receipts, ingest, otp`},
		{nats, "--postgres is missing: the roles users, chats, history"},
		{append(nats[:len(nats)-2:len(nats)-2], "--roles", "edge"), "--keys is missing"},
	} {
		out, err := run(t, "", nil, tc.args...)
		if err == nil || !strings.Contains(out, tc.want) {
			t.Errorf("%q: %v, want it to say %q:\n%s", tc.args, err, tc.want, out)
		}
	}
	keys := filepath.Join(t.TempDir(), "keys")
	if out, err := run(t, "", nil, "auth", "init", keys); err != nil || !strings.Contains(out, keys) {
		t.Errorf("weft auth init: %v:\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(keys, "creds", "operator.creds")); err != nil {
		t.Error(err)
	}
}
