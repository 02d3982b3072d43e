package push

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/weft-im/weft/fabric"
)

// What is remembered of what devices show, so that it goes when it is read on another one.
const (
	mostShown  = 100_000 // chats of users
	shownFor   = 7 * 24 * time.Hour
	mostReads  = 4096 // that wait
	shownClass = classNow
)

// shown remembers which devices were told of something in a chat, and has it taken away there when the user reads it
// elsewhere. It is a courtesy: the process that follows the logs remembers it, and where that one has gone what is shown
// stays until its app starts.
type shown struct {
	mu    sync.Mutex
	known *expirable.LRU[string, map[fabric.DeviceID]told]
	reads chan read
}

// told is up to where a device was told of a chat, and by which service.
type told struct {
	seq  uint64
	lane string
}

// read is that a user has read a chat on a device.
type read struct {
	channel fabric.ChannelID
	user    fabric.UserID
	device  fabric.DeviceID
	upto    uint64
}

func newShown() *shown {
	return &shown{known: expirable.NewLRU[string, map[fabric.DeviceID]told](mostShown, nil, shownFor), reads: make(chan read, mostReads)}
}

// note remembers what was queued.
func (s *shown) note(jobs []queued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range jobs {
		j := &jobs[i]
		if j.Kind != pushMessage {
			continue
		}
		key := string(j.User) + string(j.Channel)
		of, ok := s.known.Get(key)
		if !ok {
			of = make(map[fabric.DeviceID]told, 1)
			s.known.Add(key, of)
		}
		of[j.Device] = told{max(of[j.Device].seq, j.Seq), j.lane}
	}
}

// was takes that something was read. It must not wait: where too much is read at once, some notifications stay.
func (s *shown) was(r read) {
	s.mu.Lock()
	known := s.known.Contains(string(r.user) + string(r.channel))
	s.mu.Unlock()
	if !known {
		return
	}
	select {
	case s.reads <- r:
	default:
	}
}

// take returns which devices show what was read, and forgets what they show no longer.
func (s *shown) take(r read) (jobs []queued) {
	key := string(r.user) + string(r.channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	of, ok := s.known.Get(key)
	if !ok {
		return nil
	}
	for d, t := range of {
		if t.seq <= r.upto {
			delete(of, d)
		}
		if d != r.device { // the one that it was read on knows
			jobs = append(jobs, queued{job{Kind: pushRead, User: r.user, Device: d, Channel: r.channel, Seq: min(r.upto, t.seq)}, t.lane, shownClass})
		}
	}
	if len(of) == 0 {
		s.known.Remove(key)
	}
	return jobs
}

// withdrawAfter is how long what was read waits: what else is read meanwhile goes with it, and the marks are stored by then,
// from which the badge is counted.
const withdrawAfter = 400 * time.Millisecond

// withdraw has what was read taken away until ctx ends.
func (r *Role) withdraw(ctx context.Context) {
	for {
		var first read
		select {
		case <-ctx.Done():
			return
		case first = <-r.shown.reads:
		}
		sleep(ctx, withdrawAfter)
		latest := map[string]read{string(first.user) + string(first.channel): first}
		for range len(r.shown.reads) {
			was := <-r.shown.reads
			if key := string(was.user) + string(was.channel); was.upto >= latest[key].upto {
				latest[key] = was
			}
		}
		var jobs []queued
		for _, was := range latest {
			jobs = append(jobs, r.shown.take(was)...)
		}
		for i := range jobs {
			jobs[i].At = fabric.Millis(r.cfg.Now())
		}
		one, cancel := context.WithTimeout(ctx, callTimeout)
		err := r.enqueue(one, jobs)
		cancel()
		if err != nil && ctx.Err() == nil {
			r.log.Warn("what was read elsewhere goes on being shown", "err", err)
		}
	}
}
