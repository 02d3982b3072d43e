package bench

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// pair is a sender, a receiver and what is under way between them.
type pair struct {
	run      *pairsRun
	sender   *client.Session
	receiver *client.Session
	to       string
	checker  Checker
	replies  *recorder
	arrivals *recorder

	replied   atomic.Uint64
	delivered atomic.Uint64
	inFlight  atomic.Int64

	mu   sync.Mutex // guards what follows; held over SendAsync, so that numbers go out in their order
	next uint64
	body []byte
}

// begin fills the window; from then on each reply makes room for the next message.
func (p *pair) begin(window int) {
	for range window {
		p.send()
	}
}

// send sends the next message. It costs two allocations more than the SDK's own: what is called with the reply, and its
// number and clock that it keeps.
func (p *pair) send() {
	if p.run.stopping.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n, at := p.next, p.run.clock.now()
	p.next++
	stamp(p.body, n, at)
	p.inFlight.Add(1)
	draft := client.Draft{To: p.to, Kind: "text", Body: p.body}
	_, err := p.sender.SendAsync(draft, func(sent fabric.Sent, err error) { p.answered(n, at, sent, err) })
	if err != nil {
		p.inFlight.Add(-1)
		p.run.cancel(fmt.Errorf("send: %w", err))
	}
}

// answered is told by the sender's reading goroutine.
func (p *pair) answered(n uint64, at time.Duration, sent fabric.Sent, err error) {
	defer p.inFlight.Add(-1)
	if err != nil {
		p.run.cancel(refused(err)) // the first one is why the run ends; those of the closing come after it
		return
	}
	if p.run.measuring.Load() {
		p.replies.record(p.run.clock.now() - at)
	}
	p.replied.Add(1)
	p.checker.Sent(n, sent)
	p.send()
}

// refused says why a send was, and what helps where the run asks for more than the server lets anyone have.
func refused(err error) error {
	if fabric.CodeOf(err) == fabric.CodeRateLimited {
		return fmt.Errorf("a send was refused: %w (spread the load over more who send, or start the server with a higher --send-rate)", err)
	}
	return fmt.Errorf("a send was refused: %w", err)
}

// echo is told by the sender's reading goroutine: of receipts, and never of its own messages, which are answered instead.
// A session that came back is another one, which hears what the one before it sent.
func (p *pair) echo(ev client.Event) {
	if m, ok := ev.(*client.Message); ok && p.sender.Stats().Connections == 1 {
		p.checker.Stray(m.Channel, m.Seq)
	}
}

// handle is told by the receiver's reading goroutine.
func (p *pair) handle(ev client.Event) {
	m, ok := ev.(*client.Message)
	if !ok {
		return
	}
	n, at, ok := readBody(m.Body, p.run.id)
	if !ok {
		p.checker.Stray(m.Channel, m.Seq)
		return
	}
	if p.run.measuring.Load() {
		p.arrivals.record(p.run.clock.now() - at)
	}
	p.delivered.Add(1)
	p.checker.Received(m.Channel, n, m.Seq, m.Prev)
	p.receiver.Ack(m.Channel, m.Seq)
}

func (p *pair) close() {
	if p == nil {
		return
	}
	for _, s := range []*client.Session{p.sender, p.receiver} {
		if s != nil {
			s.Close()
		}
	}
}
