package push

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Bounds of sending.
const (
	backoffMost = 10 * time.Minute
	ackWait     = 30 * time.Second // longer than a job may be at work: past it another process takes it
	inFlight    = 1000             // jobs of a lane's class that are at work, or wait to be tried again
	fresh       = 10 * time.Second
)

// backoff is how long to wait after so many tries: doubled each time, up to backoffMost, of which half is random, so that
// not all come back at once.
func (r *Role) backoff(tries int) time.Duration {
	d := backoffMost
	if tries < 16 {
		d = min(r.cfg.Backoff<<tries, backoffMost)
	}
	return d/2 + rand.N(d/2)
}

// consume has a lane's jobs of a class sent, so many at once, until the returned function is called, which waits for those
// that are at work.
func (r *Role) consume(ctx context.Context, l *lane, class string, atOnce int) (end func(), err error) {
	cons, err := r.js.CreateOrUpdateConsumer(ctx, subjects.PushStream, jetstream.ConsumerConfig{
		Durable: subjects.PushConsumer(l.name, class), Description: "has pushed what " + l.name + " takes",
		FilterSubject: subjects.PushJobs(l.name, class), AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: inFlight,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer of %s: %w", l.name, err)
	}
	slots := make(chan struct{}, atOnce)
	consuming, err := cons.Consume(func(m jetstream.Msg) {
		if class == classBulk && r.bulk.Wait(r.ctx) != nil || r.ctx.Err() != nil {
			r.settle(m.Nak()) // it ends: another process is to have it
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			r.work(l, class, m)
		}()
	}, jetstream.PullMaxMessages(2*atOnce), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		r.log.Warn("the queue of pushes is not read", "lane", l.name, "err", err)
	}))
	if err != nil {
		return nil, fmt.Errorf("queue of %s: %w", l.name, err)
	}
	return func() {
		consuming.Drain()
		<-consuming.Closed()
		for range cap(slots) {
			slots <- struct{}{}
		}
	}, nil
}

// work sends one job, and says what becomes of it.
func (r *Role) work(l *lane, class string, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		r.log.Error("a push has no place in its queue", "err", err)
		return
	}
	// Not of the role's context: what is at work is finished when it ends.
	ctx, cancel := context.WithTimeout(context.Background(), ackWait-5*time.Second)
	defer cancel()
	now := r.cfg.Now()
	if wait := l.rest(now); wait > 0 {
		r.settle(m.NakWithDelay(wait + rand.N(wait/4+time.Millisecond)))
		return
	}
	tries := l.try(meta.Sequence.Stream)
	var j job
	o := outcome{result: resultBroken, detail: "it is no job"}
	if json.Unmarshal(m.Data(), &j) == nil {
		var err error
		if o, err = r.deliver(ctx, l, class, &j, meta.NumDelivered > 1 || now.Sub(time.UnixMilli(j.Queued)) > fresh); err != nil {
			r.log.Warn("cannot tell what to push; trying again", "lane", l.name, "device", j.Device, "err", err)
			r.settle(m.NakWithDelay(r.backoff(tries)))
			return
		}
	}
	r.metrics.sends.WithLabelValues(l.name, o.result).Inc()
	began, now := now, r.cfg.Now()
	l.note(o, began, now)
	if !o.again() {
		l.done(meta.Sequence.Stream)
	}
	switch {
	case o.again():
		wait := max(r.backoff(tries-1), o.after)
		if now.Add(wait).Sub(time.UnixMilli(j.Queued)) > j.keep() {
			r.metrics.sends.WithLabelValues(l.name, resultExpired).Inc()
			l.done(meta.Sequence.Stream)
			r.settle(m.Term())
			return
		}
		r.log.Debug("a push is tried again", "lane", l.name, "device", j.Device, "tries", tries, "in", wait, "result", o.result, "detail", o.detail)
		r.settle(m.NakWithDelay(wait + rand.N(wait/4+time.Millisecond)))
	case o.result == resultBad || o.result == resultTooLarge || o.result == resultBroken:
		r.log.Error("a push is given up", "lane", l.name, "device", j.Device, "result", o.result, "detail", o.detail)
		r.settle(m.Term())
	default:
		if o.result == resultOK {
			r.metrics.latency.WithLabelValues(l.name).Observe(now.Sub(time.UnixMilli(j.At)).Seconds())
		}
		r.settle(m.Ack())
	}
}

// settle takes the error of an answer to the queue: the job comes again.
func (r *Role) settle(err error) {
	if err != nil {
		r.log.Warn("cannot answer the queue of pushes: some are sent again", "err", err)
	}
}

// deliver sends a job, unless there is nothing more to be told. The error is of what is ours; the outcome the service's.
func (r *Role) deliver(ctx context.Context, l *lane, class string, j *job, look bool) (outcome, error) {
	if r.cfg.Now().Sub(time.UnixMilli(j.Queued)) > j.keep() {
		return outcome{result: resultExpired}, nil
	}
	t, err := r.store.PushTarget(ctx, j.Device)
	if err != nil {
		return outcome{}, fmt.Errorf("how %s is reached: %w", j.Device, err)
	}
	if t == nil || t.User != j.User {
		return outcome{result: resultUnknown}, nil
	}
	d, err := r.destinationOf(*t)
	if err != nil {
		return outcome{result: resultUnknown, detail: err.Error()}, nil //nolint:nilerr // it is the outcome
	}
	if d.lane != l.name { // it is reached otherwise by now
		return outcome{result: resultUnknown}, r.enqueue(ctx, []queued{{*j, d.lane, class}})
	}
	if look {
		left, err := r.look(ctx, t, j)
		if err != nil {
			return outcome{}, err
		}
		if !left {
			return outcome{result: resultStale}, nil
		}
	}
	n := j.render(t.Show, r.badge(ctx, j))
	o := d.provider.send(ctx, d, n)
	for o.result == resultTooLarge && n.shrink() && n.shrink() {
		o = d.provider.send(ctx, d, n)
	}
	if o.result == resultGone {
		if _, err := r.store.RemovePush(ctx, j.Device, t.Hash); err != nil {
			return outcome{}, fmt.Errorf("forget how %s is reached: %w", j.Device, err)
		}
		r.changed(j.User)
		r.log.Info("a push service knows a device no more: it is not pushed to", "lane", l.name, "device", j.Device, "detail", o.detail)
	}
	return o, nil
}

// look looks whether a job that has waited is still to be sent: what was read, acked or deleted meanwhile is not told, and
// what was edited is told as it is now.
func (r *Role) look(ctx context.Context, t *Target, j *job) (left bool, err error) {
	if j.Kind != pushMessage {
		return true, nil
	}
	shard := subjects.Shard(j.Channel, r.cfg.Shards)
	subject := subjects.Receipt(j.Channel, shard, j.User)
	if j.Channel.Kind() == fabric.KindGroup {
		subject = subjects.GroupReceipt(j.Channel, shard, j.User)
	}
	marks, err := r.marksOf(ctx, map[int][]string{shard: {subject}})
	if err != nil {
		return false, err
	}
	s := r.remembered(t, j.Channel)
	s.take(marks[subject])
	upto := max(s.read, s.delivered)
	if j.Seq <= upto {
		return false, nil
	}
	lines := j.Lines[:0]
	for _, line := range j.Lines {
		if line.Seq <= upto {
			j.Count--
			continue
		}
		now, deleted, err := r.asItIs(ctx, j, line)
		switch {
		case err != nil:
			return false, err
		case deleted:
			j.Count--
		default:
			lines = append(lines, now)
		}
	}
	j.Lines = lines
	return len(lines) > 0 && j.Count > 0, nil
}
