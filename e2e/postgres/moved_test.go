package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// A fabric that has lived on SQLite goes on in PostgreSQL: everybody sees what they saw before, down to the byte and page
// by page, sessions resume where they were, and what is written next lies behind it.
func TestMovedFabricGoesOn(t *testing.T) {
	args := upArgs(t)
	data, url := args[2], weftest.Postgres(t)
	p := weftest.StartWeft(t, data, "")
	v := newVillage(t, p.URL)
	v.live(t)
	end := func() {
		t.Helper()
		if err := p.Interrupt(); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	end() // marks of what somebody wrote themselves are written down at the latest now
	p = weftest.StartWeft(t, data, strings.TrimPrefix(p.URL, "http://"))
	before := v.views(t, nil)
	cursor, had := v.bob.Cursor(), v.bob.newest(v.group)

	move := []string{"move", "--data", data, "--postgres", url}
	if out, err := run(t, "", nil, move...); err == nil || !strings.Contains(out, "in use by another weft process") {
		t.Errorf("a running fabric was moved: %v\n%s", err, out)
	}
	end()
	v.bob.Close()

	out, err := run(t, "", nil, move...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for table, rows := range map[string]string{"users": "4", "groups": "2", "messages": `4\d\d`, "reactions": "2", "stars": "1", "hidden": "1", "blocks": "1"} {
		if !regexp.MustCompile(`(?m)^\s*` + table + `\s+` + rows + `\s*$`).MatchString(out) {
			t.Errorf("the table does not tell of %s %s:\n%s", rows, table, out)
		}
	}
	if strings.Contains(out, "postgres://") {
		t.Errorf("the URL is shown:\n%s", out)
	}
	if out, err := run(t, "", nil, move...); err == nil {
		t.Errorf("it was moved a second time:\n%s", out)
	}
	if out, err := run(t, "", nil, args...); err == nil || !strings.Contains(out, "--postgres is missing") {
		t.Errorf("the folder went on without PostgreSQL: %v\n%s", err, out)
	}

	weftest.StartWeft(t, data, strings.TrimPrefix(p.URL, "http://"), "--postgres", url)
	after := v.views(t, before)
	for what, was := range before {
		if is := after[what]; is != was {
			t.Errorf("%s was\n%.2000s\nand is\n%.2000s", what, was, is)
		}
	}
	if len(after) != len(before) {
		t.Errorf("there are %d views, there were %d", len(after), len(before))
	}

	v.ann.await(t)
	sent, err := v.ann.SendText(t.Context(), string(v.group), client.Text{Text: "on PostgreSQL"})
	if err != nil {
		t.Fatal(err)
	}
	bob := dial(t, p.URL, v.bob.Grant, cursor)
	weftest.Eventually(t, "bob resumes", func() bool { return bob.newest(v.group) == sent.Seq })
	bob.checkOrder(t, "bob")
	if first := bob.received(v.group)[0]; first.Prev > had {
		t.Errorf("bob's resume began behind %d, he had had up to %d", first.Prev, had)
	}
	if _, err := v.ann.Edit(t.Context(), v.group, v.newest, []byte(`{"text":"edited on PostgreSQL"}`)); err != nil {
		t.Error(err)
	}
	if m, err := v.cem.Account().Message(t.Context(), v.group, v.newest); err != nil || string(m.Body) != `{"text":"edited on PostgreSQL"}` {
		t.Errorf("an old message, edited: %+v, %v", m, err)
	}
	if _, _, err := v.cem.Account().CreateGroup(t.Context(), client.NewGroup{Name: "new", Members: []fabric.UserID{v.ann.User.ID}}); err != nil {
		t.Error(err)
	}
}

// What can't be moved is told why, and changes nothing.
func TestMoveRefuses(t *testing.T) {
	url := weftest.Postgres(t)
	none := filepath.Join(t.TempDir(), "none")
	if out, err := run(t, "", nil, "move", "--data", none, "--postgres", url); err == nil || !strings.Contains(out, none) {
		t.Errorf("a folder that is not there: %v\n%s", err, out)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("it made the folder")
	}
	args := upArgs(t)
	if _, err := run(t, "Ctrl-C drains", nil, args...); err != nil {
		t.Fatal(err)
	}
	move := []string{"move", "--data", args[2]}
	if out, err := run(t, "", nil, append(move, "--postgres", "postgres://weft:s3cret@127.0.0.1:1/none")...); err == nil ||
		!strings.Contains(out, "127.0.0.1") || strings.Contains(out, "s3cret") {
		t.Errorf("into nowhere: %v\n%s", err, out)
	}
	if out, err := run(t, "", nil, move...); err == nil || !strings.Contains(out, "--postgres") {
		t.Errorf("without a target: %v\n%s", err, out)
	}
	if out, err := run(t, "Ctrl-C drains", nil, args...); err != nil {
		t.Errorf("the folder does not go on: %v\n%s", err, out)
	}
}

// village is a fabric with something of everything in it.
type village struct {
	ann, bob, cem, dora *device
	group               fabric.ChannelID
	newest              uint64 // ann's newest message in the group
}

func newVillage(t *testing.T, server string) *village {
	t.Helper()
	return &village{
		ann: newDevice(t, server, newPhone()), bob: newDevice(t, server, newPhone()),
		cem: newDevice(t, server, newPhone()), dora: newDevice(t, server, newPhone()),
	}
}

// live lets everything happen that there is.
func (v *village) live(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	say := func(d *device, to fabric.ChannelID, text string) uint64 {
		t.Helper()
		sent, err := d.SendText(ctx, string(to), client.Text{Text: text})
		must(err)
		return sent.Seq
	}
	ann, bob, cem, dora := v.ann.Account(), v.bob.Account(), v.cem.Account(), v.dora.Account()
	about, none := "I'm Ann ✓", "none"
	_, err := ann.ChangeMe(ctx, client.MePatch{About: &about})
	must(err)
	_, err = cem.ChangeMe(ctx, client.MePatch{Privacy: &client.PrivacyPatch{LastSeen: &none}})
	must(err)

	// A group with all that happens in one, from which dora is sent away.
	g, _, err := ann.CreateGroup(ctx, client.NewGroup{Name: "village", Members: []fabric.UserID{v.bob.User.ID, v.dora.User.ID}})
	must(err)
	v.group = g.Channel
	first, second := say(v.ann, g.Channel, "first \u0000 words, naïve 你好"), say(v.bob, g.Channel, "second")
	invite, err := ann.Invite(ctx, g.ID, client.NewInvite{})
	must(err)
	_, err = cem.JoinByInvite(ctx, invite.Code)
	must(err)
	_, err = ann.SetRole(ctx, g.ID, v.bob.User.ID, fabric.RoleAdmin)
	must(err)
	must(ann.RemoveMember(ctx, g.ID, v.dora.User.ID))
	v.newest = say(v.ann, g.Channel, "third")
	_, err = v.ann.Edit(ctx, g.Channel, first, []byte(`{"text":"first, edited"}`))
	must(err)
	_, err = v.bob.DeleteForAll(ctx, g.Channel, second)
	must(err)
	_, err = v.bob.React(ctx, g.Channel, v.newest, "👍")
	must(err)
	_, err = v.ann.React(ctx, g.Channel, v.newest, "🎉")
	must(err)
	pinned, err := v.ann.Pin(ctx, g.Channel, v.newest, true)
	must(err)
	must(bob.Star(ctx, g.Channel, v.newest, true))
	must(bob.DeleteForMe(ctx, g.Channel, first))

	// One whose messages disappear, and whose only other member leaves.
	day := 86400
	h, _, err := cem.CreateGroup(ctx, client.NewGroup{
		Name: "gone tomorrow", Members: []fabric.UserID{v.dora.User.ID}, Settings: &client.SettingsPatch{Disappear: &day},
	})
	must(err)
	say(v.cem, h.Channel, "until tomorrow")
	must(v.dora.Leave(ctx, h.Channel))

	// Direct chats: a long one, and one with a block, archived and muted.
	long := fabric.Direct(v.ann.User.ID, v.bob.User.ID)
	var last fabric.Sent
	for i := range 450 {
		last, err = v.ann.Send(ctx, string(long), "text", fmt.Appendf(nil, `{"text":"message %d of a long talk"}`, i))
		must(err)
	}
	v.bob.Read(long, last.Seq-10)
	blocked := fabric.Direct(v.dora.User.ID, v.cem.User.ID)
	say(v.dora, blocked, "before the block")
	must(cem.Block(ctx, v.dora.User.ID, true))
	say(v.dora, blocked, "behind the block")
	yes, forEver := true, int64(fabric.MutedForever)
	_, err = dora.SetPrefs(ctx, blocked, client.PrefsPatch{Archived: &yes, MutedUntil: &forEver})
	must(err)
	weftest.Eventually(t, "bob has all of the group", func() bool { return v.bob.newest(g.Channel) == pinned.Seq })
	weftest.Eventually(t, "bob's mark is there", func() bool {
		list, err := v.ann.Receipts(ctx, long)
		return err == nil && strings.Contains(fmt.Sprint(list), fmt.Sprint(last.Seq-10))
	})
}

// views returns all that everybody sees, by whose it is and what. Searches are repeated until they find what they found
// before: the index is built beside everything else.
func (v *village) views(t *testing.T, before map[string]string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for who, d := range map[string]*device{"ann": v.ann, "bob": v.bob, "cem": v.cem, "dora": v.dora} {
		look := func(path string, into any) string {
			t.Helper()
			body := see(t, d, path)
			all[who+" "+path] = body
			if into != nil {
				if err := json.Unmarshal([]byte(body), into); err != nil {
					t.Fatalf("%s %s: %s", who, path, body)
				}
			}
			return body
		}
		for _, path := range []string{
			"/v1/me", "/v1/devices", "/v1/contacts", "/v1/blocks", "/v1/starred",
			"/v1/groups/" + string(v.group), "/v1/groups/" + string(v.group) + "/members", "/v1/groups/" + string(v.group) + "/invites",
		} {
			look(path, nil)
		}
		var list struct {
			Channels []client.Channel `json:"channels"`
		}
		look("/v1/channels", &list)
		for _, c := range list.Channels {
			channel := "/v1/channels/" + string(c.ID)
			look(channel+"/pins", nil)
			look(channel+"/receipts", nil)
			for earlier := ""; ; {
				var page client.Page
				look(channel+"/messages?limit=100"+earlier, &page)
				if !page.More {
					break
				}
				earlier = fmt.Sprintf("&before=%d", page.Messages[0].Seq)
			}
		}
		for words, finders := range map[string]string{"edited": "ann", "third": "ann bob cem", "talk+44": "ann bob", "until": "cem", "nobody": ""} {
			path := "/v1/search?q=" + words
			weftest.Eventually(t, who+" finds what there is of "+words, func() bool {
				is := look(path, nil)
				if before != nil {
					return is == before[who+" "+path]
				}
				return strings.Contains(is, `"hits":[{`) == strings.Contains(finders, who)
			})
		}
	}
	return all
}

// see returns what a GET answers, a refusal included.
func see(t *testing.T, d *device, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.server+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.AccessToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
