package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weft-im/weft/client/wire"
	"github.com/weft-im/weft/fabric"
)

// ResumeConfig is a run in which everybody was away, missed messages and comes back at once.
type ResumeConfig struct {
	Clients  int
	Missed   int // messages that each missed
	Channels int // over how many chats of each they are spread
	Senders  int // who sent them
	Body     int // bytes of a body
	Parallel int // connections that are being made at once; 0: all
	Timeout  time.Duration
}

// resumeRun is what the phases of a run share.
type resumeRun struct {
	t       Target
	cfg     ResumeConfig
	id      uint32
	senders []user
	clients []*resumer
	begun   time.Time // of the resume
}

// resumer is one of those who come back.
type resumer struct {
	user    user
	cursor  fabric.Cursor
	checker Checker

	conn     *slim
	received int           // messages that came
	synced   bool          // it was told that this was all
	early    int           // messages that had come by then
	late     bool          // others came after it
	done     time.Duration // since all began, when both were there
	own      time.Duration // since its own dial
	err      error         // why it never had all
	lost     error         // why it did not answer afterwards
}

// Resume measures how long it takes until everybody has what they missed.
func Resume(ctx context.Context, t Target, cfg ResumeConfig) (*Report, error) {
	r, err := runResume(ctx, t, cfg)
	return r, cutShort(ctx, err)
}

func runResume(ctx context.Context, t Target, cfg ResumeConfig) (*Report, error) {
	switch {
	case cfg.Clients < 1 || cfg.Missed < 1:
		return nil, errors.New("bench: want at least one client and one missed message")
	case cfg.Channels < 1 || cfg.Channels > cfg.Senders:
		return nil, errors.New("bench: want between one channel a client and as many as there are senders")
	case cfg.Body < MinBody:
		return nil, fmt.Errorf("bench: want a body of %d bytes or more: it carries its number and clock", MinBody)
	}
	if err := enoughDescriptors(cfg.Clients); err != nil {
		return nil, err
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = cfg.Clients
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loaderGC))
	users, err := t.users(ctx, cfg.Senders+cfg.Clients)
	if err != nil {
		return nil, err
	}
	run := &resumeRun{t: t, cfg: cfg, id: rand.Uint32(), senders: users[:cfg.Senders]}
	for _, u := range users[cfg.Senders:] {
		run.clients = append(run.clients, &resumer{user: u})
	}
	if err := run.takeCursors(ctx); err != nil {
		return nil, err
	}
	sent := time.Now()
	if err := run.sendMissed(ctx); err != nil {
		return nil, err
	}
	sending := time.Since(sent)
	t.note("%d messages sent in %.1f s; all %d clients come back", cfg.Clients*cfg.Missed, sending.Seconds(), cfg.Clients)

	before, loader := t.sample(ctx), loaderCPU()
	defer run.close()
	if err := run.resume(ctx); err != nil {
		return nil, err
	}
	after, loader := t.sample(ctx).since(before), less(loaderCPU(), loader)
	if err := run.rollCall(ctx); err != nil {
		return nil, err
	}
	return run.report(sending, before, after, loader), nil
}

// takeCursors has each client connect once, for a cursor to come back with.
func (run *resumeRun) takeCursors(ctx context.Context) error {
	begun := time.Now()
	err := parallel(ctx, min(64, run.cfg.Parallel), len(run.clients), func(ctx context.Context, i int) error {
		c := run.clients[i]
		look := func(o *wire.Object) error {
			if string(o.Ev) == "synced" {
				c.cursor = fabric.Cursor(o.Cursor)
			}
			return nil
		}
		s, err := signOn(ctx, run.t.URL, c.user, "", look)
		if err != nil {
			return fmt.Errorf("take a cursor: %w", err)
		}
		defer s.close()
		stop := context.AfterFunc(ctx, s.close)
		defer stop()
		for c.cursor == "" {
			if err := s.objects(look); err != nil {
				return errors.Join(fmt.Errorf("take a cursor: %w", err), ctx.Err())
			}
		}
		return nil
	})
	if err == nil {
		run.t.note("%d cursors taken in %.1f s", len(run.clients), time.Since(begun).Seconds())
	}
	return err
}

// resume connects everybody at once and waits until each has all, has failed, or the time is over.
func (run *resumeRun) resume(whole context.Context) error {
	ctx, cancel := context.WithTimeout(whole, run.cfg.Timeout)
	defer cancel()
	var group sync.WaitGroup
	slots := make(chan struct{}, run.cfg.Parallel)
	run.begun = time.Now()
	for _, c := range run.clients {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			c.err = c.comeBack(ctx, run)
		})
	}
	group.Wait()
	return whole.Err()
}

