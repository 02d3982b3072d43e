package postgres

import (
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// batchOf is a batch of messages, viewOf what somebody reads of a channel who is in it from its beginning, messagesOf what
// they read.
func batchOf(msgs []fabric.Stored) (b history.Batch) {
	for _, m := range msgs {
		b.Messages = append(b.Messages, history.Archival{Stored: m})
	}
	return b
}

func viewOf(c fabric.ChannelID) history.View { return history.View{Channel: c, Now: 1} }

func messagesOf(page []history.Shown, err error) ([]fabric.Stored, error) {
	msgs := make([]fabric.Stored, len(page))
	for i, m := range page {
		msgs[i] = m.Stored
	}
	return msgs, err
}
