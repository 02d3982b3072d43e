package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/weftest"
)

const (
	pairs = 4
	pace  = 20 * time.Millisecond // between two sends of one sender
)

// crowd is people who chat: pairs, a group, and dora, who hangs up before the database goes.
type crowd struct {
	lines []line
	group fabric.ChannelID
	dora  *device

	sends sync.WaitGroup
	end   context.CancelFunc
}

// line is somebody who sends all the time, and one of those who get it.
type line struct {
	from *sender
	to   *device
}

// newCrowd brings people to servers: with two there are pairs from each to each.
func newCrowd(t *testing.T, servers ...string) *crowd {
	t.Helper()
	n := len(servers)
	c := &crowd{dora: newDevice(t, servers[0], newPhone())}
	for i := range pairs {
		ann, bob := newDevice(t, servers[i%n], newPhone()), newDevice(t, servers[i/n%n], newPhone())
		c.lines = append(c.lines, line{&sender{device: ann, to: fabric.Direct(ann.User.ID, bob.User.ID)}, bob})
	}
	ann, bob := c.lines[0].from.device, c.lines[0].to
	g, _, err := ann.Account().CreateGroup(t.Context(), client.NewGroup{Name: "all", Members: []fabric.UserID{bob.User.ID, c.dora.User.ID}})
	if err != nil {
		t.Fatal(err)
	}
	c.group = g.Channel
	cleo := c.lines[1].from.device
	c.lines = append(c.lines,
		line{&sender{device: ann, to: g.Channel}, bob},
		line{&sender{device: cleo, to: fabric.Direct(cleo.User.ID, c.dora.User.ID)}, c.dora})
	return c
}

// of returns the lines that end at a device.
func (c *crowd) of(d *device) (lines []line) {
	for _, l := range c.lines {
		if l.to == d {
			lines = append(lines, l)
		}
	}
	return lines
}

func (c *crowd) start(t *testing.T) {
	var sending context.Context
	sending, c.end = context.WithCancel(t.Context())
	for _, l := range c.lines {
		c.sends.Go(func() { l.from.sendUntil(sending, t, pace) })
	}
	t.Cleanup(func() { // a test that has failed does not wait for answers
		c.end()
		for _, l := range c.lines {
			l.from.Close()
		}
		c.sends.Wait()
	})
}

func (c *crowd) stop() {
	c.end()
	c.sends.Wait()
}

// progress waits until every sender has had answers from now on, and whoever is there the messages. Where servers are
// named, it looks at those people only who are there.
func (c *crowd) progress(t *testing.T, when string, servers ...string) {
	t.Helper()
	for i, l := range c.lines {
		if len(servers) > 0 && !slices.Contains(servers, l.from.server) {
			continue
		}
		before, _ := l.from.progress()
		weftest.Eventually(t, fmt.Sprintf("sender %d is answered %s", i, when), func() bool {
			now, _ := l.from.progress()
			return now >= before+10
		})
		if l.to.State() == client.Closed || len(servers) > 0 && !slices.Contains(servers, l.to.server) {
			continue
		}
		_, seq := l.from.progress()
		weftest.Eventually(t, fmt.Sprintf("receiver %d hears of it %s", i, when), func() bool { return l.to.newest(l.from.to) >= seq })
	}
}

// back waits until everybody is connected.
func (c *crowd) back(t *testing.T) {
	t.Helper()
	for _, l := range c.lines {
		l.from.await(t)
		l.to.await(t)
	}
}

// check holds everything against what the senders were told: the history, the database at url, and what came to the
// devices that each line has at its end. It returns how many messages there are.
func (c *crowd) check(t *testing.T, url string, at func(line) []*device) (messages int) {
	t.Helper()
	for i, l := range c.lines {
		all := l.from.check(t)
		messages += len(all)
		inDatabase(t, url, l.from.to, all)
		last := all[len(all)-1].Seq
		for j, d := range at(l) {
			who := fmt.Sprintf("line %d, device %d", i, j)
			weftest.Eventually(t, who+" has the end", func() bool { return d.newest(l.from.to) >= last })
			hasEndOf(t, who, d.received(l.from.to), all)
			d.checkOrder(t, who)
		}
	}
	return messages
}

// hangUp has dora go, who has heard of everything by then.
func (c *crowd) hangUp(t *testing.T) fabric.Cursor {
	t.Helper()
	direct := c.of(c.dora)[0].from.to
	weftest.Eventually(t, "dora hears of both", func() bool { return c.dora.newest(direct) > 0 && c.dora.newest(c.group) > 0 })
	cursor := c.dora.Cursor()
	c.dora.Close()
	return cursor
}

// inDatabase holds what the database has of a channel against its history.
func inDatabase(t *testing.T, url string, c fabric.ChannelID, all []client.Shown) {
	t.Helper()
	db, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var there []history.Shown
	weftest.Eventually(t, "the archive has caught up", func() bool {
		there, err = db.Page(t.Context(), history.View{Channel: c, From: all[0].Seq, Now: fabric.Millis(time.Now())}, 0, new(uint64), len(all)+1)
		return err == nil && len(there) >= len(all)
	})
	for i, m := range there {
		if i >= len(all) || m.Seq != all[i].Seq || m.CID != all[i].CID || m.Prev != all[i].Prev {
			t.Errorf("%s: the database has seq %d (cid %s, prev %d) as its message %d of %d, not what the history has", c, m.Seq, m.CID, m.Prev, i, len(there))
			return
		}
	}
}

// hasEndOf checks that what a device got is the end of a channel's history, without a gap.
func hasEndOf(t *testing.T, who string, got []fabric.Stored, all []client.Shown) {
	t.Helper()
	from := slices.IndexFunc(all, func(m client.Shown) bool { return m.Seq == got[0].Seq })
	if from < 0 || len(all)-from != len(got) {
		t.Errorf("%s got %d messages from seq %d on, the history has %d of %d from there", who, len(got), got[0].Seq, len(all)-max(from, 0), len(all))
		return
	}
	for i, m := range got {
		if all[from+i].CID != m.CID {
			t.Errorf("%s got %s at seq %d, the history has %s", who, m.CID, m.Seq, all[from+i].CID)
		}
	}
}
