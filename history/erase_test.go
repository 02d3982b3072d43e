package history_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// inLog returns which of the records the log still has.
func (p *past) inLog(seqs ...uint64) (there []uint64) {
	p.t.Helper()
	stream, err := p.js.Stream(p.t.Context(), subjects.MsgStream(0))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, seq := range seqs {
		switch _, err := stream.GetMsg(p.t.Context(), seq); {
		case err == nil:
			there = append(there, seq)
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			p.t.Fatal(err)
		}
	}
	return there
}

// forgetful is a real store before which the role dies as it is about to note what it has erased, or as it is about to
// begin.
type forgetful struct {
	history.Store
	before, after atomic.Bool
}

var errDied = errors.New("the process was killed here")

func (f *forgetful) Erasures(ctx context.Context, limit int) ([]history.Erasure, error) {
	if f.before.Load() {
		return nil, errDied
	}
	return f.Store.Erasures(ctx, limit)
}

func (f *forgetful) Erased(ctx context.Context, done []history.Erasure) error {
	if f.after.Load() {
		return errDied
	}
	return f.Store.Erased(ctx, done)
}

// What is deleted leaves the log whatever happens between the steps, and nothing else does.
func TestErasingAcrossCrashes(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	db := &forgetful{Store: p.store}
	start := func() { p.start(db, history.Config{SweepEvery: 20 * time.Millisecond}) }
	start()
	one, two := p.say(c, ann, "one"), p.say(c, ann, "two")
	edit := p.record(c, ann, "edit", `{"seq":%d,"body":{"text":"ONE"}}`, one)
	db.before.Store(true)
	deletion := p.record(c, ann, "delete", `{"seq":%d}`, one)
	p.settled()
	if there := p.inLog(one, two, edit, deletion); len(there) != 4 {
		t.Errorf("before anything is erased the log has %d", there)
	}
	p.stop() // killed between the transaction and the first record
	db.before.Store(false)
	db.after.Store(true)
	start()
	weftest.Eventually(t, "it is erased", func() bool { return len(p.inLog(one, edit)) == 0 })
	p.stop() // killed before that was noted
	if list, err := p.store.Erasures(t.Context(), 10); err != nil || len(list) != 2 {
		t.Errorf("erasures that wait: %v, %v", list, err)
	}
	db.after.Store(false)
	start()
	weftest.Eventually(t, "nothing waits", func() bool {
		list, err := p.store.Erasures(t.Context(), 10)
		return err == nil && len(list) == 0
	})
	if there := p.inLog(one, two, edit, deletion); !slices.Equal(there, []uint64{two, deletion}) {
		t.Errorf("the log has %d, want %d and %d", there, two, deletion)
	}
	// and the archive goes on as if nothing had been
	last := p.say(c, bob, "last")
	p.settled()
	got := p.page(c)
	want := fmt.Sprintf("[%d<0  %d<%d two %d<%d last]", one, two, one, last, deletion)
	if s := texts(t, got.Messages); s != want {
		t.Errorf("page %s, want %s", s, want)
	}
}

