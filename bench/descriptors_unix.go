//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// spareDescriptors are for what else the loader has open: calls to the server, files, the runtime's own.
const spareDescriptors = 64

// enoughDescriptors says so before the first of n connections where the last would not get one. The Go runtime has raised
// the soft limit to the hard one by now.
func enoughDescriptors(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("bench: how many connections this process may have: %w", err)
	}
	if need := uint64(n + spareDescriptors); need > uint64(limit.Cur) { //nolint:unconvert // signed on some systems
		return fmt.Errorf("bench: %d connections need %d file descriptors, and this process may have %d (ulimit -n)", n, need, limit.Cur)
	}
	return nil
}
