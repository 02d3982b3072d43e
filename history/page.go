package history

import (
	"context"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// page answers weft.history.page.
func (r *Role) page(ctx context.Context, req contract.HistoryPageRequest) (contract.HistoryPageReply, error) {
	var none contract.HistoryPageReply
	c, err := fabric.ParseChannelID(string(req.Channel))
	if err != nil {
		return none, err
	}
	if req.Before != 0 && req.After != nil {
		return none, fabric.Errorf(fabric.CodeBadRequest, "before and after exclude each other: ask for one of them")
	}
	limit := limitOf(req.Limit)
	tail, err := r.tailFor(ctx, c, req.Before)
	if err != nil {
		return none, err
	}
	var msgs []fabric.Stored
	if req.After != nil {
		msgs, err = r.forward(ctx, c, *req.After, limit+1, tail)
	} else {
		msgs, err = r.backward(ctx, c, req.Before, limit+1, tail)
	}
	if err != nil {
		return none, fmt.Errorf("page of %s: %w", c, err)
	}
	more := len(msgs) > limit
	switch {
	case !more:
	case req.After != nil:
		msgs = msgs[:limit]
	default:
		msgs = msgs[1:]
	}
	kept := fit(msgs, req.After == nil)
	out := newReply()
	for _, m := range kept {
		out.add(m)
	}
	return contract.HistoryPageReply{Messages: out.msgs, More: more || len(kept) < len(msgs)}, nil
}

// fit returns as many of msgs as a reply has room for, at least one: the last ones where newest is set, otherwise the
// first.
func fit(msgs []fabric.Stored, newest bool) []fabric.Stored {
	bytes := 0
	for n := range msgs {
		i := n
		if newest {
			i = len(msgs) - 1 - n
		}
		if bytes += objectBytes(msgs[i]); bytes <= maxReplyBytes || n == 0 {
			continue
		}
		if newest {
			return msgs[i+1:]
		}
		return msgs[:i]
	}
	return msgs
}

// tail is what the archive lacks of a shard: the log's records with archived < seq ≤ head. Mostly it is empty.
type tail struct {
	shard          int
	archived, head uint64
}

func (t tail) empty() bool { return t.head <= t.archived }

// tailFor settles the channel's shard for a page of messages before `before`, 0 being the newest page.
func (r *Role) tailFor(ctx context.Context, c fabric.ChannelID, before uint64) (tail, error) {
	t := tail{shard: subjects.Shard(c, r.shards)}
	t.archived = r.archived.of(t.shard)
	if before != 0 && before <= t.archived+1 {
		t.head = t.archived // whatever the log holds, it is all behind this page
		return t, nil
	}
	head, err := r.heads[t.shard].join().wait(ctx)
	if err != nil {
		return t, fmt.Errorf("head of shard %d: %w", t.shard, err)
	}
	t.head = head
	until := make(fabric.Position, r.shards)
	until[t.shard] = head
	at, _ := r.await(ctx, until)
	t.archived = at[t.shard]
	return t, nil
}

// forward returns up to limit messages of c after a seq: archived ones, then those of the tail.
func (r *Role) forward(ctx context.Context, c fabric.ChannelID, after uint64, limit int, t tail) ([]fabric.Stored, error) {
	msgs, err := r.store.Page(ctx, c, 0, &after, limit)
	if err != nil || t.empty() || len(msgs) == limit {
		return msgs, err
	}
	// The archive has moved on since t was taken: what it gave of the tail is not read twice.
	after = max(after, t.archived)
	if n := len(msgs); n > 0 {
		after = max(after, msgs[n-1].Seq)
	}
	for len(msgs) < limit {
		recs, more, err := r.reader.Range(ctx, c, t.shard, after, t.head, limit-len(msgs))
		if err != nil {
			return nil, err
		}
		msgs = appendRecords(msgs, recs)
		if !more {
			break
		}
		after = recs[len(recs)-1].Seq
	}
	return msgs, nil
}

// backward returns, ascending, the last `limit` messages of c before a seq (0: of all): those of the tail, and in front
// of them archived ones.
func (r *Role) backward(ctx context.Context, c fabric.ChannelID, before uint64, limit int, t tail) ([]fabric.Stored, error) {
	if t.empty() {
		return r.store.Page(ctx, c, before, nil, limit)
	}
	if before != 0 {
		t.head = min(t.head, before-1)
	}
	// A log is not read backwards: the tail is read through, and its end kept.
	var msgs []fabric.Stored
	for after := t.archived; ; {
		recs, more, err := r.reader.Range(ctx, c, t.shard, after, t.head, limit)
		if err != nil {
			return nil, err
		}
		msgs = appendRecords(msgs, recs)
		if n := len(msgs) - limit; n > 0 {
			msgs = append(msgs[:0:0], msgs[n:]...)
		}
		if !more {
			break
		}
		after = recs[len(recs)-1].Seq
	}
	if len(msgs) == limit {
		return msgs, nil
	}
	old, err := r.store.Page(ctx, c, t.archived+1, nil, limit-len(msgs))
	return append(old, msgs...), err
}

// appendRecords appends the messages that lie in a log; what is no message is left out, as the archive leaves it out.
func appendRecords(msgs []fabric.Stored, recs []msglog.Record) []fabric.Stored {
	for _, rec := range recs {
		m, err := decode(rec.Payload)
		if err != nil {
			continue
		}
		msgs = append(msgs, fabric.Stored{Channel: rec.Channel, Seq: rec.Seq, Prev: rec.Prev, At: rec.At, Message: m})
	}
	return msgs
}
