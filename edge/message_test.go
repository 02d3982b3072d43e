package edge_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// What changes a message reaches whoever is here as a record, and shows in history as the message's own state.
func TestChangesOfMessages(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, "")
	a.Synced()
	_, cursor := b.Synced()
	c := string(edgetest.Direct(ann, bob))
	path := "/v1/channels/" + c + "/messages"
	seq := a.Send(string(bob.User.ID), "", "helo").Num("seq")
	b.Await("the message", isMessage(fabric.ChannelID(c), seq))

	change := func(s *edgetest.Conn, kind string, body map[string]any) edgetest.Object {
		t.Helper()
		return s.Call("send", map[string]any{"to": c, "cid": fabric.NewCID(), "kind": kind, "body": body})
	}
	shown := func() edgetest.Object {
		t.Helper()
		status, o := groupCall(t, e, bob, "GET", fmt.Sprintf("%s/%d", path, seq), nil)
		if status != http.StatusOK {
			t.Fatalf("message %d: %d %v", seq, status, o)
		}
		return o
	}
	edit := change(a, "edit", map[string]any{"seq": seq, "body": map[string]any{"text": "hello"}}).OK().Num("seq")
	if edit == 0 {
		t.Fatal("the edit was refused")
	}
	b.Await("the edit", isMessage(fabric.ChannelID(c), edit))
	if o := shown(); o["body"].(map[string]any)["text"] != "hello" || o["edited_at"] == nil {
		t.Errorf("edited: %v", o)
	}
	for who, refused := range map[string]struct {
		o    edgetest.Object
		code fabric.Code
	}{
		"bob edits ann's":         {change(b, "edit", map[string]any{"seq": seq, "body": map[string]any{"text": "x"}}), fabric.CodeForbidden},
		"bob deletes ann's":       {change(b, "delete", map[string]any{"seq": seq}), fabric.CodeForbidden},
		"an edit of nothing":      {change(a, "edit", map[string]any{"seq": 1000, "body": 1}), fabric.CodeNotFound},
		"an edit without a body":  {change(a, "edit", map[string]any{"seq": seq}), fabric.CodeBadRequest},
		"an edit of the edit":     {change(a, "edit", map[string]any{"seq": edit, "body": 1}), fabric.CodeNotFound},
		"a reaction with a blank": {change(b, "reaction", map[string]any{"seq": seq, "emoji": "a b"}), fabric.CodeBadRequest},
		"a member record":         {change(a, "member", map[string]any{"event": "removed", "users": []string{string(bob.User.ID)}}), fabric.CodeForbidden},
	} {
		if got := refused.o.Err(); got != refused.code {
			t.Errorf("%s: %q, want %q", who, got, refused.code)
		}
	}
	if o := change(b, "reaction", map[string]any{"seq": seq, "emoji": "👍"}); o.Err() != "" {
		t.Fatal(o)
	}
	if o := change(a, "pin", map[string]any{"seq": seq, "on": true}); o.Err() != "" {
		t.Fatal(o)
	}
	if status, _ := groupCall(t, e, bob, "PUT", fmt.Sprintf("%s/%d/star", path, seq), nil); status != http.StatusNoContent {
		t.Fatalf("star: %d", status)
	}
	b.Await("bob's other devices learn of the star", func(o edgetest.Object) bool {
		return o.Event() == "channel" && o.Str("change") == "starred" && o.Num("seq") == seq && o["on"] == true
	})
	if o := shown(); o["starred"] != true || o["pinned"] != true || fmt.Sprint(o["reactions"]) != fmt.Sprintf("[map[count:1 emoji:👍 mine:true users:[%s]]]", bob.User.ID) {
		t.Errorf("with a reaction, a pin and a star: %v", o)
	}
	for _, list := range []string{"/v1/starred", "/v1/channels/" + c + "/pins"} {
		if _, o := groupCall(t, e, bob, "GET", list, nil); len(o["messages"].([]any)) != 1 {
			t.Errorf("%s: %v", list, o)
		}
	}

	// deleted for bob alone
	second := a.Send(c, "", "not for bob's eyes").Num("seq")
	if status, _ := groupCall(t, e, bob, "DELETE", fmt.Sprintf("%s/%d", path, second), nil); status != http.StatusNoContent {
		t.Fatalf("hide: %d", status)
	}
	for who, want := range map[string]int{"bob": 1, "ann": 2} {
		as := map[string]*edgetest.Conn{"ann": a, "bob": b}[who]
		if got := as.Call("history", map[string]any{"channel": c}).OK()["messages"].([]any); len(got) != want {
			t.Errorf("%s sees %d messages, want %d", who, len(got), want)
		}
	}

	// deleted for everyone: gone from the history, from a resume and from the log
	if status, o := groupCall(t, e, ann, "DELETE", fmt.Sprintf("%s/%d?for=all", path, seq), nil); status != http.StatusNoContent {
		t.Fatalf("delete: %d %v", status, o)
	}
	if o := shown(); o.Str("kind") != "deleted" || o["deleted_at"] == nil || o["reactions"] != nil || fmt.Sprint(o["body"]) != "map[]" {
		t.Errorf("deleted: %v", o)
	}
	if code := change(a, "edit", map[string]any{"seq": seq, "body": map[string]any{"text": "back"}}).Err(); code != fabric.CodeConflict {
		t.Errorf("an edit of what was deleted: %q, want conflict", code)
	}
	missed, _ := edgetest.Connect(t, e, bob, cursor).Synced()
	for _, o := range missed {
		if s := fmt.Sprint(o["body"]); s == "map[text:helo]" || s == "map[text:hello]" || o.Str("kind") == "edit" {
			t.Errorf("a resume brings %v", o)
		}
	}
	js := f.NATS.JetStream(t)
	stream, err := js.Stream(t.Context(), "MSG_0")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint64{seq, edit} {
		weftest.Eventually(t, fmt.Sprintf("record %d is erased from the log", n), func() bool {
			_, err := stream.GetMsg(t.Context(), n)
			return err != nil
		})
	}
}

