package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// GroupsConfig is a run in which some members of one group send to all of it.
type GroupsConfig struct {
	Members  int // online, the senders among them
	Senders  int
	Window   int           // sends of a sender that wait for their reply
	Body     int           // bytes of a body
	Duration time.Duration // measured
	WarmUp   time.Duration // before it
	// Drain is how long what is under way at the end may take before it counts as lost; 0: 15 s.
	Drain time.Duration
	// Ack says that each member acks what it has, as a phone does: at most every tenth of a second.
	Ack bool
}

// Groups measures a group: each message goes to every member but its sender. Where ctx ends while it measures, the
// report tells of the time until then, and that it was cut short.
func Groups(ctx context.Context, t Target, cfg GroupsConfig) (*Report, error) {
	r, err := runGroups(ctx, t, cfg)
	return r, cutShort(ctx, err)
}

func (cfg GroupsConfig) validate() error {
	switch {
	case cfg.Members < 2 || cfg.Senders < 1 || cfg.Senders > cfg.Members:
		return errors.New("bench: want a group of two members or more, of which at least one sends")
	case cfg.Window < 1 || cfg.Duration <= 0:
		return errors.New("bench: want a window of one and some time")
	case cfg.Body < MinBody:
		return fmt.Errorf("bench: want a body of %d bytes or more: it carries its number and clock", MinBody)
	case cfg.WarmUp+cfg.Duration > stillGood-2*time.Minute:
		return fmt.Errorf("bench: want a run of at most %s: access tokens don't hold longer", stillGood-2*time.Minute)
	}
	return enoughDescriptors(cfg.Members)
}

func runGroups(ctx context.Context, t Target, cfg GroupsConfig) (*Report, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Drain <= 0 {
		cfg.Drain = drainTimeout
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loaderGC))
	users, err := t.users(ctx, cfg.Members)
	if err != nil {
		return nil, err
	}
	stopped := ctx // from outside; what follows also ends with the first send that is refused
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c, err := gather(ctx, t, users, cfg.Senders, cfg.Body, cancel)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if cfg.Ack {
		c.startAcks(ctx)
	}
	t.note("%d members connected; %s of warm-up, %s measured", cfg.Members, cfg.WarmUp, cfg.Duration)
	for _, s := range c.senders {
		s.begin(cfg.Window)
	}
	if err := sleep(ctx, cfg.WarmUp); err != nil {
		return nil, err
	}
	before := c.tally(ctx)
	c.measuring.Store(true)
	ended := sleep(ctx, cfg.Duration)
	c.measuring.Store(false)
	// What was measured is checked in any case: until everything under way has arrived.
	ctx = context.WithoutCancel(ctx)
	after := c.tally(ctx)
	c.stopping.Store(true)
	if err := c.drain(ctx, cfg.Drain); err != nil {
		return nil, err
	}
	r := &Report{Mode: "groups", Setting: fmt.Sprintf("%d members, %d of them send, window %d, body %d B, %s",
		cfg.Members, cfg.Senders, cfg.Window, cfg.Body, cfg.Duration)}
	c.figures(r, before, after)
	if cfg.Ack {
		c.receipts(ctx, r, before, after)
	}
	c.check(r)
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

// figures tells what was measured between two moments.
func (c *crowd) figures(r *Report, before, after groupTally) {
	seconds := after.at.Sub(before.at).Seconds()
	delivered := number(after.delivered - before.delivered)
	sent := after.sent - before.sent
	r.add("deliveries_per_s", "delivered", number(*delivered/seconds), "deliveries/s")
	r.add("sends_per_s", "sent", number(float64(sent)/seconds), "messages/s")
	r.addQuantiles("reply", "send to reply", c.replies)
	r.addQuantiles("last", "send to the last member", c.lasts)
	after.server = after.server.since(before.server)
	cpu := less(after.server.cpu, before.server.cpu)
	r.add("server_cpu_us_per_delivery", "server CPU", scaled(per(cpu, delivered), 1e6), "µs/delivery")
	r.add("server_cpu_us_per_message", "server CPU", scaled(per(cpu, number(sent)), 1e6), "µs/message")
	r.add("server_cores", "server CPU", scaled(cpu, 1/seconds), "cores")
	r.add("server_alloc_bytes_per_delivery", "server allocates", per(less(after.server.alloc, before.server.alloc), delivered), "B/delivery")
	r.add("server_rss_mib", "server RSS", scaled(after.server.rss, 1.0/(1<<20)), "MiB")
	r.add("deliveries_per_frame", "deliveries a frame", per(delivered, number(after.frames-before.frames)), "")
	r.add("wire_from_server_bytes_per_delivery", "wire from server", per(number(after.bytes-before.bytes), delivered), "B/delivery")
	loader := less(after.loader, before.loader)
	r.add("loader_cpu_us_per_delivery", "loader CPU", scaled(per(loader, delivered), 1e6), "µs/delivery")
	r.add("loader_cores", "loader CPU", scaled(loader, 1/seconds), "cores")
	if *delivered == 0 {
		r.fail("nothing was delivered while it was measured")
	}
}

// receipts tells what acks cost: writes of members' marks, and the events by which the group hears of them.
func (c *crowd) receipts(ctx context.Context, r *Report, before, after groupTally) {
	sent := number(after.sent - before.sent)
	after.server = after.server.since(before.server)
	writes := less(after.server.receipts, before.server.receipts)
	events := number(after.receipts - before.receipts)
	seconds := after.at.Sub(before.at).Seconds()
	r.add("receipt_writes_per_s", "receipt writes", scaled(writes, 1/seconds), "1/s")
	r.add("receipt_writes_per_message", "receipt writes", per(writes, sent), "1/message")
	r.add("receipt_events_per_message", "receipt events, to all together", per(events, sent), "1/message")
	r.add("receipt_events_per_member_per_s", "receipt events", number(*events/seconds/float64(len(c.members)+len(c.senders))), "1/s/member")
	// All have acked the last message: the group is to hear it.
	begun := time.Now()
	for !c.allHave() {
		if time.Since(begun) > aggregateTimeout {
			r.fail("all members acked the last message, and within %s no receipt said so", aggregateTimeout)
			return
		}
		if sleep(ctx, 10*time.Millisecond) != nil {
			return
		}
	}
	r.add("all_have_it_s", "until a receipt says that all have all", number(time.Since(begun).Seconds()), "s")
}

// aggregateTimeout is how long a group may take to tell what all of its members have: it does so once a second.
const aggregateTimeout = 10 * time.Second
