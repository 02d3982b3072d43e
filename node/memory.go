package node

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When a process counts as at rest.
const (
	restCheck = time.Second
	restRate  = 4 << 20 // bytes allocated a second, at most
	restAfter = 3       // checks in a row
)

// giveBack gives memory back to the system when the process comes to rest after a busy time. Go's collector runs when
// the heap has doubled, so after ten thousand handshakes half of the heap is what they left behind, and with nothing
// more to do it stays that way for minutes. One collection a rest costs tens of milliseconds of CPU.
func giveBack(ctx context.Context) error {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	tick := time.NewTicker(restCheck)
	defer tick.Stop()
	var before uint64
	busy, quiet := false, 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		metrics.Read(sample)
		allocated := sample[0].Value.Uint64()
		if allocated-before > restRate {
			busy, quiet = true, 0
		} else if quiet++; busy && quiet == restAfter {
			runtime.GC() // twice: pools keep what is in them over one collection
			debug.FreeOSMemory()
			busy = false
		}
		before = allocated
	}
}
