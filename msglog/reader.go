package msglog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Reader reads the channels' logs and receipts. Any number of goroutines may use it at once. An error of a stream that
// does not answer has fabric.CodeUnavailable.
type Reader struct {
	direct *direct
	shards int
}

// NewReader returns a reader on nc of a fabric with that many shards. Close it.
func NewReader(nc *nats.Conn, shards int) (*Reader, error) {
	d, err := newDirect(nc)
	if err != nil {
		return nil, err
	}
	return &Reader{direct: d, shards: shards}, nil
}

// Close ends the reader.
func (r *Reader) Close() error { return r.direct.close() }

// Range returns up to limit of c's records with after < seq ≤ upto, ascending, and whether there are more of them.
func (r *Reader) Range(ctx context.Context, c fabric.ChannelID, shard int, after, upto uint64, limit int) ([]Record, bool, error) {
	if upto <= after || limit <= 0 {
		return nil, false, nil
	}
	stream, subject := subjects.MsgStream(shard), subjects.Log(c, shard)
	var recs []Record
	// Asking for `after` itself costs one more record and saves the search for the first one's prev, since it mostly is
	// a record of this channel.
	prev, prevKnown := uint64(0), after == 0
	for next := max(after, 1); ; {
		want := limit + 1 - len(recs)
		if !prevKnown {
			want++
		}
		if span := upto - next + 1; span < uint64(want) {
			want = int(span)
		}
		a, err := r.direct.get(ctx, stream, getRequest{Seq: next, NextBy: subject, Batch: want})
		if err != nil {
			return nil, false, fmt.Errorf("range of %s: %w", c, err)
		}
		for _, e := range a.entries {
			switch {
			case e.Seq > upto:
				return recs, false, nil
			case e.Seq == after:
				prev, prevKnown = e.Seq, true
				continue
			case len(recs) == limit:
				return recs, true, nil
			case !prevKnown:
				if prev, err = r.prevOf(ctx, stream, subject, e.Seq); err != nil {
					return nil, false, fmt.Errorf("range of %s: %w", c, err)
				}
				prevKnown = true
			}
			recs = append(recs, Record{Channel: c, Seq: e.Seq, Prev: prev, At: e.At, Payload: e.Payload})
			prev = e.Seq
		}
		if len(a.entries) == 0 || a.pending == 0 {
			return recs, false, nil
		}
		if next = a.entries[len(a.entries)-1].Seq + 1; next > upto {
			return recs, false, nil
		}
	}
}

// At returns c's record with this seq, or ErrNoRecord.
func (r *Reader) At(ctx context.Context, c fabric.ChannelID, shard int, seq uint64) (Record, error) {
	if seq == 0 {
		return Record{}, fmt.Errorf("seq 0 of %s: %w", c, ErrNoRecord)
	}
	stream, subject := subjects.MsgStream(shard), subjects.Log(c, shard)
	a, err := r.direct.get(ctx, stream, getRequest{Seq: seq})
	if err != nil {
		return Record{}, fmt.Errorf("seq %d of %s: %w", seq, c, err)
	}
	if len(a.entries) == 0 || a.entries[0].Subject != subject {
		return Record{}, fmt.Errorf("seq %d of %s: %w", seq, c, ErrNoRecord)
	}
	e := a.entries[0]
	prev, err := r.prevOf(ctx, stream, subject, seq)
	if err != nil {
		return Record{}, fmt.Errorf("seq %d of %s: %w", seq, c, err)
	}
	return Record{Channel: c, Seq: e.Seq, Prev: prev, At: e.At, Payload: e.Payload}, nil
}

// prevOf returns the seq of the record before seq on the same subject, 0 where there is none.
func (r *Reader) prevOf(ctx context.Context, stream, subject string, seq uint64) (uint64, error) {
	if seq <= 1 {
		return 0, nil // up_to_seq 0 would mean: no bound
	}
	a, err := r.direct.get(ctx, stream, getRequest{MultiLast: []string{subject}, UpTo: seq - 1})
	if err != nil || len(a.entries) == 0 {
		return 0, err
	}
	return a.entries[0].Seq, nil
}

// LastOf returns the newest entry of each subject in the stream whose seq is at least minSeq, by ascending seq within
// each part that it asks for at once. A subject may be a wildcard; subjects must not overlap.
func (r *Reader) LastOf(ctx context.Context, stream string, of []string, minSeq uint64) ([]Last, error) {
	var all []Last
	for len(of) > 0 {
		n := min(len(of), maxResults)
		part, err := r.lastOf(ctx, stream, of[:n], minSeq)
		if err != nil {
			return nil, fmt.Errorf("last of %d subjects: %w", n, err)
		}
		all = append(all, part...)
		of = of[n:]
	}
	return all, nil
}

