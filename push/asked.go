package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// What this role asks of others.

// asItIs returns a message's line as the message is now.
func (r *Role) asItIs(ctx context.Context, j *job, line Line) (now Line, deleted bool, err error) {
	reply, err := service.Call[contract.HistoryMessageReply](ctx, r.nc, subjects.HistoryMessage,
		contract.HistoryMessageRequest{User: j.User, Channel: j.Channel, Seq: line.Seq})
	if code := fabric.CodeOf(err); err != nil && (code == fabric.CodeNotFound || code == fabric.CodeForbidden) {
		return line, true, nil
	}
	var m fabric.Stored
	if err == nil {
		err = json.Unmarshal(reply.Message, &m)
	}
	if err != nil {
		return line, false, err
	}
	if m.Kind == fabric.MsgDeleted {
		return line, true, nil
	}
	line.Text, _ = preview(m.Kind, m.Body)
	return line, false, nil
}

// Badges: how many messages a user has unread, on the app's icon.
const (
	badgeFor   = 10 * time.Second // it is not counted again for one message to several devices
	mostBadges = 10_000
	badgePage  = 50 // channels, newest first: what is unread is among the first ones
	mostBadge  = 999
)

type badges struct {
	known *expirable.LRU[string, int] // by user and message

	mu   sync.Mutex
	away time.Time // nobody was there to count for, until then nobody is asked
}

func newBadges() *badges {
	return &badges{known: expirable.NewLRU[string, int](mostBadges, nil, badgeFor)}
}

// badge counts the messages that a job's user has unread in chats that are not muted; nil where nobody tells.
func (r *Role) badge(ctx context.Context, j *job) *int {
	key := fmt.Sprint(j.User, j.Kind, j.Channel, j.Seq, j.ID)
	if n, ok := r.badges.known.Get(key); ok {
		return &n
	}
	r.badges.mu.Lock()
	away := time.Now().Before(r.badges.away)
	r.badges.mu.Unlock()
	if away {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := service.Call[contract.ChatsListReply](ctx, r.nc, subjects.ChatsList, contract.ChatsListRequest{User: j.User, Limit: badgePage})
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			r.log.Warn("a push goes without a badge", "err", err)
		}
		r.badges.mu.Lock()
		r.badges.away = time.Now().Add(callTimeout)
		r.badges.mu.Unlock()
		return nil
	}
	n := 0
	for _, c := range list.Channels {
		if !muted(c.MutedUntil, r.cfg.Now()) && !c.Blocked {
			n += c.Unread
		}
	}
	n = min(n, mostBadge)
	r.badges.known.Add(key, n)
	return &n
}
