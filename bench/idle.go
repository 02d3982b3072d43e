package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client/wire"
)

// IdleConfig is a run of connections that only exist.
type IdleConfig struct {
	Connections int
	Hold        time.Duration
	Parallel    int // handshakes at once
}

// Idle measures what a connection costs the server that does nothing but be there.
func Idle(ctx context.Context, t Target, cfg IdleConfig) (*Report, error) {
	r, err := runIdle(ctx, t, cfg)
	return r, cutShort(ctx, err)
}

func runIdle(ctx context.Context, t Target, cfg IdleConfig) (*Report, error) {
	if cfg.Connections < 1 || cfg.Parallel < 1 || cfg.Hold <= 0 {
		return nil, errors.New("bench: want at least one connection, one handshake at a time and some time")
	}
	if cfg.Hold > stillGood-2*time.Minute {
		return nil, fmt.Errorf("bench: want connections held for at most %s: access tokens don't hold longer", stillGood-2*time.Minute)
	}
	if err := enoughDescriptors(cfg.Connections); err != nil {
		return nil, err
	}
	users, err := t.users(ctx, cfg.Connections)
	if err != nil {
		return nil, err
	}
	run := &idleRun{conns: make([]*slim, cfg.Connections)}
	// Whatever ends the run, the readers end with their connections.
	defer run.readers.Wait()
	defer run.close()

	before, loader := t.sample(ctx), loaderCPU()
	handshakes, begun := newLatency(), time.Now()
	err = parallel(ctx, cfg.Parallel, cfg.Connections, func(ctx context.Context, i int) error {
		at := time.Now()
		s, err := signOn(ctx, t.URL, users[i], "", nil)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		handshakes.recorder().record(time.Since(at))
		run.hold(i, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	took := time.Since(begun)
	connected := t.sample(ctx).since(before)
	t.note("%d connections in %.1f s; holding them for %s", cfg.Connections, took.Seconds(), cfg.Hold)
	if err := sleep(ctx, cfg.Hold); err != nil {
		return nil, err
	}
	after := t.sample(ctx).since(before)

	r := &Report{Mode: "idle", Setting: fmt.Sprintf("%d connections held for %s", cfg.Connections, cfg.Hold)}
	answered, silent, err := run.pingAll(ctx, cfg.Parallel)
	if err != nil {
		return nil, err
	}
	count := number(cfg.Connections)
	r.add("connections", "connections", count, "")
	r.add("handshakes_per_s", "handshakes", number(float64(cfg.Connections)/took.Seconds()), "1/s")
	r.addQuantiles("handshake", "handshake", handshakes)
	r.add("server_cpu_us_per_handshake", "server CPU", scaled(per(less(connected.cpu, before.cpu), count), 1e6), "µs/handshake")
	r.add("server_rss_before_mib", "server RSS before", scaled(before.rss, 1.0/(1<<20)), "MiB")
	r.add("server_rss_after_mib", "server RSS after", scaled(after.rss, 1.0/(1<<20)), "MiB")
	r.add("server_rss_kib_per_connection", "server RSS", scaled(per(less(after.rss, before.rss), count), 1.0/1024), "KiB/connection")
	r.add("server_rss_kib_whole", "server RSS, all of it", scaled(per(after.rss, count), 1.0/1024), "KiB/connection")
	r.add("server_inuse_kib_per_connection", "server heap and stacks", scaled(per(less(after.working, before.working), count), 1.0/1024), "KiB/connection")
	r.add("server_idle_cores", "server CPU while held", scaled(less(after.cpu, connected.cpu), 1/cfg.Hold.Seconds()), "cores")
	r.add("pings", "WebSocket pings seen", number(run.pings()), "")
	r.add("alive", "alive at the end", number(answered), "")
	r.add("loader_cpu_s", "loader CPU", less(loaderCPU(), loader), "s")
	r.add("loader_memory_kib_per_connection", "loader memory", number(loaderMemory()/float64(cfg.Connections)/1024), "KiB/connection")
	if answered != cfg.Connections {
		r.fail("%d of %d connections did not answer a ping at the end, such as %v", cfg.Connections-answered, cfg.Connections, silent)
	}
	if died := run.deaths(); len(died) > 0 {
		r.fail("%d of %d connections died, such as of: %v", len(died), cfg.Connections, died[0])
	}
	return r, nil
}

// idleRun holds the connections.
type idleRun struct {
	conns   []*slim
	readers sync.WaitGroup
	closing atomic.Bool
	pongs   sync.Map // of the connections, by their number, those whose ping was answered

	mu   sync.Mutex
	died []error
}

// hold keeps connection i until it ends, answering the server's pings.
func (run *idleRun) hold(i int, s *slim) {
	run.conns[i] = s
	run.readers.Go(func() {
		for {
			err := s.objects(func(o *wire.Object) error {
				if o.ID == pingID && o.OK != nil {
					run.pongs.Store(i, struct{}{})
				}
				return nil
			})
			if err != nil {
				if !run.closing.Load() {
					run.mu.Lock()
					run.died = append(run.died, err)
					run.mu.Unlock()
				}
				return
			}
		}
	})
}

// pingAll asks each connection for a sign of life, waits for it, and returns how many gave one and one error of those
// that did not.
func (run *idleRun) pingAll(ctx context.Context, workers int) (answered int, silent error, err error) {
	var failed atomic.Value
	err = parallel(ctx, workers, len(run.conns), func(_ context.Context, i int) error {
		if err := run.conns[i].write(opText, fmt.Appendf(nil, `{"op":"ping","id":%d}`, pingID)); err != nil {
			failed.Store(err) // it counts as not alive, which is the finding and no reason to stop
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	count := func() (n int) {
		run.pongs.Range(func(_, _ any) bool { n++; return true })
		return n
	}
	for deadline := time.Now().Add(drainTimeout); time.Now().Before(deadline) && answered < len(run.conns); answered = count() {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, nil, err
		}
	}
	silent, _ = failed.Load().(error)
	if silent == nil {
		silent = errors.New("no answer")
	}
	return answered, silent, nil
}

func (run *idleRun) pings() (n uint64) {
	for _, s := range run.conns {
		n += uint64(s.pings.Load())
	}
	return n
}

func (run *idleRun) deaths() []error {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.died
}

func (run *idleRun) close() {
	run.closing.Store(true)
	for _, s := range run.conns {
		s.close()
	}
}

// loaderMemory returns the bytes that this process has from the system.
func loaderMemory() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}
