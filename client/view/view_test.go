package view_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/client/view"
	"github.com/weft-im/weft/fabric"
)

const (
	ann fabric.UserID = "01890000-0000-7000-8000-00000000000a"
	bob fabric.UserID = "01890000-0000-7000-8000-00000000000b"
	cem fabric.UserID = "01890000-0000-7000-8000-00000000000c"
)

// log is a channel's log as a test writes it.
type log []fabric.Stored

func (l *log) add(from fabric.UserID, kind, body string, args ...any) fabric.Stored {
	seq := uint64(len(*l))*3 + 1
	m := fabric.Stored{Channel: "g.x", Seq: seq, At: int64(seq) * 1000, Message: fabric.Message{
		From: from, CID: fmt.Sprintf("c%d", seq), Kind: kind, Body: json.RawMessage(fmt.Sprintf(body, args...)),
	}}
	*l = append(*l, m)
	return m
}

// history is the plain way to the same end: all records in their order, each doing what it says.
func (l log) history(self fabric.UserID) []client.Shown {
	given := map[uint64]map[fabric.UserID]string{}
	var shown []client.Shown
	for _, m := range l {
		var body struct {
			Seq   uint64
			Body  json.RawMessage
			Emoji string
			On    bool
		}
		if !fabric.IsChange(m.Kind) {
			shown = append(shown, client.Shown{Stored: m})
			given[m.Seq] = map[fabric.UserID]string{}
			continue
		}
		if err := json.Unmarshal(m.Body, &body); err != nil {
			panic(err)
		}
		i := slices.IndexFunc(shown, func(s client.Shown) bool { return s.Seq == body.Seq })
		if i < 0 || shown[i].Kind == fabric.MsgDeleted {
			continue
		}
		switch s := &shown[i]; m.Kind {
		case fabric.MsgEdit:
			if s.From == m.From {
				s.Body, s.EditedAt = body.Body, m.At
			}
		case fabric.MsgDelete:
			*s = client.Shown{Stored: s.Stored, DeletedAt: m.At}
			s.Kind, s.Body = fabric.MsgDeleted, json.RawMessage("{}")
			given[s.Seq] = nil
		case fabric.MsgPin:
			s.Pinned = body.On
		case fabric.MsgReaction:
			delete(given[s.Seq], m.From)
			if body.Emoji != "" {
				given[s.Seq][m.From] = body.Emoji
			}
		}
	}
	for i := range shown {
		for u, emoji := range given[shown[i].Seq] {
			rs := &shown[i].Reactions
			at := slices.IndexFunc(*rs, func(r client.Reaction) bool { return r.Emoji == emoji })
			if at < 0 {
				at = len(*rs)
				*rs = append(*rs, client.Reaction{Emoji: emoji})
			}
			r := &(*rs)[at]
			r.Count++
			r.Users = append(r.Users, u)
			r.Mine = r.Mine || u == self
		}
	}
	return shown
}

// plain is what two views of the same messages agree on, whatever the order of emojis and people.
func plain(shown []client.Shown) []client.Shown {
	out := slices.Clone(shown)
	for i := range out {
		if len(out[i].Reactions) == 0 {
			out[i].Reactions = nil
			continue
		}
		rs := slices.Clone(out[i].Reactions)
		for j := range rs {
			rs[j].Users = slices.Sorted(slices.Values(rs[j].Users))
		}
		slices.SortFunc(rs, func(a, b client.Reaction) int { return strings.Compare(a.Emoji, b.Emoji) })
		out[i].Reactions = rs
	}
	return out
}

func mustShow(t *testing.T, v *view.Channel, want ...client.Shown) {
	t.Helper()
	if got := plain(v.Messages()); !reflect.DeepEqual(got, plain(want)) {
		t.Errorf("shows %+v\nwant %+v", got, plain(want))
	}
}

