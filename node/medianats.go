package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/jwt/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
)

// MediaServer is a NATS server that keeps files, in a process of its own: there its memory and its collector, and its
// writes and syncs of whole files, are in no message's way (docs/adr/0015-files-in-a-process-of-their-own.md).
type MediaServer struct {
	Command []string // runs it, see RunMediaNATS; nil has files on the fabric's own server
	Listen  string   // host:port for NATS clients; port 0 picks a free one
}

// mediaSpec is what that process is told, as JSON on its standard input. There is no secret in it.
type mediaSpec struct {
	Listen   string
	Dir      string
	Sync     time.Duration
	Operator *jwt.OperatorClaims
	System   string
	Accounts map[string]string
}

// mediaReady is what the process says on its standard output once it serves, before its address.
const mediaReady = "ready "

// How long a process for files waits for the one before it, whose parent was killed, and how long it may take to start and
// to end.
const (
	mediaFolderWithin = 30 * time.Second
	mediaStartWithin  = 90 * time.Second
	mediaEndWithin    = 20 * time.Second
	mediaAgain        = time.Second // between its end, which nobody asked for, and the next start
)

// RunMediaNATS runs the NATS server of files as a MediaServer's command: it is told on in how, and says on out where it is.
// It ends with in, which its parent's end closes too, whichever way that comes.
func RunMediaNATS(in io.Reader, out io.Writer, log *slog.Logger) (err error) {
	told := json.NewDecoder(in)
	var spec mediaSpec
	if err := told.Decode(&spec); err != nil {
		return fmt.Errorf("this is started by weft up, which says on standard input what to do: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() { // ends with in: where the server fails before, with the process
		_, _ = io.Copy(io.Discard, in)
		end()
	}()
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of files: %w", err)
	}
	lock := flock.New(inside(spec.Dir, lockFile), flock.SetPermissions(0o600))
	within, cancel := context.WithTimeout(ctx, mediaFolderWithin)
	defer cancel()
	if ok, err := lock.TryLockContext(within, pauseAtStart); !ok {
		return fmt.Errorf("folder %s is in use by another weft process%s: %w", spec.Dir, holder(spec.Dir), err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := noteHolder(spec.Dir); err != nil {
		return err
	}
	leaveCores()
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Name: "weft-media", Listen: spec.Listen, StoreDir: spec.Dir, SyncInterval: spec.Sync,
		Operator: spec.Operator, System: spec.System, Accounts: spec.Accounts, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	if _, err := fmt.Fprintf(out, "%s%s\n", mediaReady, srv.Addr()); err != nil {
		return fmt.Errorf("say where the server is: %w", err)
	}
	return tendMemory(ctx, ofFiles)
}

// leaveCores has this process use half of the machine's cores at once: a thread of the chat that wakes up while one for files
// runs does not always take its place. Whoever sets GOMAXPROCS has chosen.
func leaveCores() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// startMediaNATS starts the server of files, where the process has one.
func (n *Node) startMediaNATS(ctx context.Context) error {
	if len(n.cfg.MediaServer.Command) == 0 || n.cfg.MediaNATS != "" {
		return nil
	}
	m := &mediaProcess{
		command: n.cfg.MediaServer.Command, log: n.log.With("part", "media-nats"), ended: make(chan struct{}),
		spec: mediaSpec{Listen: n.cfg.MediaServer.Listen, Dir: n.data.path(mediaFolder), Sync: n.cfg.Sync}, keys: n.keys.Dir(),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_media_nats_restarts_total", Help: "How often the process of the NATS server for files ended by itself and was started again.",
		}),
	}
	for _, c := range []prometheus.Collector{
		m.restarts, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{Namespace: "weft_media_nats", PidFn: m.id}),
	} {
		if err := n.registry.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	if err := m.start(ctx); err != nil {
		return fmt.Errorf("start the NATS server for files: %w", err)
	}
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.keep(ctx)
	n.media, n.cfg.MediaNATS = m, "nats://"+m.spec.Listen
	return nil
}

// mediaProcess is the process of a MediaServer. Its parent starts it again when it ends.
type mediaProcess struct {
	command  []string
	spec     mediaSpec // with the address that it has got, once it has started
	keys     string    // their folder
	log      *slog.Logger
	restarts prometheus.Counter

	pid   atomic.Int64
	cmd   *exec.Cmd // start's, and after it keep's alone
	stdin io.Closer
	stop  context.CancelFunc
	ended chan struct{} // closed by keep
}

