package node

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that stands back has a tenth of the weight, takes nobody's place, and leaves its own to any thread that has the
// usual slice.
func TestStandBack(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it is there until it is waited for
		_ = cmd.Wait()         // it says that it was killed
	}()
	usual, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := standBack(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	got, err := unix.SchedGetAttr(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Policy != unix.SCHED_BATCH || got.Nice != filesNice {
		t.Errorf("it has policy %d and nice %d, want %d and %d", got.Policy, got.Nice, unix.SCHED_BATCH, filesNice)
	}
	if usual.Runtime > 0 && got.Runtime <= usual.Runtime { // before 6.12 the kernel has no slices to choose
		t.Errorf("it has a slice of %s, and others %s", time.Duration(got.Runtime), time.Duration(usual.Runtime))
	}
}
