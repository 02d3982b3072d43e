package push

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// job is what is to be pushed to one device, as it lies in the queue. It has what a notification may show at most; how much
// of it the device wants shown is read when it is sent.
type job struct {
	Kind    string           `json:"kind"`
	User    fabric.UserID    `json:"user"`
	Device  fabric.DeviceID  `json:"device"`
	Channel fabric.ChannelID `json:"channel,omitempty"`
	First   uint64           `json:"first,omitempty"` // the oldest message's seq
	Seq     uint64           `json:"seq,omitempty"`   // the newest one's
	Count   int              `json:"count,omitempty"`
	From    string           `json:"from,omitempty"`  // what the newest one's sender is called
	Group   string           `json:"group,omitempty"` // what the group is called
	Lines   []Line           `json:"lines,omitempty"`
	At      int64            `json:"at"`               // of the newest message
	Queued  int64            `json:"queued,omitempty"` // when it was put there

	ID    string `json:"id,omitempty"` // of a notice
	Title string `json:"title,omitempty"`
	Body  string `json:"body,omitempty"`
	Link  string `json:"link,omitempty"`
}

// Classes of haste, each with a queue of its own for each push service: what goes to thousands at once is sent at a bounded
// rate and does not hold up what goes to one.
const (
	classNow  = "now"
	classBulk = "bulk"
)

// id is what the queue knows a job by: one device is told of one message once.
func (j *job) id() string {
	what := j.ID
	if what == "" {
		what = string(j.Channel) + "." + strconv.FormatUint(j.Seq, 10)
	}
	return string(j.Device) + "." + j.Kind + "." + what
}

// keep is how long a job is worth being sent.
func (j *job) keep() time.Duration {
	switch j.Kind {
	case pushTest:
		return testTTL
	case pushWithdraw, pushRead, pushEdit:
		return changeTTL
	}
	return maxQueued
}

// maxQueued is how long a message may wait for a push service that does not take it.
const maxQueued = 3 * 24 * time.Hour

// queued is a job with where it goes.
type queued struct {
	job

	lane, class string
}

// enqueue puts jobs into the queue, and returns once all are there.
func (r *Role) enqueue(ctx context.Context, jobs []queued) error {
	acks := make([]jetstream.PubAckFuture, 0, len(jobs))
	for i := range jobs {
		j := &jobs[i]
		j.Queued = fabric.Millis(r.cfg.Now())
		data, err := json.Marshal(&j.job)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		ack, err := r.js.PublishMsgAsync(&nats.Msg{Subject: subjects.PushJob(j.lane, j.class, j.Device), Data: data}, jetstream.WithMsgID(j.id()))
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		acks = append(acks, ack)
		r.metrics.queued.WithLabelValues(j.lane, j.class).Inc()
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return fmt.Errorf("queue: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("queue: %w", ctx.Err())
		}
	}
	return nil
}
