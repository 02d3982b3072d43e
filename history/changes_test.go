package history_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// record stores a record of any kind in c's log and returns its seq.
func (p *past) record(c fabric.ChannelID, from fabric.UserID, kind, body string, args ...any) uint64 {
	p.t.Helper()
	return p.write(c, fabric.AppendPayload(nil, from, fabric.NewCID(), kind, fmt.Appendf(nil, body, args...)))
}

// settled waits until the archive has all that is in the logs.
func (p *past) settled() {
	p.t.Helper()
	weftest.Eventually(p.t, "the archive settles", func() bool { return p.settle().Settled })
}

// keeping is a real store that lets nothing be erased from the log.
type keeping struct{ history.Store }

func (keeping) Erasures(context.Context, int) ([]history.Erasure, error) { return nil, nil }

// asksOf asks all there is to ask of the messages of a channel.
func (p *past) asksOf(c fabric.ChannelID, u fabric.UserID, seqs uint64) map[string]string {
	p.t.Helper()
	texts := make(map[string]string)
	put := func(name string, reply any, err error) {
		if err != nil {
			texts[name] = string(fabric.CodeOf(err))
			return
		}
		b, err := json.Marshal(reply)
		if err != nil {
			p.t.Fatal(err)
		}
		texts[name] = strings.ReplaceAll(string(b), `{"channel"`, "\n{\"channel\"")
	}
	for name, req := range map[string]contract.HistoryPageRequest{
		"newest": {Limit: 100}, "the last three": {Limit: 3}, "before 9": {Before: 9, Limit: 4}, "from the first": {After: uptr(0), Limit: 3},
		"after 7": {After: uptr(7), Limit: 50}, "from 3 on": {From: 3},
	} {
		req.User, req.Channel = u, c
		r, err := ask[contract.HistoryPageReply](p, subjects.HistoryPage, req)
		put(name, r, err)
	}
	for seq := uint64(1); seq <= seqs; seq++ {
		r, err := ask[contract.HistoryMessageReply](p, subjects.HistoryMessage, contract.HistoryMessageRequest{User: u, Channel: c, Seq: seq})
		put(fmt.Sprint("message ", seq), r, err)
	}
	r, err := ask[contract.HistoryPinsReply](p, subjects.HistoryPins, contract.HistoryPinsRequest{User: u, Channel: c})
	put("pins", r, err)
	return texts
}

// What changes messages shows the same whether the archive has it, or the messages, or nothing yet.
func TestChangesInATail(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	steps := []func(){
		func() { p.say(c, ann, "one") },
		func() { p.say(c, bob, "two") },
		func() { p.record(c, bob, "settings", `{"disappear":3600}`) },
		func() { p.say(c, ann, "four") },
		func() { p.record(c, ann, "edit", `{"seq":1,"body":{"text":"ONE"}}`) },
		func() { p.record(c, bob, "edit", `{"seq":1,"body":{"text":"not his"}}`) },
		func() { p.record(c, bob, "reaction", `{"seq":1,"emoji":"👍"}`) },
		func() { p.record(c, ann, "pin", `{"seq":2,"on":true}`) },
		func() { p.say(c, ann, "nine") },
		func() { p.record(c, bob, "pin", `{"seq":9,"on":true}`) },
		func() { p.record(c, bob, "pin", `{"seq":1,"on":true}`) },
		func() { p.record(c, bob, "delete", `{"seq":2}`) },
		func() { p.record(c, bob, "edit", `{"seq":2,"body":{"text":"back"}}`) },
		func() { p.record(c, ann, "edit", `{"seq":4,"body":{"text":"FOUR"}}`) },
		func() { p.record(c, ann, "reaction", `{"seq":1,"emoji":"🎉"}`) },
		func() { p.record(c, bob, "reaction", `{"seq":1,"emoji":""}`) },
		func() { p.record(c, ann, "pin", `{"seq":9,"on":false}`) },
		func() {
			p.write(c, fabric.AppendOnlyPayload(nil, bob, fabric.NewCID(), "text", []byte(`{"text":"bob's own"}`)))
		},
		func() { p.record(c, ann, "edit", `{"nothing":1}`) },
		func() { p.record(c, ann, "delete", `{"seq":1000}`) },
		func() { p.record(c, bob, "settings", `{"disappear":0}`) },
		func() { p.say(c, ann, "last") },
		func() { p.record(c, ann, "edit", `{"seq":1,"body":{"text":"uno"}}`) },
	}
	n := uint64(len(steps))
	for _, step := range steps {
		step()
	}
	whole := []fabric.UserID{ann, bob}
	want := map[fabric.UserID]map[string]string{}
	p.start(keeping{p.store}, history.Config{})
	p.settled()
	for _, u := range whole {
		want[u] = p.asksOf(c, u, n)
	}
	p.stop()
	// The same log before a database that has taken a part of it.
	for _, archived := range []uint64{0, 1, 3, 8, 12, 13, 17, n - 1} {
		part := &brittle{Store: keeping{openStore(t)}}
		part.most.Store(archived)
		part.broken.Store(archived == 0)
		p.start(part, history.Config{BatchMessages: 1, SettleWithin: time.Millisecond})
		weftest.Eventually(t, fmt.Sprintf("%d records are archived", archived), func() bool { return p.settle().Archived[0] == archived })
		for i, u := range whole {
			for name, got := range p.asksOf(c, u, n) {
				if got != want[u][name] {
					t.Errorf("%d archived: %s, %s:\n got %s\nwant %s", archived, []string{"ann", "bob"}[i], name, got, want[u][name])
				}
			}
		}
		p.stop()
		if t.Failed() {
			return
		}
	}
}
