package history

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Bounds of following a log.
const (
	pullMessages  = 1000             // records on their way at once
	pullBytes     = 4 << 20          // and bytes of them
	consumerGrace = time.Minute      // a follower's consumer outlives it by so much
	archiveWithin = 30 * time.Second // of one transaction
)

// follower brings one shard's log into the database.
//
// It reads through an ordered consumer from the archived position on: the server keeps no state of it, nothing is acked
// or delivered again out of order, and after whatever break it goes on behind the last record it brought. Two archives
// at once (an old process and the new one) each see every record in order and write the same rows.
type follower struct {
	role  *Role
	shard int
	log   *slog.Logger
	in    *intake
	prevs *prevs
	poke  chan struct{}   // has a token if passHoles was asked for
	recs  []fabric.Stored // of the batch at work
	batch Batch
}

func newFollower(r *Role, shard int) *follower {
	return &follower{
		role: r, shard: shard, log: r.log.With("shard", shard),
		in:    newIntake(r.cfg.BatchMessages, r.cfg.BatchBytes),
		prevs: newPrevs(r.store, r.cfg.KnownChannels),
		poke:  make(chan struct{}, 1),
	}
}

// nudge asks the follower to see why somebody waits for it in vain.
func (f *follower) nudge() { token(f.poke) }

// run follows the log until ctx ends. What it has gathered and not written by then is read again at the next start.
func (f *follower) run(ctx context.Context) error {
	var consume jetstream.ConsumeContext
	err := retry(ctx, f.log, "follow the log", func() (err error) {
		consume, err = f.consume(ctx)
		return err
	})
	if err != nil {
		return nil // ctx has ended, which is all that ends the retry
	}
	defer consume.Stop()
	defer f.in.close()
	f.nudge() // what the window dropped before it was archived must not be waited for
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.poke:
			if err := f.passHoles(ctx); err != nil && ctx.Err() == nil {
				f.log.Warn("cannot compare the archive with the log", "err", err)
			}
		case <-f.in.ready:
			f.gather(ctx, last)
			if err := f.archive(ctx, f.in.take()); err != nil {
				return nil // ctx has ended
			}
			last = time.Now()
		}
	}
}

func (f *follower) consume(ctx context.Context) (jetstream.ConsumeContext, error) {
	from := f.role.archived.of(f.shard) + 1
	cons, err := f.role.js.OrderedConsumer(ctx, subjects.MsgStream(f.shard), jetstream.OrderedConsumerConfig{
		NamePrefix:        subjects.ArchiveConsumer + "_" + nuid.Next(), // a name of its own: shared ones share the records
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       from,
		InactiveThreshold: consumerGrace,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer from %d: %w", from, err)
	}
	return cons.Consume(f.arrive,
		jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			f.role.metrics.resets.Inc()
			f.log.Warn("following the log was interrupted", "err", err)
		}))
}

// arrive takes a record from the consumer. It waits while the archive is behind.
func (f *follower) arrive(m jetstream.Msg) {
	p, err := parsePlace(m.Reply())
	if err != nil {
		f.log.Error("a record without a place", "err", err) // never: the consumer has read the same words
		return
	}
	f.in.put(arrival{subject: m.Subject(), place: p, payload: m.Data()})
}

// gather lets records come until it is Linger since the last transaction: under load a transaction's fixed cost is
// shared by many, while what comes alone is written at once.
func (f *follower) gather(ctx context.Context, last time.Time) {
	wait := f.role.cfg.Linger - time.Since(last)
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.in.full:
	case <-ctx.Done():
	}
}

// archive writes what has arrived and moves the shard's position, in one transaction, however often it takes. An error
// means that ctx has ended.
func (f *follower) archive(ctx context.Context, recs []arrival) error {
	msgs, upto := f.read(recs)
	if upto == 0 {
		return nil
	}
	m := f.role.metrics
	sorted := false
	err := retry(ctx, f.log, "archive messages", func() error {
		// A transaction that began is not broken off by a shutdown.
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), archiveWithin)
		defer cancel()
		began := time.Now()
		var err error
		if !sorted {
			if err = f.prevs.learn(one, msgs); err == nil {
				f.sort(msgs)
				sorted = true
			}
		}
		if err == nil {
			err = f.role.store.Archive(one, f.shard, f.batch, upto)
		}
		if err != nil {
			m.failed.Inc()
			return err
		}
		m.commit.Observe(time.Since(began).Seconds())
		return nil
	})
	if err != nil {
		return err
	}
	f.role.archived.move(f.shard, upto)
	m.archived.Add(float64(len(msgs)))
	m.batch.Observe(float64(len(msgs)))
	m.lag.WithLabelValues(strconv.Itoa(f.shard)).Set(float64(recs[len(recs)-1].pending))
	if len(f.batch.Changes) > 0 {
		f.role.eraser.kick()
	}
	clear(msgs) // the payloads are the database's now
	clear(f.batch.Messages)
	clear(f.batch.Changes)
	f.recs = msgs[:0]
	return nil
}

