package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/client/view"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// Whatever people do to messages, and whoever comes and goes meanwhile: what a device makes of what comes live, what
// history shows, what a search finds, and what a device makes of its resume from any earlier moment are the same.
func TestHistoryAndLiveAgree(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	people := []client.Grant{f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rt, f, e, people)
		defer w.end()
		for range rapid.IntRange(2, 12).Draw(rt, "steps") {
			w.step()
		}
		for _, p := range w.people {
			w.compare(p)
		}
	})
}

// world is a group that ann owns, bob is in, and cem comes to and leaves.
type world struct {
	t      *testing.T
	rt     *rapid.T
	e      *edgetest.Edge
	c      fabric.ChannelID
	people []*person
	seqs   []uint64 // of the messages
	moment []moment
}

// person is somebody with a device that is here all the time.
type person struct {
	client.Grant
	name   string
	conn   *edgetest.Conn
	cursor string
	view   *view.Channel
	in     bool
	from   uint64                   // the record by which they came, the last time
	until  uint64                   // the record by which they left, the last time
	heard  uint64                   // the newest one that came as an event
	noted  string                   // the last thing that a self channel told
	asked  map[uint64]fabric.Stored // what waits for its reply
}

// moment is a device as it was when it went away.
type moment struct {
	of     *person
	cursor string
	shown  []client.Shown
}

func newWorld(t *testing.T, rt *rapid.T, f *edgetest.Fabric, e *edgetest.Edge, people []client.Grant) *world {
	w := &world{t: t, rt: rt, e: e}
	for i, g := range people {
		p := &person{Grant: g, name: []string{"ann", "bob", "cem"}[i], view: view.New(g.User.ID), asked: make(map[uint64]fabric.Stored), in: i < 2}
		p.conn = edgetest.Connect(t, e, g, "")
		_, p.cursor = p.conn.Synced()
		w.people = append(w.people, p)
	}
	w.c = newGroup(t, e, people[0], people[1])
	w.together()
	w.moment = append(w.moment, moment{of: w.people[2], cursor: fromBeginning(t, f)})
	return w
}

func (w *world) end() {
	for _, p := range w.people {
		p.conn.Hangup()
	}
}

func (w *world) member(label string) *person {
	n := len(w.people)
	if !w.people[2].in {
		n--
	}
	return w.anybody(label, n)
}

// anybody is one of the first n. Their names are drawn: what is drawn stands in what a failure shows.
func (w *world) anybody(label string, n int) *person {
	name := rapid.SampledFrom([]string{"ann", "bob", "cem"}[:n]).Draw(w.rt, label)
	return w.people[slices.IndexFunc(w.people, func(p *person) bool { return p.name == name })]
}

func (w *world) step() {
	switch kind := rapid.IntRange(0, 12).Draw(w.rt, "step"); {
	case kind < 6:
		w.burst()
	case kind == 6:
		w.note()
	case kind < 9:
		w.comeOrGo()
	case kind == 9:
		p := w.anybody("who goes away", 3)
		m := moment{of: p, cursor: w.cursorNow(p), shown: slices.Clone(p.view.Messages())} // as it was, for who is out
		if p.in {
			m.shown = w.history(p)
		}
		w.moment = append(w.moment, m)
	case kind == 10:
		p := w.anybody("whose connection breaks", 3)
		p.conn.Hangup()
		p.conn = edgetest.Connect(w.t, w.e, p.Grant, p.cursor)
		missed, cursor := w.synced(p.conn)
		p.cursor = cursor
		for _, o := range missed {
			w.take(p, o)
		}
	default:
		w.compare(w.member("who looks"))
	}
}

