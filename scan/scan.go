// Package scan is the role that has files looked at by ClamAV's daemon before anybody loads them: it answers what the media
// role asks on weft.media.scan. Another scanner takes its place by answering there itself.
package scan

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/subjects"
)

// Config is how the role works. Zero values mean the defaults.
type Config struct {
	Shards int    // of the fabric
	Clamd  string // where the daemon listens: host:port, or the path of a socket
	Bytes  int64  // of a file that are shown to it, at most: within its StreamMaxLength; default 25 MiB
	AtOnce int    // files; within its MaxThreads; default 4
}

// Bounds of one scan.
const (
	group   = "scan"
	pending = 256 // requests that wait here; the media role asks again
	within  = 10 * time.Minute
	silence = time.Minute // of the daemon
	chunk   = 64 << 10
	reply   = 4 << 10
)

// Role answers scans. Run it once.
type Role struct {
	nc    *nats.Conn
	parts *blob.Parts
	cfg   Config
	log   *slog.Logger
	ready chan struct{}
	seen  *prometheus.CounterVec
}

// New returns a role that answers over nc and reads files over bulk.
func New(nc, bulk *nats.Conn, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	if cfg.Clamd == "" {
		return nil, errors.New("scan: where clamd listens is missing")
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 25 << 20
	}
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 4
	}
	parts, err := blob.NewParts(bulk, cfg.Shards)
	if err != nil {
		return nil, err
	}
	r := &Role{nc: nc, parts: parts, cfg: cfg, log: log, ready: make(chan struct{}), seen: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weft_scan_files_total", Help: "Files that were scanned, by what was found: clean, harmful, failed. Alert on failed: their uploads don't finish.",
	}, []string{"result"})}
	if err := reg.Register(r.seen); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return r, nil
}

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves until ctx ends. What is at work then is asked for again.
func (r *Role) Run(ctx context.Context) error {
	asked := make(chan *nats.Msg, pending)
	sub, err := r.nc.ChanQueueSubscribe(subjects.MediaScan.String(), group, asked)
	if err == nil {
		err = r.nc.Flush()
	}
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.MediaScan, err)
	}
	var work sync.WaitGroup
	defer work.Wait()
	for range r.cfg.AtOnce {
		work.Go(func() {
			for {
				select {
				case m := <-asked:
					r.answer(ctx, m)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	close(r.ready)
	<-ctx.Done()
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("unsubscribe from %s: %w", subjects.MediaScan, err)
	}
	return nil
}

func (r *Role) answer(ctx context.Context, m *nats.Msg) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var answer contract.MediaScanReply
	var req contract.MediaScanRequest
	err := json.Unmarshal(m.Data, &req)
	if err == nil {
		answer.Harmful, err = r.scan(ctx, req)
	}
	result := "clean"
	switch {
	case err != nil:
		if ctx.Err() == nil {
			r.log.Error("a file can't be scanned", "blob", req.Blob, "err", err)
		}
		result = "failed"
		answer.Err = fabric.Errorf(fabric.CodeUnavailable, "the scanner does not answer")
	case answer.Harmful != "":
		result = "harmful"
	}
	r.seen.WithLabelValues(result).Inc()
	data, err := json.Marshal(answer)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil && ctx.Err() == nil {
		r.log.Error("a scan can't be answered", "err", err)
	}
}

// scan shows a file to the daemon and returns what it found in it, "" for nothing.
func (r *Role) scan(ctx context.Context, req contract.MediaScanRequest) (found string, err error) {
	network := "tcp"
	if strings.HasPrefix(r.cfg.Clamd, "/") {
		network = "unix"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, r.cfg.Clamd)
	if err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	file := r.parts.Open(ctx, req.Blob, req.Size)
	defer func() { _ = file.Close() }()
	return instream(conn, io.LimitReader(file, r.cfg.Bytes))
}

// instream speaks clamd's INSTREAM (clamd(8)): chunks, each behind its length, a chunk of none at the end, and one line back.
func instream(conn net.Conn, file io.Reader) (found string, err error) {
	w := bufio.NewWriterSize(conn, chunk+4)
	_, _ = w.WriteString("zINSTREAM\x00") // a bufio.Writer's error comes with Flush
	buf := make([]byte, chunk)
	for {
		n, err := io.ReadFull(file, buf)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", fmt.Errorf("read the file: %w", err)
		}
		_ = conn.SetDeadline(time.Now().Add(silence)) // a connection without deadlines ends with ctx
		_, _ = w.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
		_, _ = w.Write(buf[:n])
		if n == 0 {
			break
		}
	}
	if err := w.Flush(); err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	line, err := bufio.NewReaderSize(io.LimitReader(conn, reply), reply).ReadString(0)
	if err != nil {
		return "", fmt.Errorf("clamd's answer: %w", err)
	}
	line = strings.TrimPrefix(strings.TrimRight(line, "\x00"), "stream: ")
	if name, ok := strings.CutSuffix(line, " FOUND"); ok {
		return name, nil
	}
	if line == "OK" {
		return "", nil
	}
	return "", fmt.Errorf("clamd says %q", line)
}
