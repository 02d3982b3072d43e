package history_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// cpu is what this process has used: user and system, the embedded server included.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill writes n messages of usual length round robin to the channels.
func (p *past) fill(channels []fabric.ChannelID, n int) {
	p.t.Helper()
	js, err := jetstream.New(p.js.Conn(), jetstream.WithPublishAsyncMaxPending(8192))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range n {
		c := channels[i%len(channels)]
		from, _, _ := c.Users()
		id := fabric.NewCID()
		m := nats.NewMsg(subjects.Log(c, subjects.Shard(c, p.shards)))
		m.Header.Set(subjects.HeaderMsgID, subjects.MsgID(from, id))
		m.Data = fabric.AppendPayload(nil, from, id, "text", fmt.Appendf(nil, `{"text":"message %d, of the length that people write to one another"}`, i))
		if _, err := js.PublishMsgAsync(m); err != nil {
			p.t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// discard is a database that costs nothing.
type discard struct{ history.Store }

func (discard) Archive(context.Context, int, history.Batch, uint64) error { return nil }

func BenchmarkArchive(b *testing.B) {
	const n = 100_000
	for _, name := range []string{"nowhere", "database"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var used time.Duration
			for range b.N {
				b.StopTimer()
				p := newPast(b, 1)
				channels := make([]fabric.ChannelID, 1000)
				for i := range channels {
					channels[i] = p.store.open(b, p.store.newUser(b), p.store.newUser(b))
				}
				p.fill(channels, n)
				var store history.Store = p.store
				if name == "nowhere" {
					store = discard{p.store}
				}
				runtime.GC()
				before := cpu(b)
				b.StartTimer()
				p.start(store, history.Config{SettleWithin: time.Minute})
				if s := p.settle(); !s.Settled {
					b.Fatal("not settled")
				}
				b.StopTimer()
				used += cpu(b) - before
				p.stop()
				b.StartTimer()
			}
			b.ReportMetric(float64(used.Nanoseconds())/float64(n*b.N), "cpu-ns/msg")
		})
	}
}

// Clients who each missed 10 messages of one channel ask at once.
func BenchmarkSince(b *testing.B) {
	p := newPast(b, 1)
	p.start(p.store, history.Config{})
	const users = 2000
	channels := make([]fabric.ChannelID, users)
	who := make([]fabric.UserID, users)
	for i := range channels {
		who[i] = p.store.newUser(b)
		channels[i] = p.store.open(b, who[i], p.store.newUser(b))
	}
	p.fill(channels, users)
	from := fabric.Position{users}
	p.fill(channels, 10*users)
	if !p.settle().Settled {
		b.Fatal("not settled")
	}
	nc := p.nats.Connect(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	used := cpu(b)
	next := make(chan fabric.UserID)
	done := make(chan error)
	const atOnce = 64
	for range atOnce {
		go func() {
			for u := range next {
				data, err := service.CallRaw(ctx, nc, subjects.HistorySince, contract.HistorySinceRequest{User: u, From: from})
				if err == nil && len(data) < 3000 {
					err = fmt.Errorf("a reply of %d bytes: %s", len(data), data)
				}
				if err != nil {
					b.Error(err)
				}
			}
			done <- nil
		}()
	}
	for i := range b.N {
		next <- who[i%users]
	}
	close(next)
	for range atOnce {
		<-done
	}
	b.ReportMetric(float64((cpu(b)-used).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// A page of 50 somewhere in a long direct chat, messages with an edit, a reaction, a pin here and there.
func BenchmarkPage(b *testing.B) {
	const n, part = 200_000, 5000
	p := newPast(b, 1)
	ann, bob := p.store.newUser(b), p.store.newUser(b)
	c := p.store.open(b, ann, bob)
	for seq := uint64(0); seq < n; {
		var batch history.Batch
		for range part {
			seq++
			m := fabric.Stored{Channel: c, Seq: seq, Prev: seq - 1, At: int64(seq), Message: fabric.Message{
				From: ann, CID: fabric.NewCID(), Kind: "text", Body: fmt.Appendf(nil, `{"text":"message %d, of the length that people write to one another"}`, seq),
			}}
			if seq%10 != 0 {
				batch.Messages = append(batch.Messages, history.Archival{Stored: m})
				continue
			}
			m.From, m.Kind, m.Body = bob, "reaction", fmt.Appendf(nil, `{"seq":%d,"emoji":"+"}`, seq-5)
			batch.Changes = append(batch.Changes, history.Change{Stored: m, Target: seq - 5, Emoji: "+"})
		}
		if err := p.store.Archive(b.Context(), 0, batch, seq); err != nil {
			b.Fatal(err)
		}
	}
	p.start(p.store, history.Config{})
	nc := p.nats.Connect(b)
	b.ResetTimer()
	for i := range b.N {
		before := uint64(1000 + i*7919%(n-1000))
		data, err := service.CallRaw(b.Context(), nc, subjects.HistoryPage, contract.HistoryPageRequest{User: ann, Channel: c, Before: before, Limit: 50})
		if err != nil || len(data) < 50*200 {
			b.Fatalf("%d bytes, %v", len(data), err)
		}
	}
}
