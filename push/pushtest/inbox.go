package pushtest

import (
	"sync"
	"testing"
	"time"
)

// inbox is what a service has taken, and what it answers.
type inbox struct {
	t testing.TB

	mu      sync.Mutex
	answer  func(device string, n int) Answer
	tries   map[string]int
	taken   []Push
	changed chan struct{}
	release chan struct{}
}

func newInbox(t testing.TB) *inbox {
	in := &inbox{
		t: t, tries: make(map[string]int), changed: make(chan struct{}), release: make(chan struct{}),
		answer: func(string, int) Answer { return Answer{} },
	}
	return in
}

// Answers says what the service does with the n-th push to a device, from 1 on.
func (in *inbox) Answers(f func(device string, n int) Answer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = f
}

// Tries returns how often a push to a device was tried, Taken what the service has taken for it, in order.
func (in *inbox) Tries(device string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.tries[device]
}

func (in *inbox) Taken(device string) (all []Push) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range in.taken {
		if p.Device == device {
			all = append(all, p)
		}
	}
	return all
}

// All returns everything that was taken.
func (in *inbox) All() []Push {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]Push(nil), in.taken...)
}

// Await waits until the service has taken n pushes for a device, and returns them.
func (in *inbox) Await(device string, n int) []Push {
	in.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		in.mu.Lock()
		changed := in.changed
		in.mu.Unlock()
		if taken := in.Taken(device); len(taken) >= n {
			return taken
		}
		select {
		case <-changed:
		case <-deadline:
			in.t.Fatalf("%s has got %d pushes of %d", device, len(in.Taken(device)), n)
		}
	}
}

// tried counts a try, and returns what is to be answered.
func (in *inbox) tried(device string) Answer {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.tries[device]++
	return in.answer(device, in.tries[device])
}

func (in *inbox) take(p Push) {
	in.mu.Lock()
	defer in.mu.Unlock()
	p.At = time.Now()
	in.taken = append(in.taken, p)
	close(in.changed)
	in.changed = make(chan struct{})
}
