package bench_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/bench"
	"github.com/weft-im/weft/weftest"
)

// Small runs of each mode.
var (
	fewPairs   = bench.PairsConfig{Pairs: 3, Window: 4, Body: 100, Duration: 500 * time.Millisecond, WarmUp: 50 * time.Millisecond}
	fewIdle    = bench.IdleConfig{Connections: 20, Hold: 50 * time.Millisecond, Parallel: 4}
	fewResumes = bench.ResumeConfig{Clients: 20, Missed: 5, Channels: 2, Senders: 3, Body: 100, Timeout: 30 * time.Second}
	fewMembers = bench.GroupsConfig{
		Members: 6, Senders: 2, Window: 4, Body: 100, Duration: 500 * time.Millisecond, WarmUp: 50 * time.Millisecond,
	}
	fewAtRest = bench.AtRestConfig{Members: 6, Rounds: 5, Pause: 5 * time.Millisecond, Body: 100}
)

// modes are run against a target, by their name.
var modes = map[string]func(context.Context, bench.Target) (*bench.Report, error){
	"pairs": func(ctx context.Context, t bench.Target) (*bench.Report, error) { return bench.Pairs(ctx, t, fewPairs) },
	"idle":  func(ctx context.Context, t bench.Target) (*bench.Report, error) { return bench.Idle(ctx, t, fewIdle) },
	"resume": func(ctx context.Context, t bench.Target) (*bench.Report, error) {
		return bench.Resume(ctx, t, fewResumes)
	},
	"groups": func(ctx context.Context, t bench.Target) (*bench.Report, error) {
		return bench.Groups(ctx, t, fewMembers)
	},
	"groups at rest": func(ctx context.Context, t bench.Target) (*bench.Report, error) {
		return bench.GroupsAtRest(ctx, t, fewAtRest)
	},
}

// target is a server of the test's own; lines that are noted go to its log.
func target(t *testing.T, args ...string) bench.Target {
	t.Helper()
	p := weftest.StartWeft(t, t.TempDir(), "", append([]string{"--send-rate", "100000"}, args...)...)
	return bench.Target{URL: p.URL, Ops: p.Ops, Note: t.Logf}
}

func TestModesMeasureARealServer(t *testing.T) {
	on := target(t)
	// What each mode has to tell, beside its latencies.
	figures := map[string][]string{
		"pairs": {
			"delivered_per_s", "reply_p50_ms", "reply_p999_ms", "receive_p99_ms", "server_cpu_us_per_message",
			"wire_to_server_bytes_per_message", "wire_from_server_bytes_per_message",
		},
		"idle":   {"handshakes_per_s", "handshake_p99_ms", "server_rss_kib_whole"},
		"resume": {"seconds", "messages_per_s", "since_start_p999_ms", "server_cpu_us_per_client"},
		"groups": {
			"deliveries_per_s", "sends_per_s", "reply_p50_ms", "last_p99_ms", "server_cpu_us_per_delivery", "deliveries_per_frame",
		},
		"groups at rest": {"last_p50_ms", "last_max_ms", "reply_p50_ms", "server_rss_mib"},
	}
	for name, run := range modes {
		t.Run(name, func(t *testing.T) {
			r, err := run(t.Context(), on)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed() {
				t.Errorf("faults %+v, failures %q", r.Faults, r.Failures)
			}
			for _, key := range figures[name] {
				if v := r.Figure(key); v == nil || *v <= 0 {
					t.Errorf("%s is not told, or nothing", key)
				}
			}
		})
	}
}

// Each harm is done to one message in the middle of a run against a server that does all right.
func TestModesNoticeOneHarmedMessage(t *testing.T) {
	on := target(t)
	harms := map[string]func(lines [][]byte, i int) [][]byte{
		"lost":    func(lines [][]byte, i int) [][]byte { return slices.Delete(lines, i, i+1) },
		"doubled": func(lines [][]byte, i int) [][]byte { return slices.Insert(lines, i, lines[i]) },
	}
	for mode, victim := range map[string]int{"pairs": 10, "resume": 50, "groups": 70} {
		for name, harm := range harms {
			t.Run(mode+"/"+name, func(t *testing.T) {
				m := meddle(t, on.URL, victim, harm)
				through := on
				through.URL = m.URL
				var r *bench.Report
				var err error
				switch mode {
				case "pairs":
					impatient := fewPairs
					impatient.Drain = time.Second
					r, err = bench.Pairs(t.Context(), through, impatient)
				case "resume":
					impatient := fewResumes
					impatient.Timeout = 2 * time.Second
					r, err = bench.Resume(t.Context(), through, impatient)
				case "groups":
					impatient := fewMembers
					impatient.Drain = time.Second
					r, err = bench.Groups(t.Context(), through, impatient)
				}
				if err != nil {
					t.Fatal(err)
				}
				if !m.harmed() {
					t.Fatal("no message was harmed")
				}
				count := map[string]int{"lost": r.Faults.Lost, "doubled": r.Faults.Doubled}[name]
				if !r.Failed() || count == 0 || len(r.Faults.Examples) == 0 {
					t.Errorf("one message was %s, and the run says: %+v, %q", name, r.Faults, r.Failures)
				}
			})
		}
	}
}

