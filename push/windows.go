package push

import (
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
)

// record is what a channel's log has, as far as a push is concerned with it.
type record struct {
	seq     uint64
	at      int64
	from    fabric.UserID
	kind    string
	payload []byte
}

// window is what comes into a channel's log within the delay from its first record on: it becomes one notification a
// device.
type window struct {
	channel fabric.ChannelID
	shard   int
	due     time.Time
	records []record
}

// windows holds open windows in the order in which they are due, each channel's once. One goroutine takes them, another
// one adds.
type windows struct {
	mu    sync.Mutex
	open  map[fabric.ChannelID]*window
	queue []*window
	work  []*window // taken, and not done yet
	held  int       // bytes of payloads
	wake  chan struct{}
	room  *sync.Cond
}

// mostHeld bounds the payloads that wait, in bytes: past it the log is followed no further until some are done.
const mostHeld = 64 << 20

func newWindows() *windows {
	w := &windows{open: make(map[fabric.ChannelID]*window), wake: make(chan struct{}, 1)}
	w.room = sync.NewCond(&w.mu)
	return w
}

// add takes a record. It waits while too much is held, unless ended says that nobody will take any.
func (w *windows) add(c fabric.ChannelID, shard int, due time.Time, r record, ended func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.held > mostHeld && !ended() {
		w.room.Wait()
	}
	o := w.open[c]
	if o == nil {
		o = &window{channel: c, shard: shard, due: due}
		w.open[c] = o
		w.queue = append(w.queue, o)
		if len(w.queue) == 1 {
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
	}
	o.records = append(o.records, r)
	w.held += len(r.payload)
}

// take returns up to most windows that are due, and when the next one is; zero where there is none.
func (w *windows) take(now time.Time, most int) (due []*window, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.queue) && n < most && !w.queue[n].due.After(now) {
		delete(w.open, w.queue[n].channel)
		n++
	}
	w.work = append(w.work[:0], w.queue[:n]...)
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	if len(w.queue) > 0 {
		next = w.queue[0].due
	}
	return w.work, next
}

// done says that what was taken is queued for its devices.
func (w *windows) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.work {
		for _, r := range o.records {
			w.held -= len(r.payload)
		}
	}
	w.work = nil
	w.room.Broadcast()
}

// first lowers, for each shard, seqs to the first one that is not done here.
func (w *windows) first(seqs map[int]uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range [][]*window{w.work, w.queue} {
		for _, o := range list {
			if at, ok := seqs[o.shard]; ok && o.records[0].seq < at {
				seqs[o.shard] = o.records[0].seq
			}
		}
	}
}
