package view

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// mostNamed is how many users history names under a reaction.
const mostNamed = 20

// changes are what came live for one message, each of them the last of its sort.
type changes struct {
	edits     map[fabric.UserID]edit // by who wrote it: its author's counts, who is not known before the message is
	deleted   int64                  // when, 0 for not
	pinned    *bool
	reactions map[fabric.UserID]string // an emoji, or "" for one that was taken back
}

type edit struct {
	at   int64
	body json.RawMessage
}

// change takes a record that changes a message, whether or not the message is here.
func (v *Channel) change(m fabric.Stored) Touched {
	var body struct {
		Seq   uint64          `json:"seq"`
		Body  json.RawMessage `json:"body"`
		Emoji string          `json:"emoji"`
		On    bool            `json:"on"`
	}
	// The server admits no others; what a later one may write is not ours to guess.
	if json.Unmarshal(m.Body, &body) != nil || body.Seq == 0 || body.Seq >= m.Seq {
		return Touched{}
	}
	c := v.changes[body.Seq]
	if c == nil {
		c = new(changes)
		v.changes[body.Seq] = c
	}
	target := v.at(body.Seq)
	touched := Touched{Seq: body.Seq}
	switch m.Kind {
	case fabric.MsgEdit:
		if c.edits == nil {
			c.edits = make(map[fabric.UserID]edit)
		}
		c.edits[m.From] = edit{m.At, body.Body}
		if target != nil && target.From == m.From {
			c.edits[m.From].apply(target)
		}
	case fabric.MsgDelete:
		if c.deleted == 0 { // a second one finds nothing to delete
			c.deleted = m.At
		}
		erase(target, m.At)
	case fabric.MsgPin:
		c.pinned = &body.On
		pin(target, body.On)
	case fabric.MsgReaction:
		if c.reactions == nil {
			c.reactions = make(map[fabric.UserID]string)
		}
		known := true
		if target != nil {
			was, told := c.reactions[m.From]
			known = react(target, m.From, body.Emoji, was, told, m.From == v.self)
		}
		c.reactions[m.From] = body.Emoji
		touched.Reload = !known
	}
	if target == nil {
		return Touched{}
	}
	return touched
}

// applyAll brings a message from history to what came live. Each change may be in it already.
func (c *changes) applyAll(m *client.Shown, self fabric.UserID) {
	if e, ok := c.edits[m.From]; ok && m.EditedAt <= e.at {
		e.apply(m)
	}
	if c.pinned != nil {
		pin(m, *c.pinned)
	}
	for _, u := range sorted(c.reactions) {
		// Where history names too few to tell, it was asked after the reaction came, as Reload wants it: it has it.
		if _, known := reactionOf(m, u, u == self); known {
			react(m, u, c.reactions[u], "", false, u == self)
		}
	}
	if c.deleted != 0 {
		erase(m, c.deleted)
	}
}

func sorted(of map[fabric.UserID]string) []fabric.UserID {
	users := make([]fabric.UserID, 0, len(of))
	for u := range of {
		users = append(users, u)
	}
	slices.Sort(users)
	return users
}

// apply gives m, whose author wrote it, the new body.
func (e edit) apply(m *client.Shown) {
	if m.Kind == fabric.MsgDeleted {
		return
	}
	m.Body, m.EditedAt = e.body, e.at
}

// erase leaves of m that there was something.
func erase(m *client.Shown, at int64) {
	if m == nil || m.Kind == fabric.MsgDeleted && m.DeletedAt != 0 {
		return
	}
	m.Kind, m.Body, m.DeletedAt = fabric.MsgDeleted, json.RawMessage("{}"), at
	m.EditedAt, m.Reactions, m.Starred, m.Pinned = 0, nil, false, false
}

// pin pins m or no longer. The server also takes the oldest pin away where there are too many, which shows when that
// message is loaded again.
func pin(m *client.Shown, on bool) {
	if m != nil && m.Kind != fabric.MsgDeleted {
		m.Pinned = on
	}
}

// react gives m the reaction of u instead of the one before. was is that one, if told; otherwise it is looked for among
// those whom history named. known is false where it can't be told whether there was one.
func react(m *client.Shown, u fabric.UserID, emoji, was string, told, mine bool) (known bool) {
	if m.Kind == fabric.MsgDeleted {
		return true
	}
	known = true
	if !told {
		was, known = reactionOf(m, u, mine)
	}
	if was == emoji && known {
		return true
	}
	if was != "" {
		takeBack(m, u, was, mine)
	}
	if emoji == "" {
		return known
	}
	i := slices.IndexFunc(m.Reactions, func(r client.Reaction) bool { return r.Emoji == emoji })
	if i < 0 {
		i = len(m.Reactions)
		m.Reactions = append(m.Reactions, client.Reaction{Emoji: emoji})
	}
	r := &m.Reactions[i]
	r.Count++
	r.Mine = r.Mine || mine
	if len(r.Users) < mostNamed {
		r.Users = append(r.Users, u)
	}
	order(m.Reactions)
	return known
}

// reactionOf returns the reaction of u that history named, "" for none; known is false where there may be one that it did
// not name.
func reactionOf(m *client.Shown, u fabric.UserID, mine bool) (emoji string, known bool) {
	known = true
	for _, r := range m.Reactions {
		if slices.Contains(r.Users, u) || mine && r.Mine {
			return r.Emoji, true
		}
		known = known && r.Count <= len(r.Users)
	}
	return "", known || mine
}

func takeBack(m *client.Shown, u fabric.UserID, emoji string, mine bool) {
	i := slices.IndexFunc(m.Reactions, func(r client.Reaction) bool { return r.Emoji == emoji })
	if i < 0 {
		return
	}
	r := &m.Reactions[i]
	r.Count--
	r.Mine = r.Mine && !mine
	r.Users = slices.DeleteFunc(r.Users, func(other fabric.UserID) bool { return other == u })
	if r.Count <= 0 {
		m.Reactions = slices.Delete(m.Reactions, i, i+1)
	}
}

// order puts those first that most people gave, as history does.
func order(rs []client.Reaction) {
	slices.SortStableFunc(rs, func(a, b client.Reaction) int { return cmp.Compare(b.Count, a.Count) })
}

func cloneReactions(rs []client.Reaction) []client.Reaction {
	rs = slices.Clone(rs)
	for i := range rs {
		rs[i].Users = slices.Clone(rs[i].Users)
	}
	return rs
}
