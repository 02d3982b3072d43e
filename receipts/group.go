package receipts

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// group is what is known of a group whose marks move. Guarded by Role.mu.
type group struct {
	channel fabric.ChannelID
	floors  map[fabric.UserID]uint64         // the members, each with the seq from which on they receive
	marks   map[fabric.UserID]fabric.Receipt // of members, and of those who are about to be
	told    fabric.Receipt                   // what was written last

	stale  bool // the members must be read
	dirty  bool // something moved since it was written
	loaded time.Time
	last   time.Time // when something moved
	due    time.Time // not written before
}

func newGroup(c fabric.ChannelID) *group {
	return &group{channel: c, marks: make(map[fabric.UserID]fabric.Receipt), stale: true}
}

// moved takes a member's marks.
func (g *group) moved(marks fabric.Receipt, now time.Time) {
	g.marks[marks.User] = g.marks[marks.User].Merge(marks)
	g.dirty, g.last = true, now
}

// all returns the marks that every member has passed, and whether they are higher than those told last.
func (g *group) all() (fabric.Receipt, bool) {
	marks := fabric.Receipt{Delivered: math.MaxUint64, Read: math.MaxUint64}
	for u, floor := range g.floors {
		m := g.marks[u]
		marks.Delivered = min(marks.Delivered, max(m.Delivered, floor))
		marks.Read = min(marks.Read, max(m.Read, floor))
	}
	if len(g.floors) == 0 {
		return g.told, false
	}
	marks = g.told.Merge(marks)
	return marks, marks != g.told
}

// load reads a group's members, their marks, and what the group was told last.
func (r *Role) load(ctx context.Context, g *group, now time.Time) error {
	floors := make(map[fabric.UserID]uint64)
	for after := fabric.UserID(""); ; {
		page, err := service.Call[contract.ChatsFloorsReply](ctx, r.nc, subjects.ChatsFloors, contract.ChatsFloorsRequest{Channel: g.channel, After: after})
		if err != nil {
			return fmt.Errorf("members of %s: %w", g.channel, err)
		}
		for _, m := range page.Members {
			floors[m.User] = m.From
			after = m.User
		}
		if len(page.Members) < contract.MaxFloors {
			break
		}
	}
	// Whose marks are known is up to date: they have all come since. Of the others what was written before must be read.
	var unknown []fabric.UserID
	r.mu.Lock()
	first := g.floors == nil
	for u := range floors {
		if _, ok := g.floors[u]; first || !ok {
			unknown = append(unknown, u)
		}
	}
	r.mu.Unlock()
	marks, err := r.reader.MarksOf(ctx, g.channel, unknown)
	if err != nil {
		return err
	}
	var told fabric.Receipt
	if first {
		groups, err := r.reader.GroupMarks(ctx, []fabric.ChannelID{g.channel}, subjects.AllMembers)
		if err != nil {
			return err
		}
		told = groups[g.channel].All
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for u, m := range marks {
		g.marks[u] = g.marks[u].Merge(m)
	}
	for u := range g.marks {
		if _, in := floors[u]; !in {
			delete(g.marks, u)
		}
	}
	g.floors, g.loaded = floors, now
	g.told = g.told.Merge(told)
	g.told.User = ""
	return nil
}
