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
