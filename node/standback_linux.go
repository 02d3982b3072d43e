package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// filesSlice is what a thread for files may run at once before others can take its place, where the kernel lets a thread
// choose (6.12 and later; others have a few milliseconds of their own). It is the least there is.
const filesSlice = 100 * time.Microsecond

// standBack has others go before a process, with all threads that it has and will have: less weight, no taking another's
// place on waking up (SCHED_BATCH), and giving up its own soon. Weight alone does not help a message, which needs little of
// a core, but at once.
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
