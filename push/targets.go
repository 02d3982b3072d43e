package push

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/weft-im/weft/fabric"
)

// What is remembered of who can be reached. Changes are told to all processes; should word of one be lost, it counts after
// targetsFor.
const (
	mostTargets = 200_000 // users
	targetsFor  = time.Minute
)

// targets remembers the devices of users that can be reached: of most users of direct chats there is nothing to be asked.
type targets struct {
	store Store

	mu    sync.Mutex
	known *expirable.LRU[fabric.UserID, []Target]
	epoch uint64 // how often something changed: what was read before a change is not remembered
}

func newTargets(s Store) *targets {
	return &targets{store: s, known: expirable.NewLRU[fabric.UserID, []Target](mostTargets, nil, targetsFor)}
}

// forget lets go of what is remembered of a user.
func (t *targets) forget(u fabric.UserID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch++
	t.known.Remove(u)
}

// of returns the devices of those of the users who have any.
func (t *targets) of(ctx context.Context, users map[fabric.UserID]struct{}) (map[fabric.UserID][]Target, error) {
	found := make(map[fabric.UserID][]Target)
	var unknown []fabric.UserID
	t.mu.Lock()
	epoch := t.epoch
	for u := range users {
		list, ok := t.known.Get(u)
		switch {
		case !ok:
			unknown = append(unknown, u)
		case len(list) > 0:
			found[u] = list
		}
	}
	t.mu.Unlock()
	if len(unknown) == 0 {
		return found, nil
	}
	read, err := t.store.PushTargets(ctx, unknown)
	if err != nil {
		return nil, fmt.Errorf("who can be reached: %w", err)
	}
	for _, d := range read {
		found[d.User] = append(found[d.User], d)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch == epoch {
		for _, u := range unknown {
			t.known.Add(u, found[u])
		}
	}
	return found, nil
}
