package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weft-im/weft/fabric"
)

// Why a connection is given up by this side.
var (
	errRefused = errors.New("the server refused hello")
	errClosing = errors.New("the session is being closed")
	errTurn    = errors.New("the server did not answer hello first")
)

// handle does what one object of the server's asks for. An error ends the connection.
func (c *conn) handle(o *object) error {
	if o.ev == nil {
		return c.reply(o)
	}
	if string(o.ev) == "info" && !c.online {
		return c.hello(o.raw)
	}
	in := &c.s.in
	switch string(o.ev) {
	case "message":
		return c.message(o)
	case "receipt":
		r := &Receipt{Channel: c.s.seen.channel(o.channel).id}
		r.User, r.Delivered, r.Read = c.s.seen.channel(o.channel).user(o.user), o.delivered, o.read
		return c.deliver(r)
	case "typing":
		ch := c.s.seen.channel(o.channel)
		in.offer(&Typing{Channel: ch.id, User: ch.user(o.user), On: o.on})
	case "presence":
		p := new(Presence)
		if err := json.Unmarshal(o.raw, p); err != nil {
			return fmt.Errorf("%w: presence: %w", errFrame, err)
		}
		in.offer(p)
	case "channel":
		return c.deliver(&ChannelChange{
			Channel: c.s.seen.channel(o.channel).id, Change: string(o.change), Read: o.read, Raw: bytes.Clone(o.raw),
		})
	case "cursor":
		return c.checkpoint(fabric.Cursor(o.cursor), func(at fabric.Cursor) Event { return &Checkpoint{Cursor: at} })
	case "synced":
		c.synced = true
		return c.checkpoint(fabric.Cursor(o.cursor), func(at fabric.Cursor) Event { return &Synced{Cursor: at, Fresh: c.fresh} })
	case "bye":
		var bye struct {
			RetryMS int64 `json:"retry_ms"`
		}
		if err := json.Unmarshal(o.raw, &bye); err != nil {
			return fmt.Errorf("%w: bye: %w", errFrame, err)
		}
		c.drained, c.bye = true, time.Duration(bye.RetryMS)*time.Millisecond
	}
	return nil
}

// reply ends the call that o answers.
func (c *conn) reply(o *object) error {
	s := c.s
	switch {
	case !c.online && o.err != nil:
		c.refused = parseError(o.err)
		return fmt.Errorf("%w: %w", errRefused, c.refused)
	case !c.online && o.id == helloID:
		return c.welcome(o.ok)
	case !c.online:
		return errTurn
	case o.id == 0:
		if o.err != nil {
			s.log.Debug("the server complains", "err", parseError(o.err))
		}
		return nil
	}
	call := s.claim(o.id)
	switch {
	case call == nil:
		if _, ok := c.watches[o.id]; ok && o.ok != nil {
			delete(c.watches, o.id)
			s.watchedAgain(o.ok)
		}
	case call.sent != nil && o.err != nil:
		s.answerSend(call, fabric.Sent{}, parseError(o.err))
	case call.sent != nil:
		c.inner.reset(o.ok)
		var ok object
		if err := c.inner.next(&ok); err != nil {
			err = fmt.Errorf("the reply to a send: %w", err)
			call.fail(err)
			return err
		}
		ch := s.seen.channel(ok.channel)
		ch.sent(ok.seq)
		call.sent(fabric.Sent{Channel: ch.id, Seq: ok.seq, Prev: ok.prev, At: int64(ok.at)}, nil)
	case o.err != nil:
		call.fail(parseError(o.err))
	default:
		call.done(o.ok, nil)
	}
	return nil
}

// message tells a message, unless it was told before or is this session's own.
func (c *conn) message(o *object) error {
	s := c.s
	ch := s.seen.channel(o.channel)
	if o.seq <= ch.last || s.in.lag != nil {
		return nil
	}
	// Three allocations: the event, its cid, its body. The ids of a direct chat are the channel's own.
	m := &Message{fabric.Stored{
		Channel: ch.id, Seq: o.seq, Prev: o.prev, At: int64(o.at),
		Message: fabric.Message{From: ch.user(o.from), CID: string(o.cid), Kind: kind(o.kind), Body: bytes.Clone(o.body)},
	}}
	if m.From == s.self() && (ch.isOwn(m.Seq) || c.answers(m)) {
		ch.told(m.Seq)
		return nil
	}
	if err := c.deliver(m); err != nil {
		return err
	}
	if s.in.lag == nil {
		ch.told(m.Seq)
	}
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
