package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/weft-im/weft/fabric"
)

// maxPage is the longest page that servers give.
const maxPage = 200

// HistoryQuery says which page of a channel: the newest one, or the one before or after a seq.
type HistoryQuery struct {
	Before uint64 `json:"before,omitempty"`
	After  uint64 `json:"after,omitempty"`
	Limit  int    `json:"limit,omitempty"` // 50 by default, 200 at most
}

// Page is a part of a channel's history in ascending seq. More says that there is more in the direction asked for.
type Page struct {
	Messages []Shown `json:"messages"`
	More     bool    `json:"more"`
}

// History returns a page of a channel.
func (s *Session) History(ctx context.Context, channel fabric.ChannelID, q HistoryQuery) (Page, error) {
	return s.history(ctx, new(call), channel, q)
}

func (s *Session) history(ctx context.Context, c *call, channel fabric.ChannelID, q HistoryQuery) (Page, error) {
	var page Page
	err := s.askCall(ctx, c, "history", struct {
		Channel fabric.ChannelID `json:"channel"`
		HistoryQuery
	}{channel, q}, &page)
	return page, err
}

type watchFields struct {
	Users []fabric.UserID `json:"users"`
}

type watchReply struct {
	Presence []fabric.Presence `json:"presence"`
}

// Watch returns the users' presence, and from then on Presence events tell when it changes: also over a disconnect, after
// which each watched user's presence comes as an event.
func (s *Session) Watch(ctx context.Context, users ...fabric.UserID) ([]fabric.Presence, error) {
	var reply watchReply
	if err := s.ask(ctx, "watch", watchFields{users}, &reply); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range users {
		s.watched[u] = struct{}{}
	}
	return reply.Presence, nil
}

// Unwatch ends Watch for these users.
func (s *Session) Unwatch(ctx context.Context, users ...fabric.UserID) error {
	s.mu.Lock()
	for _, u := range users {
		delete(s.watched, u)
	}
	s.mu.Unlock()
	return s.ask(ctx, "unwatch", watchFields{users}, &watchReply{})
}

// Typing tells that the user types in the channel, or no longer does; renew it each TypingRenewed. Without a connection
// it is dropped: by the next one it would be stale.
func (s *Session) Typing(channel fabric.ChannelID, on bool) error {
	return s.say("typing", struct {
		Channel fabric.ChannelID `json:"channel"`
		On      bool             `json:"on"`
	}{channel, on})
}

type activeFields struct {
	On bool `json:"on"`
}

// Active tells that the application came to the front or left it; it holds over disconnects.
func (s *Session) Active(on bool) error {
	s.mu.Lock()
	s.active = &on
	s.mu.Unlock()
	return s.say("active", activeFields{on})
}

// Ping asks the server for its time and returns how long the answer took.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	var reply struct {
		Now int64 `json:"now"`
	}
	err := s.ask(ctx, "ping", struct{}{}, &reply)
	return time.Since(begun), err
}

// say sends what has no reply, if there is a connection.
func (s *Session) say(op string, fields any) error {
	request, err := encodeRequest(op, 0, fields)
	if err != nil {
		return err
	}
	s.outbox.append(request)
	return nil
}

// restore says again, on a new connection, what the server keeps for one connection only; with s.mu held.
func (s *Session) restore(c *conn) {
	if s.active != nil {
		if err := s.say("active", activeFields{*s.active}); err != nil {
			s.log.Debug("restore active", "err", err)
		}
	}
	most := s.limits.Watch
	if most <= 0 {
		most = len(s.watched)
	}
	var users []fabric.UserID
	watch := func() {
		s.lastID++
		request, err := encodeRequest("watch", s.lastID, watchFields{users})
		if err != nil {
			s.log.Debug("restore watch", "err", err)
			return
		}
		c.watches[s.lastID] = struct{}{}
		s.outbox.append(request)
		users = nil
	}
	for u := range s.watched {
		if users = append(users, u); len(users) == most {
			watch()
		}
	}
	if len(users) > 0 {
		watch()
	}
}

// watchedAgain tells the presence that a restored watch brought.
func (s *Session) watchedAgain(ok []byte) {
	var reply watchReply
	if err := json.Unmarshal(ok, &reply); err != nil {
		s.log.Debug("restore watch", "err", err)
		return
	}
	for _, p := range reply.Presence {
		s.in.offer(&Presence{p})
	}
}
