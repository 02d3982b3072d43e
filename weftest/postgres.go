package weftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a throwaway PostgreSQL on a free port of 127.0.0.1, with its data in a temporary folder. It does
// not outlive the test process, however that ends.
type PostgresServer struct {
	bin, dir string // where the programs are, and the cluster
	port     int
	settings []string
	as       *syscall.Credential // nil where the test's own user will do

	watchdog io.Closer

	mu   sync.Mutex
	proc *exec.Cmd     // nil while it is stopped
	done chan struct{} // closed once proc has ended
}

var (
	shared    = sync.OnceValues(func() (*PostgresServer, error) { return newPostgres("fsync=off") })
	databases atomic.Int64
)

// Postgres returns the URL of an empty database of the test's own. All tests of a process share one server, whose
// databases do not survive a crash of the machine.
func Postgres(t testing.TB) string {
	t.Helper()
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return p.Database(t)
}

// PostgresCopies returns what gives each test a database of its own, a copy of one that prepare fills when the first test
// asks.
func PostgresCopies(prepare func(url string) error) func(testing.TB) string {
	template := sync.OnceValues(func() (string, error) {
		p, err := shared()
		if err != nil {
			return "", err
		}
		name := fmt.Sprintf("copied%d", databases.Add(1))
		if err := p.exec(context.Background(), "CREATE DATABASE "+name); err != nil {
			return "", err
		}
		return name, prepare(p.url(name))
	})
	return func(t testing.TB) string {
		t.Helper()
		name, err := template()
		if err != nil {
			t.Fatal(err)
		}
		p, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		return p.database(t, name)
	}
}

// StartPostgres starts a server of the test's own, with settings as `name=value`.
func StartPostgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	p, err := newPostgres(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Kill(), p.watchdog.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Database makes an empty database and returns its URL. It is dropped when the test ends.
func (p *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	return p.database(t, "template1") // PostgreSQL's own, for what is empty
}

// database makes a copy of another one.
func (p *PostgresServer) database(t testing.TB, of string) string {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := p.exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+of); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.running() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := p.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return p.url(name)
}

func (p *PostgresServer) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

func (p *PostgresServer) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, p.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the test's PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

func newPostgres(settings ...string) (*PostgresServer, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	p := &PostgresServer{bin: bin, settings: settings}
	if p.dir, err = os.MkdirTemp("", "weftest-postgres"); err != nil {
		return nil, err
	}
	if p.watchdog, err = watch(p.dir); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if p.as, err = postgresUser(); err != nil {
			return nil, err
		}
		if err := os.Chown(p.dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			return nil, err
		}
	}
	if err := p.initdb(); err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ { // somebody else may take the port between our look and our use
		if p.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = p.Start(); err == nil {
			return p, nil
		}
		if attempt == 3 {
			return nil, err
		}
	}
}

func (p *PostgresServer) initdb() error {
	plain := []string{"-D", p.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"}
	// A database's own order of text is none to rely on. That of the tests is no byte order, so that it shows who does.
	icu := append(slices.Clone(plain), "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
	out, err := p.command("initdb", icu...).CombinedOutput()
	if err != nil { // built without ICU, or before version 15
		out, err = p.command("initdb", plain...).CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (p *PostgresServer) data() string { return filepath.Join(p.dir, "data") }

// command returns one of PostgreSQL's programs, to be run as a user that it accepts.
func (p *PostgresServer) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	// A group of its own: Ctrl-C is for the tests, the watchdog ends the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Setpgid: true}
	return cmd
}

// Start starts the server, again after Stop or Kill at the same address, and waits until it answers.
func (p *PostgresServer) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc != nil {
		return errors.New("the test's PostgreSQL runs already")
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := p.start(deadline)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if _, pid := os.Stat(filepath.Join(p.data(), "postmaster.pid")); pid != nil {
			return err // it ended in good order: it would again
		}
		time.Sleep(50 * time.Millisecond) // after a kill, its children are still on their way out
	}
}

func (p *PostgresServer) start(deadline time.Time) error {
	args := []string{"-D", p.data(), "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=" + p.dir, "-c", "max_connections=200", "-c", "shared_buffers=128MB"}
	for _, s := range p.settings {
		args = append(args, "-c", s)
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := p.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log // files: a pipe of ours would keep `go test` waiting for it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended is in its log
	}()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := p.exec(ctx, "SELECT 1")
		cancel()
		if err == nil {
			p.proc, p.done = cmd, done
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("postgres ended at its start: %s", p.logged(from))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			<-done
			return fmt.Errorf("postgres did not come up: %w\n%s", err, p.logged(from))
		}
	}
}

// logged returns what the server has written since its log was that long.
func (p *PostgresServer) logged(from int64) string {
	all, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(all[min(from, int64(len(all))):])
}

func (p *PostgresServer) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc != nil
}

