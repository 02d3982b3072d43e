package history

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
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
// and each from its oldest message that was missed.
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
	w := walk{role: r, user: u, from: make(fabric.Position, r.shards), upto: upto, out: out}
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
		channels, more, err := w.news(ctx, from)
		if err != nil {
			return placeIn{}, err
		}
		for _, c := range channels {
			after := w.from[subjects.Shard(c, w.role.shards)]
			if c == start.channel {
				after = max(after, start.after)
				start = placeIn{}
			} else if c == from && from != "" {
				continue // the last one of the part before
			}
			full, last, err := w.channel(ctx, c, after)
			if err != nil {
				return placeIn{}, err
			}
			if full {
				return placeIn{c, last}, nil
			}
		}
		if more == "" {
			return placeIn{}, nil
		}
		from = more
	}
}

// channel adds a channel's messages after a seq, until there are no more or the reply is full; last is the seq of the
// last one added.
func (w *walk) channel(ctx context.Context, c fabric.ChannelID, after uint64) (full bool, last uint64, err error) {
	shard := subjects.Shard(c, w.role.shards)
	t := tail{shard: shard, archived: w.archived[shard], head: w.upto[shard]}
	for {
		limit := min(sinceRows, sinceMessages-len(w.out.msgs))
		if limit == 0 {
			return true, after, nil
		}
		msgs, err := w.role.forward(ctx, c, after, limit, t)
		if err != nil {
			return false, 0, fmt.Errorf("channel %s: %w", c, err)
		}
		for _, m := range msgs {
			if m.Seq > t.head {
				return false, after, nil
			}
			if !w.out.room(m) {
				return true, after, nil
			}
			w.out.add(m)
			after = m.Seq
		}
		if len(msgs) < limit {
			return false, after, nil
		}
	}
}

// news returns a part of the user's channels that have news, ascending from `from` on (inclusive), and from where to
// ask for the next part, which may begin with the last channel of this one; "" after the last part.
func (w *walk) news(ctx context.Context, from fabric.ChannelID) (channels []fabric.ChannelID, more fabric.ChannelID, err error) {
	channels, err = w.role.store.News(ctx, w.user, w.from, from, newsChannels)
	if err != nil {
		return nil, "", fmt.Errorf("channels with news: %w", err)
	}
	if len(channels) == newsChannels {
		more = channels[newsChannels-1]
	}
	if w.settled {
		return channels, more, nil
	}
	// The archive does not know of all news yet: the logs say which channels have any in their tails.
	all, err := w.role.store.ChannelsOf(ctx, w.user, from, allChannels)
	if err != nil {
		return nil, "", fmt.Errorf("all channels: %w", err)
	}
	if len(all) == allChannels && (more == "" || all[allChannels-1] < more) {
		more = all[allChannels-1]
	}
	late, err := w.newsInTails(ctx, all)
	if err != nil {
		return nil, "", err
	}
	channels = append(channels, late...)
	slices.Sort(channels)
	channels = slices.Compact(channels)
	if more != "" { // past it either list may lack some
		if i, found := slices.BinarySearch(channels, more); found {
			channels = channels[:i+1]
		} else {
			channels = channels[:i]
		}
	}
	return channels, more, nil
}

// newsInTails returns those of the channels that have records behind the archive and up to upto.
func (w *walk) newsInTails(ctx context.Context, all []fabric.ChannelID) ([]fabric.ChannelID, error) {
	byShard := make(map[int][]string)
	for _, c := range all {
		if shard := subjects.Shard(c, w.role.shards); w.archived[shard] < w.upto[shard] {
			byShard[shard] = append(byShard[shard], subjects.Log(c, shard))
		}
	}
	var late []fabric.ChannelID
	for shard, of := range byShard {
		// The newest record may lie past upto while one before it does not: both count as news.
		lasts, err := w.role.reader.LastOf(ctx, subjects.MsgStream(shard), of, max(w.archived[shard], w.from[shard])+1)
		if err != nil {
			return nil, fmt.Errorf("news in the log's tail: %w", err)
		}
		for _, l := range lasts {
			if c, ok := subjects.ChannelOfLog(l.Subject); ok {
				late = append(late, c)
			}
		}
	}
	return late, nil
}
