package bench_test

import (
	"strings"
	"testing"

	"github.com/weft-im/weft/bench"
	"github.com/weft-im/weft/weftest"
)

func TestHistoryIsMeasured(t *testing.T) {
	var notes []string
	cfg := bench.HistoryConfig{
		Dir: t.TempDir(), Weft: weftest.Binary(t), Messages: 200, Others: 1000, Body: 50, Page: 20, Rounds: 5,
		Note: func(format string, _ ...any) { notes = append(notes, format) },
	}
	run := func() {
		t.Helper()
		notes = nil
		r, err := bench.History(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed() {
			t.Errorf("faults %+v, failures %q", r.Faults, r.Failures)
		}
		for _, key := range []string{"newest_verb_p50_ms", "oldest_http_p99_ms", "random_verb_p50_ms", "random_http_p99_ms"} {
			if v := r.Figure(key); v == nil || *v <= 0 {
				t.Errorf("%s is not told, or nothing", key)
			}
		}
	}
	run()
	run() // finds what the first one has filled
	if said := strings.Join(notes, "\n"); strings.Contains(said, "written") || !strings.Contains(said, "earlier run") {
		t.Errorf("the second run notes:\n%s", said)
	}
}

func TestHistoryRefusesWhatItCannotMeasure(t *testing.T) {
	for says, cfg := range map[string]bench.HistoryConfig{
		"one message": {Rounds: 1},
		"pages of":    {Messages: 10, Rounds: 1, Page: 20, Body: 50},
		"a body of":   {Messages: 10, Rounds: 1, Page: 5},
	} {
		if _, err := bench.History(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want something about %s", err, says)
		}
	}
}
