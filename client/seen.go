package client

import (
	"slices"

	"github.com/weft-im/weft/fabric"
)

// seen is what the session already told of each channel. It belongs to the goroutine that reads, and grows with the
// number of channels that were active in the session.
type seen map[fabric.ChannelID]*channelSeen

// channelSeen is a channel's part of it.
type channelSeen struct {
	id        fabric.ChannelID
	low, high fabric.UserID // of a direct chat; of a group, who wrote last and before that
	group     bool
	last      uint64   // the highest seq that was told
	own       []uint64 // seqs above last that this session sent itself and has the reply of
}

// maxOwn bounds how many own seqs are kept of a channel in which nobody else writes. Of more, a resume from an old cursor
// brings the oldest as events.
const maxOwn = 256

// channel returns the entry of the channel that a frame names. It allocates the first time only.
func (x seen) channel(name []byte) *channelSeen {
	if c, ok := x[fabric.ChannelID(name)]; ok {
		return c
	}
	c := &channelSeen{id: fabric.ChannelID(name)}
	c.group = c.id.Kind() == fabric.KindGroup
	c.low, c.high, _ = c.id.Users()
	x[c.id] = c
	return c
}

// user returns a sender's id; in a direct chat it is a part of the channel's and costs nothing, in a group it costs nothing
// while two people talk.
func (c *channelSeen) user(id []byte) fabric.UserID {
	if len(id) == 0 {
		return ""
	}
	if string(id) == string(c.low) { // an if compares without making a string, a switch makes one
		return c.low
	}
	if string(id) == string(c.high) {
		return c.high
	}
	u := fabric.UserID(id)
	if c.group {
		c.low, c.high = u, c.low
	}
	return u
}

// told notes that everything of the channel up to seq was told.
func (c *channelSeen) told(seq uint64) {
	c.last = seq
	if len(c.own) > 0 {
		c.own = slices.DeleteFunc(c.own, func(own uint64) bool { return own <= seq })
	}
}

// sent notes a message that this session sent and has the reply of.
func (c *channelSeen) sent(seq uint64) {
	if seq <= c.last {
		return
	}
	if len(c.own) >= maxOwn {
		c.own = append(c.own[:0], c.own[maxOwn/2:]...)
	}
	c.own = append(c.own, seq)
}

// isOwn reports whether this session sent seq and has its reply.
func (c *channelSeen) isOwn(seq uint64) bool { return slices.Contains(c.own, seq) }
