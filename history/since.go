package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// Sizes of what since reads at once. They bound memory, not what is answered.
const (
	sinceMessages = 500 // of one reply
	sinceRows     = 100 // of one channel, read in one go
	newsChannels  = 100 // that have news
	allChannels   = 500 // looked up in the log where the archive is behind
)

// since answers weft.history.since: it walks those of the user's channels that have news in the order of their names,
// and each from its oldest record that was missed.
func (r *Role) since(ctx context.Context, req contract.HistorySinceRequest) (contract.HistorySinceReply, error) {
	began := time.Now()
	var none contract.HistorySinceReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	for _, p := range []fabric.Position{req.From, req.Upto} {
		if p != nil && len(p) != r.shards {
			return none, fabric.Errorf(fabric.CodeBadRequest, "a position of %d shards: the fabric has %d", len(p), r.shards)
		}
	}
	upto := req.Upto
	if upto == nil {
		if upto, err = r.logHeads(ctx); err != nil {
			return none, err
		}
	}
	out := newReply()
	if req.From == nil || covers(req.From, upto) {
		return contract.HistorySinceReply{Messages: out.msgs, Upto: upto}, nil
	}
	out.only = req.ForEdge
	w := walk{
		role: r, user: u, from: make(fabric.Position, r.shards), upto: upto, out: out, noGroups: req.ForEdge, now: fabric.Millis(r.cfg.Now()),
	}
	needed := make(fabric.Position, r.shards) // of the archive: nothing in shards without news
	for shard := range upto {
		// A position ahead of the logs is of a time before they were restored from a backup: what was there is gone.
		w.from[shard] = min(req.From[shard], upto[shard])
		if w.from[shard] < upto[shard] {
			needed[shard] = upto[shard]
		}
	}
	start, err := parsePlaceIn(req.Next)
	if err != nil {
		return none, err
	}
	w.archived, w.settled = r.await(ctx, needed)
	next, err := w.page(ctx, start)
	if err != nil {
		return none, fmt.Errorf("since of %s: %w", u, err)
	}
	r.metrics.since.Observe(time.Since(began).Seconds())
	return contract.HistorySinceReply{Messages: out.msgs, Upto: upto, Next: next.String()}, nil
}

// walk is one page of a walk through what a user has missed.
type walk struct {
	role       *Role
	user       fabric.UserID
	from, upto fabric.Position
	archived   fabric.Position // when the walk began
	settled    bool            // the archive has all up to upto
	noGroups   bool
	now        int64
	out        *reply
}

// placeIn is where a page begins: at a channel, and in it after a seq. The zero value is the beginning; as the end of a
// page it says that nothing is left.
type placeIn struct {
	channel fabric.ChannelID
	after   uint64
}

func (p placeIn) String() string {
	if p == (placeIn{}) {
		return ""
	}
	return string(p.channel) + " " + strconv.FormatUint(p.after, 10)
}

func parsePlaceIn(s string) (placeIn, error) {
	if s == "" {
		return placeIn{}, nil
	}
	name, number, _ := strings.Cut(s, " ")
	c, err := fabric.ParseChannelID(name)
	after, err2 := strconv.ParseUint(number, 10, 64)
	if err != nil || err2 != nil {
		return placeIn{}, fabric.Errorf(fabric.CodeBadRequest, "next is not one that a reply had")
	}
	return placeIn{c, after}, nil
}

// page fills the reply from start on and returns where the next page begins.
func (w *walk) page(ctx context.Context, start placeIn) (next placeIn, err error) {
	for from := start.channel; ; {
		spans, more, err := w.news(ctx, from)
		if err != nil {
			return placeIn{}, err
		}
		for _, sp := range spans {
			if w.noGroups && sp.Channel.Kind() == fabric.KindGroup {
				continue
			}
			after := w.from[subjects.Shard(sp.Channel, w.role.shards)]
			if sp.Channel == start.channel {
				after = max(after, start.after)
			}
			full, last, err := w.span(ctx, sp, after)
			if err != nil {
				return placeIn{}, err
			}
			if full {
				return placeIn{sp.Channel, last}, nil
			}
		}
		if more == "" {
			return placeIn{}, nil
		}
		from = more
	}
}

// span adds a span's records after a seq, until there are no more or the reply is full; last is the seq of the last one
// added.
func (w *walk) span(ctx context.Context, sp Span, after uint64) (full bool, last uint64, err error) {
	c, shard := sp.Channel, subjects.Shard(sp.Channel, w.role.shards)
	upto := w.upto[shard]
	if sp.Upto != 0 {
		upto = min(upto, sp.Upto)
	}
	v := View{Channel: c, User: w.user, From: sp.From, Now: w.now}
	for {
		limit := min(sinceRows, sinceMessages-len(w.out.msgs))
		if limit == 0 {
			return true, after, nil
		}
		recs, done, err := w.records(ctx, v, tail{shard: shard, archived: w.archived[shard], head: upto}, after, limit)
		if err != nil {
			return false, 0, fmt.Errorf("channel %s: %w", c, err)
		}
		if sp.Upto != 0 {
			if err := w.asItWas(ctx, v, shard, sp.Upto, recs); err != nil {
				return false, 0, fmt.Errorf("channel %s: %w", c, err)
			}
		}
		for i := range recs {
			if !w.out.room(&recs[i]) {
				return true, after, nil
			}
			w.out.add(&recs[i])
			after = recs[i].Seq
		}
		if done {
			return false, after, nil
		}
	}
}

