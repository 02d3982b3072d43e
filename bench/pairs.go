package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client"
)

// PairsConfig is a run in which half the users send to the other half.
type PairsConfig struct {
	Pairs    int
	Window   int           // sends of a pair that wait for their reply
	Body     int           // bytes of a body
	Duration time.Duration // measured
	WarmUp   time.Duration // before it
	// Drain is how long what is under way at the end may take before it counts as lost; 0: 15 s.
	Drain time.Duration
	// Reconnects may happen, such as where the server is killed and started again meanwhile: then only messages count.
	Reconnects bool
}

// drainTimeout is how long what is under way at the end may take by default.
const drainTimeout = 15 * time.Second

// loaderGC is the loader's GOGC: it has memory to spare and shares its cores with the server.
const loaderGC = 400

// pairsRun is what the pairs of a run share.
type pairsRun struct {
	id        uint32
	clock     clock
	measuring atomic.Bool
	stopping  atomic.Bool
	cancel    context.CancelCauseFunc
	replies   *latency
	arrivals  *latency
	wire      wireCount
}

// Pairs measures messages: each pair's sender keeps its window full, each receiver acks as a client does. Where ctx ends
// while it measures, the report tells of the time until then, and that it was cut short.
func Pairs(ctx context.Context, t Target, cfg PairsConfig) (*Report, error) {
	r, err := runPairs(ctx, t, cfg)
	return r, cutShort(ctx, err)
}

func runPairs(ctx context.Context, t Target, cfg PairsConfig) (*Report, error) {
	if cfg.Pairs < 1 || cfg.Window < 1 || cfg.Duration <= 0 {
		return nil, errors.New("bench: want at least one pair, a window of one and some time")
	}
	if cfg.Body < MinBody {
		return nil, fmt.Errorf("bench: want a body of %d bytes or more: it carries its number and clock", MinBody)
	}
	if cfg.WarmUp+cfg.Duration > stillGood-2*time.Minute {
		return nil, fmt.Errorf("bench: want a run of at most %s: access tokens don't hold longer", stillGood-2*time.Minute)
	}
	if cfg.Drain <= 0 {
		cfg.Drain = drainTimeout
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loaderGC))
	users, err := t.users(ctx, 2*cfg.Pairs)
	if err != nil {
		return nil, err
	}
	stopped := ctx // from outside; what follows also ends with the first send that is refused
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &pairsRun{
		id: rand.Uint32(), clock: clock{time.Now()}, cancel: cancel, replies: newLatency(), arrivals: newLatency(),
	}
	pairs := make([]*pair, cfg.Pairs)
	defer func() {
		for _, p := range pairs {
			p.close()
		}
	}()
	transport := run.wire.client()
	err = parallel(ctx, signInWorkers, cfg.Pairs, func(ctx context.Context, i int) error {
		var err error
		pairs[i], err = run.connect(ctx, t, transport, cfg, users[2*i], users[2*i+1])
		return err
	})
	if err != nil {
		return nil, err
	}
	t.note("%d pairs connected; %s of warm-up, %s measured", cfg.Pairs, cfg.WarmUp, cfg.Duration)
	for _, p := range pairs {
		p.begin(cfg.Window)
	}
	if err := sleep(ctx, cfg.WarmUp); err != nil {
		return nil, err
	}
	before := run.tally(ctx, t, pairs)
	run.measuring.Store(true)
	ended := sleep(ctx, cfg.Duration)
	run.measuring.Store(false)
	// What was measured is checked in any case: until everything under way has arrived.
	ctx = context.WithoutCancel(ctx)
	after := run.tally(ctx, t, pairs)
	run.stopping.Store(true)
	if err := drain(ctx, pairs, cfg.Drain); err != nil {
		return nil, err
	}
	r := run.report(cfg, pairs, before, after)
	if ended != nil {
		text := fmt.Sprintf("after %.1f s of %s: %v", after.at.Sub(before.at).Seconds(), cfg.Duration, ended)
		if stopped.Err() != nil {
			r.CutShort = text
		} else {
			r.fail("the run ended %s", text)
		}
	}
	return r, nil
}

