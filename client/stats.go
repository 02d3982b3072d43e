package client

import "sync/atomic"

// Stats counts what a session lived through.
type Stats struct {
	Connections uint64 // on which hello was answered
	Messages    uint64 // message events that were told
	Duplicates  uint64 // message events that were dropped: told before, or this session's own
	Fallen      uint64 // message events that fell because the consumer was behind; a resume brought them again
}

type stats struct{ connections, messages, duplicates, fallen atomic.Uint64 }

// Stats returns the counts since Dial.
func (s *Session) Stats() Stats {
	return Stats{
		Connections: s.stats.connections.Load(),
		Messages:    s.stats.messages.Load(),
		Duplicates:  s.stats.duplicates.Load(),
		Fallen:      s.stats.fallen.Load(),
	}
}