func TestModesNeedDevMode(t *testing.T) {
	on := target(t, "--dev", "off")
	for name, run := range modes {
		_, err := run(t.Context(), on)
		if err == nil || !strings.Contains(err.Error(), "not in dev mode") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestModesSayThatTheyWereCutShort(t *testing.T) {
	on := target(t)
	long := map[string]struct {
		until string // what is noted when it is stopped
		run   func(context.Context, bench.Target) (*bench.Report, error)
	}{
		"pairs": {"pairs connected", func(ctx context.Context, t bench.Target) (*bench.Report, error) {
			cfg := fewPairs
			cfg.WarmUp, cfg.Duration = 0, 5*time.Minute
			return bench.Pairs(ctx, t, cfg)
		}},
		"idle": {"holding them", func(ctx context.Context, t bench.Target) (*bench.Report, error) {
			cfg := fewIdle
			cfg.Hold = 5 * time.Minute
			return bench.Idle(ctx, t, cfg)
		}},
		"groups": {"members connected", func(ctx context.Context, t bench.Target) (*bench.Report, error) {
			cfg := fewMembers
			cfg.WarmUp, cfg.Duration = 0, 5*time.Minute
			return bench.Groups(ctx, t, cfg)
		}},
		"groups at rest": {"members connected", func(ctx context.Context, t bench.Target) (*bench.Report, error) {
			cfg := fewAtRest
			cfg.Pause = time.Minute
			return bench.GroupsAtRest(ctx, t, cfg)
		}},
		"resume": {"cursors taken", func(ctx context.Context, t bench.Target) (*bench.Report, error) {
			return bench.Resume(ctx, t, fewResumes)
		}},
	}
	for name, tc := range long {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			noting := on
			noting.Note = func(format string, _ ...any) {
				if strings.Contains(format, tc.until) {
					stop()
				}
			}
			r, err := tc.run(ctx, noting)
			switch {
			case err != nil && strings.Contains(err.Error(), "cut short"):
			case err == nil && r.CutShort != "" && r.Failed():
			default:
				t.Errorf("report %+v, error %v", r, err)
			}
		})
	}
}

func TestModesRefuseWhatTheyCannotMeasure(t *testing.T) {
	nowhere := bench.Target{URL: "http://127.0.0.1:1"}
	with := func(change func(*bench.PairsConfig)) error {
		cfg := fewPairs
		change(&cfg)
		_, err := bench.Pairs(t.Context(), nowhere, cfg)
		return err
	}
	_, resumeErr := bench.Resume(t.Context(), nowhere, bench.ResumeConfig{Clients: 1, Missed: 1, Channels: 2, Senders: 1, Body: 100})
	_, idleErr := bench.Idle(t.Context(), nowhere, bench.IdleConfig{Connections: 1, Parallel: 1, Hold: time.Hour})
	lonely := fewMembers
	lonely.Members = 1
	_, groupErr := bench.Groups(t.Context(), nowhere, lonely)
	_, restErr := bench.GroupsAtRest(t.Context(), nowhere, bench.AtRestConfig{Members: 5, Body: 100})
	cases := map[string]struct {
		err  error
		says string
	}{
		"a group of one": {groupErr, "two members"},
		"no rounds":      {restErr, "one message"},
		"no pairs":       {with(func(c *bench.PairsConfig) { c.Pairs = 0 }), "one pair"},
		"a small body":   {with(func(c *bench.PairsConfig) { c.Body = 5 }), "body"},
		"too long a run": {with(func(c *bench.PairsConfig) { c.Duration = time.Hour }), "tokens"},
		"lone senders":   {resumeErr, "channel"},
		"too long idle":  {idleErr, "tokens"},
	}
	for name, tc := range cases {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("%s: got %v, want something about %s", name, tc.err, tc.says)
		}
	}
}

func TestAcksOfAGroupAreCounted(t *testing.T) {
	on := target(t)
	cfg := fewMembers
	cfg.Ack, cfg.Duration = true, 1500*time.Millisecond
	r, err := bench.Groups(t.Context(), on, cfg)
	if err != nil || r.Failed() {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, key := range []string{"receipt_writes_per_message", "receipt_events_per_message", "receipt_events_per_member_per_s", "all_have_it_s"} {
		if v := r.Figure(key); v == nil || *v <= 0 {
			t.Errorf("%s is not told, or nothing", key)
		}
	}
	// What all have is told once a second: no event for each member and message.
	if v := r.Figure("receipt_events_per_member_per_s"); v != nil && *v > 2 {
		t.Errorf("%.1f receipt events a second for each member", *v)
	}
}

func TestUsersAreKeptForTheNextRun(t *testing.T) {
	on := target(t)
	var notes []string
	on.Note = func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	on.Users = filepath.Join(t.TempDir(), "users.json")
	run := func() string {
		t.Helper()
		notes = nil
		if r, err := bench.Idle(t.Context(), on, fewIdle); err != nil || r.Failed() {
			t.Fatalf("%+v, %v", r, err)
		}
		return strings.Join(notes, "\n")
	}
	if said := run(); strings.Contains(said, " 0 of them signed in") {
		t.Errorf("the first run signed nobody in: %s", said)
	}
	if said := run(); !strings.Contains(said, " 0 of them signed in") {
		t.Errorf("the second run signed in again: %s", said)
	}
	// Another server does not know them, and the run finds that out by itself.
	other := target(t)
	on.URL, on.Ops = other.URL, other.Ops
	if said := run(); strings.Contains(said, " 0 of them signed in") {
		t.Errorf("the other server knows them: %s", said)
	}
}
