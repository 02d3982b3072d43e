// Package audit writes down who did what that matters to security: sign-ins, devices, roles, services, refusals. Events go
// into the stream AUDIT, on audit.<role>.<what>; a role may write on its own subjects only, and none may read, change or
// delete what is there. Operators read it with the nats CLI.
//
// An event has no secret in it and no phone number in clear. Writing never blocks its caller: what the stream does not
// take goes to the process's log instead, and is counted.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// What happened. Each is the last token of its events' subject.
type What string

// Events of sign-in and devices.
const (
	SignIn         What = "sign_in"
	SignInRefused  What = "sign_in_refused"
	RefreshReused  What = "refresh_reused" // a spent refresh token came again: its device was revoked
	DeviceRevoked  What = "device_revoked"
	AccountDeleted What = "account_deleted"
	UserSignedOut  What = "user_signed_out" // an operator ended all of a user's sessions
)

// Events of rights.
const (
	RoleChanged    What = "role_changed" // of a member of a group
	Refused        What = "refused"      // an operation or a token
	ServiceAdded   What = "service_added"
	ServiceChanged What = "service_changed"
	ServiceRemoved What = "service_removed"
	KeyRotated     What = "key_rotated"
	EdgeDrained    What = "edge_drained"
	FileCondemned  What = "file_condemned"  // a scanner found something harmful in it
	StreamsChanged What = "streams_changed" // made, or brought to other settings
)

// Event is one thing that happened. Only What must be there; Write fills in At.
type Event struct {
	At      int64            `json:"at"` // Unix milliseconds
	What    What             `json:"what"`
	User    fabric.UserID    `json:"user,omitempty"` // who did it
	Device  fabric.DeviceID  `json:"device,omitempty"`
	Address string           `json:"address,omitempty"` // the client's, without port
	Service string           `json:"service,omitempty"`
	Edge    string           `json:"edge,omitempty"`
	Other   fabric.UserID    `json:"other,omitempty"` // to whom it was done
	Channel fabric.ChannelID `json:"channel,omitempty"`
	Op      string           `json:"op,omitempty"`   // the op, call or verb that was refused
	Code    fabric.Code      `json:"code,omitempty"` // of a refusal
	Detail  string           `json:"detail,omitempty"`
}

// Bounds of what waits for the stream's word.
const (
	mostPending = 4096
	ackWithin   = 10 * time.Second
	drainWithin = 5 * time.Second
)

// Bounds of what strangers can have written: whoever is refused a thousand times a second is known after the first
// hundred.
const (
	boundedPerSecond = 20
	boundedBurst     = 200
)

// Log writes the events of one role. Any number of goroutines may use it.
type Log struct {
	js     jetstream.JetStream
	prefix string
	log    *slog.Logger
	lost   prometheus.Counter

	bounded *rate.Limiter
	skipped prometheus.Counter
}

// New returns the log of a role, which writes over nc.
func New(nc *nats.Conn, role string, log *slog.Logger, reg prometheus.Registerer) (*Log, error) {
	l := &Log{
		prefix: subjects.Audit(role, ""), log: log, bounded: rate.NewLimiter(boundedPerSecond, boundedBurst),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_audit_lost_total", Help: "Audit events that the stream did not take; they are in the process's log.",
			ConstLabels: prometheus.Labels{"role": role},
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_audit_skipped_total", Help: "Refusals that were not written into the audit log, since too many came at once.",
			ConstLabels: prometheus.Labels{"role": role},
		}),
	}
	var err error
	l.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(2*mostPending), jetstream.WithPublishAsyncTimeout(ackWithin),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { l.lose(m.Data, err) }))
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	for _, c := range []prometheus.Collector{l.lost, l.skipped} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("audit: register metrics: %w", err)
		}
	}
	return l, nil
}

// Write writes an event. It does not wait for the stream.
func (l *Log) Write(e Event) {
	e.At = fabric.Millis(time.Now())
	data, err := json.Marshal(e)
	if err != nil {
		l.lose(fmt.Appendf(nil, "%+v", e), err)
		return
	}
	if l.js.PublishAsyncPending() >= mostPending {
		l.lose(data, fmt.Errorf("over %d events wait for the stream", mostPending))
		return
	}
	if _, err := l.js.PublishAsync(l.prefix+string(e.What), data); err != nil {
		l.lose(data, err)
	}
}

// WriteBounded writes what a stranger brought about, unless too much of that came lately; then it is only counted.
func (l *Log) WriteBounded(e Event) {
	if !l.bounded.Allow() {
		l.skipped.Inc()
		return
	}
	l.Write(e)
}

func (l *Log) lose(event []byte, err error) {
	l.lost.Inc()
	l.log.Error("an audit event is only here, the stream did not take it", "event", string(event), "err", err)
}

// Flush waits until the stream has what was written, or ctx ends.
func (l *Log) Flush(ctx context.Context) error {
	select {
	case <-l.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("audit: %d events wait for the stream: %w", l.js.PublishAsyncPending(), ctx.Err())
	}
}

// Drain is Flush for a role that ends: also where ctx has ended already it waits, for 5 s at most.
func (l *Log) Drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	return l.Flush(ctx)
}

// Phone returns what an event may show of a phone number, as a person has typed it: its beginning, how many digits it has,
// and its last two. What is none shows nothing: whatever a stranger sends, an event stays small.
func Phone(text string) string {
	const least, most = 6, 15 // digits; the most by ITU-T E.164
	digits := make([]byte, 0, most)
	for _, c := range []byte(text) {
		if c >= '0' && c <= '9' {
			if len(digits) == most {
				return "…"
			}
			digits = append(digits, c)
		}
	}
	if len(digits) < least {
		return "…"
	}
	for i := 2; i < len(digits)-2; i++ {
		digits[i] = '*'
	}
	return "+" + string(digits)
}