// drain waits until everything that was sent has been answered and received, or the time is over.
func drain(ctx context.Context, pairs []*pair, most time.Duration) error {
	deadline := time.Now().Add(most)
	for time.Now().Before(deadline) {
		open := 0
		for _, p := range pairs {
			replied, received := p.checker.Open()
			open += replied + received + int(p.inFlight.Load())
		}
		if open == 0 {
			return sleep(ctx, 100*time.Millisecond) // for doubles that come late
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// sleep waits, or returns why it may not.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tally is how far everything has come at a moment.
type tally struct {
	at              time.Time
	sent, delivered uint64
	out, in         uint64 // bytes to and from the server
	loader          *float64
	server          sample
}

func (run *pairsRun) tally(ctx context.Context, t Target, pairs []*pair) tally {
	a := tally{server: t.sample(ctx), loader: loaderCPU(), at: time.Now(), out: run.wire.out.Load(), in: run.wire.in.Load()}
	for _, p := range pairs {
		a.sent += p.replied.Load()
		a.delivered += p.delivered.Load()
	}
	return a
}

func (run *pairsRun) report(cfg PairsConfig, pairs []*pair, before, after tally) *Report {
	r := &Report{Mode: "pairs", Setting: fmt.Sprintf("%d pairs, window %d, body %d B, %s", cfg.Pairs, cfg.Window, cfg.Body, cfg.Duration)}
	seconds := after.at.Sub(before.at).Seconds()
	delivered := number(after.delivered - before.delivered)
	r.add("sent_per_s", "sent", number(float64(after.sent-before.sent)/seconds), "messages/s")
	r.add("delivered_per_s", "delivered", number(*delivered/seconds), "messages/s")
	r.addQuantiles("reply", "send to reply", run.replies)
	r.addQuantiles("receive", "send to receive", run.arrivals)
	after.server = after.server.since(before.server)
	cpu := less(after.server.cpu, before.server.cpu)
	r.add("server_cpu_us_per_message", "server CPU", scaled(per(cpu, delivered), 1e6), "µs/message")
	r.add("server_cores", "server CPU", scaled(cpu, 1/seconds), "cores")
	r.add("server_alloc_bytes_per_message", "server allocates", per(less(after.server.alloc, before.server.alloc), delivered), "B/message")
	r.add("server_rss_mib", "server RSS", scaled(after.server.rss, 1.0/(1<<20)), "MiB")
	r.add("wire_to_server_bytes_per_message", "wire to server", per(number(after.out-before.out), delivered), "B/message")
	r.add("wire_from_server_bytes_per_message", "wire from server", per(number(after.in-before.in), delivered), "B/message")
	loader := less(after.loader, before.loader)
	r.add("loader_cpu_us_per_message", "loader CPU", scaled(per(loader, delivered), 1e6), "µs/message")
	r.add("loader_cores", "loader CPU", scaled(loader, 1/seconds), "cores")
	if *delivered == 0 {
		r.fail("nothing was delivered while it was measured")
	}
	var disconnects uint64
	for _, p := range pairs {
		r.Faults.Merge(p.checker.Finish())
		if n := p.inFlight.Load(); n > 0 {
			r.fail("%d sends of user %s were not answered within %s after the last", n, p.sender.Identity().User, cfg.Drain)
		}
		for name, s := range map[string]*client.Session{"sender": p.sender, "receiver": p.receiver} {
			n := s.Stats().Connections
			disconnects += n - 1
			if n != 1 && !cfg.Reconnects {
				r.fail("%s %s was disconnected (%d×)", name, s.Identity().User, n-1)
			}
		}
		// The SDK drops what comes twice; on a connection that never broke nothing may.
		if st := p.receiver.Stats(); st.Connections == 1 && st.Duplicates > 0 {
			r.Faults.add(&r.Faults.Doubled, "user %s got %d messages twice or out of order on one connection", p.receiver.Identity().User, st.Duplicates)
		}
	}
	r.add("disconnects", "disconnects", number(disconnects), "")
	return r
}

// connect signs a pair on.
func (run *pairsRun) connect(ctx context.Context, t Target, transport *http.Client, cfg PairsConfig, from, to user) (*pair, error) {
	p := &pair{
		run: run, to: string(to.ID), body: newBody(cfg.Body, run.id),
		replies: run.replies.recorder(), arrivals: run.arrivals.recorder(),
	}
	options := func(u user) client.Options {
		return client.Options{URL: t.URL, Tokens: client.StaticToken(u.Access), HTTP: transport, Pending: 2 * cfg.Window}
	}
	var err error
	receiving := options(to)
	receiving.Handler = p.handle
	if p.receiver, err = client.Dial(receiving); err != nil {
		return nil, err
	}
	sending := options(from)
	sending.Handler = p.echo
	if p.sender, err = client.Dial(sending); err != nil {
		return p, err
	}
	for _, s := range []*client.Session{p.receiver, p.sender} {
		if err := s.Await(ctx); err != nil {
			return p, fmt.Errorf("connect: %w", err)
		}
	}
	return p, nil
}
