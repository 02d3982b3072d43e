package storagetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// index indexes all that is archived, a few messages at a time.
func index(t testing.TB, s Store, shard int) {
	t.Helper()
	for range 1000 {
		_, done, err := s.Index(t.Context(), shard, 3)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
	}
	t.Fatal("there is no end of what is to be indexed")
}

// hits are what a search finds, newest first, as it comes in pages of any size.
func hits(t testing.TB, s Store, u fabric.UserID, c fabric.ChannelID, now int64, words ...string) string {
	t.Helper()
	search := func(limit int) string {
		t.Helper()
		var all []history.Shown
		for q := (history.Query{User: u, Channel: c, Words: words, Now: now}); ; {
			page, err := s.Search(t.Context(), q, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Fatalf("%d hits, asked for %d", len(page), limit)
			}
			for _, h := range page {
				all, q.Before = append(all, h.Shown), h.Place
			}
			if len(page) < limit {
				return brief(all)
			}
		}
	}
	found := search(100)
	for _, limit := range []int{1, 2, 3} {
		want(t, fmt.Sprintf("%d at a time", limit), search(limit), found)
	}
	return found
}

func testSearch(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem")
	c, d := Open(t, s, ann.ID, bob.ID, start), Open(t, s, ann.ID, cem.ID, start)
	w := newScript(t, s, c)
	other := w.beside(d)
	find := func(words ...string) string {
		t.Helper()
		return hits(t, s, ann.ID, "", start, words...)
	}
	w.say(bob.ID, "The quick brown fox")
	other.say(cem.ID, "a fox, a Fox")
	w.say(bob.ID, "foxes are quick")
	w.say(ann.ID, "nothing")
	want(t, "before it is indexed", find("fox"), "")
	index(t, s, 0)
	want(t, "a word", find("fox"), "3 foxes are quick; 2 a fox, a Fox; 1 The quick brown fox; ")
	want(t, "in one channel", hits(t, s, ann.ID, d, start, "fox"), "2 a fox, a Fox; ")
	want(t, "the last one by its beginning", find("quick", "fo"), "3 foxes are quick; 1 The quick brown fox; ")
	want(t, "but no other", find("fo", "quick"), "")
	want(t, "all of them", find("brown", "nothing"), "")
	want(t, "another's", hits(t, s, bob.ID, "", start, "fox"), "3 foxes are quick; 1 The quick brown fox; ")
	want(t, "a stranger's", hits(t, s, cem.ID, c, start, "fox"), "")
	want(t, "nobody's", hits(t, s, fabric.NewUserID(), "", start, "fox"), "")
	// what comes is found once it is indexed
	w.add(bob.ID, fabric.MsgMedia, `{"media":"x","caption":"a fox at night","name":"IMG_17.jpg"}`, nil)
	w.add(bob.ID, "x-note", `{"text":"fox"}`, nil)
	w.add(bob.ID, fabric.MsgMember, `{"text":"fox"}`, nil)
	index(t, s, 0)
	want(t, "a caption", find("night"), `5 media{"media":"x","caption":"a fox at night","name":"IMG_17.jpg"}; `)
	want(t, "a name", find("img"), find("night"))
	want(t, "nothing else", hits(t, s, bob.ID, "", start, "fox"), find("night")+"3 foxes are quick; 1 The quick brown fox; ")
	at, err := s.Indexed(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "indexed", at, fabric.Position{*w.seq, 0})
}

// What is no longer to be seen is not found any more, and what was edited by its new words.
func testSearchForgets(t *testing.T, s Store) {
	ann, bob := NewUser(t, s, "ann"), NewUser(t, s, "bob")
	w := newScript(t, s, Open(t, s, ann.ID, bob.ID, start))
	find := func(u fabric.UserID, word string) string {
		t.Helper()
		return hits(t, s, u, "", start, word)
	}
	for _, indexed := range []bool{true, false} { // what is not indexed yet will be as it is then
		edited := w.say(ann.ID, "apple one")
		deleted := w.say(ann.ID, "apple two")
		hidden := w.say(ann.ID, "apple three")
		w.add(ann.ID, fabric.MsgText, `{"text":"apple four"}`, until(start+100))
		w.add(ann.ID, fabric.MsgText, `{"text":"apple five"}`, func(a *history.Archival) { a.Only = true })
		if indexed {
			index(t, s, 0)
			want(t, "at first", find(bob.ID, "apple"), "4 apple four until@100; 3 apple three; 2 apple two; 1 apple one; ")
			want(t, "to who alone sees one", find(ann.ID, "five"), "5 apple five; ")
			want(t, "when its time is over", hits(t, s, ann.ID, "", start+100, "four"), "")
		}
		w.edit(ann.ID, edited, "pear one")
		w.remove(ann.ID, deleted)
		if err := s.Hide(t.Context(), bob.ID, w.channel, hidden); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Expire(t.Context(), start+100, 10); err != nil || n != 1 {
			t.Fatalf("expire: %d, %v", n, err)
		}
		if !indexed {
			index(t, s, 0)
		}
		want(t, "to bob", find(bob.ID, "apple"), "")
		want(t, "to ann", find(ann.ID, "apple"), fmt.Sprintf("%d apple five; %d apple three; ", hidden+2, hidden))
		want(t, "by its new words", find(bob.ID, "pear"), fmt.Sprintf("%d pear one edited@%d; ", edited, *w.seq-1))
		w.edit(ann.ID, edited, "plum")
		w.remove(ann.ID, hidden)
		w.remove(ann.ID, hidden+2)
		want(t, "edited again", find(bob.ID, "pear")+find(bob.ID, "plum"), fmt.Sprintf("%d plum edited@%d; ", edited, *w.seq-2))
		w.remove(ann.ID, edited)
	}
	want(t, "at last", find(ann.ID, "a")+find(ann.ID, "p"), "")
}

