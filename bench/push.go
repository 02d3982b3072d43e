package bench

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/storage/sqlite"
)

// PushConfig is a run in which the push role looks who is owed what, and sends it. It needs no server: the role and the
// push service, which only counts, run in this process, NATS and who writes the log in another.
type PushConfig struct {
	Dir      string // for the log and SQLite; empty: a temporary one, removed afterwards
	Channels int    // direct chats; everybody in them has a device that can be pushed to
	Body     int    // bytes of a body
	Rate     float64
	Duration time.Duration // messages are written at Rate for so long, and each is acked in time
	Pushes   int           // then so many are not, and are sent
	Weft     string        // the weft program, for the process with the log; empty: this one
	Note     func(format string, args ...any)
}

// pushWithin is how long the role may be without any progress before the run fails.
const pushWithin = 60 * time.Second

// Push measures what it costs to know that nobody is owed a push, and how fast pushes are encrypted and sent.
func Push(ctx context.Context, cfg PushConfig) (*Report, error) {
	r, err := runPush(ctx, cfg)
	return r, cutShort(ctx, err)
}

func runPush(ctx context.Context, cfg PushConfig) (_ *Report, err error) {
	if cfg.Channels < 1 || cfg.Pushes < 1 || cfg.Pushes > cfg.Channels || cfg.Rate <= 0 || cfg.Duration <= 0 || cfg.Body < minWords {
		return nil, errors.New("bench: want some time at a rate, and one push or more, each in a chat of its own")
	}
	if cfg.Note == nil {
		cfg.Note = func(string, ...any) {}
	}
	folder := ArchiveConfig{Dir: cfg.Dir}
	remove, err := folder.folder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	db, err := sqlite.Open(ctx, filepath.Join(folder.Dir, "push.db"))
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, err := startLog(ctx, cfg.Weft, LogConfig{Dir: filepath.Join(folder.Dir, "log"), Channels: cfg.Channels, Body: cfg.Body})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	sink, err := startSink()
	if err != nil {
		return nil, err
	}
	defer sink.close()
	people, err := newEverybody(db, sink.url)
	if err != nil {
		return nil, err
	}
	run := &pushRun{cfg: cfg, log: log, sink: sink, metrics: prometheus.NewRegistry()}
	stop, err := run.start(ctx, people)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r := &Report{Mode: "push", Setting: fmt.Sprintf("%.0f messages/s of %d B in %d chats for %s, then %d pushes", cfg.Rate, cfg.Body, cfg.Channels, cfg.Duration, cfg.Pushes)}
	if err := run.nobodyIsOwed(ctx, r); err != nil {
		return nil, err
	}
	return r, run.everybodyIs(ctx, r)
}

type pushRun struct {
	cfg     PushConfig
	log     *logProcess
	sink    *sink
	metrics *prometheus.Registry
}

func (run *pushRun) start(ctx context.Context, store push.Store) (stop func() error, err error) {
	nc, err := nats.Connect(run.log.URL, nats.Name("push"))
	if err != nil {
		return nil, fmt.Errorf("bench: connect to the log's server: %w", err)
	}
	role, err := push.New(ctx, nc, store, push.Config{Services: []string{run.sink.url}, Within: 10 * time.Minute},
		slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), run.metrics)
	if err != nil {
		nc.Close()
		return nil, err
	}
	roleCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- role.Run(roleCtx) }()
	select {
	case <-role.Ready():
	case err := <-ended:
		cancel()
		nc.Close()
		return nil, errors.Join(err, errors.New("bench: the role did not start"))
	}
	return func() error {
		cancel()
		err := <-ended
		nc.Close()
		return err
	}, nil
}

// nobodyIsOwed has messages written and acked, each within the role's delay.
func (run *pushRun) nobodyIsOwed(ctx context.Context, r *Report) error {
	n := int(run.cfg.Rate * run.cfg.Duration.Seconds())
	cpu := loaderCPU()
	begun := time.Now()
	if _, err := run.log.fill(logOrder{Messages: n, Rate: run.cfg.Rate, Ack: true}); err != nil {
		return err
	}
	written := time.Since(begun).Seconds()
	if err := run.await(ctx, "weft_push_spared_total", float64(n)); err != nil {
		return err
	}
	cpu = less(loaderCPU(), cpu)
	if queued := metric(run.metrics, "weft_push_queued_total"); queued > 0 {
		r.Failures = append(r.Failures, fmt.Sprintf("%.0f pushes of messages that were acked in time", queued))
	}
	messages := number(n)
	r.add("written_per_s", "messages written, and acked in time", number(float64(n)/written), "messages/s")
	r.add("owed_cpu_us_per_message", "CPU of the role to know that nobody is owed a push", scaled(per(cpu, messages), 1e6), "µs/message")
	r.add("owed_cores_at_24000", "the same at 24,000 messages/s", scaled(per(cpu, messages), 24_000), "cores")
	return nil
}