// burst has people write at once: nobody knows in what order it will stand in the log.
func (w *world) burst() {
	waiting := 0
	for range rapid.IntRange(1, 4).Draw(w.rt, "at once") {
		p := w.member("who")
		kind, body := w.draw()
		cid := fabric.NewCID()
		id := p.conn.Ask("send", map[string]any{"to": string(w.c), "cid": cid, "kind": kind, "body": body})
		data, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		p.asked[uint64(id)] = fabric.Stored{Channel: w.c, Message: fabric.Message{From: p.User.ID, CID: cid, Kind: kind, Body: data}}
		waiting++
	}
	for _, p := range w.people {
		for len(p.asked) > 0 {
			w.take(p, p.conn.Next())
		}
	}
	w.together()
}

// draw returns a record that somebody may or may not write.
func (w *world) draw() (kind string, body map[string]any) {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"apple", "pear", "plum"}), 0, 3).Draw(w.rt, "words")
	text := map[string]any{"text": strings.TrimSpace("said " + strings.Join(words, " "))}
	if len(w.seqs) == 0 {
		return "text", text
	}
	seq := w.seqs[rapid.IntRange(0, len(w.seqs)-1).Draw(w.rt, "target")]
	switch rapid.IntRange(0, 9).Draw(w.rt, "kind") {
	case 0, 1:
		return "edit", map[string]any{"seq": seq, "body": text}
	case 2, 3:
		return "reaction", map[string]any{"seq": seq, "emoji": rapid.SampledFrom([]string{"👍", "🎉", ""}).Draw(w.rt, "emoji")}
	case 4:
		return "pin", map[string]any{"seq": seq, "on": rapid.Bool().Draw(w.rt, "on")}
	case 5:
		return "delete", map[string]any{"seq": seq}
	}
	return "text", text
}

// note has somebody star or hide a message.
func (w *world) note() {
	if len(w.seqs) == 0 {
		return
	}
	p, seq := w.member("who"), w.seqs[rapid.IntRange(0, len(w.seqs)-1).Draw(w.rt, "target")]
	path := fmt.Sprintf("/v1/channels/%s/messages/%d", w.c, seq)
	method, told := "DELETE", fmt.Sprintf("hidden %d", seq)
	if star := rapid.IntRange(0, 3).Draw(w.rt, "note"); star > 0 {
		path += "/star"
		told = fmt.Sprintf("starred %d %v", seq, star > 1)
		if star > 1 {
			method = "PUT"
		}
	}
	p.noted = ""
	if status, _ := groupCall(w.t, w.e, p.Grant, method, path, nil); status != http.StatusNoContent {
		return // it is hidden, deleted, or from before they came
	}
	for p.noted != told {
		w.take(p, p.conn.Next())
	}
}

func (w *world) comeOrGo() {
	cem := w.people[2]
	path := fmt.Sprintf("/v1/groups/%s/members/%s", w.c, cem.User.ID)
	if !cem.in {
		cem.view, cem.from, cem.in = view.New(cem.User.ID), 0, true
		if status, o := groupCall(w.t, w.e, w.people[0].Grant, "PUT", path, nil); status != http.StatusCreated {
			w.t.Fatalf("add: %d %v", status, o)
		}
		w.together()
		return
	}
	by := w.people[2*rapid.IntRange(0, 1).Draw(w.rt, "who ends it")]
	if status, o := groupCall(w.t, w.e, by.Grant, "DELETE", path, nil); status != http.StatusNoContent {
		w.t.Fatalf("remove: %d %v", status, o)
	}
	for cem.noted = ""; !strings.HasPrefix(cem.noted, "removed"); {
		w.take(cem, cem.conn.Next())
	}
	cem.in = false
	w.together()
}

// together waits until all who are in the group have heard what stands in its log. A reply may come before the events of
// what is in front of it: each waits for what another writes.
func (w *world) together() {
	w.t.Helper()
	ann, bob := w.people[0], w.people[1]
	first, second := w.mark(ann), w.mark(bob)
	for _, p := range w.people {
		for p.in && (p.from == 0 || p == bob && p.heard < first || p != bob && p.heard < second) {
			w.take(p, p.conn.Next())
		}
	}
}