// Stop ends the server in good order; who is connected is sent away.
func (p *PostgresServer) Stop() error { return p.end(syscall.SIGINT) }

// Kill ends the server as a crash of its machine would (SIGKILL): the server's own processes with it, which else would
// serve those who are connected until they notice.
func (p *PostgresServer) Kill() error {
	p.mu.Lock()
	var children []int
	if p.proc != nil {
		children = childrenOf(p.proc.Process.Pid)
	}
	p.mu.Unlock()
	err := p.end(syscall.SIGKILL)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended already is what is wanted
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if alive := slices.ContainsFunc(children, func(pid int) bool { return !ended(pid) }); !alive {
			return err
		}
		if time.Now().After(deadline) {
			return errors.Join(err, errors.New("processes of a killed postgres live on"))
		}
		time.Sleep(time.Millisecond)
	}
}

// childrenOf returns the processes that a process has started, as /proc tells: proc(5), stat, ppid.
func childrenOf(parent int) (pids []int) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	for _, path := range stats {
		if f := statOf(path); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// ended reports whether a process is no more, or only a name that nobody has asked for yet.
func ended(pid int) bool {
	f := statOf(fmt.Sprintf("/proc/%d/stat", pid))
	return len(f) == 0 || f[0] == "Z" || f[0] == "X"
}

// statOf returns the fields of a process behind its name, the state and so on.
func statOf(path string) []string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

func (p *PostgresServer) end(how syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proc == nil {
		return nil
	}
	if err := p.proc.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end postgres: %w", err)
	}
	select {
	case <-p.done:
		p.proc = nil
		return nil
	case <-time.After(60 * time.Second):
		return fmt.Errorf("postgres goes on after %s:\n%s", how, p.logged(0))
	}
}

// watch starts a process that ends the server in dir and takes the folder away once it is closed or this process ends,
// in whatever way: then its standard input ends.
func watch(dir string) (io.Closer, error) {
	const script = `cat >/dev/null
pid() { head -n 1 "$1/data/postmaster.pid" 2>/dev/null; }
for i in 1 2 3 4 5 6 7 8 9 10; do
	p=$(pid "$1") && kill -QUIT "$p" 2>/dev/null || break
	sleep 0.2
done
rm -rf "$1" || { sleep 2; rm -rf "$1"; }`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return closer(func() error {
		return errors.Join(in.Close(), cmd.Wait())
	}), nil
}

type closer func() error

func (c closer) Close() error { return c() }

// postgresPrograms returns the folder with initdb and postgres.
func postgresPrograms() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	versions, err := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian's place for them, outside the PATH
	if err != nil {
		return "", err
	}
	slices.Reverse(versions) // the newest first
	for _, dir := range append(dirs, versions...) {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("there is no PostgreSQL (initdb, postgres) in the PATH or in /usr/lib/postgresql/*/bin: scripts/needs.sh installs it")
}

// postgresUser returns the user that PostgreSQL's package made for it.
func postgresUser() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user for it: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
