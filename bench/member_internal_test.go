package bench

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-im/weft/fabric"
)

const group fabric.ChannelID = "g.01890000-0000-7000-8000-0000000000ff"

// listening returns a member of a group of three to whom messages of 100 bytes come, and a way to write one.
func listening(t testing.TB) (m *member, event func(seq, prev, n uint64) []byte) {
	t.Helper()
	c := &crowd{
		id: 0xbeef, channel: group, clock: clock{time.Now()}, bodyLen: 100, lasts: newLatency(),
		slots: make([]atomic.Uint32, slots), senders: make([]*speaker, 1),
	}
	c.last = c.lasts.recorder()
	c.tag = newBody(100, c.id)[:numberAt]
	c.head = fmt.Appendf(nil, `{"ev":"message","channel":"%s","seq":`, group)
	c.measuring.Store(true)
	m = &member{crowd: c, user: user{ID: "ann"}}
	c.members = []*member{m, {}}
	body := newBody(100, c.id)
	return m, func(seq, prev, n uint64) []byte {
		stamp(body, n, c.clock.now())
		payload := fabric.AppendPayload(nil, "01890000-0000-7000-8000-00000000000b", "01890000-0000-7000-8000-0000000000cc", "text", body)
		return fabric.AppendMessageEvent(nil, group, seq, prev, 1_700_000_000_000, payload)
	}
}

func take(t testing.TB, m *member, lines ...[]byte) {
	t.Helper()
	if err := m.frame(bytes.Join(lines, []byte("\n"))); err != nil {
		t.Fatal(err)
	}
}

func TestAMemberCountsFromTheRunsBeginning(t *testing.T) {
	m, event := listening(t)
	take(t, m, event(4, 3, beginning), event(5, 4, beginning|1))
	if !m.live.Load() || m.ready.Load() {
		t.Fatal("what comes before the beginning is the beginning")
	}
	take(t, m, event(9, 5, beginning|begins), event(10, 9, 0), event(12, 10, 1))
	take(t, m, []byte(`{"ev":"cursor","cursor":"x"}`))
	take(t, m, event(15, 12, 2), []byte(`{"ev":"receipt","channel":"`+group+`","delivered":12,"read":0}`))
	if m.delivered.Load() != 3 || m.sum != 37 || m.newest.Load() != 15 || m.fault.Any() {
		t.Errorf("%d delivered, sum %d, newest %d, faults %+v", m.delivered.Load(), m.sum, m.newest.Load(), m.fault)
	}
	if m.receipts.Load() != 1 || m.allHave.Load() != 12 || m.frames.Load() != 4 {
		t.Errorf("%d receipts, all have %d, %d frames", m.receipts.Load(), m.allHave.Load(), m.frames.Load())
	}
}

func TestAMemberNoticesWhatIsWrong(t *testing.T) {
	stray := fabric.AppendMessageEvent(nil, group, 12, 11, 0, []byte(`{"from":"b","cid":"c","kind":"text","body":{"text":"hello"}}`))
	cases := map[string]struct {
		lines func(event func(seq, prev, n uint64) []byte) [][]byte
		want  Faults
		sum   uint64
	}{
		"a gap": {func(event func(seq, prev, n uint64) []byte) [][]byte {
			return [][]byte{event(11, 10, 0), event(13, 12, 2)}
		}, Faults{Broken: 1}, 24},
		"a double": {func(event func(seq, prev, n uint64) []byte) [][]byte {
			return [][]byte{event(11, 10, 0), event(12, 11, 1), event(11, 10, 0), event(13, 12, 2)}
		}, Faults{Doubled: 1}, 36},
		"one that comes late": {func(event func(seq, prev, n uint64) []byte) [][]byte {
			return [][]byte{event(12, 11, 1), event(11, 10, 0), event(13, 12, 2)}
		}, Faults{Broken: 1, Misordered: 1}, 36},
		"one that comes late, twice": {func(event func(seq, prev, n uint64) []byte) [][]byte {
			return [][]byte{event(12, 11, 1), event(11, 10, 0), event(11, 10, 0), event(13, 12, 2)}
		}, Faults{Broken: 1, Misordered: 1, Doubled: 1}, 36},
		"one of somebody else": {func(event func(seq, prev, n uint64) []byte) [][]byte {
			return [][]byte{event(11, 10, 0), stray, event(13, 12, 2)}
		}, Faults{Stray: 1}, 24},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m, event := listening(t)
			take(t, m, append([][]byte{event(10, 9, beginning|begins)}, tc.lines(event)...)...)
			got := m.fault
			if len(got.Examples) == 0 {
				t.Error("nothing is said in words")
			}
			got.Examples = nil
			if fmt.Sprint(got) != fmt.Sprint(tc.want) || m.sum != tc.sum {
				t.Errorf("faults %+v, sum %d, want %+v, %d", got, m.sum, tc.want, tc.sum)
			}
		})
	}
}

func TestTheLastMemberWhoHasAMessageIsTimed(t *testing.T) {
	m, event := listening(t)
	take(t, m, event(10, 9, beginning|begins), event(11, 10, 0))
	if q := m.crowd.lasts.quantiles(50); q[0] != nil {
		t.Error("the first of two receivers counts as the last")
	}
	if !m.crowd.arrived(11) {
		t.Error("the second of two receivers does not count as the last")
	}
	m.crowd.arrived(12)
	take(t, m, event(12, 11, 1))
	if q := m.crowd.lasts.quantiles(50); q[0] == nil {
		t.Error("the last one is not timed")
	}
	if m.crowd.arrived(11 + slots) {
		t.Error("a slot that was full does not begin anew")
	}
}

func BenchmarkDelivery(b *testing.B) {
	m, event := listening(b)
	take(b, m, event(10, 9, beginning|begins))
	frame := bytes.Join([][]byte{event(11, 10, 0), event(12, 11, 1), event(13, 12, 2), event(14, 13, 3)}, []byte("\n"))
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		m.last = 10
		if err := m.frame(frame); err != nil {
			b.Fatal(err)
		}
	}
	if m.fault.Any() {
		b.Fatal(m.fault)
	}
}
