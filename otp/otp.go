// Package otp is the role that has one-time codes sent by whoever a webhook belongs to: it answers what the users role
// asks on otp.send, by posting it, signed (package webhook). It is for those whose SMS service speaks HTTP; one that
// speaks NATS answers on the subject itself, and needs no such role.
package otp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/webhook"
)

// EventType is what is posted: data is {phone, code, expires_at}.
const EventType = "otp.send"

// Within what the users role waits, there is room for two tries.
const (
	tryWithin   = 2200 * time.Millisecond
	tries       = 2
	concurrency = 64 // posts at once
	group       = "otp"
)

// Role posts codes. Run it once.
type Role struct {
	nc    *nats.Conn
	post  *webhook.Poster
	log   *slog.Logger
	ready chan struct{}
	sent  *prometheus.CounterVec
}

// New returns a role that posts to a URL, signed with a secret (whsec_…).
func New(nc *nats.Conn, url, secret string, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	post, err := webhook.New(url, secret)
	if err != nil {
		return nil, fmt.Errorf("one-time codes: %w", err)
	}
	r := &Role{nc: nc, post: post, log: log, ready: make(chan struct{}), sent: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weft_otp_posts_total", Help: "One-time codes that were posted to the webhook, by how it ended.",
	}, []string{"result"})}
	if err := reg.Register(r.sent); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return r, nil
}

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	defer r.post.Close()
	asked := make(chan *nats.Msg, concurrency)
	sub, err := r.nc.ChanQueueSubscribe(subjects.SendOTP, group, asked)
	if err == nil {
		err = r.nc.Flush()
	}
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.SendOTP, err)
	}
	var work sync.WaitGroup
	defer work.Wait()
	for range concurrency {
		work.Go(func() {
			for m := range asked {
				r.answer(m)
			}
		})
	}
	close(r.ready)
	<-ctx.Done()
	err = sub.Unsubscribe()
	if flushed := r.nc.Flush(); err == nil {
		err = flushed // what the server had sent before has come
	}
	close(asked)
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("unsubscribe from %s: %w", subjects.SendOTP, err)
	}
	return nil
}

func (r *Role) answer(m *nats.Msg) {
	var reply contract.SendOTPReply
	result := "ok"
	if err := r.send(m.Data); err != nil {
		result = "failed"
		known, _ := fabric.AsError(err)
		reply.Err = known
		r.log.Error("a one-time code could not be posted", "err", err)
	}
	r.sent.WithLabelValues(result).Inc()
	data, err := json.Marshal(reply)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		r.log.Error("a request for a one-time code could not be answered", "err", err)
	}
}

// send posts a request. A second try has the same id, so that a receiver that took the first sends nobody two messages.
func (r *Role) send(data []byte) error {
	var req contract.SendOTPRequest
	if err := json.Unmarshal(data, &req); err != nil || req.Phone == "" || req.Code == "" {
		return fabric.Errorf(fabric.CodeBadRequest, "want {phone, code, expires_at}")
	}
	if data, err := json.Marshal(req); err == nil {
		return r.try(webhook.Event{Type: EventType, Timestamp: time.Now(), Data: data})
	}
	return fabric.Errorf(fabric.CodeInternal, "the request could not be encoded")
}

func (r *Role) try(e webhook.Event) (err error) {
	id := "otp_" + fabric.NewCID()
	for range tries {
		ctx, cancel := context.WithTimeout(context.Background(), tryWithin)
		err = r.post.Post(ctx, id, e)
		cancel()
		if err == nil || errors.Is(err, webhook.ErrGone) {
			break
		}
	}
	if err != nil {
		return errors.Join(fabric.Errorf(fabric.CodeUnavailable, "the webhook for one-time codes did not take it"), err)
	}
	return nil
}
