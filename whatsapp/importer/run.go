package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Times of publishing.
const (
	ackTimeout = 5 * time.Second  // without an answer a record is published again, with the same id
	giveUp     = 30 * time.Second // of the store not taking anything
	firstPause = 50 * time.Millisecond
)

// Result tells what an import did.
type Result struct {
	Added int
	There int // that somebody else had added since the plan was made
}

// Run carries a plan out: it adds what the channel lacks, in the file's order, and tells how far it is after each
// window. Where it returns an error, what was added stays, and a new plan has only the rest.
func (im *Importer) Run(ctx context.Context, p *Plan, progress func(done int)) (Result, error) {
	var res Result
	if err := p.Ready(); err != nil {
		return res, err
	}
	// All or nothing, as far as that can be told: a message that can't be one is no reason to stop in the middle.
	for _, r := range p.records {
		if _, err := r.payload(); err != nil {
			return res, err
		}
	}
	if err := im.open(ctx); err != nil {
		return res, err
	}
	for done := 0; done < len(p.records); {
		window := p.records[done:min(done+im.window, len(p.records))]
		out, err := im.publish(ctx, window)
		res.Added += out.Added
		res.There += out.There
		if err != nil {
			return res, err
		}
		done += len(window)
		progress(done)
	}
	return res, nil
}

// open sees to it that a direct chat exists, and that nobody in it has blocked the other.
func (im *Importer) open(ctx context.Context) error {
	low, high, ok := im.cfg.Channel.Users()
	if !ok {
		return nil
	}
	for _, pair := range [][2]fabric.UserID{{low, high}, {high, low}} {
		reply, err := service.Call[contract.ChatsOpenReply](ctx, im.nc, subjects.ChatsOpen, contract.ChatsOpenRequest{User: pair[0], Peer: pair[1]})
		if err != nil {
			return fmt.Errorf("open the chat: %w", err)
		}
		if reply.Only {
			return fabric.Errorf(fabric.CodeForbidden, "%s has blocked %s: what they wrote can't be brought there", pair[1], pair[0])
		}
	}
	return nil
}

// publish stores records and waits for the store's word on each. What it does not take is tried again, in order: the
// window is over before the next one begins, so that a chat stays in its order but for a store that fails within one.
func (im *Importer) publish(ctx context.Context, records []record) (res Result, err error) {
	began, pause := time.Now(), firstPause
	for again := false; ; again = true {
		out, err := im.attempt(ctx, records)
		res.Added += out.stored
		if again { // it was this import that stored it, and only the answer was lost
			res.Added += out.duplicates
		} else {
			res.There += out.duplicates
		}
		if err != nil || len(out.refused) == 0 {
			return res, err
		}
		if len(out.refused) < len(records) {
			began, pause = time.Now(), firstPause
		}
		if time.Since(began) > giveUp {
			return res, fabric.Errorf(fabric.CodeUnavailable, "the store does not take the message of line %d: %v", out.refused[0].msg.Line, out.why)
		}
		select {
		case <-ctx.Done():
			return res, ctx.Err()
		case <-time.After(pause):
		}
		records, pause = out.refused, min(2*pause, time.Second)
	}
}

// outcome is what one attempt came to.
type outcome struct {
	stored, duplicates int
	refused            []record // in their order
	why                error    // of the first that was
}

// attempt publishes all of the records once.
func (im *Importer) attempt(ctx context.Context, records []record) (out outcome, err error) {
	acks := make([]jetstream.PubAckFuture, 0, len(records))
	for _, r := range records {
		ack, err := im.send(r)
		if errors.Is(err, nats.ErrConnectionClosed) || fabric.CodeOf(err) == fabric.CodeTooLarge {
			return out, err
		}
		if err != nil {
			out.why = err
			break // nothing behind it may be stored before it
		}
		acks = append(acks, ack)
	}
	for i, ack := range acks {
		select {
		case a := <-ack.Ok():
			if a.Duplicate {
				out.duplicates++
			} else {
				out.stored++
			}
		case e := <-ack.Err():
			if len(out.refused) == 0 {
				out.why = e
			}
			out.refused = append(out.refused, records[i])
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
	out.refused = append(out.refused, records[len(acks):]...)
	return out, nil
}

func (im *Importer) send(r record) (jetstream.PubAckFuture, error) {
	payload, err := r.payload()
	if err != nil {
		return nil, err
	}
	return im.js.PublishMsgAsync(&nats.Msg{
		Subject: subjects.Log(im.cfg.Channel, im.shard), Data: payload,
		Header: nats.Header{subjects.HeaderMsgID: {subjects.MsgID(r.from, r.cid)}},
	})
}
