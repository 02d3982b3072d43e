package push

import (
	"encoding/json"

	"github.com/weft-im/weft/fabric"
)

// news is what a window has for people: messages as they are by now, and changes of those that came before it.
type news struct {
	messages []message
	changes  []change
	senders  []fabric.UserID
}

type message struct {
	record

	text     string
	mentions []fabric.UserID
}

// change is a deletion or an edit of a message that may have been pushed.
type change struct {
	seq  uint64 // of the message
	at   int64
	from fabric.UserID
	kind string // pushWithdraw or pushEdit
	text string
}

// unread returns the messages of a window without what is in them, which is enough to tell who may be owed one. It is not ok
// where there is a change among them.
func unread(w *window) (n news, ok bool) {
	n.messages = make([]message, 0, len(w.records))
	for _, r := range w.records {
		if fabric.IsChange(r.kind) {
			return news{}, false
		}
		n.messages = append(n.messages, message{record: r})
	}
	return n, true
}

// newsOf reads a window: an edit and a deletion of what is in it are done, and those of what came before it are left as
// changes.
func newsOf(w *window) (n news, deleted int) {
	at := make(map[uint64]int, len(w.records))
	gone := make(map[uint64]bool)
	changes := make(map[uint64]int)
	for _, r := range w.records {
		var m fabric.Message
		if json.Unmarshal(r.payload, &m) != nil {
			continue // not a message of ours
		}
		if !fabric.IsChange(r.kind) {
			text, mentions := preview(r.kind, m.Body)
			at[r.seq] = len(n.messages)
			n.messages = append(n.messages, message{record: r, text: text, mentions: mentions})
			continue
		}
		var b struct {
			Seq  uint64          `json:"seq"`
			Body json.RawMessage `json:"body"`
		}
		if json.Unmarshal(m.Body, &b) != nil {
			continue
		}
		i, here := at[b.Seq]
		switch {
		case here && r.kind == fabric.MsgDelete:
			gone[b.Seq] = true
		case here:
			n.messages[i].text, n.messages[i].mentions = preview(fabric.MsgText, b.Body)
		default:
			c := change{seq: b.Seq, at: r.at, from: r.from, kind: pushWithdraw}
			if r.kind == fabric.MsgEdit {
				c.kind = pushEdit
				c.text, _ = preview(fabric.MsgText, b.Body)
			}
			if i, twice := changes[c.seq]; twice {
				n.changes[i] = c // the last word on it
				continue
			}
			changes[c.seq] = len(n.changes)
			n.changes = append(n.changes, c)
		}
	}
	kept := n.messages[:0]
	seen := make(map[fabric.UserID]bool)
	for _, m := range n.messages {
		if gone[m.seq] {
			continue
		}
		kept = append(kept, m)
		if !seen[m.from] {
			seen[m.from] = true
			n.senders = append(n.senders, m.from)
		}
	}
	n.messages = kept
	return n, len(gone)
}