// What came behind a time set for a channel disappears by it, for whoever asks and then from everywhere.
func TestDisappearing(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	var ahead atomic.Int64 // of the clock, in seconds
	cfg := history.Config{SweepEvery: time.Hour, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Second) }}
	p.start(p.store, cfg)
	stays := p.say(c, ann, "stays")
	p.record(c, ann, "settings", `{"disappear":60,"by":%q}`, ann)
	first := p.say(c, ann, "first minute")
	p.settled() // what is set holds across batches and restarts
	p.stop()
	p.start(p.store, cfg)
	second := p.say(c, bob, "second minute")
	edit := p.record(c, bob, "edit", `{"seq":%d,"body":{"text":"secret word"}}`, second)
	group := p.record(c, ann, "group", `{"settings":{"disappear":3600},"by":%q}`, ann)
	hour := p.say(c, ann, "an hour")
	p.record(c, ann, "group", `{"name":"other settings stay"}`)
	hour2 := p.say(c, ann, "another hour")
	reaction := p.record(c, ann, "reaction", `{"seq":%d,"emoji":"👍"}`, hour2)
	page := func() (all []string) {
		t.Helper()
		p.settled()
		for _, o := range must[contract.HistoryPageReply](p, subjects.HistoryPage, contract.HistoryPageRequest{User: bob, Channel: c}).Messages {
			var m struct {
				fabric.Stored
				ExpiresAt int64 `json:"expires_at"`
			}
			if err := json.Unmarshal(o, &m); err != nil {
				t.Fatal(err)
			}
			life := int64(0)
			if m.ExpiresAt != 0 {
				life = (m.ExpiresAt - m.At) / 1000
			}
			if !fabric.IsServerKind(m.Kind) {
				all = append(all, fmt.Sprintf("%d for %d s", m.Seq, life))
			}
		}
		return all
	}
	expect := func(when string, want ...string) {
		t.Helper()
		if got := page(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	a, b := fmt.Sprintf("%d for 0 s", stays), fmt.Sprintf("%d for 3600 s", hour)
	d := fmt.Sprintf("%d for 3600 s", hour2)
	expect("at first", a, fmt.Sprintf("%d for 60 s", first), fmt.Sprintf("%d for 60 s", second), b, d)
	search := func(q string) int {
		t.Helper()
		return len(must[contract.HistorySearchReply](p, subjects.HistorySearch, contract.HistorySearchRequest{User: bob, Query: q}).Hits)
	}
	if n := search("minute"); n != 1 { // the second one was edited
		t.Errorf("a search finds %d", n)
	}
	ahead.Store(61)
	expect("after a minute, before anything is cleared away", a, b, d)
	if n := search("minute") + search("secret"); n != 0 {
		t.Errorf("a search finds %d", n)
	}
	if there := p.inLog(first, second, edit); len(there) != 3 {
		t.Errorf("the log has %d", there)
	}
	p.stop()
	cfg.SweepEvery = 10 * time.Millisecond
	p.start(p.store, cfg)
	weftest.Eventually(t, "the log has none of it", func() bool { return len(p.inLog(first, second, edit)) == 0 })
	expect("when it is cleared away", a, b, d)
	ahead.Store(3601)
	weftest.Eventually(t, "the log has nothing of the hour", func() bool { return len(p.inLog(hour, hour2)) == 0 })
	expect("after an hour", a)
	if there := p.inLog(stays, group, reaction); len(there) != 3 {
		t.Errorf("the log has %d, want %d, %d and %d", there, stays, group, reaction)
	}
	// The next record's prev is of the last one there was, also for a role that knows it from the database alone.
	p.stop()
	p.start(p.store, cfg)
	next := p.record(c, ann, "settings", `{"disappear":0}`)
	p.settled()
	for _, o := range must[contract.HistoryPageReply](p, subjects.HistoryPage, contract.HistoryPageRequest{User: bob, Channel: c, Limit: 1}).Messages {
		var m fabric.Stored
		if err := json.Unmarshal(o, &m); err != nil {
			t.Fatal(err)
		}
		if m.Seq != next || m.Prev != reaction {
			t.Errorf("%d has prev %d, want %d and %d", m.Seq, m.Prev, next, reaction)
		}
	}
}

// The bytes are gone from the log's files, not only from its index.
func TestErasedBytes(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	p.start(p.store, history.Config{})
	onDisk := func(word string) (n int) {
		t.Helper()
		err := filepath.WalkDir(p.nats.Server.JetStreamConfig().StoreDir, func(path string, d fs.DirEntry, err error) error {
			var data []byte
			if err == nil && !d.IsDir() {
				data, err = os.ReadFile(path)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been there a moment ago
				return err
			}
			n += bytes.Count(data, []byte(word))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var seqs []uint64
	for i := range 50 {
		seqs = append(seqs, p.say(c, ann, fmt.Sprintf("secret%d and more", 100+i)))
	}
	for _, seq := range seqs {
		p.record(c, ann, "edit", `{"seq":%d,"body":{"text":"secret%d changed"}}`, seq, 200+seq)
	}
	weftest.Eventually(t, "all of it is on disk", func() bool { return onDisk("secret") == 100 })
	for _, seq := range seqs {
		p.record(c, ann, "delete", `{"seq":%d}`, seq)
	}
	weftest.Eventually(t, "nothing of it is", func() bool { return onDisk("secret") == 0 })
	p.settled()
	if got := texts(t, p.page(c).Messages); strings.Contains(got, "secret") {
		t.Errorf("page: %s", got)
	}
}
