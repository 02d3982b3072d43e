package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// Two people chat on a `weft up --postgres`, page through what they wrote, and find it again after a restart.
func TestUp(t *testing.T) {
	url := weftest.Postgres(t)
	data := filepath.Join(t.TempDir(), "data")
	p := weftest.StartWeft(t, data, "", "--postgres", url)
	if _, err := os.Stat(filepath.Join(data, "weft.db")); err == nil {
		t.Error("there is a SQLite database in the data folder")
	}
	ann, bob := newDevice(t, p.URL, newPhone()), newDevice(t, p.URL, newPhone())
	c := fabric.Direct(ann.User.ID, bob.User.ID)
	const messages = 120
	for i := range messages {
		from, to := ann, bob
		if i%2 == 1 {
			from, to = bob, ann
		}
		sent, err := from.Send(t.Context(), string(to.User.ID), "text", fmt.Appendf(nil, `{"text":"%d"}`, i))
		if err != nil {
			t.Fatal(err)
		}
		weftest.Eventually(t, "it comes", func() bool { return to.newest(c) >= sent.Seq })
	}
	written := readAll(t, ann.Session, c)
	for i, m := range written {
		if want := fmt.Sprintf(`{"text":"%d"}`, i); string(m.Body) != want {
			t.Errorf("message %d is %s, want %s", i, m.Body, want)
		}
	}
	if len(written) != messages {
		t.Errorf("the history has %d messages, want %d", len(written), messages)
	}
	list, err := bob.Channels(t.Context(), 0, "")
	if err != nil || len(list.Channels) != 1 || list.Channels[0].Last == nil || list.Channels[0].Last.Seq != written[messages-1].Seq {
		t.Errorf("bob's channels: %+v, %v", list, err)
	}
	if body := get(t, p.Ops+"/readyz"); !strings.Contains(body, "ready") || !strings.Contains(body, "sql: up (PostgreSQL, ") {
		t.Errorf("readiness: %s", body)
	}
	if body := get(t, p.Ops+"/metrics"); !strings.Contains(body, "\nweft_sql_up 1\n") {
		t.Error("no metric says that the database is up")
	}

	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatalf("it ended with %v", err)
	}
	weftest.StartWeft(t, data, strings.TrimPrefix(p.URL, "http://"), "--postgres", url)
	again := readAll(t, bob.Session, c)
	if fmt.Sprint(again) != fmt.Sprint(written) {
		t.Errorf("after a restart the history has %d messages, not the same %d", len(again), messages)
	}
}