// everybodyIs has messages written that nobody acks. The push service takes none until all of them are queued.
func (run *pushRun) everybodyIs(ctx context.Context, r *Report) error {
	n := run.cfg.Pushes
	cpu, begun := loaderCPU(), time.Now()
	if _, err := run.log.fill(logOrder{Messages: n}); err != nil {
		return err
	}
	if err := run.await(ctx, "weft_push_queued_total", float64(n)); err != nil {
		return err
	}
	run.cfg.Note("%d pushes queued in %.1f s, %.0f µs of CPU each", n, time.Since(begun).Seconds(), *scaled(per(less(loaderCPU(), cpu), number(n)), 1e6))
	cpu, begun = loaderCPU(), time.Now()
	run.sink.open()
	if err := run.awaitCount(ctx, func() float64 { return float64(run.sink.taken.Load()) }, float64(n)); err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	cpu = less(loaderCPU(), cpu)
	r.add("pushes_per_s", "encrypted Web Pushes to a local sink", number(float64(n)/seconds), "pushes/s")
	r.add("push_cpu_us", "CPU of the role, and of the sink in its process", scaled(per(cpu, number(n)), 1e6), "µs/push")
	if taken := int(run.sink.taken.Load()); taken != n {
		r.Failures = append(r.Failures, fmt.Sprintf("the sink has taken %d pushes, want %d", taken, n))
	}
	return nil
}

func (run *pushRun) await(ctx context.Context, name string, want float64) error {
	return run.awaitCount(ctx, func() float64 { return metric(run.metrics, name) }, want)
}

// awaitCount waits until a count is reached, for as long as it moves.
func (run *pushRun) awaitCount(ctx context.Context, count func() float64, want float64) error {
	last, moved := -1.0, time.Now()
	for {
		now := count()
		switch {
		case now >= want:
			return nil
		case now > last:
			last, moved = now, time.Now()
		case time.Since(moved) > pushWithin:
			return fmt.Errorf("bench: the role stands at %.0f of %.0f", now, want)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// metric returns the value of a counter, summed over its labels.
func metric(from prometheus.Gatherer, name string) (sum float64) {
	families, err := from.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// sink is a push service that reads what it is given, and counts.
type sink struct {
	url    string
	server *http.Server
	taken  atomic.Int64
	closed chan struct{} // until it is open
	open   func()
}

func startSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("bench: the push service: %w", err)
	}
	s := &sink{url: "http://" + l.Addr().String(), closed: make(chan struct{})}
	s.open = sync.OnceFunc(func() { close(s.closed) })
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-s.closed
		s.taken.Add(1)
		w.WriteHeader(http.StatusCreated)
	})}
	go func() { _ = s.server.Serve(l) }() // it ends where it is closed
	return s, nil
}

func (s *sink) close() {
	s.open()
	_ = s.server.Close() // nobody is left
}

// everybody is a database in which each user has one device, which can be pushed to: with the user's id, at the sink.
type everybody struct {
	push.Store

	address string
}

func newEverybody(db push.Store, sink string) (*everybody, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	address, err := json.Marshal(push.Address{
		Endpoint: sink + "/wp/0", P256dh: base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), Auth: "AAAAAAAAAAAAAAAAAAAAAA",
	})
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return &everybody{db, string(address)}, nil
}

func (e *everybody) target(u fabric.UserID) push.Target {
	return push.Target{User: u, Device: fabric.DeviceID(u), Kind: push.KindWebPush, Address: e.address, Hash: string(u), Show: push.ShowAll}
}

// PushTargets implements push.Store.
func (e *everybody) PushTargets(_ context.Context, users []fabric.UserID) ([]push.Target, error) {
	all := make([]push.Target, len(users))
	for i, u := range users {
		all[i] = e.target(u)
	}
	return all, nil
}

// PushTarget implements push.Store.
func (e *everybody) PushTarget(_ context.Context, d fabric.DeviceID) (*push.Target, error) {
	t := e.target(fabric.UserID(d))
	return &t, nil
}
