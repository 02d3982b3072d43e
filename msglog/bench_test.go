package msglog_test

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// fill writes n records of about 200 bytes round robin to 1,000 channels, which it returns.
func (l *logs) fill(n int) []fabric.ChannelID {
	channels := make([]fabric.ChannelID, 1000)
	for i := range channels {
		channels[i] = newChannel()
	}
	for i := range n {
		c := channels[i%len(channels)]
		a, _, _ := c.Users()
		m := nats.NewMsg(subjects.Log(c, 0))
		m.Header.Set(subjects.HeaderMsgID, subjects.MsgID(a, fabric.NewCID()))
		m.Data = fabric.AppendPayload(nil, a, fabric.NewCID(), "text", fmt.Appendf(nil, `{"text":"message %d of a chat that is read again"}`, i))
		if _, err := l.js.PublishMsgAsync(m); err != nil {
			l.t.Fatal(err)
		}
	}
	<-l.js.PublishAsyncComplete()
	return channels
}

func BenchmarkReader(b *testing.B) {
	l := openLogs(b)
	const n = 50_000
	channels := l.fill(n)
	ctx := b.Context()
	b.Run("Head", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Head(ctx, subjects.MsgStream(0)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("At", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			seq := uint64(n - i%1000)
			if _, err := l.At(ctx, channels[(seq-1)%1000], 0, seq); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Range10", func(b *testing.B) { // 10 records, the last of each 1,000
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			recs, _, err := l.Range(ctx, channels[i%1000], 0, n-10_000, n, 20)
			if err != nil || len(recs) != 10 {
				b.Fatalf("%d records, %v", len(recs), err)
			}
		}
	})
	b.Run("LastOf1000", func(b *testing.B) {
		var of []string
		for _, c := range channels {
			of = append(of, subjects.Log(c, 0))
		}
		b.ReportAllocs()
		for b.Loop() {
			if all, err := l.LastOf(ctx, subjects.MsgStream(0), of, n-5); err != nil || len(all) != 6 {
				b.Fatalf("%d subjects, %v", len(all), err)
			}
		}
	})
}
