package flood_test

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// used is how much of the machine's processors was used: by all programs, and by this one.
type used struct {
	at        time.Time
	all, ours time.Duration
}

// usedSoFar reads it, by proc(5) in ticks of 10 ms.
func usedSoFar(t *testing.T) used {
	t.Helper()
	const tick = 10 * time.Millisecond
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	u := used{at: time.Now()}
	for i, field := range bytes.Fields(line) {
		// Interrupts are mostly the loopback's, and so ours; guests' time is in the users' already.
		const idle, waits, hard, soft, guests = 4, 5, 6, 7, 9
		if i == 0 || i == idle || i == waits || i == hard || i == soft || i >= guests {
			continue
		}
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		u.all += time.Duration(n) * tick
	}
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		t.Fatal(err)
	}
	u.ours = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	return u
}

// others returns which part of the machine other programs have used since.
func (u used) others(since used) float64 {
	had := u.at.Sub(since.at) * time.Duration(runtime.NumCPU())
	return float64(u.all-since.all-(u.ours-since.ours)) / float64(had)
}
