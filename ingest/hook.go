package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/webhook"
)

// Webhooks is how services' webhooks are posted to. Zero values mean the defaults.
type Webhooks struct {
	// Retries are the times between tries; after the last one an event is given up. By default 5 s to 12 hours, three days in
	// all.
	Retries []time.Duration
	AtOnce  int // posts to one webhook at once; default 8
}

func (w Webhooks) withDefaults() Webhooks {
	if len(w.Retries) == 0 {
		w.Retries = []time.Duration{
			5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
			time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 24 * time.Hour,
		}
	}
	if w.AtOnce == 0 {
		w.AtOnce = 8
	}
	return w
}

// hookAckWait is how long an event may be at work; longer than a post may take.
const hookAckWait = 2 * webhook.Within

// eventMessage is the type of the events that are posted.
const eventMessage = "message"

// hook posts what comes into a service's inbox to its webhook. The processes of the role share the work.
type hook struct {
	role    *Role
	service Service
	poster  *webhook.Poster
	consume jetstream.ConsumeContext
	slots   chan struct{}
}

// updateHooks has each service's webhook posted to, and no other.
func (r *Role) updateHooks(ctx context.Context, services map[string]*known) error {
	r.mu.Lock()
	old := make(map[string]*hook)
	for name, h := range r.hooks {
		old[name] = h
	}
	r.mu.Unlock()
	var errs []error
	for name, k := range services {
		h := old[name]
		if h != nil && h.service.Webhook == k.Webhook && h.service.Secret == k.Secret {
			delete(old, name)
			continue
		}
		if k.Webhook == "" {
			continue
		}
		if h != nil {
			h.end()
			delete(old, name)
		}
		next, err := r.post(ctx, k.Service)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.mu.Lock()
		r.hooks[name] = next
		r.mu.Unlock()
	}
	for name, h := range old {
		h.end()
		r.mu.Lock()
		delete(r.hooks, name)
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// post begins to post a service's inbox to its webhook.
func (r *Role) post(ctx context.Context, s Service) (*hook, error) {
	poster, err := webhook.New(s.Webhook, s.Secret)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", s.Name, err)
	}
	c, err := r.js.Consumer(ctx, subjects.ServiceInboxStream, s.Name)
	if err != nil {
		return nil, fmt.Errorf("inbox of %s: %w", s.Name, err)
	}
	h := &hook{role: r, service: s, poster: poster, slots: make(chan struct{}, r.cfg.Webhooks.AtOnce)}
	h.consume, err = c.Consume(h.take, jetstream.PullMaxMessages(2*r.cfg.Webhooks.AtOnce),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			r.log.Warn("a service's inbox is not followed", "service", s.Name, "err", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("follow the inbox of %s: %w", s.Name, err)
	}
	return h, nil
}

// end stops taking events, and waits for the posts that are under way.
func (h *hook) end() {
	h.consume.Stop()
	<-h.consume.Closed()
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	h.poster.Close()
}

func (r *Role) endHooks() {
	r.mu.Lock()
	hooks := r.hooks
	r.hooks = make(map[string]*hook)
	r.mu.Unlock()
	for _, h := range hooks {
		h.end()
	}
}

func (h *hook) take(m jetstream.Msg) {
	h.slots <- struct{}{}
	go func() {
		defer func() { <-h.slots }()
		h.post(m)
	}()
}

// post posts one event, and says when to try again where that fails.
func (h *hook) post(m jetstream.Msg) {
	r, name := h.role, h.service.Name
	meta, err := m.Metadata()
	if err != nil {
		r.log.Error("what came into a service's inbox has no place", "service", name, "err", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), webhook.Within)
	defer cancel()
	// The id stays the same in each try: by it the receiver knows an event that it has had.
	err = h.poster.Post(ctx, "msg_"+name+"_"+strconv.FormatUint(meta.Sequence.Stream, 10),
		webhook.Event{Type: eventMessage, Timestamp: meta.Timestamp.UTC(), Data: m.Data()})
	result, tries := "ok", int(meta.NumDelivered)
	switch {
	case err == nil:
		err = m.Ack()
	case errors.Is(err, webhook.ErrGone):
		result = "gone"
		h.disable()
		err = m.Nak()
	case tries > len(r.cfg.Webhooks.Retries):
		result = "given_up"
		r.log.Error("a webhook did not take an event, which is given up", "service", name, "seq", meta.Sequence.Stream, "tries", tries, "err", err)
		err = m.Term()
	default:
		result = "failed"
		wait := r.cfg.Webhooks.Retries[max(tries-1, 0)]
		r.log.Warn("a webhook did not take an event", "service", name, "seq", meta.Sequence.Stream, "tries", tries, "again_in", wait, "err", err)
		err = m.NakWithDelay(wait)
	}
	r.posted.WithLabelValues(name, result).Inc()
	if err != nil {
		r.log.Error("cannot answer for what came into a service's inbox", "service", name, "err", err)
	}
}

// disable takes the webhook from a service that wants no more. What is written to it waits in its inbox.
func (h *hook) disable() {
	r := h.role
	r.wg.Go(func() {
		_, err := r.store.ChangeService(r.ctx, h.service.Name, func(s *Service) error {
			if s.Webhook == h.service.Webhook {
				s.Webhook, s.Secret = "", ""
			}
			return nil
		})
		if err == nil {
			r.log.Warn("a webhook says that it is gone: it is taken from the service", "service", h.service.Name)
			r.audit.Write(audit.Event{What: audit.ServiceChanged, Service: h.service.Name, Detail: "webhook gone (410)"})
			err = r.tell(r.ctx)
		}
		if err != nil && r.ctx.Err() == nil {
			r.log.Error("a webhook that is gone is still posted to", "service", h.service.Name, "err", err)
		}
	})
}
