package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/subjects"
)

func uptr(n uint64) *uint64 { return &n }

// A page is the same whether the archive has all of it, a part of it, or nothing.
func TestPage(t *testing.T) {
	for _, archived := range []int{0, 3, 9, 10} {
		t.Run(fmt.Sprintf("%d of 10 archived", archived), func(t *testing.T) {
			p := newPast(t, 1)
			ann, bob := p.store.newUser(t), p.store.newUser(t)
			c, other := p.store.open(t, ann, bob), p.store.open(t, ann, p.store.newUser(t))
			db := &brittle{Store: p.store}
			p.start(db, history.Config{SettleWithin: 50 * time.Millisecond})
			for i := range 10 { // c's have odd seqs
				if i == archived {
					p.settled()
					db.broken.Store(true)
				}
				p.say(c, ann, fmt.Sprint(i))
				p.say(other, ann, "x")
			}
			for _, tc := range []struct {
				name string
				req  contract.HistoryPageRequest
				want string
				more bool
			}{
				{"newest", contract.HistoryPageRequest{Limit: 3}, "[15<13 7 17<15 8 19<17 9]", true},
				{"all", contract.HistoryPageRequest{Limit: 10}, "[1<0 0 3<1 1 5<3 2 7<5 3 9<7 4 11<9 5 13<11 6 15<13 7 17<15 8 19<17 9]", false},
				{"before", contract.HistoryPageRequest{Before: 9, Limit: 2}, "[5<3 2 7<5 3]", true},
				{"before another channel's", contract.HistoryPageRequest{Before: 10, Limit: 2}, "[7<5 3 9<7 4]", true},
				{"before, to the first", contract.HistoryPageRequest{Before: 5, Limit: 2}, "[1<0 0 3<1 1]", false},
				{"before the first", contract.HistoryPageRequest{Before: 1, Limit: 2}, "[]", false},
				{"before what is to come", contract.HistoryPageRequest{Before: 1000, Limit: 1}, "[19<17 9]", true},
				{"from the first", contract.HistoryPageRequest{After: uptr(0), Limit: 3}, "[1<0 0 3<1 1 5<3 2]", true},
				{"after", contract.HistoryPageRequest{After: uptr(13), Limit: 2}, "[15<13 7 17<15 8]", true},
				{"after another channel's", contract.HistoryPageRequest{After: uptr(14), Limit: 3}, "[15<13 7 17<15 8 19<17 9]", false},
				{"after the last", contract.HistoryPageRequest{After: uptr(19)}, "[]", false},
			} {
				tc.req.Channel, tc.req.User = c, ann
				got := must[contract.HistoryPageReply](p, subjects.HistoryPage, tc.req)
				if s := texts(t, got.Messages); s != tc.want || got.More != tc.more {
					t.Errorf("%s: got %s, more %v; want %s, more %v", tc.name, s, got.More, tc.want, tc.more)
				}
				if got.Messages == nil {
					t.Errorf("%s: messages is null", tc.name)
				}
			}
		})
	}
}

func TestPageRefuses(t *testing.T) {
	p := newPast(t, 1)
	p.start(p.store, history.Config{})
	c := fabric.Direct(fabric.NewUserID(), fabric.NewUserID())
	for name, req := range map[string]contract.HistoryPageRequest{
		"no channel":       {Channel: "x"},
		"before and after": {User: fabric.NewUserID(), Channel: c, Before: 4, After: uptr(1)},
		"nobody":           {User: "x", Channel: c},
	} {
		if _, err := ask[contract.HistoryPageReply](p, subjects.HistoryPage, req); fabric.CodeOf(err) != fabric.CodeBadRequest {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
}

// Messages of the largest size: a reply holds as many as fit, and the others follow with the next page.
func TestPagesOfLargeMessages(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	p.start(p.store, history.Config{})
	large := strings.Repeat("x", fabric.MaxBodyBytes-100)
	const n = 20
	for range n {
		p.say(c, ann, large)
	}
	// forwards
	var seen []uint64
	for after, pages := uint64(0), 0; ; pages++ {
		r := must[contract.HistoryPageReply](p, subjects.HistoryPage, contract.HistoryPageRequest{User: ann, Channel: c, After: &after})
		for _, m := range seqs(t, r.Messages) {
			after = m
			seen = append(seen, m)
		}
		if !r.More {
			break
		}
		if pages > n {
			t.Fatal("pages without end")
		}
	}
	if len(seen) != n || seen[0] != 1 || seen[n-1] != n {
		t.Errorf("forwards: %v, want 1 to %d", seen, n)
	}
	// backwards
	seen = nil
	for before, pages := uint64(0), 0; ; pages++ {
		r := must[contract.HistoryPageReply](p, subjects.HistoryPage, contract.HistoryPageRequest{User: ann, Channel: c, Before: before})
		page := seqs(t, r.Messages)
		seen = append(page, seen...)
		if !r.More {
			break
		}
		before = page[0]
		if pages > n {
			t.Fatal("pages without end")
		}
	}
	if len(seen) != n || seen[0] != 1 || seen[n-1] != n {
		t.Errorf("backwards: %v, want 1 to %d", seen, n)
	}
	// what was missed
	if missed := p.since(ann, fabric.Position{2}); len(missed.seqs) != n-2 || missed.pages < 2 {
		t.Errorf("since: %v in %d pages, want %d in several", missed.seqs, missed.pages, n-2)
	}
}
