//go:build unix

package node

import (
	"os/exec"
	"syscall"
)

// filesNice is how much a process for files stands back when the machine is busy: by the scheduler's weights a tenth of
// what others get (sched(7)), and all that they leave.
const filesNice = 10

// inBackground has a process in a group of its own, so that a terminal's Ctrl-C is its parent's alone: that ends it when
// nobody needs it any more.
func inBackground(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