// Who is blocked is not told: what they write is stored, and seen by nobody else.
func TestOnlyTheSenderSees(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, "")
	a.Synced()
	_, cursor := b.Synced()
	if status, o := groupCall(t, e, bob, "PUT", "/v1/blocks/"+string(ann.User.ID), nil); status != http.StatusNoContent {
		t.Fatalf("block: %d %v", status, o)
	}
	c := edgetest.Direct(ann, bob)
	seq := a.Send(string(c), "", "are you there?").Num("seq")
	laptop := edgetest.Connect(t, e, ann, cursor)
	missed, _ := laptop.Synced()
	if len(missed) != 1 || missed[0].Num("seq") != seq || missed[0]["only"] != nil {
		t.Errorf("ann's other device: %v", missed)
	}
	again := a.Send(string(c), "", "hello?").Num("seq")
	laptop.Await("the next one live", isMessage(c, again))
	answer := b.Send(string(c), "", "a word from bob").Num("seq")
	for {
		o := b.Next()
		if o.Event() == "cursor" {
			break
		}
		if o.Event() == "message" {
			t.Errorf("bob gets %v", o)
		}
	}
	a.Await("bob's", isMessage(c, answer))
	if got := b.Call("history", map[string]any{"channel": c}).OK()["messages"].([]any); len(got) != 1 {
		t.Errorf("bob reads %v", got)
	}
	if got := a.Call("history", map[string]any{"channel": c}).OK()["messages"].([]any); len(got) != 3 {
		t.Errorf("ann reads %v", got)
	}
	list := b.Call("channels", nil).OK()["channels"].([]any)
	if ch := edgetest.Object(list[0].(map[string]any)); ch.Num("unread") != 0 || edgetest.Object(ch["last"].(map[string]any)).Num("seq") != answer || ch["blocked"] != true {
		t.Errorf("bob's list: %v", ch)
	}
	back, _ := edgetest.Connect(t, e, bob, cursor).Synced()
	for _, o := range back {
		if o.Event() == "message" && o.Str("from") == string(ann.User.ID) {
			t.Errorf("bob's resume brings %v", o)
		}
	}
}

