package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// call makes a call over HTTP and returns its answer.
func call(t *testing.T, g client.Grant, method, url string, body any) []byte {
	t.Helper()
	in, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s, %v", method, url, resp.StatusCode, out, err)
	}
	return out
}

// A fabric that has everything in it, moved from SQLite to PostgreSQL, answers every question as it did before.
func TestMove(t *testing.T) {
	data, database := t.TempDir(), weftest.Postgres(t)
	p := weftest.StartWeft(t, data, "")
	ann, bob, cat := signIn(t, p.URL, newPhone()), signIn(t, p.URL, newPhone()), signIn(t, p.URL, newPhone())
	send := func(g client.Grant, channel, kind string, body any) uint64 {
		t.Helper()
		var sent struct{ Seq uint64 }
		out := call(t, g, "POST", p.URL+"/v1/channels/"+channel+"/messages", map[string]any{"cid": fabric.NewCID(), "kind": kind, "body": body})
		if err := json.Unmarshal(out, &sent); err != nil || sent.Seq == 0 {
			t.Fatalf("%s: %v", out, err)
		}
		return sent.Seq
	}
	text := func(s string) any { return map[string]any{"text": s} }
	var group struct{ ID, Channel string }
	if err := json.Unmarshal(call(t, ann, "POST", p.URL+"/v1/groups", map[string]any{"name": "Hiking", "members": []string{string(bob.User.ID), string(cat.User.ID)}}), &group); err != nil {
		t.Fatal(err)
	}
	direct := string(min(ann.User.ID, bob.User.ID)) + "." + string(max(ann.User.ID, bob.User.ID))
	first := send(ann, group.Channel, "text", text("who comes"))
	send(bob, group.Channel, "text", text("I do"))
	third := send(ann, direct, "text", text("a secret plan"))
	send(bob, direct, "text", text("a plan that is deleted"))
	last := send(bob, direct, "text", text("the last one"))
	send(ann, group.Channel, "edit", map[string]any{"seq": first, "body": text("who comes on Saturday")})
	send(bob, group.Channel, "reaction", map[string]any{"seq": first, "emoji": "👍"})
	send(ann, group.Channel, "pin", map[string]any{"seq": first, "on": true})
	send(bob, direct, "delete", map[string]any{"seq": last - 1})
	at := func(s string) string { return p.URL + "/v1/" + s }
	// Stars and hiding ask the archive, which follows.
	weftest.Eventually(t, "the archive has followed", func() bool {
		return strings.Contains(string(call(t, ann, "GET", at("search?q=saturday"), nil)), "Saturday")
	})
	call(t, ann, "PUT", at(fmt.Sprintf("channels/%s/messages/%d/star", direct, third)), nil)
	call(t, ann, "DELETE", at(fmt.Sprintf("channels/%s/messages/%d?for=me", direct, last)), nil)
	call(t, ann, "POST", at("groups/"+group.ID+"/invites"), map[string]any{"uses": 3})
	call(t, ann, "DELETE", at("groups/"+group.ID+"/members/"+string(cat.User.ID)), nil)
	call(t, ann, "PATCH", at("channels/"+direct), map[string]any{"pinned": true, "muted_until": -1})
	call(t, ann, "PUT", at("blocks/"+string(cat.User.ID)), nil)
	call(t, bob, "PATCH", at("me"), map[string]any{"about": "walks", "privacy": map[string]any{"groups": "none", "read_receipts": false}})

	questions := []string{
		"me", "channels", "blocks", "contacts", "starred", "search?q=plan", "search?q=who", "channels/" + direct, "channels/" + group.Channel,
		"channels/" + direct + "/messages", "channels/" + group.Channel + "/messages", "channels/" + group.Channel + "/pins",
		"channels/" + direct + "/receipts", "channels/" + group.Channel + "/receipts",
		"groups/" + group.ID, "groups/" + group.ID + "/members", "groups/" + group.ID + "/invites",
	}
	ask := func(url string) map[string]string {
		t.Helper()
		answers := make(map[string]string)
		for who, g := range map[string]client.Grant{"ann": ann, "bob": bob} {
			for _, q := range questions {
				answers[who+" "+q] = string(call(t, g, "GET", url+"/v1/"+q, nil))
			}
		}
		answers["cat channels"] = string(call(t, cat, "GET", url+"/v1/channels", nil))
		return answers
	}
	weftest.Eventually(t, "that cat is out is written", func() bool {
		return strings.Contains(string(call(t, ann, "GET", at("channels/"+group.Channel+"/messages"), nil)), `"removed"`)
	})
	before := ask(p.URL)
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}

	// a database that has something in it is refused, and all stays as it was
	other := weftest.Postgres(t)
	o := weftest.StartWeft(t, t.TempDir(), "", "--postgres", other)
	if err := o.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if err := o.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, "", nil, "move", "--data", data, "--postgres", other); err == nil || !strings.Contains(out, "belongs to a fabric already") {
		t.Errorf("a move into another fabric's database: %v\n%s", err, out)
	}
	out, err := run(t, "", nil, "move", "--data", data, "--postgres", database)
	if err != nil || !strings.Contains(out, "Moved.") {
		t.Fatalf("move: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(data, "weft.db.moved")); err != nil {
		t.Errorf("the old database is not kept: %v", err)
	}
	if out, err := run(t, "", nil, "move", "--data", data, "--postgres", database); err == nil || !strings.Contains(out, "already") {
		t.Errorf("moved a second time: %v\n%s", err, out)
	}

	p = weftest.StartWeft(t, data, "", "--postgres", database)
	weftest.Eventually(t, "the index of the search is made anew", func() bool {
		return strings.Contains(string(call(t, ann, "GET", p.URL+"/v1/search?q=saturday", nil)), "Saturday")
	})
	for q, answer := range ask(p.URL) {
		if answer != before[q] {
			t.Errorf("%s\nbefore %s\nnow    %s", q, before[q], answer)
		}
	}
	// and goes on: new messages come behind the old ones
	if seq := send(ann, direct, "text", text("after the move")); seq <= last {
		t.Errorf("a new message has seq %d, behind %d", seq, last)
	}
	send(bob, group.Channel, "text", text("I still do"))
}
