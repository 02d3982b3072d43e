package edge

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"
)

// Where clients come back to, spread over time: the more there are the longer it takes, so that whoever takes them is
// not run over.
const (
	retryLeast  = 200 * time.Millisecond
	retryEach   = 500 * time.Microsecond // a client
	retryAtMost = 30 * time.Second
)

// drain ends every session in good order: no new ones, the writes in flight answered, bye, close.
func (e *Edge) drain(ctx context.Context) error {
	sessions := e.everySession()
	e.log.Info("draining", "sessions", len(sessions))
	// What is with the store is answered first, so that nobody has to wonder; a send that comes now is refused.
	err := e.publisher.Drain(ctx)
	e.receipts.drain(ctx)
	spread := min(retryLeast+time.Duration(len(sessions))*retryEach, retryAtMost)
	for _, s := range sessions {
		retry := retryLeast + rand.N(spread) // spreads load, guards nothing
		bye, jsonErr := json.Marshal(struct {
			Ev      string `json:"ev"`
			Reason  string `json:"reason"`
			RetryMS int64  `json:"retry_ms"`
		}{"bye", "drain", retry.Milliseconds()})
		if jsonErr == nil {
			s.push(bye)
		}
		s.close(closeRestart, "this server drains")
	}
	e.presence.endAll()
	err = errors.Join(err, e.leases.end(ctx))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	polite := time.After(2 * time.Second) // then whoever has not said goodbye is left
	for len(e.everySession()) > 0 || e.presence.left() > 0 && !e.nc.IsClosed() {
		select {
		case <-tick.C:
		case <-polite:
			for _, s := range e.everySession() {
				s.gone()
			}
		case <-ctx.Done():
			for _, s := range e.everySession() {
				s.gone()
			}
			return err
		}
	}
	return err
}
