package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// ArchiveConfig is a run in which the history role brings a log into a database. It needs no server: the role runs in this
// process, NATS and who writes the log in another.
type ArchiveConfig struct {
	Postgres string // URL of an empty database; empty: SQLite in Dir
	Dir      string // for the log and SQLite; empty: a temporary one, removed afterwards
	Messages int    // in the log when the role starts
	Channels int
	Body     int           // bytes of a body
	Rate     float64       // messages a second that are written while the role runs; 0: none
	Duration time.Duration // for so long
	Weft     string        // the weft program, for the process with the log; empty: this one
	Note     func(format string, args ...any)
}

// catchUpWithin is how long the archive may be without any progress before the run fails.
const catchUpWithin = 30 * time.Second

// Archive measures how fast the history role archives a log that it finds full, and how far it lags behind one that is
// being written.
func Archive(ctx context.Context, cfg ArchiveConfig) (*Report, error) {
	r, err := runArchive(ctx, cfg)
	return r, cutShort(ctx, err)
}

func (cfg *ArchiveConfig) validate() error {
	switch {
	case cfg.Messages < 1 || cfg.Channels < 1 || cfg.Messages < cfg.Channels:
		return errors.New("bench: want at least one message a channel, and one channel")
	case cfg.Body < minWords:
		return fmt.Errorf("bench: want a body of %d bytes or more", minWords)
	case cfg.Rate < 0 || cfg.Rate > 0 && cfg.Duration <= 0:
		return errors.New("bench: want some time to write at a rate")
	}
	if cfg.Note == nil {
		cfg.Note = func(string, ...any) {}
	}
	return nil
}

