package chats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// relay appends the records that wait in the outbox to their channels' logs, in order, each exactly once.
//
// A record stays in the outbox until its place in the log is known, so a relay that ends anywhere leaves it for the next
// one. That one cannot know whether it was published, and looks: the record's cid stands in the log behind the seq that
// the record was written with, or it doesn't. (The stream's own knowledge of message ids covers what is under way, and is
// forgotten after minutes.) Only who holds the lease relays; the lease is longer than a publish may take, and one that is
// cut off from NATS does not renew it.
type relay struct {
	role   *Role
	js     jetstream.JetStream
	lease  time.Duration
	holder string
	kicks  chan struct{}

	unsure    bool            // not all that another relay may have published was read yet
	uncertain map[string]bool // cids that may be in their logs although nobody has noted it
	reached   time.Time       // when the logs were last asked how far they are
}

// Bounds of the relay.
const (
	relayName    = "relay"
	relayLook    = time.Second // another process's records are found this often at the latest
	relayReached = time.Minute // records are looked for from where the logs were this long ago, not from their beginnings
	relayPause   = 100 * time.Millisecond
	relayBatch   = 500
	relayAtOnce  = 64
	relayLogPage = 500
)

// Times of the relay, which follow from its lease.
func (y *relay) renew() time.Duration  { return 3 * y.lease / 10 } // after the lease was got
func (y *relay) within() time.Duration { return y.lease / 2 }      // of one publish
func (y *relay) pause() time.Duration  { return y.lease / 10 }     // after an error
func (y *relay) slack() time.Duration  { return y.lease / 4 }      // before the lease's end nothing is published any more

var errCutOff = fabric.Errorf(fabric.CodeUnavailable, "the connection to NATS is away")

