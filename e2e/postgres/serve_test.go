package postgres_test

import (
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// surroundings are those of processes that these tests start.
type surroundings struct{ weftest.Surroundings }

func newSurroundings(t *testing.T) surroundings {
	t.Helper()
	return surroundings{weftest.NewSurroundings(t)}
}

// serve starts a process with some of the roles; those that need the database get it.
func (s surroundings) serve(t *testing.T, listen, roles string, args ...string) *weftest.Process {
	t.Helper()
	all := append([]string{"--roles", roles, "--nats", s.NATS, "--creds", s.Creds, "--keys", s.Keys, "--dev", "on"}, args...)
	if strings.Contains(roles, "users") || strings.Contains(roles, "chats") || strings.Contains(roles, "history") {
		all = append(all, "--postgres", s.Database)
	}
	return weftest.StartServe(t, listen, all...)
}

// receivers are the devices at the ends of a crowd's lines.
func receivers(l line) []*device { return []*device{l.to} }

// An edge in a process of its own, everything else and another edge in a second one: people of both chat, the second one
// is killed while they do, and the first one after it.
func TestServe(t *testing.T) {
	t.Parallel() // it mostly waits
	around := newSurroundings(t)
	const first, second = "edge,presence", "edge,users,chats,history,receipts"
	a, b := around.serve(t, "", first), around.serve(t, "", second)
	people := newCrowd(t, a.URL, b.URL)
	people.start(t)
	people.progress(t, "at first")

	// Line 0 is all on the first edge, line 3 on the second.
	watching, watched := people.lines[0].to, people.lines[3].to
	online := func() bool {
		presence, err := watching.Watch(t.Context(), watched.User.ID)
		return err == nil && len(presence) == 1 && presence[0].Online
	}
	weftest.Eventually(t, "somebody on the second edge is seen as online from the first", online)

	b.Kill()
	people.progress(t, "on the edge that is left", a.URL)
	weftest.Eventually(t, "who was on the edge that died is seen as offline", func() bool {
		online, told := watching.saw(watched.User.ID)
		return told && !online
	})
	if _, err := watching.Channels(t.Context(), 0, ""); codeOf(err) != fabric.CodeUnavailable {
		t.Errorf("a list while nobody can answer: %v", err)
	}
	b = around.serve(t, strings.TrimPrefix(b.URL, "http://"), second)
	people.back(t)
	people.progress(t, "with the second process back")

	a.Kill()
	people.progress(t, "on the second edge alone", b.URL)
	around.serve(t, strings.TrimPrefix(a.URL, "http://"), first)
	people.back(t)
	people.progress(t, "with the first process back")
	weftest.Eventually(t, "presence is told again", online)
	people.stop()
	t.Logf("%d messages", people.check(t, around.Database, receivers))
}

// Two processes that both do everything: each archives what the other one does, relays and answers, and one of them dies.
// What comes of it is what comes of one.
func TestEverythingTwice(t *testing.T) {
	around := newSurroundings(t)
	const everything = "edge,users,chats,history,presence,receipts"
	a, b := around.serve(t, "", everything), around.serve(t, "", everything)
	people := newCrowd(t, a.URL, b.URL)
	people.start(t)
	people.progress(t, "at first")
	for _, server := range []string{a.URL, b.URL, a.URL, b.URL} {
		changes(t, server)
	}
	b.Kill()
	people.progress(t, "on the edge that is left", a.URL)
	changes(t, a.URL)
	b = around.serve(t, strings.TrimPrefix(b.URL, "http://"), everything)
	people.back(t)
	people.progress(t, "with the second process back")
	changes(t, b.URL)
	a.Kill()
	people.progress(t, "on the second edge", b.URL)
	around.serve(t, strings.TrimPrefix(a.URL, "http://"), everything)
	people.back(t)
	people.progress(t, "with both")
	people.stop()
	t.Logf("%d messages", people.check(t, around.Database, receivers))
}

// changes makes a group, writes, changes what was written and who is in it, and looks whether each of these happened once.
func changes(t *testing.T, server string) {
	t.Helper()
	ann, bob := newDevice(t, server, newPhone()), newDevice(t, server, newPhone())
	defer ann.Close()
	defer bob.Close()
	g, _, err := ann.Account().CreateGroup(t.Context(), client.NewGroup{Name: "changes", Members: []fabric.UserID{bob.User.ID}})
	if err != nil {
		t.Fatal(err)
	}
	var sent [3]fabric.Sent
	for i, text := range []string{"first", "second", "third"} {
		if sent[i], err = ann.SendText(t.Context(), string(g.Channel), client.Text{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ann.Edit(t.Context(), g.Channel, sent[0].Seq, []byte(`{"text":"edited"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := ann.DeleteForAll(t.Context(), g.Channel, sent[1].Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.React(t.Context(), g.Channel, sent[2].Seq, "👍"); err != nil {
		t.Fatal(err)
	}
	if err := ann.Account().RemoveMember(t.Context(), g.ID, bob.User.ID); err != nil {
		t.Fatal(err)
	}
	last, err := ann.SendText(t.Context(), string(g.Channel), client.Text{Text: "alone"})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, m := range readAll(t, ann.Session, g.Channel) {
		kinds = append(kinds, m.Kind)
		switch m.Seq {
		case sent[0].Seq:
			if string(m.Body) != `{"text":"edited"}` || m.EditedAt == 0 {
				t.Errorf("the edited one: %s", m.Body)
			}
		case sent[1].Seq:
			if string(m.Body) != `{}` || m.DeletedAt == 0 {
				t.Errorf("the deleted one: %s", m.Body)
			}
		case sent[2].Seq:
			if len(m.Reactions) != 1 || m.Reactions[0].Count != 1 {
				t.Errorf("the one with a reaction: %+v", m.Reactions)
			}
		}
	}
	if want := "member text deleted text member text"; strings.Join(kinds, " ") != want {
		t.Errorf("the history has %s, want %s", kinds, want)
	}
	weftest.Eventually(t, "bob has heard that he is out", func() bool {
		got := bob.received(g.Channel)
		return len(got) > 0 && got[len(got)-1].Kind == fabric.MsgMember && got[len(got)-1].Seq > sent[2].Seq
	})
	if bob.newest(g.Channel) >= last.Seq {
		t.Error("bob got what was written without him")
	}
}
