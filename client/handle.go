package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weft-im/weft/client/wire"
	"github.com/weft-im/weft/fabric"
)

// Why a connection is given up by this side.
var (
	errRefused = errors.New("the server refused hello")
	errClosing = errors.New("the session is being closed")
	errTurn    = errors.New("the server did not answer hello first")
)

// handle does what one object of the server's asks for. An error ends the connection.
func (c *conn) handle(o *wire.Object) error {
	if o.Ev == nil {
		return c.reply(o)
	}
	if string(o.Ev) == "info" && !c.online {
		return c.hello(o.Raw)
	}
	in := &c.s.in
	switch string(o.Ev) {
	case "message":
		return c.message(o)
	case "receipt":
		r := &Receipt{Channel: c.s.seen.channel(o.Channel).id}
		r.User, r.Delivered, r.Read = c.s.seen.channel(o.Channel).user(o.User), o.Delivered, o.Read
		return c.deliver(r)
	case "typing":
		ch := c.s.seen.channel(o.Channel)
		in.offer(&Typing{Channel: ch.id, User: ch.user(o.User), On: o.On})
	case "presence":
		p := new(Presence)
		if err := json.Unmarshal(o.Raw, p); err != nil {
			return fmt.Errorf("%w: presence: %w", wire.ErrMalformed, err)
		}
		in.offer(p)
	case "channel":
		change := &ChannelChange{Raw: bytes.Clone(o.Raw)}
		if err := json.Unmarshal(change.Raw, change); err != nil {
			return fmt.Errorf("%w: channel: %w", wire.ErrMalformed, err)
		}
		if change.Change == fabric.ChangeRemoved {
			c.s.marks.forget(change.Channel)
		}
		return c.deliver(change)
	case "cursor":
		return c.checkpoint(fabric.Cursor(o.Cursor), func(at fabric.Cursor) Event { return &Checkpoint{Cursor: at} })
	case "synced":
		c.synced = true
		return c.checkpoint(fabric.Cursor(o.Cursor), func(at fabric.Cursor) Event { return &Synced{Cursor: at, Fresh: c.fresh} })
	case "bye":
		var bye struct {
			RetryMS int64 `json:"retry_ms"`
		}
		if err := json.Unmarshal(o.Raw, &bye); err != nil {
			return fmt.Errorf("%w: bye: %w", wire.ErrMalformed, err)
		}
		c.drained, c.bye = true, time.Duration(bye.RetryMS)*time.Millisecond
	}
	return nil
}

// reply ends the call that o answers.
func (c *conn) reply(o *wire.Object) error {
	s := c.s
	switch {
	case !c.online && o.Err != nil:
		c.refused = parseError(o.Err)
		return fmt.Errorf("%w: %w", errRefused, c.refused)
	case !c.online && o.ID == helloID:
		return c.welcome(o.OK)
	case !c.online:
		return errTurn
	case o.ID == 0:
		if o.Err != nil {
			s.log.Debug("the server complains", "err", parseError(o.Err))
		}
		return nil
	}
	call := s.claim(o.ID)
	switch {
	case call == nil:
		if _, ok := c.watches[o.ID]; ok && o.OK != nil {
			delete(c.watches, o.ID)
			s.watchedAgain(o.OK)
		}
	case call.sent != nil && o.Err != nil:
		s.answerSend(call, fabric.Sent{}, parseError(o.Err))
	case call.sent != nil:
		c.inner.Reset(o.OK)
		var ok wire.Object
		if err := c.inner.Next(&ok); err != nil {
			err = fmt.Errorf("the reply to a send: %w", err)
			call.fail(err)
			return err
		}
		ch := s.seen.channel(ok.Channel)
		ch.sent(ok.Seq)
		call.sent(fabric.Sent{Channel: ch.id, Seq: ok.Seq, Prev: ok.Prev, At: int64(ok.At)}, nil)
	case o.Err != nil:
		call.fail(parseError(o.Err))
	default:
		call.done(o.OK, nil)
	}
	return nil
}

// message tells a message, unless it was told before or is this session's own.
func (c *conn) message(o *wire.Object) error {
	s := c.s
	ch := s.seen.channel(o.Channel)
	switch {
	case s.in.lag != nil:
		s.stats.fallen.Add(1)
		return nil
	case o.Seq <= ch.last:
		s.stats.duplicates.Add(1)
		return nil
	}
	// Three allocations: the event, its cid, its body. The ids of a direct chat are the channel's own.
	m := &Message{fabric.Stored{
		Channel: ch.id, Seq: o.Seq, Prev: o.Prev, At: int64(o.At),
		Message: fabric.Message{From: ch.user(o.From), CID: string(o.CID), Kind: kind(o.Kind), Body: bytes.Clone(o.Body)},
	}}
	if m.From == s.self() && (ch.isOwn(m.Seq) || c.answers(m)) {
		ch.told(m.Seq)
		s.stats.duplicates.Add(1)
		return nil
	}
	if err := c.deliver(m); err != nil {
		return err
	}
	if s.in.lag != nil { // it was the one that fell
		s.stats.fallen.Add(1)
		return nil
	}
	ch.told(m.Seq)
	s.stats.messages.Add(1)
	return nil
}

// answers ends the send whose message this is: the reply was lost, and a resume brought the message instead.
func (c *conn) answers(m *Message) bool {
	s := c.s
	s.mu.Lock()
	var found *call
	for _, call := range s.pending {
		if call.sent != nil && call.cid == m.CID {
			found = call
			delete(s.pending, call.id)
			break
		}
	}
	s.mu.Unlock()
	if found == nil {
		return false
	}
	found.sent(fabric.Sent{Channel: m.Channel, Seq: m.Seq, Prev: m.Prev, At: m.At}, nil)
	return true
}

// deliver hands over an event that must not get lost while the connection stands: if it falls, all that follow it do.
func (c *conn) deliver(ev Event) error {
	in := &c.s.in
	if in.offer(ev) || in.lag != nil {
		return nil
	}
	c.s.outbox.release() // what others have to say need not wait for room
	if in.deliver(ev) {
		return nil
	}
	if c.s.ctx.Err() != nil {
		return errClosing
	}
	c.s.log.Debug("events fall: the consumer is behind")
	in.fallBehind(c.s.reconnect)
	c.s.setState(Lagging, nil, 0)
	return nil
}

// checkpoint moves the session's cursor, if everything before it was handed over.
func (c *conn) checkpoint(at fabric.Cursor, event func(fabric.Cursor) Event) error {
	if err := c.deliver(event(at)); err != nil {
		return err
	}
	if c.s.in.lag != nil || at == "" {
		return nil
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.cursor = at
	return nil
}

// kind returns the text of a kind; that of nearly all messages costs nothing.
func kind(b []byte) string {
	switch string(b) {
	case "text":
		return "text"
	case "media":
		return "media"
	}
	return string(b)
}
