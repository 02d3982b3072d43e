package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// On a server that syncs its disk as one in use does.
func BenchmarkArchive(b *testing.B) {
	server := weftest.StartPostgres(b)
	for _, channels := range []int{50, 5000, 50_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			s := open(b, server.Database(b))
			var all []fabric.ChannelID
			for range channels {
				all = append(all, fabric.Direct(fabric.NewUserID(), fabric.NewUserID()))
			}
			body := []byte(`{"text":"` + strings.Repeat("x", 89) + `"}`)
			from, cid := fabric.NewUserID(), fabric.NewCID()
			const size = 2000
			batch := make([]fabric.Stored, size)
			seq := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					seq++
					batch[i] = fabric.Stored{Channel: all[seq%uint64(channels)], Seq: seq, Prev: seq, At: int64(seq),
						Message: fabric.Message{From: from, CID: cid, Kind: "text", Body: body}}
				}
				if err := s.Archive(b.Context(), 0, batch, seq); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/message")
		})
	}
}
