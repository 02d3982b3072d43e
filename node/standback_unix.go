//go:build unix && !linux

package node

import (
	"fmt"
	"syscall"
)

// standBack has others go before a process that leads a group, with all threads that it has and will have.
func standBack(pid int) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, pid, filesNice); err != nil {
		return fmt.Errorf("set its priority: %w", err)
	}
	return nil
}
