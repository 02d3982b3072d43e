package storagetest

import (
	"sync/atomic"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

func testOpenDirect(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	c := fabric.Direct(ann.ID, bob.ID)
	for i, first := range []bool{true, false} {
		created, err := s.OpenDirect(t.Context(), c, bob.ID, ann.ID, start+int64(i))
		if err != nil || created != first {
			t.Errorf("open #%d: %v, %v", i+1, created, err)
		}
	}
	stranger := fabric.NewUserID()
	if _, err := s.OpenDirect(t.Context(), fabric.Direct(ann.ID, stranger), ann.ID, stranger, start); fabric.CodeOf(err) != fabric.CodeNotFound {
		t.Errorf("open with nobody: %v", err)
	}
	for _, u := range []fabric.UserID{ann.ID, bob.ID} {
		if got, more, err := s.Spans(t.Context(), u, "", 10); err != nil || more || len(got) != 1 || got[0] != (history.Span{Channel: c}) {
			t.Errorf("channels: %v, %v", got, err)
		}
	}
}

func testOpenDirectAtOnce(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	var created atomic.Int32
	atOnce(func() {
		first, err := s.OpenDirect(t.Context(), fabric.Direct(ann.ID, bob.ID), ann.ID, bob.ID, start)
		if err != nil {
			t.Error(err)
		}
		if first {
			created.Add(1)
		}
	})
	want(t, "times it was created", created.Load(), 1)
}

func testList(t *testing.T, s Store) {
	ann, bob, cem, dan, eve := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem"), NewUser(t, s, "dan"), NewUser(t, s, "eve")
	// given chats with bob, cem (never written to), dan and eve (both last written to at the same time)
	ab, ac := Open(t, s, ann.ID, bob.ID, start), Open(t, s, ann.ID, cem.ID, start+7)
	ad, ae := Open(t, s, ann.ID, dan.ID, start), Open(t, s, ann.ID, eve.ID, start)
	Open(t, s, bob.ID, cem.ID, start)
	lastOfBob := message(ab, 8, 3, bob.ID)
	lastOfDan, lastOfEve := message(ad, 6, 0, ann.ID), message(ae, 5, 0, eve.ID)
	lastOfEve.At = lastOfDan.At
	archive(t, s, 0, 8, message(ab, 3, 0, ann.ID), lastOfEve, lastOfDan, lastOfBob)
	entry := func(c fabric.ChannelID, peer fabric.User, at int64, last *fabric.Stored) string {
		return text(chats.Entry{
			ID: c, Kind: fabric.KindDirect, Name: peer.Name, Peer: &fabric.User{ID: peer.ID, Name: peer.Name}, At: at, Last: last,
		})
	}
	same := []string{entry(ad, dan, lastOfDan.At, &lastOfDan), entry(ae, eve, lastOfDan.At, &lastOfEve)}
	if ad < ae {
		same[0], same[1] = same[1], same[0]
	}
	expected := []string{entry(ab, bob, lastOfBob.At, &lastOfBob), entry(ac, cem, start+7, nil), same[0], same[1]}
	// then pages of any size give them newest first, each once
	for limit := 1; limit <= 5; limit++ {
		var got []string
		var place chats.Place
		for {
			page, err := s.List(t.Context(), ann.ID, place, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Fatalf("%d entries, asked for %d", len(page), limit)
			}
			for _, e := range page {
				got = append(got, text(e))
				place = e.Place()
			}
			if len(page) < limit {
				break
			}
		}
		want(t, "list", got, expected)
	}
	if got, err := s.List(t.Context(), NewUser(t, s, "new").ID, chats.Place{}, 10); err != nil || len(got) != 0 {
		t.Errorf("list of a new user: %v, %v", got, err)
	}
}

func testUnread(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	c := Open(t, s, ann.ID, bob.ID, start)
	var prev uint64
	for seq := uint64(10); seq <= 100; seq += 10 { // every third is ann's
		from := bob.ID
		if seq%30 == 0 {
			from = ann.ID
		}
		archive(t, s, 0, seq, message(c, seq, prev, from))
		prev = seq
	}
	for _, test := range []struct {
		u     fabric.UserID
		after uint64
		most  int
		want  int
	}{{ann.ID, 0, 100, 7}, {ann.ID, 10, 100, 6}, {ann.ID, 99, 100, 1}, {ann.ID, 100, 100, 0}, {ann.ID, 0, 3, 3}, {bob.ID, 0, 100, 3}} {
		got, err := s.Unread(t.Context(), c, test.u, test.after, test.most)
		if err != nil || got != test.want {
			t.Errorf("after %d, at most %d: %d, %v, want %d", test.after, test.most, got, err, test.want)
		}
	}
}
