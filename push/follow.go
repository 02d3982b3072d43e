package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// One process of the role follows the logs at a time: the one that holds the lease. Should two think so for a moment, what
// both queue is in the queue once, by its id.
const leaseName = "push"

// Times of following.
const (
	noteEvery  = time.Second // positions are written
	retryLeast = 500 * time.Millisecond
	retryMost  = 30 * time.Second
	mostDue    = 1000 // windows that are worked on at once
)

// lead follows the logs while this process holds the lease, until ctx ends.
func (r *Role) lead(ctx context.Context) {
	holder := nuid.Next()
	lease := func(ctx context.Context, until time.Duration) (bool, error) {
		now := r.cfg.Now()
		return r.store.Lease(ctx, leaseName, holder, fabric.Millis(now), fabric.Millis(now.Add(until)))
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		if _, err := lease(end, 0); err != nil {
			r.log.Warn("the lease of following the logs is left to lapse", "err", err)
		}
	}()
	first := sync.OnceFunc(func() { close(r.led) })
	for ctx.Err() == nil {
		held, err := lease(ctx, r.cfg.Lease)
		if err != nil && ctx.Err() == nil {
			r.log.Warn("cannot tell who follows the logs for pushes; trying again", "err", err)
		}
		if held {
			following, stop := context.WithCancelCause(ctx)
			var renewing sync.WaitGroup
			renewing.Go(func() {
				last := time.Now()
				for sleep(following, r.cfg.Lease/4) {
					if held, err := lease(following, r.cfg.Lease); held {
						last = time.Now()
					} else if err == nil || time.Since(last) > r.cfg.Lease*3/4 {
						stop(errors.New("the lease was lost"))
					}
				}
			})
			err := r.follow(following, first)
			stop(nil)
			renewing.Wait()
			if err != nil && ctx.Err() == nil {
				r.log.Warn("following the logs for pushes was interrupted; beginning again", "err", err)
			}
		}
		first()
		sleep(ctx, r.cfg.Lease/4)
	}
}

// sleep reports whether d has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// follower reads the logs from where the last one had queued everything, holds what comes for the delay, and has it queued
// for whoever has not acked it by then. Where it is past for good is written once a second: after a crash that much is
// looked at again, and what was queued of it is in the queue once.
type follower struct {
	role *Role

	direct, groups *windows

	mu   sync.Mutex
	came map[int]uint64 // by shard: the newest record that came
	past map[int]uint64 // that is written
}

