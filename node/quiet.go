package node

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How often the same warning or error is logged.
const (
	quietBurst = 5 // lines of one message
	quietEvery = 30 * time.Second
)

// quietHandler keeps a log from being flooded by what is told again and again, as with a database that is away and ten
// thousand clients that come back: of each message so many lines pass in a while. The first one of the next while says how
// many were left out. What is no warning passes.
type quietHandler struct {
	slog.Handler
	seen *seenMessages // shared by all loggers that come of one
}

type seenMessages struct {
	mu      sync.Mutex
	of      map[string]*seenMessage // by message: texts of the program, so there are only so many
	elapsed func(since time.Time) time.Duration
}

type seenMessage struct {
	since   time.Time
	lines   int
	omitted int
}

func newQuietHandler(h slog.Handler) *quietHandler {
	return &quietHandler{h, &seenMessages{of: make(map[string]*seenMessage), elapsed: time.Since}}
}

// Handle implements slog.Handler.
func (h *quietHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		pass, omitted := h.seen.note(r.Message)
		if !pass {
			return nil
		}
		if omitted > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("omitted", omitted))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quietHandler{h.Handler.WithAttrs(attrs), h.seen}
}

// WithGroup implements slog.Handler.
func (h *quietHandler) WithGroup(name string) slog.Handler {
	return &quietHandler{h.Handler.WithGroup(name), h.seen}
}

// note reports whether a line with this message passes, and how many were left out before it.
func (s *seenMessages) note(message string) (pass bool, omitted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.of[message]
	if m == nil {
		m = &seenMessage{since: time.Now()}
		s.of[message] = m
	}
	if s.elapsed(m.since) >= quietEvery {
		omitted = m.omitted
		*m = seenMessage{since: time.Now()}
	}
	if m.lines == quietBurst {
		m.omitted++
		return false, 0
	}
	m.lines++
	return true, omitted
}