// sort makes a batch of messages: those that are shown, each with its prev and its end, and those that change them.
func (f *follower) sort(msgs []fabric.Stored) {
	f.batch.Messages, f.batch.Changes, f.batch.Disappear = f.batch.Messages[:0], f.batch.Changes[:0], nil
	for i := range msgs {
		m := &msgs[i]
		head := f.prevs.next(m)
		m.Prev = head.Seq
		if fabric.IsChange(m.Kind) {
			c, err := parseChange(m.Kind, m.Body)
			if err != nil || c.Target >= m.Seq {
				// The edges let nobody write such a one. It is kept as the record that it is, and changes nothing.
				f.log.Warn("a record that should change a message does not say which", "channel", m.Channel, "seq", m.Seq, "err", err)
				c = Change{}
			}
			c.Stored = *m
			f.batch.Changes = append(f.batch.Changes, c)
			continue
		}
		if seconds, ok := disappearOf(m); ok {
			if f.batch.Disappear == nil {
				f.batch.Disappear = make(map[fabric.ChannelID]int)
			}
			f.batch.Disappear[m.Channel] = seconds
		}
		f.batch.Messages = append(f.batch.Messages, Archival{Stored: *m, ExpiresAt: expiry(m, head.Disappear), Media: fabric.MediaOf(m.Kind, m.Body)})
	}
}

// read turns records into messages, without those that are archived already (a consumer that was reset may bring them
// again). What is no message is left out: it must not hold up all that come behind it. upto is 0 if nothing is new.
func (f *follower) read(recs []arrival) (batch []fabric.Stored, upto uint64) {
	batch = f.recs[:0]
	newest := f.role.archived.of(f.shard)
	skipped := 0
	for i := range recs {
		rec := &recs[i]
		if rec.seq <= newest {
			continue
		}
		newest, upto = rec.seq, rec.seq
		m, err := messageOf(rec)
		if err != nil {
			if skipped++; skipped == 1 { // one line a batch, so that a flood of them is none of the log
				f.log.Warn("a record that is no message is left out of the archive", "subject", rec.subject, "seq", rec.seq, "err", err)
			}
			continue
		}
		batch = append(batch, m)
	}
	f.role.metrics.skipped.Add(float64(skipped))
	return batch, upto
}

func messageOf(rec *arrival) (fabric.Stored, error) {
	name, _ := subjects.ChannelOfLog(rec.subject)
	c, err := fabric.ParseChannelID(string(name))
	if err != nil {
		return fabric.Stored{}, err
	}
	m, err := decode(rec.payload)
	if err != nil {
		return fabric.Stored{}, err
	}
	return fabric.Stored{Channel: c, Seq: rec.seq, At: rec.at, Message: m}, nil
}

// passHoles moves the position over what the log does not hold any more (it was deleted, or the window dropped it
// before it was archived): nobody will bring it, and nobody should wait for it.
func (f *follower) passHoles(ctx context.Context) error {
	stream := subjects.MsgStream(f.shard)
	head, err := f.role.reader.Head(ctx, stream)
	if err != nil {
		return err
	}
	at := f.role.archived.of(f.shard)
	if head <= at {
		return nil
	}
	first, err := f.role.reader.First(ctx, stream, at+1)
	if err != nil {
		return err
	}
	if first != 0 && first <= head {
		return nil // it is on its way
	}
	if err := f.role.store.Archive(ctx, f.shard, Batch{}, head); err != nil {
		return fmt.Errorf("move the position from %d to %d: %w", at, head, err)
	}
	f.role.archived.move(f.shard, head)
	f.log.Info("the log holds nothing more up to its head", "from", at, "to", head)
	return nil
}
