package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/bench"
	"github.com/weft-im/weft/weftest"
)

func TestArchiveIsMeasuredOnBothEngines(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   func(testing.TB) string { return "" },
		"postgres": weftest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := bench.Archive(t.Context(), bench.ArchiveConfig{
				Postgres: url(t), Dir: t.TempDir(), Weft: weftest.Binary(t), Note: t.Logf,
				Messages: 2003, Channels: 10, Body: 100, Rate: 1000, Duration: time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed() {
				t.Errorf("faults %+v, failures %q", r.Faults, r.Failures)
			}
			for _, key := range []string{
				"archived_per_s", "role_cpu_us_per_message", "written_per_s", "lag_messages", "lag_s", "paced_role_cpu_us_per_message",
			} {
				if v := r.Figure(key); v == nil || *v <= 0 {
					t.Errorf("%s is not told, or nothing", key)
				}
			}
		})
	}
}

func TestArchiveRefusesWhatItCannotMeasure(t *testing.T) {
	for says, cfg := range map[string]bench.ArchiveConfig{
		"one channel": {Messages: 5},
		"a body of":   {Messages: 5, Channels: 1},
		"some time":   {Messages: 5, Channels: 1, Body: 100, Rate: 5},
	} {
		if _, err := bench.Archive(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want something about %s", err, says)
		}
	}
}
