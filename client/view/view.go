// Package view makes of a channel's records what is to be shown: messages with their edits, deletions, reactions and pins
// applied, by the rules by which the server's history applies them. An application feeds it pages of history and what comes
// live, in whatever order it gets the two, and it ends where history would.
//
//	v := view.New(session.Identity().User)
//	page, err := session.History(ctx, channel, client.HistoryQuery{})
//	v.Load(page.Messages)
//	for ev := range session.Events() {
//		if m, ok := ev.(*client.Message); ok && m.Channel == channel {
//			touched := v.Apply(m.Stored) // show these again
//		}
//	}
//
// What the view can't know it says: see Touched.Reload.
package view

import (
	"encoding/json"
	"slices"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// Channel is what is known of a channel: the messages that were loaded or came, in the order of their seqs. It belongs to
// one goroutine. It holds all that it was given; Forget takes some out again.
type Channel struct {
	self     fabric.UserID
	messages []client.Shown      // ascending in seq
	changes  map[uint64]*changes // what came live, by the message that it changes: pages may be older than that
	life     int64               // milliseconds after which messages that come disappear, 0 for never
}

// New returns the view of a channel that self has, with nothing in it.
func New(self fabric.UserID) *Channel {
	return &Channel{self: self, changes: make(map[uint64]*changes)}
}

// SetDisappear says after how many seconds messages of the channel disappear, as its entry in the list of channels tells; 0
// for never. Changes of it that come as records are taken by Apply.
func (v *Channel) SetDisappear(seconds int) { v.life = int64(seconds) * 1000 }

// Messages returns what is to be shown, ascending in seq: messages, deleted ones among them, and what the server tells of the
// channel (fabric.MsgMember, MsgGroup, MsgSettings). It is valid until the next call of another method.
func (v *Channel) Messages() []client.Shown { return v.messages }

// Message returns one of the messages.
func (v *Channel) Message(seq uint64) (client.Shown, bool) {
	if m := v.at(seq); m != nil {
		return *m, true
	}
	return client.Shown{}, false
}

// Touched is what a record changed.
type Touched struct {
	Seq uint64 // of the message to be shown, or shown again; 0 for none
	// Reload says that the message's reactions can't be told from what is known: somebody took one back, or changed it, who
	// is not among those that history named. Ask for Account.Message, and Load it.
	Reload bool
}

// Apply takes a record as it comes live or in a resume. The same one may come again.
func (v *Channel) Apply(m fabric.Stored) Touched {
	if fabric.IsChange(m.Kind) {
		return v.change(m)
	}
	if v.at(m.Seq) != nil {
		return Touched{}
	}
	v.setLife(m)
	shown := client.Shown{Stored: m}
	if v.life > 0 && !fabric.IsServerKind(m.Kind) {
		shown.ExpiresAt = m.At + v.life
	}
	v.put(shown)
	return Touched{Seq: m.Seq}
}

// setLife takes what records tell of when messages disappear.
func (v *Channel) setLife(m fabric.Stored) {
	var body struct {
		Disappear *int             `json:"disappear"`
		Settings  *fabric.Settings `json:"settings"`
	}
	switch m.Kind {
	case fabric.MsgSettings, fabric.MsgGroup:
	default:
		return
	}
	if json.Unmarshal(m.Body, &body) != nil {
		return // a later server's: what it means is not ours to guess
	}
	if body.Disappear != nil {
		v.SetDisappear(*body.Disappear)
	}
	if body.Settings != nil {
		v.SetDisappear(body.Settings.Disappear)
	}
}

// Load takes messages as history has them, in any order. What came live and is newer than they are is applied to them.
func (v *Channel) Load(messages []client.Shown) {
	for _, m := range messages {
		m.Reactions = cloneReactions(m.Reactions) // they are changed in place
		if c := v.changes[m.Seq]; c != nil {
			c.applyAll(&m, v.self)
		}
		v.put(m)
	}
}

// Hide takes a message out that the user deleted for themselves, as the change fabric.ChangeHidden tells.
func (v *Channel) Hide(seq uint64) {
	v.messages = slices.DeleteFunc(v.messages, func(m client.Shown) bool { return m.Seq == seq })
	delete(v.changes, seq)
}

// Star marks a message as fabric.ChangeStarred tells. That comes by another channel than the message's own, so a resume may
// bring it after the deletion that ended the star.
func (v *Channel) Star(seq uint64, on bool) Touched {
	m := v.at(seq)
	if m == nil || m.Kind == fabric.MsgDeleted {
		return Touched{}
	}
	m.Starred = on
	return Touched{Seq: seq}
}

// Expire takes out what has disappeared by now, in Unix milliseconds, and returns their seqs.
func (v *Channel) Expire(now int64) (gone []uint64) {
	v.messages = slices.DeleteFunc(v.messages, func(m client.Shown) bool {
		expired := m.ExpiresAt != 0 && m.ExpiresAt <= now
		if expired {
			gone = append(gone, m.Seq)
			delete(v.changes, m.Seq)
		}
		return expired
	})
	return gone
}

// Forget lets go of all messages before a seq, which bounds what a view holds; history has them.
func (v *Channel) Forget(before uint64) {
	i, _ := v.find(before)
	v.messages = slices.Delete(v.messages, 0, i)
	for seq := range v.changes {
		if seq < before {
			delete(v.changes, seq)
		}
	}
}

func (v *Channel) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(v.messages, seq, func(m client.Shown, seq uint64) int {
		switch {
		case m.Seq < seq:
			return -1
		case m.Seq > seq:
			return 1
		}
		return 0
	})
}

func (v *Channel) at(seq uint64) *client.Shown {
	if i, ok := v.find(seq); ok {
		return &v.messages[i]
	}
	return nil
}

func (v *Channel) put(m client.Shown) {
	i, ok := v.find(m.Seq)
	if ok {
		v.messages[i] = m
		return
	}
	v.messages = slices.Insert(v.messages, i, m)
}
