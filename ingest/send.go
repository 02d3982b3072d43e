package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// queueGroup is what the processes of the role share what services send in.
const queueGroup = "ingest"

// take begins to take what services send. It works on as many at once as its configuration says; what piles up waits in
// NATS's bounded queue.
func (r *Role) take() (*nats.Subscription, error) {
	slots := make(chan struct{}, r.cfg.Concurrency)
	sub, err := r.nc.QueueSubscribe(subjects.ServiceSends, queueGroup, func(m *nats.Msg) {
		slots <- struct{}{}
		r.wg.Go(func() {
			defer func() { <-slots }()
			r.answer(m)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", subjects.ServiceSends, err)
	}
	return sub, nil
}

// answer stores what a service sends, and tells it yes or no.
func (r *Role) answer(m *nats.Msg) {
	// Not of the role's context: what is at work is finished when it ends.
	ctx, cancel := context.WithTimeout(context.Background(), 2*callTimeout)
	defer cancel()
	name, to, ok := subjects.ParseServiceSend(m.Subject)
	var stored msglog.Stored
	err := error(fabric.Errorf(fabric.CodeBadRequest, "subject: want svc.<name>.send.<a>.<b>"))
	if ok {
		stored, err = r.send(ctx, name, to, m.Data)
	}
	var reply contract.ServiceSent
	result := "ok"
	if err == nil {
		reply = contract.ServiceSent{
			OK:     &contract.ServiceAccepted{Accepted: true, Sent: stored.Sent},
			Stream: subjects.MsgStream(subjects.Shard(stored.Channel, r.cfg.Shards)), Seq: stored.Seq, Duplicate: stored.Duplicate,
		}
		if stored.Seq == 0 { // a notification, which is no message
			reply.Stream = subjects.PushStream
		}
	} else {
		e, isKnown := fabric.AsError(err)
		if !isKnown {
			r.log.Error("what a service sent is not stored", "service", name, "err", err)
		}
		result = string(e.Code)
		reply = contract.ServiceSent{Err: e, Error: &contract.JetStreamFail{
			Code: fabric.StatusOf(e.Code), ErrCode: noJetStreamError, Description: e.Message,
		}}
	}
	if r.service(name) == nil {
		name = "unknown" // a metric has a bounded number of labels
	}
	r.sent.WithLabelValues(name, result).Inc()
	if m.Reply == "" {
		if err != nil {
			r.log.Warn("a service was refused something and asked for no answer", "service", name, "err", err)
		}
		return
	}
	data, err := json.Marshal(reply)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		r.log.Error("cannot answer a service", "service", name, "err", err)
	}
}

// noJetStreamError is an error's number that JetStream has none of: clients that take our answer for JetStream's show the
// text.
const noJetStreamError = 40_000

// send stores what a service sends to a channel, once.
func (r *Role) send(ctx context.Context, name, to string, data []byte) (msglog.Stored, error) {
	var none msglog.Stored
	s := r.service(name)
	if s == nil {
		return none, fabric.Errorf(fabric.CodeForbidden, "there is no service %q", name)
	}
	if !s.rate.AllowN(r.cfg.Now(), 1) {
		return none, fabric.Errorf(fabric.CodeRateLimited, "over %g messages a second: slow down", s.Rate)
	}
	m, err := decode(data)
	if err != nil {
		return none, err
	}
	if m.Kind == kindNotify {
		return r.notify(ctx, s, to, m)
	}
	c, err := r.admit(ctx, s, to, m)
	if err != nil {
		return none, err
	}
	if m.Kind == fabric.MsgMedia {
		if err := r.claim(ctx, s, m); err != nil {
			return none, err
		}
	}
	now := r.cfg.Now()
	note, err := r.store.NoteSend(ctx, s.User, m.CID, Note{Channel: c, At: fabric.Millis(now)})
	if err != nil {
		return none, fmt.Errorf("note what is sent: %w", err)
	}
	if note != nil {
		if note.Channel != c {
			return none, fabric.Errorf(fabric.CodeConflict, "cid: it was used for a message to another channel")
		}
		// The log itself knows a resend for a while; past that, what was stored is looked for.
		if now.Sub(time.UnixMilli(note.At)) > r.cfg.Dedupe-callTimeout {
			if stored, found, err := r.find(ctx, s, m.CID, *note); err != nil || found {
				return stored, err
			}
		}
	}
	return r.publish(ctx, s, c, m)
}

// claim refuses a message that names a file which the service was not sent. The file stays for the message otherwise.
func (r *Role) claim(ctx context.Context, s *known, m contract.ServiceSend) error {
	id := fabric.MediaOf(m.Kind, m.Body)
	if id == "" {
		return fabric.Errorf(fabric.CodeBadRequest, "body of media: want an object with media, the id of a file")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := service.CallRaw(ctx, r.nc, subjects.MediaClaim, contract.MediaClaimRequest{User: s.User, Media: id, CID: m.CID})
	return err
}

// decode reads what a service has published, and checks what does not depend on where it goes.
func decode(data []byte) (m contract.ServiceSend, err error) {
	if len(data) > fabric.MaxBodyBytes+1024 {
		return m, fabric.Errorf(fabric.CodeTooLarge, "a message of %d bytes: at most %d of JSON for its body", len(data), fabric.MaxBodyBytes)
	}
	if !utf8.Valid(data) {
		return m, fabric.Errorf(fabric.CodeBadRequest, "want JSON in UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err = dec.Decode(&m); err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one value")
		}
	}
	switch {
	case err != nil:
		return m, fabric.Errorf(fabric.CodeBadRequest, "want one JSON object {cid, kind, body}")
	case !fabric.ValidCID(m.CID):
		return m, fabric.Errorf(fabric.CodeBadRequest, "cid: want a UUID in lower-case text, your own for this message")
	case !fabric.ValidKind(m.Kind):
		return m, fabric.Errorf(fabric.CodeBadRequest, "kind: want 1 to %d of a-z, 0-9, -, _ and ., first a letter", fabric.MaxKindBytes)
	case fabric.IsServerKind(m.Kind):
		return m, fabric.Errorf(fabric.CodeForbidden, "kind %s: only the server writes these", m.Kind)
	case len(m.Body) == 0:
		return m, fabric.Errorf(fabric.CodeBadRequest, "body: want a JSON value")
	case len(m.Body) > fabric.MaxBodyBytes:
		return m, fabric.Errorf(fabric.CodeTooLarge, "body: at most %d bytes of JSON, got %d", fabric.MaxBodyBytes, len(m.Body))
	}
	var line bytes.Buffer // a log's record is one line
	if err := json.Compact(&line, m.Body); err != nil {
		return m, fabric.Errorf(fabric.CodeBadRequest, "body: want a JSON value")
	}
	m.Body = line.Bytes()
	return m, nil
}

// admit returns the channel that a message goes to, open, if the service may write there. Unlike a person, a service is told
// that a user has blocked it: it has other ways to reach them, and stops trying. What it wrote before it may still delete.
func (r *Role) admit(ctx context.Context, s *known, to string, m contract.ServiceSend) (c fabric.ChannelID, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if c, err = fabric.ParseChannelID(to); err != nil {
		return "", err
	}
	switch c.Kind() {
	case fabric.KindGroup:
		if !s.MayGroups {
			return "", fabric.Errorf(fabric.CodeForbidden, "service %s may not write to groups", s.Name)
		}
		if fabric.IsChange(m.Kind) {
			return "", fabric.Errorf(fabric.CodeForbidden, "kind %s: a service changes no message in groups", m.Kind)
		}
		return c, r.mustBeThere(ctx, c)
	case fabric.KindSelf: // u.<user> is how a service says whom it means
		_, user := c.Tokens()
		c = fabric.Direct(s.User, fabric.UserID(user))
	}
	peer, ok := c.Peer(s.User)
	if !ok || peer == s.User {
		return "", fabric.Errorf(fabric.CodeForbidden, "service %s is not in channel %s: want u.<user>, or a chat of its own", s.Name, to)
	}
	if !s.MayUsers {
		return "", fabric.Errorf(fabric.CodeForbidden, "service %s may not write to users", s.Name)
	}
	open, err := service.Call[contract.ChatsOpenReply](ctx, r.nc, subjects.ChatsOpen, contract.ChatsOpenRequest{User: s.User, Peer: peer})
	if err != nil {
		return "", err
	}
	if open.Only && m.Kind != fabric.MsgDelete {
		return "", fabric.Errorf(fabric.CodeForbidden, "user %s has blocked service %s", peer, s.Name)
	}
	if fabric.IsChange(m.Kind) {
		_, err = service.Call[contract.HistoryAdmitReply](ctx, r.nc, subjects.HistoryAdmit, contract.HistoryAdmitRequest{
			User: s.User, Channel: c, Kind: m.Kind, Body: m.Body,
		})
	}
	return c, err
}

// mustBeThere refuses a group that does not exist, or has no members any more.
func (r *Role) mustBeThere(ctx context.Context, group fabric.ChannelID) error {
	if r.groups.Contains(group) {
		return nil
	}
	floors, err := service.Call[contract.ChatsFloorsReply](ctx, r.nc, subjects.ChatsFloors, contract.ChatsFloorsRequest{Channel: group})
	if err != nil {
		return err
	}
	if len(floors.Members) == 0 {
		return fabric.Errorf(fabric.CodeNotFound, "there is no group %s", group)
	}
	r.groups.Add(group, struct{}{})
	return nil
}

// find looks for what a service has sent a while ago in the archive, once that has all of the logs.
func (r *Role) find(ctx context.Context, s *known, cid string, note Note) (stored msglog.Stored, found bool, err error) {
	settled, err := service.Call[contract.HistorySettleReply](ctx, r.nc, subjects.HistorySettle, contract.HistorySettleRequest{})
	if err != nil {
		return stored, false, err
	}
	if !settled.Settled {
		return stored, false, fabric.Errorf(fabric.CodeUnavailable, "what was sent before cannot be told yet: try again")
	}
	req := contract.HistoryPageRequest{Channel: note.Channel, Limit: contract.MaxPage}
	for {
		page, err := service.Call[contract.HistoryPageReply](ctx, r.nc, subjects.HistoryPage, req)
		if err != nil {
			return stored, false, err
		}
		var first fabric.Stored
		for i := len(page.Messages) - 1; i >= 0; i-- {
			var m fabric.Stored
			if err := json.Unmarshal(page.Messages[i], &m); err != nil {
				return stored, false, fmt.Errorf("a message of %s: %w", note.Channel, err)
			}
			if m.From == s.User && m.CID == cid {
				return msglog.Stored{Sent: fabric.Sent{Channel: note.Channel, Seq: m.Seq, Prev: m.Prev, At: m.At}, Duplicate: true}, true, nil
			}
			first = m
		}
		// Clocks of processes and of the store differ a little.
		if !page.More || len(page.Messages) == 0 || first.At < note.At-time.Minute.Milliseconds() {
			return stored, false, nil
		}
		req.Before = first.Seq
	}
}

// waiter hands the store's word to whoever waits for it.
type waiter chan outcome

type outcome struct {
	stored msglog.Stored
	err    error
}

// Published hands the word over; the channel has room for it.
func (w waiter) Published(st msglog.Stored, err error) { w <- outcome{st, err} }

func (r *Role) publish(ctx context.Context, s *known, c fabric.ChannelID, m contract.ServiceSend) (msglog.Stored, error) {
	payload := fabric.AppendPayload(nil, s.User, m.CID, m.Kind, m.Body)
	w := make(waiter, 1)
	if err := r.publisher.PublishUnseen(c, s.User, m.CID, payload, w); err != nil {
		return msglog.Stored{}, err
	}
	select {
	case out := <-w:
		return out.stored, out.err
	case <-ctx.Done():
		return msglog.Stored{}, fabric.Errorf(fabric.CodeUnavailable, "the store did not answer in time: send again with the same cid")
	}
}
