package weftest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "weftest")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "weft")
	// With the tests' own -race the binary has it too only where asked for: a race detector's ten-fold cost would hide
	// what a crash under real load shows.
	out, err := exec.Command("go", "build", "-o", path, "github.com/weft-im/weft/cmd/weft").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build weft: %w\n%s", err, out)
	}
	return path, nil
})

// Process is a real weft of a test's own that serves: `weft up` or `weft serve`.
type Process struct {
	URL string // for clients; empty where it takes none
	Ops string // for operators

	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu  sync.Mutex
	out bytes.Buffer
}

// Binary returns the path of a weft that is built from this tree, once a test binary.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Output returns what it has printed to its standard output.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// StartWeft builds weft, once a test binary, and starts `weft up` on the data folder and on free ports. Addresses that
// are given as listen are bound instead: a client that comes back must find the server where it was.
func StartWeft(t testing.TB, data, listen string, args ...string) *Process {
	t.Helper()
	return StartProcess(t, append([]string{"up", "--data", data, "--listen", address(listen), "--nats-listen", "127.0.0.1:0",
		"--ops-listen", "127.0.0.1:0", "--log-level", "warn"}, args...)...)
}

// StartServe builds weft, once a test binary, and starts `weft serve` on free ports, or for clients on the address that
// is given as listen.
func StartServe(t testing.TB, listen string, args ...string) *Process {
	t.Helper()
	return StartProcess(t, append([]string{"serve", "--listen", address(listen), "--ops-listen", "127.0.0.1:0", "--log-level", "warn"}, args...)...)
}

func address(listen string) string {
	if listen == "" {
		return "127.0.0.1:0"
	}
	return listen
}

// StartProcess builds weft, once a test binary, and starts it; it waits until it serves.
func StartProcess(t testing.TB, args ...string) *Process {
	t.Helper()
	p, err := startProcess(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func startProcess(args ...string) (*Process, error) {
	path, err := binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	up := make(chan struct{})
	go func() {
		defer close(p.done)
		p.read(stdout, up)
		p.err = cmd.Wait()
	}()
	select {
	case <-up:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("weft ended at its start: %w\n%s", p.err, p.Output())
	case <-time.After(90 * time.Second):
		p.Kill()
		return nil, fmt.Errorf("weft did not come up:\n%s", p.Output())
	}
}

var (
	openLine = regexp.MustCompile(`open\s+(http://\S+)`)
	opsLine  = regexp.MustCompile(`operators\s+(http://[^/\s]+)`)
)

// read takes the output in, and closes up when all that a start prints is there.
func (p *Process) read(r io.Reader, up chan struct{}) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.mu.Lock()
		fmt.Fprintln(&p.out, lines.Text())
		p.mu.Unlock()
		if m := openLine.FindStringSubmatch(lines.Text()); m != nil {
			p.URL = m[1]
		}
		if m := opsLine.FindStringSubmatch(lines.Text()); m != nil {
			p.Ops = m[1]
		}
		// the last line tells that all is printed
		if strings.HasPrefix(lines.Text(), "Ctrl-C") && up != nil {
			close(up)
			up = nil
		}
	}
}

// Kill ends the process and those that it has started as a crash of the machine would (SIGKILL), and waits until it has.
func (p *Process) Kill() {
	own := p.own()
	_ = p.cmd.Process.Kill() // fails only where it has ended
	kill(own)
	<-p.done
}

// KillOwn ends the processes that it has started, and not itself.
func (p *Process) KillOwn() { kill(p.own()) }

// own returns the processes that it has started.
func (p *Process) own() (own []procfs.Proc) {
	all, _ := procfs.AllProcs() // where there is no /proc, they end with it
	for _, proc := range all {
		if stat, err := proc.Stat(); err == nil && stat.PPID == p.cmd.Process.Pid {
			own = append(own, proc)
		}
	}
	return own
}

func kill(list []procfs.Proc) {
	for _, proc := range list {
		_ = syscall.Kill(proc.PID, syscall.SIGKILL) // fails only where it has ended
	}
}

// Interrupt asks it to drain, as Ctrl-C does.
func (p *Process) Interrupt() error { return p.cmd.Process.Signal(syscall.SIGINT) }

// Wait returns how the process ended.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("weft is still running: %w", ctx.Err())
	}
}