// mark writes something and returns its seq.
func (w *world) mark(p *person) uint64 {
	w.t.Helper()
	cid := fabric.NewCID()
	reply := p.conn.Call("send", map[string]any{"to": string(w.c), "cid": cid, "kind": "x-mark", "body": map[string]any{}})
	ok := reply.OK()
	if ok == nil {
		w.rt.Fatalf("%s writes: %v", p.name, reply)
	}
	w.apply(p, fabric.Stored{
		Channel: w.c, Seq: ok.Num("seq"), Prev: ok.Num("prev"), At: int64(ok.Num("at")),
		Message: fabric.Message{From: p.User.ID, CID: cid, Kind: "x-mark", Body: []byte(`{}`)},
	})
	return ok.Num("seq")
}

// take gives a device what the server said.
func (w *world) take(p *person, o edgetest.Object) {
	w.t.Helper()
	if id, ok := o["id"].(float64); ok {
		m, asked := p.asked[uint64(id)]
		delete(p.asked, uint64(id))
		if o.Err() == fabric.CodeInternal || o.Err() == fabric.CodeUnavailable {
			w.rt.Fatalf("%s wrote %s %s: %v", p.name, m.Kind, m.Body, o)
		}
		if ok := o.OK(); asked && ok != nil {
			m.Seq, m.Prev, m.At = ok.Num("seq"), ok.Num("prev"), int64(ok.Num("at"))
			w.apply(p, m)
		}
		return
	}
	switch o.Event() {
	case "cursor":
		p.cursor = o.Str("cursor")
	case "message":
		if o.Str("channel") == string(w.c) {
			m := stored(w.t, o)
			if !p.in && m.Seq > p.until { // a resume may bring again what was before
				w.rt.Fatalf("%s, who has left the group with %d, gets %v", p.name, p.until, o)
			}
			p.heard = max(p.heard, m.Seq)
			w.apply(p, m)
		}
	case "channel":
		if o.Str("channel") == string(w.c) {
			p.noted = strings.TrimSuffix(fmt.Sprintf("%s %d %v", o.Str("change"), o.Num("seq"), o["on"]), " <nil>")
			note(p.view, o)
			switch o.Str("change") {
			case fabric.ChangeAdded:
				p.from = max(p.from, o.Num("seq"))
			case fabric.ChangeRemoved:
				p.until = max(p.until, o.Num("seq"))
			}
		}
	}
}

func note(v *view.Channel, o edgetest.Object) {
	switch o.Str("change") {
	case fabric.ChangeHidden:
		v.Hide(o.Num("seq"))
	case fabric.ChangeStarred:
		v.Star(o.Num("seq"), o["on"] == true)
	}
}

func (w *world) apply(p *person, m fabric.Stored) {
	w.t.Helper()
	p.view.Apply(m)
	if p.from == 0 || m.Seq < p.from {
		p.from = m.Seq
	}
	if p == w.people[0] && !fabric.IsChange(m.Kind) && !slices.Contains(w.seqs, m.Seq) {
		w.seqs = append(w.seqs, m.Seq)
	}
}

// stored is what a message object says, without what history adds to it.
func stored(t testing.TB, o edgetest.Object) (m fabric.Stored) {
	t.Helper()
	data, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

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
		status, o := groupCall(w.t, w.e, p.Grant, "GET", fmt.Sprintf("/v1/search?q=%s&limit=50&channel=%s", word, w.c), nil)
		if status != http.StatusOK {
			w.rt.Fatalf("%s searches: %d %v", p.name, status, o)
		}
		for _, h := range o["hits"].([]any) {
			m := edgetest.Object(h.(map[string]any)["message"].(map[string]any))
			got = append(got, fmt.Sprint(m.Num("seq")))
		}
		for _, m := range slices.Backward(live) {
			if strings.Contains(m, word) && strings.Contains(m, ": text {") {
				seq, _, _ := strings.Cut(m, " ")
				want = append(want, seq)
			}
		}
		if o.Str("cursor") == "" && !slices.Equal(got, want) {
			w.rt.Fatalf("%s finds %s in %v, want %v:\n%s", p.name, word, got, want, strings.Join(live, "\n"))
		}
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
