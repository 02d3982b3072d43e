package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// filesSlice is the slice of time that a thread for files asks for, where the kernel lets a thread choose (6.12 and later; it
// ignores this before): the most there is. Threads have deadlines by their slices and weights, and one with a shorter slice
// that wakes up takes the place of one with a longer, unless it has had more than its share. A short slice for files would
// be an early deadline: a message's thread would wait until they sleep, or for the scheduler's next tick, which comes each
// 4 ms where CONFIG_HZ is 250. https://docs.kernel.org/scheduler/sched-eevdf.html
const filesSlice = 100 * time.Millisecond

// standBack has others go before a process, with all threads that it has and will have: less weight, no taking another's
// place on waking up (SCHED_BATCH), and leaving its own to who wakes up. Weight alone does not help a message, which needs
// little of a core, but at once.
func standBack(pid int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: filesNice, Runtime: uint64(filesSlice)}
	done := map[int]bool{}
	for { // a thread is as the one that made it; one that was not yet told may have made others
		threads, err := procfs.AllThreads(pid)
		if err != nil {
			return fmt.Errorf("list its threads: %w", err)
		}
		news := false
		for _, t := range threads {
			if done[t.PID] {
				continue
			}
			done[t.PID], news = true, true
			if err := unix.SchedSetAttr(t.PID, &attr, 0); err != nil && !errors.Is(err, unix.ESRCH) { // a thread that has ended
				return fmt.Errorf("set its scheduling: %w", err)
			}
		}
		if !news {
			return nil
		}
	}
}
