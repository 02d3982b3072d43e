package client_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/client/view"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// inOrder is messages as two who agree have them: emojis and people may be named in another order.
func inOrder(messages []client.Shown) []client.Shown {
	out := slices.Clone(messages)
	for i := range out {
		rs := slices.Clone(out[i].Reactions)
		for j := range rs {
			rs[j].Users = slices.Sorted(slices.Values(rs[j].Users))
		}
		slices.SortFunc(rs, func(a, b client.Reaction) int { return strings.Compare(a.Emoji, b.Emoji) })
		if len(rs) == 0 {
			rs = nil
		}
		out[i].Reactions = rs
	}
	return out
}

// What the view makes of what came live is what history shows, to each of the two.
func TestAViewOfLiveRecordsIsWhatHistoryShows(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := connect(t, f, e, "Ann"), connect(t, f, e, "Bob")
	ctx := t.Context()
	c := fabric.Direct(ann.id, bob.id)
	sent := must[fabric.Sent](t)
	shown := map[*live]*view.Channel{ann: view.New(ann.id), bob: view.New(bob.id)}
	// Each says something; the other hears it as an event, and the sender knows it from the reply.
	say := func(from *live, kind string, body string, at fabric.Sent) {
		t.Helper()
		other := map[*live]*live{ann: bob, bob: ann}[from]
		m := await(t, other, kind, func(m *client.Message) bool { return m.Seq == at.Seq })
		shown[other].Apply(m.Stored)
		shown[from].Apply(fabric.Stored{Channel: at.Channel, Seq: at.Seq, Prev: at.Prev, At: at.At, Message: fabric.Message{
			From: from.id, CID: m.CID, Kind: kind, Body: json.RawMessage(body),
		}})
		if m.Kind != kind || string(m.Body) != body {
			t.Errorf("heard %s %s, said %s %s", m.Kind, m.Body, kind, body)
		}
	}

	first := sent(ann.SendText(ctx, string(bob.id), client.Text{Text: "one"}))
	say(ann, "text", `{"text":"one"}`, first)
	second := sent(bob.SendText(ctx, string(c), client.Text{Text: "two", ReplyTo: first.Seq}))
	say(bob, "text", `{"text":"two","reply_to":`+num(first.Seq)+`}`, second)
	third := sent(ann.SendText(ctx, string(c), client.Text{Text: "three"}))
	say(ann, "text", `{"text":"three"}`, third)
	say(ann, "edit", `{"seq":`+num(first.Seq)+`,"body":{"text":"one!"}}`, sent(ann.Edit(ctx, c, first.Seq, json.RawMessage(`{"text":"one!"}`))))
	say(bob, "reaction", `{"seq":`+num(first.Seq)+`,"emoji":"👍"}`, sent(bob.React(ctx, c, first.Seq, "👍")))
	say(ann, "reaction", `{"seq":`+num(first.Seq)+`,"emoji":"👍"}`, sent(ann.React(ctx, c, first.Seq, "👍")))
	say(bob, "reaction", `{"seq":`+num(first.Seq)+`,"emoji":"🎉"}`, sent(bob.React(ctx, c, first.Seq, "🎉")))
	say(bob, "pin", `{"seq":`+num(second.Seq)+`,"on":true}`, sent(bob.Pin(ctx, c, second.Seq, true)))
	say(ann, "delete", `{"seq":`+num(third.Seq)+`}`, sent(ann.DeleteForAll(ctx, c, third.Seq)))

	for who, v := range shown {
		page := must[client.Page](t)(who.History(ctx, c, client.HistoryQuery{}))
		got, want := inOrder(v.Messages()), inOrder(page.Messages)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("live   %+v\nhistory %+v", got, want)
		}
	}

	if _, err := bob.Edit(ctx, c, first.Seq, json.RawMessage(`{"text":"mine"}`)); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("an edit of somebody else's message ends with %v, want forbidden", err)
	}
	if _, err := bob.DeleteForAll(ctx, c, first.Seq); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("deleting somebody else's message ends with %v, want forbidden", err)
	}
}

