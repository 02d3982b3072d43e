package client

import (
	"slices"
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
)

// marks collects what the user's marks are to be: since they only grow, all of a channel's within Options.AckDelay become
// one. Requests of marks have no reply, so the latest are said again on the next connection.
type marks struct {
	delay time.Duration
	send  func([]byte) bool

	mu       sync.Mutex
	channels map[fabric.ChannelID]*mark
	dirty    []*mark
	timer    *time.Timer
	armed    bool
	closed   bool
	buffer   []byte
}

type mark struct {
	channel         fabric.ChannelID
	delivered, read uint64
	ack, view       bool // delivered, read are to be sent
	sentAt          time.Time
}

// sayAgain is for how long a mark that was sent may not have arrived: a dead connection is noticed within two or three
// heartbeats.
const sayAgain = 90 * time.Second

func (m *marks) init(delay time.Duration, send func([]byte) bool) {
	m.delay, m.send = delay, send
	m.channels = make(map[fabric.ChannelID]*mark)
	m.timer = time.AfterFunc(time.Hour, m.flush)
	m.timer.Stop()
}

// Ack tells that messages of the channel up to seq were delivered to this device. It waits for nothing and outlives
// disconnects; marks of a channel within Options.AckDelay go out as one.
func (s *Session) Ack(channel fabric.ChannelID, seq uint64) {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.of(channel)
	if seq > k.delivered {
		m.touch(k)
		k.delivered, k.ack = seq, true
	}
}

// Read tells that the user has read the channel up to seq, which implies that it was delivered. It waits like Ack.
func (s *Session) Read(channel fabric.ChannelID, seq uint64) {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.of(channel)
	if seq > k.read {
		m.touch(k)
		k.read, k.view = seq, true
		if seq >= k.delivered {
			k.delivered, k.ack = seq, false
		}
	}
}

func (m *marks) of(channel fabric.ChannelID) *mark {
	k, ok := m.channels[channel]
	if !ok {
		k = &mark{channel: channel}
		m.channels[channel] = k
	}
	return k
}

// touch sees to it that k is sent.
func (m *marks) touch(k *mark) {
	if !k.ack && !k.view {
		m.dirty = append(m.dirty, k)
	}
	if !m.armed && !m.closed {
		m.armed = true
		m.timer.Reset(m.delay)
	}
}

// flush sends what is due. Without a connection it stays due, and reconnected sends it.
func (m *marks) flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = false
	m.flushLocked()
}

func (m *marks) flushLocked() {
	if len(m.dirty) == 0 {
		return
	}
	m.buffer = m.buffer[:0]
	for _, k := range m.dirty {
		if k.ack {
			m.buffer = appendMark(m.buffer, "ack", k.channel, k.delivered)
		}
		if k.view {
			m.buffer = appendMark(m.buffer, "read", k.channel, k.read)
		}
	}
	if !m.send(m.buffer) {
		return
	}
	now := time.Now()
	for _, k := range m.dirty {
		k.ack, k.view, k.sentAt = false, false, now
	}
	m.dirty = m.dirty[:0]
}

// forget drops what is due of a channel that is no longer the user's.
func (m *marks) forget(channel fabric.ChannelID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.channels[channel]
	if !ok {
		return
	}
	delete(m.channels, channel)
	m.dirty = slices.DeleteFunc(m.dirty, func(due *mark) bool { return due == k })
}

// reconnected sends what is due, and again what may have been lost with the connection before.
func (m *marks) reconnected() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.channels {
		if k.ack || k.view || time.Since(k.sentAt) > sayAgain {
			continue
		}
		m.dirty = append(m.dirty, k)
		k.ack, k.view = k.delivered > k.read, k.read > 0
	}
	m.flushLocked()
}

// close sends what is due for the last time.
func (m *marks) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.timer.Stop()
	m.flushLocked()
}