// rollCall asks each client that has all for one more answer, by which whatever else was under way to it has come too.
func (run *resumeRun) rollCall(whole context.Context) error {
	ctx, cancel := context.WithTimeout(whole, drainTimeout)
	defer cancel()
	err := parallel(ctx, signInWorkers, len(run.clients), func(ctx context.Context, i int) error {
		c := run.clients[i]
		if c.err != nil {
			return nil
		}
		stop := context.AfterFunc(ctx, c.conn.close)
		defer stop()
		if err := c.conn.write(opText, fmt.Appendf(nil, `{"op":"ping","id":%d}`, pingID)); err != nil {
			c.lost = err
			return nil
		}
		for answered := false; !answered; {
			if err := c.conn.objects(func(o *wire.Object) error {
				answered = answered || o.ID == pingID && o.OK != nil
				return c.take(o, run)
			}); err != nil {
				c.lost = err
				return nil
			}
		}
		return nil
	})
	if whole.Err() != nil {
		return whole.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // who did not answer is in lost
	}
	return err
}

func (run *resumeRun) close() {
	for _, c := range run.clients {
		c.conn.close()
	}
}

// comeBack connects with the cursor and reads until everything is there. The connection stays open, as those of people do.
func (c *resumer) comeBack(ctx context.Context, run *resumeRun) error {
	begun := time.Now()
	each := func(o *wire.Object) error { return c.take(o, run) }
	var err error
	if c.conn, err = signOn(ctx, run.t.URL, c.user, c.cursor, each); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.conn.close)
	defer stop()
	for !c.synced || c.received < run.cfg.Missed {
		if err := c.conn.objects(each); err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	c.late = c.early < c.received
	c.done, c.own = time.Since(run.begun), time.Since(begun)
	return nil
}

func (c *resumer) take(o *wire.Object, run *resumeRun) error {
	switch string(o.Ev) {
	case "message":
		c.message(o, run.id)
	case "synced":
		c.synced, c.early = true, c.received
	}
	return nil
}

func (c *resumer) message(o *wire.Object, run uint32) {
	channel := fabric.ChannelID(o.Channel)
	n, _, ok := readBody(o.Body, run)
	if !ok {
		c.checker.Stray(channel, o.Seq)
		return
	}
	c.received++
	c.checker.Received(channel, n, o.Seq, o.Prev)
}

func (run *resumeRun) report(sending time.Duration, before, after sample, loader *float64) *Report {
	cfg := run.cfg
	r := &Report{Mode: "resume", Setting: fmt.Sprintf("%d clients, %d missed messages each in %d channels", cfg.Clients, cfg.Missed, cfg.Channels)}
	everyone, own := newLatency(), newLatency()
	var last time.Duration
	unfinished, late := 0, 0
	for _, c := range run.clients {
		r.Faults.Merge(c.checker.Finish())
		if c.err != nil {
			unfinished++
			if !errors.Is(c.err, context.DeadlineExceeded) {
				r.fail("client %s came back in vain: %v", c.user.ID, c.err)
			}
			continue
		}
		if c.lost != nil {
			r.fail("client %s had all and then did not answer: %v", c.user.ID, c.lost)
		}
		if c.late {
			late++
		}
		last = max(last, c.done)
		everyone.recorder().record(c.done)
		own.recorder().record(c.own)
	}
	messages := number(cfg.Clients * cfg.Missed)
	r.add("clients", "clients", number(cfg.Clients), "")
	r.add("messages", "messages", messages, "")
	r.add("sent_per_s", "sent while away", number(*messages/sending.Seconds()), "messages/s")
	if unfinished == 0 {
		r.add("seconds", "until the last has all", number(last.Seconds()), "s")
		r.add("messages_per_s", "caught up", number(*messages/last.Seconds()), "messages/s")
	} else {
		r.add("seconds", "until the last has all", nil, "s")
	}
	r.addQuantiles("since_start", "a client has all", everyone)
	r.addQuantiles("since_dial", "of them since its dial", own)
	r.add("server_cpu_s", "server CPU", less(after.cpu, before.cpu), "s")
	r.add("server_cpu_us_per_client", "server CPU", scaled(per(less(after.cpu, before.cpu), number(cfg.Clients)), 1e6), "µs/client")
	r.add("server_rss_mib", "server RSS", scaled(after.rss, 1.0/(1<<20)), "MiB")
	r.add("loader_cpu_s", "loader CPU", loader, "s")
	r.add("synced_too_early", "synced before the last message", number(late), "clients")
	if unfinished > 0 {
		r.fail("%d of %d clients did not have everything within %s", unfinished, cfg.Clients, cfg.Timeout)
	}
	if late > 0 {
		r.fail("%d of %d clients were told that they are synced before they had everything", late, cfg.Clients)
	}
	return r
}