// Who is blocked is not told: what they do to messages they see done, and nobody else does. What they wrote they may take
// back from everybody all the same.
func TestOnlyTheSenderSeesChanges(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, "")
	a.Synced()
	_, cursor := b.Synced()
	c := edgetest.Direct(ann, bob)
	hers, his := a.Send(string(c), "", "hers").Num("seq"), b.Send(string(c), "", "his").Num("seq")
	taken := a.Send(string(c), "", "to be taken back").Num("seq")
	b.Await("all three", isMessage(c, taken))
	block := func(method string) {
		t.Helper()
		if status, o := groupCall(t, e, bob, method, "/v1/blocks/"+string(ann.User.ID), nil); status != http.StatusNoContent {
			t.Fatalf("%s: %d %v", method, status, o)
		}
	}
	change := func(kind string, body map[string]any) uint64 {
		t.Helper()
		o := a.Call("send", map[string]any{"to": string(c), "cid": fabric.NewCID(), "kind": kind, "body": body})
		if o.Err() != "" {
			t.Fatalf("%s %v: %v", kind, body, o)
		}
		return o.OK().Num("seq")
	}
	edit := func(seq uint64, text string) uint64 {
		t.Helper()
		return change("edit", map[string]any{"seq": seq, "body": map[string]any{"text": text}})
	}
	change("reaction", map[string]any{"seq": his, "emoji": "👍"})
	block("PUT")
	hidden := []uint64{edit(hers, "HERS")}
	hidden = append(hidden, change("reaction", map[string]any{"seq": his, "emoji": "🎉"}), change("pin", map[string]any{"seq": his, "on": true}))
	own := a.Send(string(c), "", "own").Num("seq")
	hidden = append(hidden, own, edit(own, "OWN"))
	deletion := change("delete", map[string]any{"seq": taken})
	b.Await("the deletion", isMessage(c, deletion))
	block("DELETE")
	hidden = append(hidden, edit(own, "Own"), change("delete", map[string]any{"seq": own})) // nobody knows of that one still
	seen := edit(hers, "hers!")
	b.Await("what comes after the block", isMessage(c, seen))
	if b.Came(func(o edgetest.Object) bool { return o.Event() == "message" && slices.Contains(hidden, o.Num("seq")) }) {
		t.Errorf("bob gets something of %d", hidden)
	}
	missed, _ := edgetest.Connect(t, e, bob, cursor).Synced()
	for _, o := range missed {
		if slices.Contains(hidden, o.Num("seq")) {
			t.Errorf("bob's resume brings %v", o)
		}
	}
	for who, want := range map[string]string{
		"bob": fmt.Sprintf("%d hers! <nil> <nil>; %d his [map[count:1 emoji:👍 users:[%s]]] <nil>; %d deleted;", hers, his, ann.User.ID, taken),
		"ann": fmt.Sprintf("%d hers! <nil> <nil>; %d his [map[count:1 emoji:🎉 mine:true users:[%s]]] true; %d deleted; %d deleted;", hers, his, ann.User.ID, taken, own),
	} {
		got := ""
		for _, m := range map[string]*edgetest.Conn{"ann": a, "bob": b}[who].Call("history", map[string]any{"channel": c}).OK()["messages"].([]any) {
			o := edgetest.Object(m.(map[string]any))
			if o.Str("kind") == "deleted" {
				got += fmt.Sprintf(" %d deleted;", o.Num("seq"))
				continue
			}
			got += fmt.Sprintf(" %d %v %v %v;", o.Num("seq"), o["body"].(map[string]any)["text"], o["reactions"], o["pinned"])
		}
		if got != " "+want {
			t.Errorf("%s sees\n%s, want\n %s", who, got, want)
		}
	}
}
