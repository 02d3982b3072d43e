package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/weft-im/weft/fabric"
)

// AtRestConfig is a run in which nothing happens in a group but one message now and then.
type AtRestConfig struct {
	Members int           // online, the sender among them
	Rounds  int           // messages
	Pause   time.Duration // before each
	Body    int           // bytes of a body
}

// restTimeout is how long a message may take to reach everybody before the run fails.
const restTimeout = 10 * time.Second

// GroupsAtRest measures how long a message takes to reach the last member of a large group that is at rest.
func GroupsAtRest(ctx context.Context, t Target, cfg AtRestConfig) (*Report, error) {
	r, err := runAtRest(ctx, t, cfg)
	return r, cutShort(ctx, err)
}

func runAtRest(ctx context.Context, t Target, cfg AtRestConfig) (*Report, error) {
	switch {
	case cfg.Members < 2 || cfg.Rounds < 1:
		return nil, errors.New("bench: want a group of two members or more, and one message at least")
	case cfg.Body < MinBody:
		return nil, fmt.Errorf("bench: want a body of %d bytes or more: it carries its number and clock", MinBody)
	}
	if err := enoughDescriptors(cfg.Members); err != nil {
		return nil, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loaderGC))
	users, err := t.users(ctx, cfg.Members)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c, err := gather(ctx, t, users, 1, cfg.Body, cancel)
	if err != nil {
		return nil, err
	}
	defer c.close()
	t.note("%d members connected; %d messages, one each %s", cfg.Members, cfg.Rounds, cfg.Pause)
	all := make(chan uint64, 2*cfg.Rounds)
	c.whole.Store(&all)
	runtime.GC() // not in the middle of a round
	c.measuring.Store(true)
	before := c.tally(ctx)
	for round := range cfg.Rounds {
		if err := sleep(ctx, cfg.Pause); err != nil {
			return nil, err
		}
		if err := c.round(ctx, all); err != nil {
			return nil, fmt.Errorf("message %d of %d: %w", round+1, cfg.Rounds, err)
		}
	}
	after := c.tally(ctx)
	if err := c.drain(ctx, restTimeout); err != nil {
		return nil, err
	}
	r := &Report{Mode: "groups at rest", Setting: fmt.Sprintf("%d members, %d messages, one each %s, body %d B",
		cfg.Members, cfg.Rounds, cfg.Pause, cfg.Body)}
	q := c.lasts.quantiles(50, 100)
	r.add("last_p50_ms", "until the last has it, p50", q[0], "ms")
	r.add("last_max_ms", "until the last has it, most", q[1], "ms")
	q = c.replies.quantiles(50, 100)
	r.add("reply_p50_ms", "send to reply, p50", q[0], "ms")
	r.add("reply_max_ms", "send to reply, most", q[1], "ms")
	delivered := number(after.delivered - before.delivered)
	after.server = after.server.since(before.server)
	// What a server does at rest is in this too: heartbeats, and whatever it does by itself.
	r.add("server_cpu_us_per_delivery", "server CPU", scaled(per(less(after.server.cpu, before.server.cpu), delivered), 1e6), "µs/delivery")
	r.add("loader_cpu_us_per_delivery", "loader CPU", scaled(per(less(after.loader, before.loader), delivered), 1e6), "µs/delivery")
	r.add("server_rss_mib", "server RSS", scaled(after.server.rss, 1.0/(1<<20)), "MiB")
	c.check(r)
	return r, nil
}

// round sends one message and waits until its sender has the reply and all others have it.
func (c *crowd) round(ctx context.Context, all <-chan uint64) error {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	answered := make(chan fabric.Sent, 1)
	c.senders[0].send(func(sent fabric.Sent) { answered <- sent })
	for whole, replied := false, false; !whole || !replied; {
		select {
		case <-answered:
			replied = true
		case <-all:
			whole = true
		case <-ctx.Done():
			return fmt.Errorf("it did not reach all: %w", context.Cause(ctx))
		}
	}
	return nil
}