func TestWhatComesLiveIsApplied(t *testing.T) {
	var l log
	v := view.New(ann)
	say := func(from fabric.UserID, kind, body string, args ...any) view.Touched {
		return v.Apply(l.add(from, kind, body, args...))
	}

	if got := say(bob, "text", `{"text":"hello"}`); got != (view.Touched{Seq: 1}) {
		t.Errorf("a message touches %+v", got)
	}
	if got := say(bob, "edit", `{"seq":1,"body":{"text":"hello!"}}`); got.Seq != 1 {
		t.Errorf("an edit touches %+v", got)
	}
	say(cem, "edit", `{"seq":1,"body":{"text":"not mine to edit"}}`)
	say(ann, "reaction", `{"seq":1,"emoji":"👍"}`)
	say(cem, "reaction", `{"seq":1,"emoji":"👍"}`)
	say(cem, "reaction", `{"seq":1,"emoji":"🎉"}`)
	say(ann, "pin", `{"seq":1,"on":true}`)
	m, ok := v.Message(1)
	if !ok || string(m.Body) != `{"text":"hello!"}` || m.EditedAt != 4000 || !m.Pinned {
		t.Errorf("got %+v", m)
	}
	want := []client.Reaction{
		{Emoji: "👍", Count: 1, Users: []fabric.UserID{ann}, Mine: true},
		{Emoji: "🎉", Count: 1, Users: []fabric.UserID{cem}},
	}
	if !reflect.DeepEqual(m.Reactions, want) {
		t.Errorf("reactions %+v, want %+v", m.Reactions, want)
	}
	mustShow(t, v, l.history(ann)...)

	say(bob, "delete", `{"seq":1}`)
	say(bob, "edit", `{"seq":1,"body":{"text":"too late"}}`)
	say(ann, "reaction", `{"seq":1,"emoji":"👍"}`)
	if m, _ := v.Message(1); m.Kind != fabric.MsgDeleted || string(m.Body) != "{}" || m.DeletedAt == 0 || len(m.Reactions) > 0 || m.Pinned {
		t.Errorf("a deleted message is %+v", m)
	}
	mustShow(t, v, l.history(ann)...)
}

func TestADeletedMessageOfAResumeGetsItsTime(t *testing.T) {
	var l log
	v := view.New(ann)
	gone := l.add(bob, "text", `{"text":"as it was"}`)
	gone.Kind, gone.Body = fabric.MsgDeleted, json.RawMessage("{}") // a resume has it as it is now
	v.Apply(gone)
	v.Apply(l.add(bob, "delete", `{"seq":1}`))
	mustShow(t, v, l.history(ann)...)
}

func TestStarsHidingAndDisappearing(t *testing.T) {
	var l log
	v := view.New(ann)
	v.Apply(l.add(bob, "text", `{"text":"one"}`))
	v.Apply(l.add(bob, "settings", `{"disappear":86400,"by":%q}`, bob))
	v.Apply(l.add(bob, "text", `{"text":"two"}`))
	v.Apply(l.add(bob, "group", `{"settings":{"disappear":0},"by":%q}`, bob))
	v.Apply(l.add(bob, "text", `{"text":"three"}`))

	if got := v.Star(7, true); got.Seq != 7 {
		t.Errorf("a star touches %+v", got)
	}
	if m, _ := v.Message(7); !m.Starred || m.ExpiresAt != m.At+86_400_000 {
		t.Errorf("got %+v, want it starred, and to disappear after a day", m)
	}
	v.Hide(1)
	if gone := v.Expire(7000 + 86_400_000); !slices.Equal(gone, []uint64{7}) {
		t.Errorf("%v disappear, want 7", gone)
	}
	mustShow(t, v, l.history(ann)[1], l.history(ann)[3], l.history(ann)[4])
	v.Forget(13)
	mustShow(t, v, l.history(ann)[4])
}

// A resume brings what happened in a channel, and what the user noted of it, by two channels.
func TestAStarThatIsToldAfterItsMessageWasDeleted(t *testing.T) {
	var l log
	v := view.New(ann)
	v.Apply(l.add(bob, "text", `{"text":"one"}`))
	v.Apply(l.add(bob, "delete", `{"seq":1}`))
	if got := v.Star(1, true); got != (view.Touched{}) {
		t.Errorf("a star on what is deleted touches %+v", got)
	}
	mustShow(t, v, l.history(ann)...)
}

