package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// upProcess is a `weft up` of a run's own.
type upProcess struct {
	URL, Ops, NATS, Creds string
	Files                 string // the NATS server that keeps files

	cmd *exec.Cmd
	all []int // its process and those that it has started
}

// What `weft up` prints of where it can be reached.
var (
	openLine  = regexp.MustCompile(`open\s+(http://\S+)`)
	opsLine   = regexp.MustCompile(`operators\s+(http://[^/\s]+)`)
	natsLine  = regexp.MustCompile(`nats\s+nats --server (nats://\S+) --creds (\S+)`)
	filesLine = regexp.MustCompile(`files\s+nats --server (nats://\S+)`)
)

// resident returns the resident memory of all its processes in bytes. It is read from /proc and not from the server's
// metrics: telling these many times a second is work that a chat beside would feel.
func (p *upProcess) resident() (all int, err error) {
	for _, pid := range p.all {
		proc, err := procfs.NewProc(pid)
		if err != nil {
			return 0, fmt.Errorf("bench: memory of the server: %w", err)
		}
		stat, err := proc.Stat()
		if err != nil {
			return 0, fmt.Errorf("bench: memory of the server: %w", err)
		}
		all += stat.ResidentMemory()
	}
	return all, nil
}

// family finds the process and those that it has started.
func (p *upProcess) family() error {
	procs, err := procfs.AllProcs()
	if err != nil {
		return fmt.Errorf("bench: processes of the server: %w", err)
	}
	p.all = []int{p.cmd.Process.Pid}
	for _, proc := range procs {
		if stat, err := proc.Stat(); err == nil && stat.PPID == p.cmd.Process.Pid { // one that has ended meanwhile is none of it
			p.all = append(p.all, stat.PID)
		}
	}
	return nil
}

// startUp starts weft (this program itself where it is empty) as `weft up` on free ports of loopback, and waits until it
// is up.
func startUp(ctx context.Context, weft, data, postgres string) (*upProcess, error) {
	path, err := program(weft)
	if err != nil {
		return nil, err
	}
	args := []string{"up", "--data", data, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--dev", "on", "--log-level", "warn"}
	if postgres != "" {
		args = append(args, "--postgres", postgres)
	}
	p := &upProcess{cmd: exec.CommandContext(ctx, path, args...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	said, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("bench: start weft up: %w", err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if m := openLine.FindStringSubmatch(lines.Text()); m != nil {
			p.URL = m[1]
		}
		if m := opsLine.FindStringSubmatch(lines.Text()); m != nil {
			p.Ops = m[1]
		}
		if m := filesLine.FindStringSubmatch(lines.Text()); m != nil {
			p.Files = m[1]
		}
		if m := natsLine.FindStringSubmatch(lines.Text()); m != nil {
			p.NATS, p.Creds = m[1], m[2]
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") { // the last line tells that all is printed
			break
		}
	}
	if p.URL == "" || p.Ops == "" || p.NATS == "" {
		return nil, errors.Join(errors.New("bench: weft up did not come up"), lines.Err(), p.stop())
	}
	if err := p.family(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// stop drains the process and waits for its end.
func (p *upProcess) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("bench: stop weft up: %w", err)
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("bench: weft up: %w", err)
	}
	return nil
}

// program returns the weft program: the one that is named, or else this one.
func program(weft string) (string, error) {
	if weft != "" {
		return weft, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("bench: where this program is: %w", err)
	}
	return self, nil
}
