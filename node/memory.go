package node

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"
)

// A process's rate, bytes allocated a second, is that of the busiest of the last checks: what begins is seen at once, and
// what pauses for a moment still counts. Below restRate it is at rest.
const (
	memoryCheck = 200 * time.Millisecond
	lastChecks  = int(time.Second / memoryCheck)
	restRate    = 4 << 20
)

// giveBack says how long a process is at rest until memory is given back: soon, and once more when NATS has let go of the
// blocks that it keeps for 10 s past their last use. In checks.
var giveBack = []int{3 * lastChecks, 15 * lastChecks}

// paces say how much garbage may gather before it is collected, in percent of what is live (GOGC), at most at that rate.
// Connections that come and rest make little garbage beside much that lives, and a heap that is collected late keeps the
// holes. Under traffic it is the other way round: there, collecting is what costs.
var paces = []struct {
	rate    uint64
	percent int
}{{16 << 20, 10}, {150 << 20, 30}, {math.MaxUint64, 100}}

// garbage bounds what may gather besides. A small process whose downloads begin would collect all the time otherwise, until
// its pace is set anew.
type garbage struct {
	least uint64 // bytes, in any case
	most  int    // percent of what is live
}

// In a process for files little lives that a collection has to look through: memory is worth more there.
var (
	ofMessages = garbage{least: 16 << 20, most: 100}
	ofFiles    = garbage{least: 8 << 20, most: 50}
)

// paceOf returns the GOGC of a process that allocates at that rate and has so many bytes live.
func (g garbage) paceOf(rate, live uint64) int {
	percent := 0
	for _, p := range paces {
		if percent = min(p.percent, g.most); rate <= p.rate {
			break
		}
	}
	return max(percent, int(min(100*g.least/max(live, 1), 400)))
}

// tendMemory paces the collector by what the process does, and gives memory back to the system when it comes to rest:
// with nothing more to do Go would hold on for minutes to what ten thousand handshakes left behind. One full collection
// costs tens of milliseconds. Whoever sets GOGC has chosen a pace, and keeps it.
func tendMemory(ctx context.Context, g garbage) error {
	own := os.Getenv("GOGC") == ""
	percent := 0
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(memoryCheck)
	defer tick.Stop()
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	var rates [lastChecks]uint64
	worked, quiet := true, 0 // a start is work
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		metrics.Read(sample)
		all := sample[0].Value.Uint64()
		rates[i%lastChecks] = (all - before) * uint64(lastChecks)
		before = all
		rate := slices.Max(rates[:])
		if p := g.paceOf(rate, sample[1].Value.Uint64()); own && (10*p < 9*percent || 9*p > 10*percent) {
			percent = p
			debug.SetGCPercent(percent) // it stops the world for a moment: not for a little
		}
		if rate > restRate {
			worked, quiet = true, 0
			continue
		}
		quiet++
		if worked && slices.Contains(giveBack, quiet) {
			runtime.GC() // twice: pools keep what is in them over one collection
			debug.FreeOSMemory()
			worked = quiet < giveBack[len(giveBack)-1]
		}
	}
}