func TestReactionsOfWhoIsNotNamedAreAskedForAgain(t *testing.T) {
	named := make([]fabric.UserID, 20)
	for i := range named {
		named[i] = fabric.NewUserID()
	}
	stored := fabric.Stored{Channel: "g.x", Seq: 1, Message: fabric.Message{From: bob, Kind: "text", Body: json.RawMessage(`{}`)}}
	crowd := func(n int) client.Shown {
		return client.Shown{Stored: stored, Reactions: []client.Reaction{{Emoji: "👍", Count: n, Users: named}}}
	}
	v := view.New(ann)
	v.Load([]client.Shown{crowd(30)})
	back := fabric.Stored{Channel: "g.x", Seq: 9, Message: fabric.Message{From: cem, Kind: "reaction", Body: json.RawMessage(`{"seq":1,"emoji":""}`)}}
	if got := v.Apply(back); !got.Reload || got.Seq != 1 {
		t.Fatalf("touches %+v, want that it has to be asked for", got)
	}
	v.Load([]client.Shown{crowd(29)})
	if m, _ := v.Message(1); m.Reactions[0].Count != 29 {
		t.Errorf("%d reactions, want the 29 that history counts", m.Reactions[0].Count)
	}
	// One's own is known, whoever is named.
	mine := back
	mine.Seq, mine.From, mine.Body = 12, ann, json.RawMessage(`{"seq":1,"emoji":"👍"}`)
	if got := v.Apply(mine); got.Reload {
		t.Error("one's own reaction has to be asked for")
	}
	if m, _ := v.Message(1); m.Reactions[0].Count != 30 || !m.Reactions[0].Mine {
		t.Errorf("reactions %+v", m.Reactions)
	}
}

func TestWhatIsLoadedIsNotChangedInPlace(t *testing.T) {
	page := []client.Shown{{
		Stored:    fabric.Stored{Seq: 1, Message: fabric.Message{From: bob, Kind: "text"}},
		Reactions: []client.Reaction{{Emoji: "👍", Count: 1, Users: []fabric.UserID{bob}}},
	}}
	v := view.New(ann)
	v.Load(page)
	v.Apply(fabric.Stored{Seq: 2, Message: fabric.Message{From: ann, Kind: "reaction", Body: json.RawMessage(`{"seq":1,"emoji":"👍"}`)}})
	if page[0].Reactions[0].Count != 1 || len(page[0].Reactions[0].Users) != 1 {
		t.Errorf("the caller's page became %+v", page[0])
	}
}

// Whenever pages are asked for and however late they come, the view ends where history does.
func TestPagesAndLiveRecordsEndInTheSameView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := []fabric.UserID{ann, bob, cem}
		var l log
		for range rapid.IntRange(1, 40).Draw(t, "records") {
			from := rapid.SampledFrom(people).Draw(t, "from")
			if len(l) == 0 || rapid.IntRange(0, 2).Draw(t, "new") == 0 {
				l.add(from, "text", `{"text":"message %d"}`, len(l))
				continue
			}
			seq := l[rapid.IntRange(0, len(l)-1).Draw(t, "target")].Seq
			switch rapid.IntRange(0, 4).Draw(t, "change") {
			case 0:
				l.add(from, "edit", `{"seq":%d,"body":{"text":"edit %d"}}`, seq, len(l))
			case 1:
				l.add(from, "pin", `{"seq":%d,"on":%v}`, seq, rapid.Bool().Draw(t, "on"))
			case 2:
				if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
					l.add(from, "delete", `{"seq":%d}`, seq)
				}
			default:
				l.add(from, "reaction", `{"seq":%d,"emoji":%q}`, seq, rapid.SampledFrom([]string{"👍", "🎉", ""}).Draw(t, "emoji"))
			}
		}

		// The device comes at one moment, gets all that follows live, and asks for what was before in a page that is as old or
		// as new as can be when it arrives.
		came := rapid.IntRange(0, len(l)).Draw(t, "came")
		v := view.New(ann)
		type page struct {
			messages []client.Shown
			arrives  int
		}
		var pages []page
		for range rapid.IntRange(1, 4).Draw(t, "pages") {
			asked := rapid.IntRange(came, len(l)).Draw(t, "asked")
			arrives := rapid.IntRange(came, len(l)).Draw(t, "arrives") // before asked: the live ones are late
			pages = append(pages, page{l[:asked].history(ann), arrives})
		}
		load := func(at int) {
			for _, p := range pages {
				if p.arrives == at {
					v.Load(p.messages)
				}
			}
		}
		load(came)
		for i, m := range l[came:] {
			v.Apply(m)
			if rapid.IntRange(0, 4).Draw(t, "twice") == 0 {
				v.Apply(m)
			}
			load(came + i + 1)
		}
		want := plain(l.history(ann))
		if got := plain(v.Messages()); !reflect.DeepEqual(got, want) {
			t.Fatalf("the view has   %+v\nhistory has    %+v", got, want)
		}
	})
}
