package client

import (
	"sync"
	"time"
)

// inbox hands events to the application within its bounds. All but room belongs to the goroutine that reads.
type inbox struct {
	handler  func(Event)
	events   chan Event
	patience time.Duration
	closing  <-chan struct{}

	// lag is set while events fall; it is closed once the consumer has made room.
	lag chan struct{}
	// room is the goroutine that waits for it.
	room sync.WaitGroup
}

// offer hands ev over if there is room right now.
func (in *inbox) offer(ev Event) bool {
	if in.handler != nil {
		in.handler(ev)
		return true
	}
	if in.lag != nil {
		return false
	}
	select {
	case in.events <- ev:
		return true
	default:
		return false
	}
}

// deliver hands ev over, waiting for room as long as patience lasts. If it returns false the event fell.
func (in *inbox) deliver(ev Event) bool {
	if in.offer(ev) {
		return true
	}
	if in.lag != nil {
		return false
	}
	patience := time.NewTimer(in.patience)
	defer patience.Stop()
	select {
	case in.events <- ev:
		return true
	case <-patience.C:
		return false
	case <-in.closing:
		return false
	}
}

// fallBehind lets events fall until there is room; then it calls resume.
func (in *inbox) fallBehind(resume func()) {
	lag := make(chan struct{})
	in.lag = lag
	in.room.Go(func() {
		select {
		case in.events <- &StateChange{State: Lagging}:
			close(lag)
			resume()
		case <-in.closing:
		}
	})
}

// caughtUp reports whether there is room again after events fell, and if so takes events from now on.
func (in *inbox) caughtUp() bool {
	if in.lag == nil {
		return false
	}
	select {
	case <-in.lag:
		in.lag = nil
		return true
	default:
		return false
	}
}

// end closes the channel of events, after the session's own ctx ended and nobody reads any more.
func (in *inbox) end() {
	in.room.Wait()
	close(in.events)
}
