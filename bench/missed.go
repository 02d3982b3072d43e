package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// senderWindow is how many sends of one sender wait for their replies.
const senderWindow = 64

// sendMissed sends what the clients miss: a message to each client, then the next to each, so that a client's messages lie
// as far apart in the log as they do in life.
func (run *resumeRun) sendMissed(ctx context.Context) error {
	return parallel(ctx, len(run.senders), len(run.senders), func(ctx context.Context, i int) error {
		s, err := client.Connect(ctx, client.Options{
			URL: run.t.URL, Tokens: client.StaticToken(run.senders[i].Access), Handler: func(client.Event) {}, Pending: senderWindow,
		})
		if err != nil {
			return fmt.Errorf("sender %d: %w", i, err)
		}
		defer s.Close()
		return run.sendFrom(ctx, s, i)
	})
}

// sendFrom sends sender i's part: message m of client c goes over the client's chat m mod Channels, which is with sender
// c + that.
func (run *resumeRun) sendFrom(ctx context.Context, s *client.Session, i int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, senderWindow)
	body := newBody(run.cfg.Body, run.id)
	pace := pacer{rate: 0.8 * s.Limits().SendsPerSecond, begun: time.Now()}
	for m := range run.cfg.Missed {
		chat := m % run.cfg.Channels
		for c, r := range run.clients {
			if (c+chat)%len(run.senders) != i {
				continue
			}
			if err := pace.wait(ctx); err != nil {
				return err
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			n := uint64(m / run.cfg.Channels)
			stamp(body, n, 0)
			_, err := s.SendAsync(client.Draft{To: string(r.user.ID), Kind: "text", Body: body}, func(sent fabric.Sent, err error) {
				if err != nil {
					cancel(refused(err))
				} else {
					r.checker.Sent(n, sent)
				}
				<-slots
			})
			if err != nil {
				return err
			}
		}
	}
	for range senderWindow { // until all are answered
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// pacer keeps a sender below the server's limit.
type pacer struct {
	rate  float64 // a second; 0: no limit
	begun time.Time
	sent  int
}

func (p *pacer) wait(ctx context.Context) error {
	if p.rate <= 0 {
		return nil
	}
	due := time.Duration(float64(p.sent) / p.rate * float64(time.Second))
	p.sent++
	if ahead := due - time.Since(p.begun); ahead > 10*time.Millisecond {
		return sleep(ctx, ahead)
	}
	return nil
}
