package node

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When a process counts as at rest. Rates are bytes allocated a second.
const (
	memoryCheck = time.Second
	restRate    = 4 << 20
	restAfter   = 3 // checks in a row
)

// paces say how much garbage may gather before it is collected, in percent of what is live (GOGC), at most at that rate.
// Connections that come and rest make little garbage beside much that lives, and a heap that is collected late keeps the
// holes. Under traffic it is the other way round: there, collecting is what costs.
var paces = []struct {
	rate    uint64
	percent int
}{{16 << 20, 10}, {150 << 20, 30}, {math.MaxUint64, 100}}

// tendMemory paces the collector by what the process does, and gives memory back to the system when it comes to rest:
// with nothing more to do Go would hold on for minutes to what ten thousand handshakes left behind. One full collection
// a rest costs tens of milliseconds. Whoever sets GOGC has chosen a pace, and keeps it.
func tendMemory(ctx context.Context) error {
	own := os.Getenv("GOGC") == ""
	percent := 0
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	tick := time.NewTicker(memoryCheck)
	defer tick.Stop()
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	worked, quiet := true, 0 // a start is work
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		metrics.Read(sample)
		rate := sample[0].Value.Uint64() - before
		before += rate
		for _, p := range paces {
			if rate <= p.rate {
				if own && p.percent != percent {
					percent = p.percent
					debug.SetGCPercent(percent)
				}
				break
			}
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