func num(seq uint64) string {
	b, err := json.Marshal(seq)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestWhatAUserNotesOfMessages(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := connect(t, f, e, "Ann"), connect(t, f, e, "Bob")
	ctx := t.Context()
	sent := must[fabric.Sent](t)
	one := sent(bob.SendText(ctx, string(ann.id), client.Text{Text: "one"}))
	two := sent(bob.SendText(ctx, string(ann.id), client.Text{Text: "two"}))
	c := one.Channel

	mustNot(t, ann.account.Star(ctx, c, one.Seq, true))
	if change := await(t, ann, "the star", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeStarred }); change.Seq != one.Seq || change.On == nil || !*change.On {
		t.Errorf("ann's devices are told %+v", change)
	}
	if page := must[client.ShownPage](t)(ann.account.Starred(ctx, 0, "")); len(page.Messages) != 1 || page.Messages[0].Seq != one.Seq || !page.Messages[0].Starred {
		t.Errorf("starred are %+v", page)
	}
	if page := must[client.ShownPage](t)(bob.account.Starred(ctx, 0, "")); len(page.Messages) != 0 {
		t.Errorf("bob has starred %+v", page)
	}
	if m := must[client.Shown](t)(ann.account.Message(ctx, c, one.Seq)); !m.Starred || m.From != bob.id || string(m.Body) != `{"text":"one"}` {
		t.Errorf("the message is %+v", m)
	}
	mustNot(t, ann.account.Star(ctx, c, one.Seq, false))
	if page := must[client.ShownPage](t)(ann.account.Starred(ctx, 0, "")); len(page.Messages) != 0 {
		t.Errorf("starred are %+v still", page)
	}

	sent(bob.Pin(ctx, c, two.Seq, true))
	if pins := must[[]client.Shown](t)(ann.account.Pins(ctx, c)); len(pins) != 1 || pins[0].Seq != two.Seq || !pins[0].Pinned {
		t.Errorf("pinned are %+v", pins)
	}

	mustNot(t, ann.account.DeleteForMe(ctx, c, one.Seq))
	if change := await(t, ann, "that it is hidden", func(c *client.ChannelChange) bool { return c.Change == fabric.ChangeHidden }); change.Seq != one.Seq {
		t.Errorf("ann's devices are told %+v", change)
	}
	if page := must[client.Page](t)(ann.History(ctx, c, client.HistoryQuery{})); len(page.Messages) != 1 || page.Messages[0].Seq != two.Seq {
		t.Errorf("ann sees %+v, want the second message alone", page)
	}
	if page := must[client.Page](t)(bob.History(ctx, c, client.HistoryQuery{})); len(page.Messages) != 2 {
		t.Errorf("bob sees %+v, want both", page)
	}
}

func TestSearchFindsWhatOneMayRead(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem := connect(t, f, e, "Ann"), connect(t, f, e, "Bob"), connect(t, f, e, "Cem")
	ctx := t.Context()
	sent := must[fabric.Sent](t)
	one := sent(bob.SendText(ctx, string(ann.id), client.Text{Text: "The loom is threaded"}))
	sent(cem.SendText(ctx, string(ann.id), client.Text{Text: "threads of another colour"}))

	search := func(u *live, q client.SearchQuery) client.HitPage {
		return must[client.HitPage](t)(u.account.Search(ctx, q))
	}
	page := search(ann, client.SearchQuery{Text: "thread"})
	if len(page.Hits) != 2 || page.Hits[1].Message.Seq != one.Seq || page.Hits[1].Message.From != bob.id {
		t.Fatalf("ann finds %+v", page)
	}
	if i := slices.IndexFunc(page.Hits[1].Snippet, func(p client.SnippetPart) bool { return p.Hit }); i < 0 || page.Hits[1].Snippet[i].Text != "threaded" {
		t.Errorf("the snippet is %+v", page.Hits[1].Snippet)
	}
	if page := search(ann, client.SearchQuery{Text: "thread", Channel: one.Channel}); len(page.Hits) != 1 || page.Hits[0].Message.Seq != one.Seq {
		t.Errorf("in the chat with bob ann finds %+v", page)
	}
	if page := search(bob, client.SearchQuery{Text: "thread"}); len(page.Hits) != 1 {
		t.Errorf("bob finds %+v", page)
	}
	first := search(ann, client.SearchQuery{Text: "thread", Limit: 1})
	if second := search(ann, client.SearchQuery{Text: "thread", Limit: 1, Cursor: first.Cursor}); len(first.Hits) != 1 || len(second.Hits) != 1 || second.Hits[0].Message.Seq != one.Seq {
		t.Errorf("in pages ann finds %+v, then %+v", first, second)
	}
}