// A group's messages are found by who is in it, those from before only where the group shows them.
func testSearchInGroups(t *testing.T, s Store) {
	ann, bob, cem := NewUser(t, s, "ann"), NewUser(t, s, "bob"), NewUser(t, s, "cem")
	g := group(t, s, fabric.DefaultSettings(), 1, ann.ID)
	w := newScript(t, s, g)
	w.say(ann.ID, "apple old")
	joins(t, s, g, bob.ID, 2)
	joins(t, s, g, cem.ID, 0)
	w.say(ann.ID, "apple came")
	w.say(ann.ID, "apple new")
	index(t, s, 0)
	find := func(u fabric.User) string {
		t.Helper()
		return hits(t, s, u.ID, "", start, "apple") + hits(t, s, u.ID, g, start, "old")
	}
	want(t, "ann's", find(ann), "3 apple new; 2 apple came; 1 apple old; 1 apple old; ")
	want(t, "bob's", find(bob), "3 apple new; 2 apple came; ")
	want(t, "cem's, whose record is not in the log", find(cem), "")
	change(t, s, g, func(ctx context.Context, tx chats.GroupTx, _ string) error {
		all := tx.Group()
		all.Settings.History = fabric.HistoryAll
		return tx.Update(ctx, all)
	})
	want(t, "bob's, where all may be read", find(bob), "3 apple new; 2 apple came; 1 apple old; 1 apple old; ")
	leaves(t, s, g, bob.ID, 0)
	want(t, "bob's, who has left", find(bob), "")
}

// Hits of many channels in several shards come in one order.
func testSearchInManyChannels(t *testing.T, s Store) {
	ann := NewUser(t, s, "ann")
	const channels = 230
	var shards [2]history.Batch
	for i := range channels {
		peer := NewUser(t, s, "peer")
		c := Open(t, s, ann.ID, peer.ID, start)
		m := message(c, uint64(i/2+1), 0, peer.ID)
		m.At, m.Body = start+int64(i), fmt.Appendf(nil, `{"text":"apple %d"}`, i)
		shards[i%2].Messages = append(shards[i%2].Messages, history.Archival{Stored: m})
	}
	for shard, b := range shards {
		if err := s.Archive(t.Context(), shard, b, channels); err != nil {
			t.Fatal(err)
		}
		index(t, s, shard)
	}
	expected := ""
	for i := channels - 1; i >= 0; i-- {
		expected += fmt.Sprintf("%d apple %d; ", i/2+1, i)
	}
	var all []history.Shown
	for q := (history.Query{User: ann.ID, Words: []string{"apple"}, Now: start}); ; {
		page, err := s.Search(t.Context(), q, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page {
			all, q.Before = append(all, h.Shown), h.Place
		}
		if len(page) < 50 {
			break
		}
	}
	want(t, "all of them", brief(all), expected)

	// A word is a channel's own, whatever the database calls the channels.
	for i := range channels {
		word := []string{"foo", "xfoo"}[b2i(i == 0 || i == channels-1)]
		m := message(shards[i%2].Messages[i/2].Channel, uint64(channels+1+i), 0, ann.ID)
		m.At, m.Body = start+int64(channels+i), fmt.Appendf(nil, `{"text":"a1 b2 c3 d4 e5 f6 g7 %s"}`, word)
		archive(t, s, i%2, m.Seq, m)
	}
	index(t, s, 0)
	index(t, s, 1)
	words := []string{"a1", "b2", "c3", "d4", "e5", "f6", "g7", "xfoo"}
	for i := range words {
		hits, err := s.Search(t.Context(), history.Query{User: ann.ID, Words: words[i:], Now: start}, 50)
		if err != nil {
			t.Fatal(err)
		}
		want(t, fmt.Sprintf("%d words", len(words)-i), len(hits), 2)
	}
}