// id returns the process's, for its metrics.
func (m *mediaProcess) id() (int, error) { return int(m.pid.Load()), nil }

// start starts the process and waits until it serves. It has the accounts as they are in the keys' folder now: an account of
// an earlier start would let those in again who have been cut off since.
func (m *mediaProcess) start(ctx context.Context) (err error) {
	keys, err := auth.ReadKeys(m.keys)
	if err != nil {
		return err
	}
	m.spec.Operator, m.spec.System, m.spec.Accounts = keys.Operator(), keys.SystemAccount(), keys.Accounts()
	cmd := exec.Command(m.command[0], m.command[1:]...)
	cmd.Stderr = os.Stderr
	inBackground(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("its input: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("its output: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = cmd.Process.Kill() // fails only where it has ended
			err = errors.Join(err, cmd.Wait())
		}
	}()
	if err := standBack(cmd.Process.Pid); err != nil {
		m.log.Warn("files have the machine as much as messages do", "err", err)
	}
	if err := json.NewEncoder(in).Encode(m.spec); err != nil {
		return fmt.Errorf("tell it what to do: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, mediaStartWithin)
	defer cancel()
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n') // its end without a line is a process's that has ended
		said <- line
	}()
	select {
	case line := <-said:
		at, ok := strings.CutPrefix(strings.TrimSpace(line), mediaReady)
		if !ok {
			return errors.New("it ended before it served: its log says why")
		}
		m.spec.Listen = at
	case <-ctx.Done():
		return fmt.Errorf("it does not serve: %w", ctx.Err())
	}
	m.cmd, m.stdin = cmd, in
	m.pid.Store(int64(cmd.Process.Pid))
	return nil
}

// keep starts the process again when it ends, until ctx does, and then ends it.
func (m *mediaProcess) keep(ctx context.Context) {
	defer close(m.ended)
	for {
		gone := make(chan error, 1)
		go func() { gone <- m.cmd.Wait() }()
		select {
		case err := <-gone:
			m.log.Error("the NATS server for files has ended: it is started again, and files can't be loaded meanwhile", "err", err)
		case <-ctx.Done():
			m.end(gone)
			return
		}
		for again := true; again; {
			select {
			case <-time.After(mediaAgain):
			case <-ctx.Done():
				return
			}
			m.restarts.Inc()
			err := m.start(ctx)
			if again = err != nil; again {
				m.log.Error("the NATS server for files does not start", "err", err)
			}
		}
	}
}

// end ends the process by the end of its input, or hard where that takes too long.
func (m *mediaProcess) end(gone <-chan error) {
	err := m.stdin.Close()
	select {
	case ended := <-gone:
		err = errors.Join(err, ended)
	case <-time.After(mediaEndWithin):
		err = errors.Join(err, fmt.Errorf("it did not end within %s", mediaEndWithin), m.cmd.Process.Kill(), <-gone)
	}
	if err != nil {
		m.log.Error("the NATS server for files did not end as it should", "err", err)
	}
}

// close stops the process and waits for its end.
func (m *mediaProcess) close() {
	m.stop()
	<-m.ended
}

// mediaStreams is where a NATS server's folder has the streams of files.
const mediaStreams = "jetstream/*/streams/OBJ_MEDIA_*"

// placeMedia has the folder's files where their server looks for them. Those that a fabric of an earlier version has, or that
// were restored from a backup, lie with everything else: their streams' folders are renamed.
//
// Invariant: a stream of files is in one of the two places, whenever the process ends.
func (d *data) placeMedia(apart bool) error {
	from, to := d.path(natsFolder), d.path(mediaFolder)
	if !apart {
		there, err := fs.Glob(os.DirFS(to), mediaStreams)
		if err != nil || len(there) > 0 {
			return errors.Join(err, fmt.Errorf("this fabric's files are in %s: a NATS server for them must run there, as weft up has it without --media-nats", to))
		}
		return nil
	}
	streams, err := fs.Glob(os.DirFS(from), mediaStreams)
	if err != nil {
		return fmt.Errorf("look for files in %s: %w", from, err)
	}
	for _, stream := range streams {
		source, target := inside(from, stream), inside(to, stream)
		if _, err := os.Stat(target); err == nil {
			return fmt.Errorf("there are files in %s and in %s: keep those that are right, and put the other folder away", source, target)
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return fmt.Errorf("make the folder of files: %w", err)
		}
		if err := os.Rename(source, target); err != nil {
			return fmt.Errorf("move files: %w", err)
		}
	}
	return nil
}