func (r *Reader) lastOf(ctx context.Context, stream string, of []string, minSeq uint64) ([]Last, error) {
	var all []Last
	at := make(map[string]int) // where a subject stands in all: it may grow while its part is read in pieces
	for {
		a, err := r.direct.get(ctx, stream, getRequest{MultiLast: of, Seq: minSeq})
		if status := (*StatusError)(nil); errors.As(err, &status) && status.Status == statusTooMany {
			return r.halves(ctx, stream, of, minSeq)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range a.entries {
			if i, ok := at[e.Subject]; ok {
				all[i] = e
				continue
			}
			at[e.Subject] = len(all)
			all = append(all, e)
		}
		if len(a.entries) == 0 || a.pending == 0 {
			return all, nil
		}
		minSeq = a.entries[len(a.entries)-1].Seq + 1
	}
}

// halves is lastOf where the wildcards in `of` stand for too many subjects to be asked for at once.
func (r *Reader) halves(ctx context.Context, stream string, of []string, minSeq uint64) ([]Last, error) {
	if len(of) == 1 {
		return nil, fmt.Errorf("%s: %w", of[0], ErrTooMany)
	}
	low, err := r.lastOf(ctx, stream, of[:len(of)/2], minSeq)
	if err != nil {
		return nil, err
	}
	high, err := r.lastOf(ctx, stream, of[len(of)/2:], minSeq)
	return append(low, high...), err
}

// Entries returns up to limit of what the stream holds on subjects that match filter, from a seq on, ascending, and from
// where to go on; 0 where nothing is left. In a bucket that is each key once, its newest value.
func (r *Reader) Entries(ctx context.Context, stream, filter string, from uint64, limit int) (entries []Last, next uint64, err error) {
	a, err := r.direct.get(ctx, stream, getRequest{Seq: max(from, 1), NextBy: filter, Batch: limit})
	if err != nil {
		return nil, 0, fmt.Errorf("entries of %s: %w", filter, err)
	}
	if n := len(a.entries); n > 0 && a.pending > 0 {
		next = a.entries[n-1].Seq + 1
	}
	return a.entries, next, nil
}

// Receipts returns the marks of every member that has any, of each of the direct chats.
func (r *Reader) Receipts(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID][]fabric.Receipt, error) {
	byShard := make(map[int][]string)
	for _, c := range channels {
		low, high, ok := c.Users()
		if !ok {
			continue // marks of groups are another role's to sum up
		}
		shard := subjects.Shard(c, r.shards)
		// Two names cost the server two lookups; the wildcard for both would make it search.
		byShard[shard] = append(byShard[shard], subjects.Receipt(c, shard, low), subjects.Receipt(c, shard, high))
	}
	receipts := make(map[fabric.ChannelID][]fabric.Receipt, len(channels))
	for shard, of := range byShard {
		lasts, err := r.LastOf(ctx, subjects.RcptStream(shard), of, 0)
		if err != nil {
			return nil, fmt.Errorf("receipts: %w", err)
		}
		for _, l := range lasts {
			c, u, ok := subjects.ChannelOfReceipt(l.Subject)
			var marks fabric.Receipt
			if !ok || json.Unmarshal(l.Payload, &marks) != nil {
				continue // not written by an edge: no marks are better than no answer
			}
			marks.User = u
			receipts[c] = append(receipts[c], marks)
		}
	}
	return receipts, nil
}

// Marks are the marks of a group: of one of its members, and those that all of them have passed.
type Marks struct{ Own, All fabric.Receipt }

// GroupMarks returns u's marks and everybody's in each of the groups.
func (r *Reader) GroupMarks(ctx context.Context, groups []fabric.ChannelID, u fabric.UserID) (map[fabric.ChannelID]Marks, error) {
	byShard := make(map[int][]string)
	of := make(map[string]fabric.ChannelID, 2*len(groups))
	for _, c := range groups {
		shard := subjects.Shard(c, r.shards)
		for _, subject := range []string{subjects.GroupReceipt(c, shard, u), subjects.GroupMarks(c, shard)} {
			byShard[shard] = append(byShard[shard], subject)
			of[subject] = c
		}
	}
	all := make(map[fabric.ChannelID]Marks, len(groups))
	for shard, list := range byShard {
		lasts, err := r.LastOf(ctx, subjects.RcptStream(shard), list, 0)
		if err != nil {
			return nil, fmt.Errorf("receipts of groups: %w", err)
		}
		for _, l := range lasts {
			var marks fabric.Receipt
			c := of[l.Subject]
			if c == "" || json.Unmarshal(l.Payload, &marks) != nil {
				continue // as in Receipts
			}
			m := all[c]
			if l.Subject == subjects.GroupMarks(c, shard) {
				m.All = marks
			} else {
				marks.User = u
				m.Own = marks
			}
			all[c] = m
		}
	}
	return all, nil
}

// MarksOf returns the marks of those of the users who have any in a group.
func (r *Reader) MarksOf(ctx context.Context, c fabric.ChannelID, users []fabric.UserID) (map[fabric.UserID]fabric.Receipt, error) {
	shard := subjects.Shard(c, r.shards)
	of := make([]string, len(users))
	for i, u := range users {
		of[i] = subjects.GroupReceipt(c, shard, u)
	}
	lasts, err := r.LastOf(ctx, subjects.RcptStream(shard), of, 0)
	if err != nil {
		return nil, fmt.Errorf("receipts of %s: %w", c, err)
	}
	marks := make(map[fabric.UserID]fabric.Receipt, len(lasts))
	for _, l := range lasts {
		_, u, ok := subjects.ParseGroupReceipt(l.Subject)
		var m fabric.Receipt
		if ok && json.Unmarshal(l.Payload, &m) == nil {
			m.User = u
			marks[u] = m
		}
	}
	return marks, nil
}