// follow follows until ctx ends or something can't go on. begun is called once it does.
func (r *Role) follow(ctx context.Context, begun func()) (err error) {
	f := &follower{role: r, direct: newWindows(), groups: newWindows()}
	if f.past, err = r.store.PushPositions(ctx); err != nil {
		return fmt.Errorf("where the last one was: %w", err)
	}
	fresh := make(map[int]uint64)
	for shard := range r.cfg.Shards {
		head, err := r.reader.Head(ctx, subjects.MsgStream(shard))
		if err != nil {
			return err
		}
		// At first what is in the logs already is nobody's news. A log that has lost its end goes on from there (ADR 5).
		if past, ok := f.past[shard]; !ok || past > head {
			fresh[shard], f.past[shard] = head, head
		}
	}
	if len(fresh) > 0 {
		if err := r.store.SetPushPositions(ctx, fresh); err != nil {
			return fmt.Errorf("write where it begins: %w", err)
		}
	}
	f.came = make(map[int]uint64, len(f.past))
	for shard, seq := range f.past {
		f.came[shard] = seq
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { // who waits for room is to see that it ended
		for _, w := range []*windows{f.direct, f.groups} {
			w.mu.Lock()
			w.room.Broadcast()
			w.mu.Unlock()
		}
	})()
	for shard := range r.cfg.Shards {
		consuming, err := f.read(ctx, shard)
		if err != nil {
			return err
		}
		defer func() {
			consuming.Stop()
			<-consuming.Closed()
		}()
	}
	defer stop(nil) // before the consumers are waited for
	work.Go(func() { f.work(ctx, f.direct, r.owedDirect) })
	work.Go(func() { f.work(ctx, f.groups, r.owedGroups) })
	begun()
	for sleep(ctx, noteEvery) {
		if err := f.note(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("cannot write up to where pushes are queued; trying again", "err", err)
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	work.Wait()
	if err := f.note(end); err != nil {
		r.log.Warn("cannot write up to where pushes are queued: some is looked at again", "err", err)
	}
	return context.Cause(ctx)
}

// read brings a shard's records. The consumer holds back what there is no room for: the log is the buffer.
func (f *follower) read(ctx context.Context, shard int) (jetstream.ConsumeContext, error) {
	r := f.role
	cons, err := r.js.OrderedConsumer(ctx, subjects.MsgStream(shard), jetstream.OrderedConsumerConfig{
		NamePrefix: "push_" + nuid.Next(), DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.past[shard] + 1,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("follow shard %d: %w", shard, err)
	}
	consuming, err := cons.Consume(func(m jetstream.Msg) { f.arrive(ctx, shard, m) }, jetstream.PullMaxMessages(2000),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			r.log.Warn("following the logs for pushes was interrupted", "shard", shard, "err", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("follow shard %d: %w", shard, err)
	}
	return consuming, nil
}

func (f *follower) arrive(ctx context.Context, shard int, m jetstream.Msg) {
	r := f.role
	meta, err := m.Metadata()
	if err != nil || ctx.Err() != nil {
		return
	}
	r.metrics.followed.Inc()
	seq, data := meta.Sequence.Stream, m.Data()
	defer func() {
		f.mu.Lock()
		f.came[shard] = max(f.came[shard], seq)
		f.mu.Unlock()
	}()
	c, ok := subjects.ChannelOfLog(m.Subject())
	if !ok || c.Kind() == fabric.KindSelf || fabric.IsOnly(data) {
		return // "only": of somebody blocked, which nobody else is to see
	}
	kind := fabric.KindOf(data)
	if kind == "" || fabric.IsServerKind(kind) || kind == fabric.MsgReaction || kind == fabric.MsgPin {
		return
	}
	of := f.direct
	if c.Kind() == fabric.KindGroup {
		of = f.groups
	}
	// By our own clock, as far as the record is new: the store's may differ a little.
	now := time.Now()
	wait := min(max(r.cfg.Delay-now.Sub(meta.Timestamp), 0), r.cfg.Delay)
	of.add(c, shard, now.Add(wait), record{seq: seq, at: fabric.Millis(meta.Timestamp), from: fabric.SenderOf(data), kind: kind, payload: data},
		func() bool { return ctx.Err() != nil })
}

// work has what is due queued until ctx ends. Where that fails it is tried again: nothing is left out.
func (f *follower) work(ctx context.Context, from *windows, owed func(context.Context, []*window) error) {
	for ctx.Err() == nil {
		due, next := from.take(time.Now(), mostDue)
		if len(due) == 0 {
			wait := time.Hour
			if !next.IsZero() {
				wait = max(time.Until(next), time.Millisecond) + 5*time.Millisecond // some more will be due
			}
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-from.wake:
			case <-t.C:
			}
			t.Stop()
			continue
		}
		for pause := retryLeast; ; pause = min(2*pause, retryMost) {
			one, cancel := context.WithTimeout(ctx, workWithin)
			err := owed(one, due)
			cancel()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return // not done: whoever follows next looks at it again
			}
			f.role.log.Warn("cannot tell who is to be pushed; trying again", "in", pause, "err", err)
			if !sleep(ctx, pause) {
				return
			}
		}
		from.done()
	}
}

// workWithin bounds one try to have what is due queued; a group of 100,000 takes some seconds.
const workWithin = 2 * time.Minute

// note writes up to where everything is queued.
func (f *follower) note(ctx context.Context) error {
	f.mu.Lock()
	at := make(map[int]uint64, len(f.came))
	for shard, seq := range f.came {
		at[shard] = seq + 1
	}
	f.mu.Unlock()
	f.direct.first(at)
	f.groups.first(at)
	changed := make(map[int]uint64)
	for shard, first := range at {
		if first-1 > f.past[shard] {
			changed[shard] = first - 1
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := f.role.store.SetPushPositions(ctx, changed); err != nil {
		return fmt.Errorf("positions: %w", err)
	}
	for shard, seq := range changed {
		f.past[shard] = seq
	}
	return nil
}
