package history_test

import (
	"testing"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// BenchmarkLive compares what a stored message costs without an archive and with one that follows closely.
func BenchmarkLive(b *testing.B) {
	for _, archive := range []bool{false, true} {
		name := "alone"
		if archive {
			name = "archived"
		}
		b.Run(name, func(b *testing.B) {
			p := newPast(b, 1)
			if archive {
				p.start(discard{p.store}, history.Config{SettleWithin: time.Minute})
			}
			channels := make([]fabric.ChannelID, 1000)
			for i := range channels {
				channels[i] = fabric.Direct(fabric.NewUserID(), fabric.NewUserID())
			}
			const part = 200 // every 10 ms: 20,000 a second
			before := cpu(b)
			tick := time.NewTicker(10 * time.Millisecond)
			for i := 0; i < b.N; i += part {
				p.fill(channels, part)
				<-tick.C
			}
			if archive {
				p.settle()
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/msg")
		})
	}
}
