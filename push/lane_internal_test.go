package push

import (
	"log/slog"
	"testing"
	"time"
)

// However many notifications are under way when a service goes away, it is left alone for a moment first, for longer only as
// it stays away, and not at all once it has said something.
func TestHowLongAServiceIsLeftAlone(t *testing.T) {
	l := newLane(&Role{cfg: Config{Backoff: time.Second}, log: slog.New(slog.DiscardHandler)}, "a")
	away, ok, ours := outcome{result: "timeout"}, outcome{result: resultOK}, outcome{result: resultStale}
	start := time.Unix(1_800_000_000, 0)
	within := func(what string, now time.Time, least, most time.Duration) {
		t.Helper()
		if d := l.rest(now); d < least || d > most {
			t.Errorf("%s: it is left alone for %s, want %s to %s", what, d, least, most)
		}
	}
	now := start.Add(10 * time.Second)
	for i := range restAfter - 1 {
		l.note(away, start, now)
		within("after a few", now, 0, 0)
		if i == 1 {
			l.note(ours, start, now)
		}
	}
	for range 64 { // what was under way at once
		l.note(away, start, now)
	}
	within("once", now, 500*time.Millisecond, time.Second)
	now = now.Add(time.Second)
	within("its rest is over", now, 0, 0)
	for range 64 { // they began before the rest did
		l.note(away, start, now)
	}
	within("what was under way still", now, 0, 0)
	for range 64 {
		l.note(away, now, now.Add(10*time.Second))
	}
	now = now.Add(10 * time.Second)
	within("again", now, time.Second, 2*time.Second)
	now = now.Add(2 * time.Second)
	l.note(ok, now, now)
	for range restAfter - 1 {
		l.note(away, now, now)
		within("it was there meanwhile", now, 0, 0)
	}
	l.note(away, now, now)
	within("away anew", now, 500*time.Millisecond, time.Second)
	if a, b := l.try(7), l.try(7); a != 1 || b != 2 {
		t.Errorf("tries %d and %d of a job", a, b)
	}
	l.done(7)
	if n := l.try(7); n != 1 {
		t.Errorf("try %d of a job that was done", n)
	}
}
