// Package service is how roles ask one another over NATS: typed requests and replies on NATS micro services, with
// fabric.Error as the only error that crosses, and a bound on how many requests a role works on at once.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Version is what every service of this build reports to `nats micro ls`.
const Version = "0.1.0"

// handleTimeout bounds one request's work: whoever asked has given up by then.
const handleTimeout = 10 * time.Second

// lastFlush bounds how long Stop waits for the server to know that nothing is served here any more.
const lastFlush = 2 * time.Second

// Host is one role's micro service. Its handlers run concurrently, at most as many at once as it was given.
type Host struct {
	nc    *nats.Conn
	svc   micro.Service
	log   *slog.Logger
	slots chan struct{}
	ctx   context.Context
	stop  context.CancelFunc
}

// New registers a service on nc. Stop it to end it; concurrency bounds the requests at work.
// Each more is a pair of metadata that discovery shows.
func New(nc *nats.Conn, name, description string, concurrency int, log *slog.Logger, more ...[2]string) (*Host, error) {
	cfg := micro.Config{Name: name, Version: Version, Description: description, Metadata: make(map[string]string)}
	for _, m := range more {
		cfg.Metadata[m[0]] = m[1]
	}
	svc, err := micro.AddService(nc, cfg)
	if err != nil {
		return nil, fmt.Errorf("register service %s: %w", name, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Host{nc: nc, svc: svc, log: log, slots: make(chan struct{}, concurrency), ctx: ctx, stop: stop}, nil
}

// Serve is the life of a role that only answers: it registers a service with what register adds, closes ready once the
// server knows of it, serves until ctx ends, and finishes what is at work.
func Serve(ctx context.Context, nc *nats.Conn, name, description string, concurrency int, log *slog.Logger, ready chan<- struct{}, register func(*Host) error) error {
	h, err := New(nc, name, description, concurrency, log)
	if err != nil {
		return err
	}
	if err = register(h); err == nil {
		err = nc.Flush() // the server knows of the endpoints before anybody is told that they are there
	}
	if err != nil {
		return errors.Join(err, h.Stop())
	}
	close(ready)
	<-ctx.Done()
	return h.Stop()
}

// Handle serves a verb with f. What f returns as a fabric.Error reaches whoever asked; any other error is logged here
// and answered as internal.
func Handle[Req, Reply any](h *Host, verb subjects.Verb, f func(context.Context, Req) (Reply, error)) error {
	serve := func(r micro.Request) {
		ctx, cancel := context.WithTimeout(h.ctx, handleTimeout)
		defer cancel()
		var req Req
		if err := json.Unmarshal(r.Data(), &req); err != nil {
			// What is wrong may reach a client, who is not to learn of our types.
			h.log.Debug("a request can't be decoded", "verb", verb.String(), "err", err)
			h.refuse(r, verb, fabric.Errorf(fabric.CodeBadRequest, "the request is not what belongs there"))
			return
		}
		reply, err := f(ctx, req)
		if err != nil {
			h.refuse(r, verb, err)
			return
		}
		data, err := json.Marshal(reply)
		if err != nil {
			h.refuse(r, verb, fmt.Errorf("encode reply: %w", err))
			return
		}
		if err := r.Respond(data); err != nil {
			h.log.Error("cannot reply", "verb", verb.String(), "err", err)
		}
	}
	// micro hands over one request at a time; the slots make it many, and hold it back when they are all taken, so that
	// what piles up waits in NATS's bounded pending queue and not in goroutines.
	err := h.svc.AddEndpoint(verb.Name, micro.HandlerFunc(func(r micro.Request) {
		select {
		case h.slots <- struct{}{}:
		case <-h.ctx.Done():
			h.refuse(r, verb, fabric.Errorf(fabric.CodeUnavailable, "the %s service is going away: try again", verb.Service))
			return
		}
		go func() {
			defer func() { <-h.slots }()
			serve(r)
		}()
	}), micro.WithEndpointSubject(verb.String()))
	if err != nil {
		return fmt.Errorf("serve %s: %w", verb, err)
	}
	return nil
}

func (h *Host) refuse(r micro.Request, verb subjects.Verb, err error) {
	e, known := fabric.AsError(err)
	if !known {
		h.log.Error("request failed", "verb", verb.String(), "err", err)
	}
	// Not by r.Error: micro looks at what that writes once its handler has returned, and ours works on beside it.
	answer := micro.WithHeaders(micro.Headers{micro.ErrorHeader: {e.Message}, micro.ErrorCodeHeader: {string(e.Code)}})
	if err := r.Respond(nil, answer); err != nil {
		h.log.Error("cannot reply", "verb", verb.String(), "err", err)
	}
}

// Stop takes no further requests and waits for those at work: what is asked once it has returned reaches another process.
func (h *Host) Stop() error {
	err := h.svc.Stop()
	_ = h.nc.FlushTimeout(lastFlush) // where the connection is away, nobody reaches us
	for range cap(h.slots) {
		h.slots <- struct{}{} // it has no more requests at work; what still waits for a slot is refused
	}
	h.stop()
	return err
}

// Call asks verb and decodes the reply into a Reply. The error is a fabric.Error: the service's own, or CodeUnavailable
// where nobody answered in time.
func Call[Reply any](ctx context.Context, nc *nats.Conn, verb subjects.Verb, req any) (Reply, error) {
	var reply Reply
	data, err := CallRaw(ctx, nc, verb, req)
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return reply, fmt.Errorf("decode reply of %s: %w", verb, err)
	}
	return reply, nil
}

// CallRaw is Call for a reply that is passed on as it stands.
func CallRaw(ctx context.Context, nc *nats.Conn, verb subjects.Verb, req any) ([]byte, error) {
	data, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request of %s: %w", verb, err)
	}
	msg, err := nc.RequestWithContext(ctx, verb.String(), data)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, fabric.Errorf(fabric.CodeUnavailable, "the %s service does not answer: try again", verb.Service)
	}
	if code := msg.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, &fabric.Error{Code: fabric.Code(code), Message: msg.Header.Get(micro.ErrorHeader)}
	}
	return msg.Data, nil
}
