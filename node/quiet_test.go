package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestQuietLog(t *testing.T) {
	var out bytes.Buffer
	h := newQuietHandler(slog.NewTextHandler(&out, nil))
	log := slog.New(h)
	lines := func() int { return strings.Count(out.String(), "\n") }
	for i := range 100 {
		log.With("i", i).Warn("the database is away")
		log.Error("something else")
	}
	if got := lines(); got != 2*quietBurst {
		t.Errorf("%d lines, want %d", got, 2*quietBurst)
	}
	out.Reset()
	for range 100 {
		log.Info("a client came")
	}
	if got := lines(); got != 100 {
		t.Errorf("%d lines that are no warnings, want all", got)
	}
	out.Reset()
	h.seen.elapsed = func(time.Time) time.Duration { return quietEvery }
	log.Warn("the database is away")
	if want := `msg="the database is away" omitted=95`; !strings.Contains(out.String(), want) {
		t.Errorf("after a while: %s, want %s", out.String(), want)
	}
}
