package bench

import (
	"testing"

	"github.com/weft-im/weft/fabric"
)

func TestAPastIsChannelsWhoseMessagesFollowOneAnother(t *testing.T) {
	c := fabric.Direct(fabric.NewUserID(), fabric.NewUserID())
	p := newPast(c, HistoryConfig{Messages: 2_500, Others: 17_500, Body: 60})
	last := make(map[fabric.ChannelID]fabric.Stored)
	n, seq, apart := 0, uint64(0), uint64(0)
	for p.left() {
		for _, m := range p.batch().Messages {
			was := last[m.Channel]
			if m.Seq != seq+1 || m.Prev != was.Seq || m.At < was.At {
				t.Fatalf("%+v comes after %+v, seq %d", m, was, seq)
			}
			if m.Channel == c {
				n++
				apart = max(apart, m.Seq-was.Seq)
			}
			last[m.Channel], seq = m.Stored, m.Seq
		}
	}
	if n != 2_500 || seq != 20_000 || apart > 8 || last[c].Seq != p.prev[c] || p.first == 0 {
		t.Errorf("%d of the channel's %d messages, at most %d apart, the last at %d", n, seq, apart, last[c].Seq)
	}
}