// records returns up to limit records after a seq: archived ones or, where there are none left, some of the tail's. done
// says that there are no more.
func (w *walk) records(ctx context.Context, v View, t tail, after uint64, limit int) (recs []Shown, done bool, err error) {
	if recs, err = w.role.store.Records(ctx, v, after, t.head, limit); err != nil || len(recs) == limit {
		return recs, false, err
	}
	if t.empty() {
		return recs, true, nil
	}
	after = max(after, t.archived, v.From-min(v.From, 1))
	if n := len(recs); n > 0 {
		after = max(after, recs[n-1].Seq)
	}
	for more := true; more && len(recs) < limit && after < t.head; {
		var part []msglog.Record
		if part, more, err = w.role.reader.Range(ctx, v.Channel, t.shard, after, t.head, limit-len(recs)); err != nil {
			return nil, false, err
		}
		recs = append(recs, shownRecords(v, part)...)
		if len(part) > 0 {
			after = part[len(part)-1].Seq
		}
	}
	return recs, len(recs) < limit, nil
}

// asItWas takes back from messages of a span that is over what was edited since: that is none of the user's. Edits within
// the span come as records behind them.
func (w *walk) asItWas(ctx context.Context, v View, shard int, end uint64, recs []Shown) error {
	ended := int64(-1)
	for i := range recs {
		m := &recs[i]
		if m.EditedAt == 0 {
			continue
		}
		if ended < 0 {
			last, _, err := w.role.store.Message(ctx, v, end)
			if err != nil {
				return fmt.Errorf("the record that ended it: %w", err)
			}
			ended = last.At // 0 where it is not there: then each is looked up
		}
		if m.EditedAt < ended {
			continue
		}
		at := m.EditedAt
		m.EditedAt = 0
		rec, err := w.role.reader.At(ctx, v.Channel, shard, m.Seq)
		if errors.Is(err, msglog.ErrNoRecord) {
			m.Kind, m.Body, m.DeletedAt = fabric.MsgDeleted, []byte("{}"), at // the log has passed it: nobody knows what it was
			continue
		}
		if err != nil {
			return fmt.Errorf("message %d as it was: %w", m.Seq, err)
		}
		original, err := decode(rec.Payload)
		if err != nil {
			return fmt.Errorf("message %d as it was: %w", m.Seq, err)
		}
		m.Body = original.Body
	}
	return nil
}

// news returns a part of the user's spans that have news, by ascending channel from `from` on (inclusive), and from where
// to ask for the next part; "" after the last part.
func (w *walk) news(ctx context.Context, from fabric.ChannelID) (list []Span, more fabric.ChannelID, err error) {
	self := Span{Channel: fabric.Self(w.user)} // it is the last of all: no other channel's name begins behind a u
	if from >= self.Channel {
		return []Span{self}, "", nil
	}
	list, further, err := w.role.store.News(ctx, w.user, w.from, from, newsChannels)
	if err != nil {
		return nil, "", fmt.Errorf("channels with news: %w", err)
	}
	if further {
		more = after(list[len(list)-1].Channel)
	}
	if !w.settled {
		if list, more, err = w.withTails(ctx, from, list, more); err != nil {
			return nil, "", err
		}
	}
	if more == "" {
		list = append(list, self)
	}
	return list, more, nil
}

// after returns a name behind a channel's and before that of any other: none has a character as low as this one, and not
// every database takes a lower one.
func after(c fabric.ChannelID) fabric.ChannelID { return c + "!" }

// withTails adds those spans of whose news the archive does not know yet: the logs say which channels have any in their
// tails.
func (w *walk) withTails(ctx context.Context, from fabric.ChannelID, list []Span, more fabric.ChannelID) ([]Span, fabric.ChannelID, error) {
	all, further, err := w.role.store.Spans(ctx, w.user, from, allChannels)
	if err != nil {
		return nil, "", fmt.Errorf("all channels: %w", err)
	}
	if further {
		if end := after(all[len(all)-1].Channel); more == "" || end < more {
			more = end
		}
	}
	late, err := w.newsInTails(ctx, all)
	if err != nil {
		return nil, "", err
	}
	list = append(list, late...)
	slices.SortFunc(list, func(a, b Span) int {
		return cmp.Or(strings.Compare(string(a.Channel), string(b.Channel)), cmp.Compare(a.From, b.From))
	})
	list = slices.CompactFunc(list, func(a, b Span) bool { return a.Channel == b.Channel && a.From == b.From })
	if more != "" { // past it either list may lack some
		list = slices.DeleteFunc(list, func(sp Span) bool { return sp.Channel >= more })
	}
	return list, more, nil
}

// newsInTails returns those spans that have records behind the archive and up to upto.
func (w *walk) newsInTails(ctx context.Context, all []Span) ([]Span, error) {
	byShard := make(map[int][]string)
	for i, sp := range all {
		shard := subjects.Shard(sp.Channel, w.role.shards)
		if w.archived[shard] < w.upto[shard] && (i == 0 || all[i-1].Channel != sp.Channel) {
			byShard[shard] = append(byShard[shard], subjects.Log(sp.Channel, shard))
		}
	}
	news := make(map[fabric.ChannelID]bool)
	for shard, of := range byShard {
		// The newest record may lie past upto while one before it does not: both count as news.
		lasts, err := w.role.reader.LastOf(ctx, subjects.MsgStream(shard), of, max(w.archived[shard], w.from[shard])+1)
		if err != nil {
			return nil, fmt.Errorf("news in the log's tail: %w", err)
		}
		for _, l := range lasts {
			if c, ok := subjects.ChannelOfLog(l.Subject); ok {
				news[c] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(sp Span) bool { return !news[sp.Channel] }), nil
}
