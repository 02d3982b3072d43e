package bench

import (
	"math/rand/v2"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// Of a past that is made up.
const (
	pastSpan     = 365 * 24 * time.Hour // that it lasted
	pastChannels = 10_000               // chats of others
	pastBatch    = 8_000                // messages archived at once

	// pastKind is an application's own, whose words are not searched for: an index of ten million messages would take longer
	// than all the rest, and be built beside what is measured.
	pastKind = "x-past"
)

// past makes up a fabric's messages, those of one channel evenly among those of many others, over a year until now.
type past struct {
	channel         fabric.ChannelID
	messages, total int
	body            int
	begun           time.Time
	others          []fabric.ChannelID
	prev            map[fabric.ChannelID]uint64
	random          *rand.Rand

	seq   uint64 // of the last message made
	first uint64 // of the channel's first
}

func newPast(channel fabric.ChannelID, cfg HistoryConfig) *past {
	p := &past{
		channel: channel, messages: cfg.Messages, total: cfg.Messages + cfg.Others, body: cfg.Body,
		begun: time.Now().Add(-pastSpan), prev: make(map[fabric.ChannelID]uint64), random: rand.New(rand.NewPCG(3, 4)),
	}
	for range min(cfg.Others, pastChannels) {
		p.others = append(p.others, fabric.Direct(fabric.NewUserID(), fabric.NewUserID()))
	}
	return p
}

// left reports whether there is more to come.
func (p *past) left() bool { return p.seq < uint64(p.total) }

// batch makes the next messages.
func (p *past) batch() history.Batch {
	var b history.Batch
	for p.left() && len(b.Messages) < pastBatch {
		b.Messages = append(b.Messages, history.Archival{Stored: p.next()})
	}
	return b
}

func (p *past) next() fabric.Stored {
	// The channel's share of the messages up to here, rounded down, grows by one where one of them is due.
	i := int(p.seq)
	c := p.channel
	if (i+1)*p.messages/p.total == i*p.messages/p.total {
		c = p.others[p.random.IntN(len(p.others))]
	}
	p.seq++
	if c == p.channel && p.first == 0 {
		p.first = p.seq
	}
	low, high, _ := c.Users()
	from := low
	if p.random.IntN(2) == 0 {
		from = high
	}
	at := p.begun.Add(time.Duration(float64(pastSpan) * float64(i) / float64(p.total)))
	m := fabric.Stored{Channel: c, Seq: p.seq, Prev: p.prev[c], At: fabric.Millis(at), Message: fabric.Message{
		From: from, CID: fabric.NewCID(), Kind: pastKind, Body: appendWords(make([]byte, 0, p.body), p.random, p.body),
	}}
	p.prev[c] = p.seq
	return m
}
