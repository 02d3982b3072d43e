package client

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
)

// Errors of calls on a session; those that the server answered with are *fabric.Error.
var (
	// ErrClosed says that the session was closed before the call was answered. A message may be in the log all the same.
	ErrClosed = errors.New("client: the session is closed")
	// ErrBusy says that Options.Pending calls wait already.
	ErrBusy = errors.New("client: too many calls wait for their replies")
)

// Session is one device's connection, which comes back by itself until Close, or until the server signs the device out.
// Its methods may be called from any goroutine.
type Session struct {
	opt     Options
	address string
	log     *slog.Logger
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup // run and what spawn started
	in      inbox
	seen    seen // of the goroutine that reads
	marks   marks
	outbox  outbox
	stats   stats
	lookups sync.Mutex // see lookAndSend

	mu       sync.Mutex // guards what follows
	state    State
	changed  chan struct{} // closed with the next change of state
	err      error         // why the session ended for good
	ended    bool
	conn     *conn // the one that hello was answered on, nil while there is none
	pending  map[uint64]*call
	lastID   uint64
	cursor   fabric.Cursor
	identity Identity
	limits   Limits
	skew     time.Duration // the server's clock − ours
	watched  map[fabric.UserID]struct{}
	active   *bool
}

// Identity is who the server says this session is.
type Identity struct {
	User    fabric.UserID   `json:"user"`
	Device  fabric.DeviceID `json:"device"`
	Session string          `json:"session"`
}

// Limits are the server's, as info tells them. Zero means that it did not say.
type Limits struct {
	FrameBytes     int     `json:"frame_bytes"`
	BodyBytes      int     `json:"body_bytes"`
	QueueBytes     int     `json:"queue_bytes"`
	Watch          int     `json:"watch"`
	History        int     `json:"history"`
	SendsPerSecond float64 `json:"sends_per_second"`
	SendBurst      int     `json:"send_burst"`
	DedupeMS       int64   `json:"dedupe_ms"`
}

// Dial starts a session and returns at once: it connects by itself, and calls wait until it has. The error is one of
// opt's.
func Dial(opt Options) (*Session, error) {
	opt, address, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Session{
		opt: opt, address: address, log: opt.Log,
		seen:    make(seen),
		changed: make(chan struct{}),
		pending: make(map[uint64]*call),
		lastID:  helloID,
		cursor:  opt.Cursor,
		watched: make(map[fabric.UserID]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.outbox.wake = make(chan struct{}, 1)
	s.marks.init(opt.AckDelay, s.outbox.append)
	s.in = inbox{
		handler: opt.Handler, events: make(chan Event, opt.Buffer), patience: opt.Patience, closing: s.ctx.Done(),
	}
	s.work.Go(s.run)
	return s, nil
}

// Connect is Dial that waits until the server has answered hello. If ctx ends before, or the server does not take the
// token, there is no session.
func Connect(ctx context.Context, opt Options) (*Session, error) {
	s, err := Dial(opt)
	if err != nil {
		return nil, err
	}
	if err := s.Await(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Await waits until the session is online. Its error says why it isn't: ctx ended, or the session did.
func (s *Session) Await(ctx context.Context) error {
	for {
		s.mu.Lock()
		online, ended, err, changed := s.conn != nil, s.ended, s.err, s.changed
		s.mu.Unlock()
		switch {
		case online:
			return nil
		case ended:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// Events returns the channel of events. It is closed once the session has ended and nothing more comes. With
// Options.Handler set nothing comes at all.
func (s *Session) Events() <-chan Event { return s.in.events }

// State returns how the session stands.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Err returns why the last connection was lost, or why the session ended; nil while all is well.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Identity returns who the server said this session is; it is empty before the first connection.
func (s *Session) Identity() Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity
}

// Limits returns the server's limits; they are empty before the first connection.
func (s *Session) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits
}

// Cursor returns where the session would resume: everything before it is in the channel of Events, or went to the handler.
// An application that stores what it receives stores the cursors of Checkpoint and Synced as they come along; Cursor is
// the right one once Events is drained, as after Close.
func (s *Session) Cursor() fabric.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor
}

// Close ends the session and waits until its goroutines have: what was asked to be sent goes out first, if the connection
// takes it within a second or two; calls that still wait get ErrClosed. Events that came before can still be read.
func (s *Session) Close() {
	s.marks.close()
	s.cancel()
	s.work.Wait()
}

// setState notes the state and tells it.
func (s *Session) setState(state State, err error, retry time.Duration) {
	s.mu.Lock()
	s.state, s.err = state, err
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	s.log.Debug("session", "state", state, "err", err, "retry", retry)
	s.in.offer(&StateChange{State: state, Err: err, Retry: retry})
}

// spawn runs f in a goroutine that Close waits for. It returns false where the session has ended.
// It is called with s.mu held, so that none starts behind end's back.
func (s *Session) spawn(f func()) bool {
	if s.ended {
		return false
	}
	s.work.Go(f)
	return true
}

// end is the session's last act: calls that wait are told why.
func (s *Session) end(state State, err error) {
	s.cancel()
	s.mu.Lock()
	s.ended = true
	calls := s.pending
	s.pending = nil
	s.mu.Unlock()
	s.setState(state, err, 0)
	for _, c := range calls {
		c.fail(err)
	}
	s.in.end()
}
