package edge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/receipts"
	"github.com/weft-im/weft/subjects"
)

// Members' marks are written by each and told to nobody; what all have is told to everybody, once a period. Were each
// mark told to each member, this would be 20 messages × 8 members × 9 sessions = 1,440 events.
func TestReceiptsOfAGroupAreGathered(t *testing.T) {
	const messages, others = 20, 8
	f := edgetest.Start(t, edgetest.Config{Receipts: receipts.Config{Every: time.Second}})
	edges := []*edgetest.Edge{f.Edge(t), f.Edge(t)}
	ann := f.User(t, edges[0], "ann")
	var members []client.Grant
	for i := range others {
		members = append(members, f.User(t, edges[i%2], fmt.Sprintf("member%d", i)))
	}
	c := newGroup(t, edges[0], ann, members...)
	all := []*edgetest.Conn{edgetest.Connect(t, edges[0], ann, "")}
	for i, m := range members {
		all = append(all, edgetest.Connect(t, edges[i%2], m, ""))
	}
	for _, s := range all {
		s.Synced()
	}

	begin := time.Now()
	var last uint64
	for range messages {
		last = all[0].Send(string(c), "", "hello").Num("seq")
		for i, s := range all[1:] {
			s.Await("the message", isMessage(c, last))
			s.Ask("ack", map[string]any{"channel": c, "seq": last})
			if i == 0 {
				s.Ask("typing", map[string]any{"channel": c, "on": true}) // what is told of others goes on beside
			}
		}
	}
	// Everybody hears that all have it, and the number of events is that of the periods.
	told := make([]int, len(all))
	for i, s := range all {
		s.Await("that all have it", func(o edgetest.Object) bool {
			if o.Event() != "receipt" {
				return false
			}
			if o["user"] != nil {
				t.Errorf("a mark of one member was told: %v", o)
			}
			told[i]++
			return o.Num("delivered") >= last
		})
	}
	periods := int(time.Since(begin)/time.Second) + 2
	for i, n := range told {
		if n > periods {
			t.Errorf("session %d was told %d times in %d periods", i, n, periods)
		}
	}

	// And what was written: each member's own mark, of which the stream keeps the last.
	stream, err := f.NATS.JetStream(t).Stream(t.Context(), subjects.RcptStream(0))
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(subjects.GroupReceiptFilter(0)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(info.State.Subjects); n > others+1 {
		t.Errorf("%d marks are kept for %d members", n, others+1)
	}
	if written := info.State.LastSeq; written > uint64((messages+2)*(others+1)+periods) {
		t.Errorf("%d marks were written for %d messages to %d members", written, messages, others)
	}
}
