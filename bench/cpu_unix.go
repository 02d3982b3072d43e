//go:build unix

package bench

import (
	"syscall"
	"time"
)

// loaderCPU returns the processor time that this process took so far, nil where it can't be told.
func loaderCPU() *float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return nil
	}
	return number((time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds())
}
