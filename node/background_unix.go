//go:build unix

package node

import (
	"fmt"
	"os/exec"
	"syscall"
)

// filesNice is how much a process for files stands back when the machine is busy: by the scheduler's weights a third of
// what others get (sched(7)), and all that they leave.
const filesNice = 5

// inBackground has a process in a group of its own, so that a terminal's Ctrl-C is its parent's alone: that ends it when
// nobody needs it any more.
func inBackground(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// standBack has others go before a process that leads a group, with all threads that it has and will have.
func standBack(pid int) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, pid, filesNice); err != nil {
		return fmt.Errorf("set its priority: %w", err)
	}
	return nil
}