func newRelay(r *Role) (*relay, error) {
	js, err := jetstream.New(r.nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	return &relay{role: r, js: js, lease: r.cfg.RelayLease, holder: nuid.Next(), kicks: make(chan struct{}, 1), uncertain: make(map[string]bool)}, nil
}

// kick says that there is something in the outbox: to this relay, and to the one in another process.
func (y *relay) kick() {
	y.wake()
	_ = y.role.nc.Publish(subjects.RelayKick, nil) // it looks by itself, only later
}

func (y *relay) wake() {
	select {
	case y.kicks <- struct{}{}:
	default:
	}
}

// run relays until ctx ends; a record that is under way then is finished.
func (y *relay) run(ctx context.Context) error {
	sub, err := y.role.nc.Subscribe(subjects.RelayKick, func(*nats.Msg) { y.wake() })
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.RelayKick, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is closed
	tick := time.NewTicker(relayLook)
	defer tick.Stop()
	var held time.Time // until when the lease is ours
	defer func() {
		if held.IsZero() {
			return
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		now := fabric.Millis(time.Now())
		_, _ = y.role.store.Lease(end, relayName, y.holder, now, now) // else it lapses
	}()
	for {
		if err := y.turn(ctx, &held); err != nil && ctx.Err() == nil {
			y.role.log.Error("cannot relay records to their logs, trying again", "err", err)
			held = time.Time{} // and look again at what was under way
			if !sleep(ctx, y.pause()) {
				return nil
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-y.kicks:
		case <-tick.C:
		}
	}
}

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

// turn relays all that waits, if the lease can be had.
func (y *relay) turn(ctx context.Context, held *time.Time) error {
	for {
		if !y.role.nc.IsConnected() { // another one may be
			return errCutOff
		}
		// Also who does not relay writes records, and says from where on they are to be looked for.
		if now := time.Now(); now.Sub(y.reached) > relayReached {
			if err := y.role.reached.read(ctx, y.role.reader); err != nil {
				return err
			}
			y.reached = now
		}
		fresh := held.IsZero()
		if now := time.Now(); held.Sub(now) < y.lease-y.renew() {
			ok, err := y.role.store.Lease(ctx, relayName, y.holder, fabric.Millis(now), fabric.Millis(now.Add(y.lease)))
			if err != nil || !ok {
				*held = time.Time{}
				return err
			}
			*held = now.Add(y.lease)
		}
		waiting, err := y.role.store.Outbox(ctx, relayBatch)
		if err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		// Whoever had the lease before may have published these. Where they are many, some that were committed late may stand
		// before what the other one has read: all are looked for, up to the end.
		if y.unsure = y.unsure || fresh; y.unsure {
			for _, w := range waiting {
				y.uncertain[w.CID] = true
			}
			y.unsure = len(waiting) == relayBatch
		}
		if len(waiting) == 0 {
			clear(y.uncertain)
			return nil
		}
		// A process that was stopped for long between the lease and here must not publish what another one has relayed since.
		publish, cancel := context.WithDeadline(context.WithoutCancel(ctx), held.Add(-y.slack()))
		done, err := y.publish(publish, waiting)
		if len(done) > 0 {
			if err := y.role.store.Relayed(context.WithoutCancel(ctx), done); err != nil {
				cancel()
				return fmt.Errorf("take %d records out of the outbox: %w", len(done), err)
			}
			y.told(done)
		}
		cancel()
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// publish appends records to their logs: those of a channel one after the other, channels beside each other. It returns
// those that are there, which with an error are not all.
func (y *relay) publish(ctx context.Context, waiting []Waiting) ([]Relayed, error) {
	var order []fabric.ChannelID
	byChannel := make(map[fabric.ChannelID][]int)
	for i, w := range waiting {
		if byChannel[w.Channel] == nil {
			order = append(order, w.Channel)
		}
		byChannel[w.Channel] = append(byChannel[w.Channel], i)
	}
	seqs := make([]uint64, len(waiting))
	var group errgroup.Group
	group.SetLimit(relayAtOnce)
	for _, c := range order {
		group.Go(func() error {
			there, err := y.find(ctx, c, waiting, byChannel[c])
			if err != nil {
				return fmt.Errorf("look for records of %s: %w", c, err)
			}
			for _, i := range byChannel[c] {
				if seqs[i] = there[waiting[i].CID]; seqs[i] != 0 {
					continue
				}
				seq, err := y.append(ctx, &waiting[i].Record)
				if err != nil {
					return fmt.Errorf("record %s of %s: %w", waiting[i].CID, c, err)
				}
				seqs[i] = seq
			}
			return nil
		})
	}
	err := group.Wait()
	var done []Relayed
	for i := range waiting {
		w := &waiting[i]
		if seqs[i] == 0 {
			y.uncertain[w.CID] = true
			continue
		}
		delete(y.uncertain, w.CID)
		d, err2 := y.follow(w, seqs[i])
		if err2 != nil {
			return done, errors.Join(err, err2)
		}
		done = append(done, d)
		y.role.reached.raise(w.Channel, seqs[i])
	}
	return done, err
}

// append publishes a record and returns its seq.
func (y *relay) append(ctx context.Context, r *Record) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, y.within())
	defer cancel()
	// A connection that is away keeps what is published, and publishes it once it is back: after the lease, when another
	// relay has long done so and the stream has forgotten it.
	if !y.role.nc.IsConnected() {
		return 0, errCutOff
	}
	msg := nats.NewMsg(subjects.Log(r.Channel, subjects.Shard(r.Channel, y.role.shards)))
	msg.Data = fabric.AppendPayload(nil, r.From, r.CID, r.Kind, r.Body)
	ack, err := y.js.PublishMsg(ctx, msg, jetstream.WithMsgID(subjects.MsgID(r.From, r.CID)))
	if err != nil {
		return 0, err
	}
	y.role.relayed.Inc()
	return ack.Sequence, nil
}

// find looks for those of a channel's waiting records, by their indexes, that may be in its log already, and returns the
// seqs of those that are, by cid.
func (y *relay) find(ctx context.Context, c fabric.ChannelID, waiting []Waiting, indexes []int) (map[string]uint64, error) {
	from := make(map[string]fabric.UserID)
	after := uint64(math.MaxUint64)
	for _, i := range indexes {
		if w := &waiting[i]; y.uncertain[w.CID] {
			from[w.CID], after = w.From, min(after, w.After)
		}
	}
	if len(from) == 0 {
		return nil, nil
	}
	shard := subjects.Shard(c, y.role.shards)
	head, err := y.role.reader.Head(ctx, subjects.MsgStream(shard))
	if err != nil {
		return nil, err
	}
	found := make(map[string]uint64)
	for more := true; more && after < head && len(found) < len(from); {
		var recs []msglog.Record
		if recs, more, err = y.role.reader.Range(ctx, c, shard, after, head, relayLogPage); err != nil {
			return nil, err
		}
		for _, rec := range recs {
			var m fabric.Message
			if json.Unmarshal(rec.Payload, &m) == nil && m.From != "" && m.From == from[m.CID] && found[m.CID] == 0 {
				found[m.CID] = rec.Seq
			}
			after = rec.Seq
		}
		more = more && len(recs) > 0
	}
	return found, nil
}

// follow says what follows from a record that is in its log.
func (y *relay) follow(w *Waiting, seq uint64) (Relayed, error) {
	d := Relayed{Num: w.Num, CID: w.CID, Channel: w.Channel, Seq: seq}
	if w.Kind == fabric.MsgMember {
		var change fabric.MemberChange
		if err := json.Unmarshal(w.Body, &change); err != nil {
			return d, fmt.Errorf("record %s: %w", w.CID, err)
		}
		switch change.Event {
		case fabric.MemberCreated, fabric.MemberAdded, fabric.MemberJoined:
			d.Came = change.Users
		case fabric.MemberRemoved, fabric.MemberLeft:
			d.Went = change.Users
		}
	}
	for _, told := range w.Told {
		told.Change.Seq = seq
		for _, u := range told.Users {
			d.Next = append(d.Next, y.role.selfRecord(u, told.Change))
		}
	}
	return d, nil
}

// told lets whoever counts a group's members know that they have changed.
func (y *relay) told(done []Relayed) {
	for _, d := range done {
		if g, ok := d.Channel.Group(); ok && len(d.Came)+len(d.Went) > 0 {
			_ = y.role.nc.Publish(subjects.MembersChanged(g), nil) // who missed it looks again by themselves
		}
	}
}

// settled waits until a record is in its log. It is a moment; where it takes longer, ctx or the store says so.
func (r *Role) settled(ctx context.Context, cid string) error {
	r.relay.kick()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, relayPause) {
		waits, err := r.store.Waits(ctx, cid)
		if err != nil {
			return fmt.Errorf("look for record %s: %w", cid, err)
		}
		if !waits {
			return nil
		}
		if !sleep(ctx, wait) {
			return fabric.Errorf(fabric.CodeUnavailable, "it is written, but its record is not in the log yet: look again in a moment")
		}
	}
}

// selfRecord returns a record for u's own log.
func (r *Role) selfRecord(u fabric.UserID, change fabric.ChannelChange) Record {
	body, err := json.Marshal(change)
	if err != nil {
		panic(fmt.Sprintf("a channel change is not JSON: %v", err)) // a fixed struct of strings, numbers and booleans
	}
	self := fabric.Self(u)
	return Record{CID: fabric.NewCID(), Channel: self, After: r.reached.of(self), From: u, Kind: fabric.MsgChannel, Body: body}
}