func runArchive(ctx context.Context, cfg ArchiveConfig) (_ *Report, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	remove, err := cfg.folder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	db, engine, err := openDatabase(ctx, cfg.Postgres, filepath.Join(cfg.Dir, "archive.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, err := startLog(ctx, cfg.Weft, LogConfig{Dir: filepath.Join(cfg.Dir, "log"), Channels: cfg.Channels, Body: cfg.Body})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	if err := db.Claim(ctx, log.Fabric); err != nil {
		return nil, fmt.Errorf("bench: want an empty database: %w", err)
	}
	filled, err := log.fill(logOrder{Messages: cfg.Messages})
	if err != nil {
		return nil, err
	}
	cfg.Note("%d messages of %d B in %d channels written in %.1f s; archiving them in %s",
		cfg.Messages, cfg.Body, cfg.Channels, filled.Seconds, engine)

	run := &archiveRun{cfg: cfg, log: log, total: cfg.Messages}
	r := &Report{Mode: "archive", Setting: fmt.Sprintf("%s, %d messages of %d B in %d channels, then %.0f/s for %s",
		engine, cfg.Messages, cfg.Body, cfg.Channels, cfg.Rate, cfg.Duration)}
	stop, err := run.start(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := run.catchUp(ctx, r); err != nil {
		return nil, err
	}
	if cfg.Rate > 0 {
		if err := run.keepUp(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, run.check(ctx, r)
}

// folder makes Dir where there is none, and returns how to remove it.
func (cfg *ArchiveConfig) folder() (remove func() error, err error) {
	if cfg.Dir != "" {
		return func() error { return nil }, nil
	}
	if cfg.Dir, err = os.MkdirTemp("", "weft-bench"); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return func() error { return os.RemoveAll(cfg.Dir) }, nil
}

// archiveRun is a role at work and what it has to archive.
type archiveRun struct {
	cfg     ArchiveConfig
	log     *logProcess
	nc      *nats.Conn
	reader  *msglog.Reader
	metrics *prometheus.Registry
	total   int // messages ordered
	begun   time.Time
	cpu     *float64
}

// start starts the role; stop ends it.
func (run *archiveRun) start(ctx context.Context, db database) (stop func() error, err error) {
	var conns []*nats.Conn
	for _, name := range []string{"history", "bench"} {
		nc, err := nats.Connect(run.log.URL, nats.Name(name))
		if err != nil {
			return nil, fmt.Errorf("bench: connect to the log's server: %w", err)
		}
		conns = append(conns, nc)
	}
	run.nc = conns[1]
	if run.reader, err = msglog.NewReader(run.nc, 1); err != nil {
		return nil, err
	}
	run.metrics = prometheus.NewRegistry()
	role, err := history.New(conns[0], db, 1, history.Config{}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), run.metrics)
	if err != nil {
		return nil, err
	}
	roleCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	run.begun, run.cpu = time.Now(), loaderCPU()
	go func() { ended <- role.Run(roleCtx) }()
	return func() error {
		cancel()
		err := errors.Join(<-ended, run.reader.Close())
		for _, nc := range conns {
			nc.Close()
		}
		return err
	}, nil
}

// catchUp waits until all that the role found is archived.
func (run *archiveRun) catchUp(ctx context.Context, r *Report) error {
	if err := run.await(ctx, uint64(run.total), nil); err != nil {
		return err
	}
	seconds, cpu := time.Since(run.begun).Seconds(), less(loaderCPU(), run.cpu)
	n := number(run.total)
	r.add("archived_per_s", "archived from a full log", number(*n/seconds), "messages/s")
	r.add("role_cpu_us_per_message", "CPU of the role's process", scaled(per(cpu, n), 1e6), "µs/message")
	r.add("role_cores", "CPU of the role's process", scaled(cpu, 1/seconds), "cores")
	run.cfg.Note("archived in %.1f s", seconds)
	return nil
}

// keepUp has messages written at the rate and follows how far behind the role is.
func (run *archiveRun) keepUp(ctx context.Context, r *Report) error {
	n := int(run.cfg.Rate * run.cfg.Duration.Seconds())
	run.total += n
	type result struct {
		logDone
		err error
	}
	written := make(chan result, 1)
	begun, cpu := time.Now(), loaderCPU()
	go func() {
		done, err := run.log.fill(logOrder{Messages: n, Rate: run.cfg.Rate})
		written <- result{done, err}
	}()
	l := new(lag)
	if err := run.await(ctx, uint64(run.total), l); err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	cpu = less(loaderCPU(), cpu)
	w := <-written
	if w.err != nil {
		return w.err
	}
	messages := number(n)
	r.add("written_per_s", "then written", number(*messages/w.Seconds), "messages/s")
	r.add("lag_messages", "largest lag", number(l.messages), "messages")
	r.add("lag_s", "largest lag", number(l.most.Seconds()), "s")
	r.add("paced_role_cpu_us_per_message", "CPU of the role's process", scaled(per(cpu, messages), 1e6), "µs/message")
	r.add("paced_role_cores", "CPU of the role's process", scaled(cpu, 1/seconds), "cores")
	r.add("paced_log_cpu_us_per_message", "CPU of NATS and who writes", scaled(per(w.CPU, messages), 1e6), "µs/message")
	if rate := *messages / w.Seconds; rate < 0.9*run.cfg.Rate {
		r.fail("%.0f messages/s were written instead of %.0f: the log itself did not keep up", rate, run.cfg.Rate)
	}
	return nil
}

// lookEvery is how often the archive is looked at: a lag is as exact as that.
const lookEvery = 20 * time.Millisecond

// await waits until so many messages are archived, and notes in l (if there is one) how far behind the log that is.
func (run *archiveRun) await(ctx context.Context, messages uint64, l *lag) error {
	var was uint64
	for moved := time.Now(); ; {
		now, err := run.archived()
		if err != nil {
			return err
		}
		if l != nil {
			head, err := run.reader.Head(ctx, subjects.MsgStream(0))
			if err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			l.note(time.Now(), head, now)
		}
		switch {
		case now >= messages:
			return nil
		case now > was:
			was, moved = now, time.Now()
		case time.Since(moved) > catchUpWithin:
			return fmt.Errorf("bench: the archive stands at %d of %d messages and has not moved for %s", now, messages, catchUpWithin)
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// archived is how many messages the role has written: the log holds nothing else, so it is also the seq up to which it
// has.
func (run *archiveRun) archived() (uint64, error) {
	families, err := run.metrics.Gather()
	if err != nil {
		return 0, fmt.Errorf("bench: the role's metrics: %w", err)
	}
	for _, f := range families {
		if f.GetName() == "weft_history_archived_messages_total" {
			return uint64(f.GetMetric()[0].GetCounter().GetValue()), nil
		}
	}
	return 0, errors.New("bench: the role does not tell how much it has archived")
}

// check looks at some channels, whether all that was written is there, once and in order.
func (run *archiveRun) check(ctx context.Context, r *Report) error {
	for i, c := range run.log.Channels {
		want := run.total / run.cfg.Channels // they took turns
		if i < run.total%run.cfg.Channels {
			want++
		}
		user, _, _ := c.Users()
		var last uint64
		for more, n := true, 0; more; {
			page, err := service.Call[contract.HistoryPageReply](ctx, run.nc, subjects.HistoryPage, contract.HistoryPageRequest{
				User: user, Channel: c, After: &last, Limit: contract.MaxPage,
			})
			if err != nil {
				return fmt.Errorf("bench: a page of %s: %w", c, err)
			}
			if last, err = follow(page, last, &r.Faults, c); err != nil {
				return err
			}
			n += len(page.Messages)
			if more = page.More; !more && n != want {
				r.Faults.add(&r.Faults.Lost, "channel %s has %d of %d messages", c, n, want)
			}
		}
	}
	return nil
}

// follow holds a page to be the next part of a channel after seq last, and returns the seq at its end.
func follow(page contract.HistoryPageReply, last uint64, faults *Faults, c fabric.ChannelID) (uint64, error) {
	for _, raw := range page.Messages {
		m, err := decodeStored(raw)
		if err != nil {
			return 0, err
		}
		if m.Prev != last || m.Seq <= last {
			faults.add(&faults.Broken, "channel %s: seq %d names %d as its prev, but seq %d is before it", c, m.Seq, m.Prev, last)
		}
		last = m.Seq
	}
	return last, nil
}
