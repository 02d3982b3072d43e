package history_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

type memStore struct {
	mu       sync.Mutex
	shards   int
	pos      fabric.Position
	msgs     map[fabric.ChannelID][]fabric.Stored
	channels map[fabric.UserID][]fabric.ChannelID
	failing  bool
	twice    int
}

func openStore(_ testing.TB, shards int) *memStore {
	return &memStore{shards: shards, pos: make(fabric.Position, shards), msgs: map[fabric.ChannelID][]fabric.Stored{}, channels: map[fabric.UserID][]fabric.ChannelID{}}
}

func (s *memStore) newUser(testing.TB) fabric.UserID { return fabric.NewUserID() }

func (s *memStore) open(_ testing.TB, a, b fabric.UserID) fabric.ChannelID {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := fabric.Direct(a, b)
	for _, u := range []fabric.UserID{a, b} {
		s.channels[u] = append(s.channels[u], c)
		slices.Sort(s.channels[u])
	}
	return c
}

func (s *memStore) Archived(ctx context.Context, shards int) (fabric.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pos), nil
}

func (s *memStore) Archive(ctx context.Context, shard int, batch []fabric.Stored, upto uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return errors.New("failing")
	}
	for _, m := range batch {
		have := s.msgs[m.Channel]
		i, found := slices.BinarySearchFunc(have, m.Seq, func(m fabric.Stored, seq uint64) int { return int(m.Seq) - int(seq) })
		if !found {
			m.Body = slices.Clone(m.Body)
			s.msgs[m.Channel] = slices.Insert(have, i, m)
		} else {
			s.twice++
		}
	}
	s.pos[shard] = max(s.pos[shard], upto)
	return nil
}

func (s *memStore) Heads(ctx context.Context, channels []fabric.ChannelID) (map[fabric.ChannelID]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := map[fabric.ChannelID]uint64{}
	for _, c := range channels {
		if m := s.msgs[c]; len(m) > 0 {
			h[c] = m[len(m)-1].Seq
		}
	}
	return h, nil
}

func (s *memStore) Page(ctx context.Context, c fabric.ChannelID, before uint64, after *uint64, limit int) ([]fabric.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fabric.Stored
	for _, m := range s.msgs[c] {
		if (before == 0 || m.Seq < before) && (after == nil || m.Seq > *after) {
			out = append(out, m)
		}
	}
	if n := len(out) - limit; n > 0 {
		if after != nil {
			return out[:limit], nil
		}
		return out[n:], nil
	}
	return out, nil
}

func (s *memStore) News(ctx context.Context, u fabric.UserID, from fabric.Position, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fabric.ChannelID
	for _, c := range s.channels[u] {
		m := s.msgs[c]
		if c >= start && len(m) > 0 && m[len(m)-1].Seq > from[subjects.Shard(c, s.shards)] && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, nil
}

func (s *memStore) ChannelsOf(ctx context.Context, u fabric.UserID, start fabric.ChannelID, limit int) ([]fabric.ChannelID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []fabric.ChannelID
	for _, c := range s.channels[u] {
		if c >= start && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, nil
}
