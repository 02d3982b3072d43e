package client

import (
	"bytes"
	"sync"

	"github.com/weft-im/weft/client/wire"
)

// outbox collects requests, each with its line feed, until the connection's writer takes them all at once.
type outbox struct {
	wake chan struct{} // has room for one: the writer should look

	mu     sync.Mutex
	open   bool // there is a connection that takes requests
	held   bool // what comes waits for release: a frame is being handled, whose events may cause more
	buffer []byte
}

// append takes requests; it returns false while there is no connection, and they are whoever's to ask again.
func (o *outbox) append(requests []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open {
		return false
	}
	o.buffer = append(o.buffer, requests...)
	if !o.held {
		o.signal()
	}
	return true
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// setOpen begins or ends a connection, with nothing in the box.
func (o *outbox) setOpen(open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open, o.held = open, false
	o.buffer = o.buffer[:0]
}

// hold keeps what comes in the box until release.
func (o *outbox) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = o.open
}

func (o *outbox) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held && len(o.buffer) > 0 {
		o.signal()
	}
	o.held = false
}

// take returns what is in the box and leaves spare as its next buffer.
func (o *outbox) take(spare []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held {
		return spare[:0]
	}
	full := o.buffer
	if cap(spare) > wire.KeepBuffer {
		spare = nil
	}
	o.buffer = spare[:0]
	return full
}

// nextFrame cuts as many whole requests off the front of requests as fit into limit bytes (0: no limit); one that is
// larger goes alone, and the server says what it thinks of it. The last line feed of a frame is not sent.
func nextFrame(requests []byte, limit int) (frame, rest []byte) {
	end := len(requests)
	if limit > 0 && end > limit {
		end = bytes.LastIndexByte(requests[:limit], '\n') + 1
		if end == 0 {
			end = bytes.IndexByte(requests, '\n') + 1
		}
	}
	return requests[:end-1], requests[end:]
}
