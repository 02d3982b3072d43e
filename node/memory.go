package node

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When a process counts as at rest, and when as busy with traffic. Rates are bytes allocated a second.
const (
	memoryCheck = time.Second
	restRate    = 4 << 20
	restAfter   = 3 // checks in a row
	busyRate    = 150 << 20
	calmRate    = busyRate / 2
)

// How much garbage may gather before it is collected, in percent of what is live (GOGC). Connections that come and rest
// make little garbage beside much that lives, and a heap that is collected late keeps the holes: at 30 % ten thousand of
// them take a tenth less memory, and a handshake no more CPU. Under traffic it is the other way round.
const (
	calmGC = 30
	busyGC = 100
)

// tendMemory paces the collector by what the process does, and gives memory back to the system when it comes to rest:
// with nothing more to do Go would hold on for minutes to what ten thousand handshakes left behind. One full collection
// a rest costs tens of milliseconds. Whoever sets GOGC has chosen a pace, and keeps it.
func tendMemory(ctx context.Context) error {
	pace := func(int) {}
	if os.Getenv("GOGC") == "" {
		pace = func(percent int) { debug.SetGCPercent(percent) }
	}
	pace(calmGC)
	defer pace(busyGC)
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	tick := time.NewTicker(memoryCheck)
	defer tick.Stop()
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	traffic, worked, quiet := false, true, 0 // a start is work
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		metrics.Read(sample)
		rate := sample[0].Value.Uint64() - before
		before += rate
		switch {
		case !traffic && rate > busyRate:
			traffic = true
			pace(busyGC)
		case traffic && rate < calmRate:
			traffic = false
			pace(calmGC)
		}
		if rate > restRate {
			worked, quiet = true, 0
		} else if quiet++; worked && quiet >= restAfter {
			runtime.GC() // twice: pools keep what is in them over one collection
			debug.FreeOSMemory()
			worked = false
		}
	}
}
