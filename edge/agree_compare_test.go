package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/client/view"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// history reads all of the group that p sees, in small pages from its end.
func (w *world) history(p *person) (all []client.Shown) {
	w.t.Helper()
	for before := uint64(0); ; {
		fields := map[string]any{"channel": string(w.c), "limit": 7}
		if before > 0 {
			fields["before"] = before
		}
		reply := p.conn.Call("history", fields)
		if reply.Err() != "" {
			w.rt.Fatalf("%s reads: %v", p.name, reply)
		}
		page := shownOf(w.t, reply.OK()["messages"])
		all = append(page, all...)
		if reply.OK()["more"] != true {
			return all
		}
		before = page[0].Seq
	}
}

func shownOf(t testing.TB, objects any) (page []client.Shown) {
	t.Helper()
	data, err := json.Marshal(objects)
	if err == nil {
		err = json.Unmarshal(data, &page)
	}
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// cursorNow is the cursor of a device that is here now for the first time.
func (w *world) cursorNow(p *person) string {
	conn := edgetest.Connect(w.t, w.e, p.Grant, "")
	defer conn.Hangup()
	_, cursor := conn.Synced()
	return cursor
}

// synced returns all that a resume brings, and the cursor.
func (w *world) synced(conn *edgetest.Conn) (missed []edgetest.Object, cursor string) {
	for {
		o := conn.Next()
		if o.Event() == "synced" {
			return missed, o.Str("cursor")
		}
		missed = append(missed, o)
	}
}

// compare holds what p has seen live to what history shows and a search finds, and to resumes from earlier moments.
func (w *world) compare(p *person) {
	w.t.Helper()
	live := asLines(p.view.Messages(), p.from)
	if p.in {
		w.same(p, "history", asLines(w.history(p), p.from), live)
		if first := w.history(p); len(first) > 0 && first[0].Seq < p.from {
			w.rt.Fatalf("%s came with %d, and reads %d", p.name, p.from, first[0].Seq)
		}
		w.search(p, live)
		w.lists(p)
		w.last(p, live)
	}
	for i, m := range w.moment {
		if m.of != p {
			continue
		}
		conn := edgetest.Connect(w.t, w.e, p.Grant, m.cursor)
		missed, _ := w.synced(conn)
		conn.Hangup()
		v, last := view.New(p.User.ID), uint64(0)
		v.Load(m.shown)
		for _, o := range missed {
			switch {
			case o.Str("channel") != string(w.c):
			case o.Event() == "channel":
				note(v, o)
			case o.Event() == "message":
				if o.Num("seq") <= last {
					w.rt.Fatalf("%s's resume brings %d behind %d", p.name, o.Num("seq"), last)
				}
				last = o.Num("seq")
				v.Apply(stored(w.t, o))
			}
		}
		resumed, heard := asLines(v.Messages(), p.from), live
		if !p.in { // what is deleted later is deleted for those who have left as well
			var gone []uint64
			for _, m := range v.Messages() {
				if m.Kind == fabric.MsgDeleted {
					gone = append(gone, m.Seq)
				}
			}
			left := func(m client.Shown) bool { return slices.Contains(gone, m.Seq) }
			resumed = asLines(slices.DeleteFunc(slices.Clone(v.Messages()), left), p.from)
			heard = asLines(slices.DeleteFunc(slices.Clone(p.view.Messages()), left), p.from)
		}
		w.same(p, fmt.Sprint("a resume from moment ", i), resumed, heard)
	}
}

func (w *world) same(p *person, what string, got, live []string) {
	w.t.Helper()
	if !slices.Equal(got, live) {
		w.rt.Fatalf("%s: %s is not what came live:\n%s\nlive:\n%s", p.name, what, strings.Join(got, "\n"), strings.Join(live, "\n"))
	}
}

// search looks for each word.
func (w *world) search(p *person, live []string) {
	w.t.Helper()
	for _, word := range []string{"apple", "pear", "plum"} {
		var got, want []string
		var hits []any
		status, o := groupCall(w.t, w.e, p.Grant, "GET", fmt.Sprintf("/v1/search?q=%s&limit=50&channel=%s", word, w.c), nil)
		if status != http.StatusOK {
			w.rt.Fatalf("%s searches: %d %v", p.name, status, o)
		}
		for _, h := range o["hits"].([]any) {
			hits = append(hits, h.(map[string]any)["message"])
		}
		got = asLines(shownOf(w.t, hits), 0)
		for _, m := range slices.Backward(live) {
			if strings.Contains(m, word) && strings.Contains(m, ": text {") {
				want = append(want, m)
			}
		}
		if o.Str("cursor") == "" && !slices.Equal(got, want) {
			w.rt.Fatalf("%s finds %s in\n%s\nwant\n%s", p.name, word, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// lists looks at the starred and the pinned messages.
func (w *world) lists(p *person) {
	w.t.Helper()
	shown := w.history(p)
	for path, has := range map[string]func(client.Shown) bool{
		"/v1/starred?limit=200":                 func(m client.Shown) bool { return m.Starred },
		"/v1/channels/" + string(w.c) + "/pins": func(m client.Shown) bool { return m.Pinned },
	} {
		_, o := groupCall(w.t, w.e, p.Grant, "GET", path, nil)
		var got []client.Shown
		for _, m := range shownOf(w.t, o["messages"]) {
			if m.Channel == w.c { // others are of groups before this one
				got = append(got, m)
			}
		}
		slices.SortFunc(got, func(a, b client.Shown) int { return int(a.Seq) - int(b.Seq) })
		want := slices.DeleteFunc(slices.Clone(shown), func(m client.Shown) bool { return !has(m) })
		w.same(p, path, asLines(got, 0), asLines(want, 0))
	}
}

// last looks at the channel in the list.
func (w *world) last(p *person, live []string) {
	w.t.Helper()
	_, o := groupCall(w.t, w.e, p.Grant, "GET", "/v1/channels/"+string(w.c), nil)
	got := ""
	if last, ok := o["last"].(map[string]any); ok {
		got = fmt.Sprint(edgetest.Object(last).Num("seq"))
	}
	want := ""
	if len(live) > 0 {
		want, _, _ = strings.Cut(live[len(live)-1], " ")
	}
	if got != want {
		w.rt.Fatalf("the last message of %s's list is %q, want %q", p.name, got, want)
	}
}

// asLines is messages from a seq on as two who agree have them: emojis and people may be named in another order, and a
// sender knows no cid of a mark.
func asLines(messages []client.Shown, from uint64) (out []string) {
	for _, m := range messages {
		if m.Seq < from {
			continue
		}
		var reactions []string
		for _, r := range m.Reactions {
			reactions = append(reactions, fmt.Sprintf("%s×%d %v %v", r.Emoji, r.Count, slices.Sorted(slices.Values(r.Users)), r.Mine))
		}
		slices.Sort(reactions)
		out = append(out, fmt.Sprintf("%d after %d at %d from %s: %s %s edited %d deleted %d, until %d, starred %v, pinned %v, %q",
			m.Seq, m.Prev, m.At, m.From[len(m.From)-4:], m.Kind, m.Body, m.EditedAt, m.DeletedAt, m.ExpiresAt, m.Starred, m.Pinned, reactions))
	}
	return out
}
