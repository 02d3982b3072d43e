package bench

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client/wire"
)

// member is one who receives. A hundred of them get some hundred thousand messages a second on the cores of the server that
// sends them: what is looked at of each is where it begins, its seq and prev, and the run in its body.
type member struct {
	crowd *crowd
	user  user
	conn  *slim

	// Of the goroutine that reads.
	begun bool   // the beginning of the run has come: from here on all is counted
	last  uint64 // seq of the record that came last
	sum   uint64 // of the seqs that came, by which the sets of two members compare
	gaps  []gap
	fault Faults
	died  error // why the connection ended, once over is closed
	over  chan struct{}

	live      atomic.Bool // something of the run has come
	ready     atomic.Bool // begun, for others
	delivered atomic.Uint64
	newest    atomic.Uint64 // last, for whoever acks
	acked     uint64        // of the goroutine that acks
	frames    atomic.Uint64
	bytes     atomic.Uint64
	receipts  atomic.Uint64 // receipt events
	allHave   atomic.Uint64 // delivered to all, as the last of them said
}

// gap is what is missing between two records: seqs above after and up to upto.
type gap struct{ after, upto uint64 }

// read takes frames until the connection ends.
func (m *member) read() {
	defer close(m.over)
	for {
		frame, err := m.conn.next()
		if err == nil {
			err = m.frame(frame)
		}
		if err != nil {
			m.died = err
			return
		}
	}
}

// frame takes the objects of a frame, which line feeds separate.
func (m *member) frame(frame []byte) error {
	m.frames.Add(1)
	m.bytes.Add(uint64(len(frame)))
	delivered := uint64(0)
	for len(frame) > 0 {
		line := frame
		if i := bytes.IndexByte(frame, '\n'); i >= 0 {
			line, frame = frame[:i], frame[i+1:]
		} else {
			frame = nil
		}
		if m.begun && m.delivery(line) {
			delivered++
			continue
		}
		if err := m.other(line); err != nil {
			return err
		}
	}
	if delivered > 0 {
		m.delivered.Add(delivered)
	}
	m.newest.Store(m.last)
	return nil
}

// delivery takes a message of the run; it returns false for whatever else line is.
func (m *member) delivery(line []byte) bool {
	c := m.crowd
	body := len(line) - 1 - c.bodyLen
	if !bytes.HasPrefix(line, c.head) || body < len(c.head) || string(line[body:body+len(c.tag)]) != string(c.tag) {
		return false
	}
	seq, rest := digits(line[len(c.head):])
	if !bytes.HasPrefix(rest, prevName) {
		return false
	}
	prev, _ := digits(rest[len(prevName):])
	m.sum += seq
	if prev == m.last && seq > prev {
		m.last = seq
	} else if !m.misfit(seq, prev) {
		return true // it came before
	}
	if c.arrived(seq) {
		if _, at, ok := readBody(line[body:len(line)-1], c.id); ok {
			c.lastHasIt(seq, at)
		}
	}
	return true
}

var prevName = []byte(`,"prev":`)

// digits reads the number at the beginning of b and returns what is behind it.
func digits(b []byte) (n uint64, rest []byte) {
	for i, d := range b {
		if d < '0' || d > '9' {
			return n, b[i:]
		}
		n = n*10 + uint64(d-'0')
	}
	return n, nil
}

// misfit notes a record that is not the next in its channel. It returns false where the record came before.
func (m *member) misfit(seq, prev uint64) bool {
	if seq > m.last {
		m.fault.add(&m.fault.Broken, "user %s: seq %d names %d as its prev, but seq %d came before it", m.user.ID, seq, prev, m.last)
		m.gaps = append(m.gaps, gap{m.last, prev})
		m.last = seq
		return true
	}
	for i, g := range m.gaps {
		if seq <= g.after || seq > g.upto {
			continue
		}
		m.fault.add(&m.fault.Misordered, "user %s: seq %d came after seq %d", m.user.ID, seq, m.last)
		m.gaps = append(m.gaps[:i], append([]gap{{g.after, prev}, {seq, g.upto}}, m.gaps[i+1:]...)...)
		return true
	}
	m.sum -= seq
	m.fault.add(&m.fault.Doubled, "user %s: seq %d came twice", m.user.ID, seq)
	return false
}

// other takes what is no message of the run that is being counted.
func (m *member) other(line []byte) error {
	f := frames.Get().(*wire.Frame)
	defer frames.Put(f)
	f.Reset(line)
	var o wire.Object
	if err := f.Next(&o); err != nil {
		return err
	}
	switch string(o.Ev) {
	case "receipt":
		m.receipts.Add(1)
		if string(o.Channel) == string(m.crowd.channel) && o.User == nil {
			m.allHave.Store(o.Delivered)
		}
	case "message":
		if string(o.Channel) == string(m.crowd.channel) {
			m.record(&o)
		}
	case "":
		if o.Err != nil {
			return fmt.Errorf("a request is refused: %s", o.Err)
		}
	}
	return nil
}

// record takes a record of the group that delivery does not know: what the run begins with, what the server tells of the
// group, and what should not be there.
func (m *member) record(o *wire.Object) {
	n, _, ours := readBody(o.Body, m.crowd.id)
	switch {
	case ours && n&beginning != 0:
		m.live.Store(true)
		if n == beginning|begins {
			m.begun, m.last = true, o.Seq
			m.ready.Store(true)
		}
		return
	case !m.begun:
		return
	case string(o.Kind) == "text":
		m.fault.add(&m.fault.Stray, "user %s: seq %d is of no message of this run", m.user.ID, o.Seq)
	}
	if o.Prev == m.last && o.Seq > o.Prev {
		m.last = o.Seq
		return
	}
	m.misfit(o.Seq, o.Prev)
}

// ack says that the member has what came, if that is news.
func (m *member) ack() error {
	newest := m.newest.Load()
	if newest == m.acked {
		return nil
	}
	m.acked = newest
	return m.conn.write(opText, fmt.Appendf(nil, `{"op":"ack","channel":"%s","seq":%d}`, m.crowd.channel, newest))
}

// ackEvery is how often a member acks at most, as the SDKs do.
const ackEvery = 100 * time.Millisecond
