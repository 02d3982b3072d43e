package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/weftest"
)

const (
	pairs = 4
	pace  = 20 * time.Millisecond // between two sends of one sender

	// silence is longer than an edge relies on what it was told of a chat.
	silence = 33 * time.Second
	// soon is how long whoever asks for what needs SQL may be kept waiting: the edge's own bound of 10 s, and a slow machine.
	soon = 12 * time.Second
)

// PostgreSQL goes away under load, for longer than an edge relies on anything: first the network to it goes silent, then
// it is killed. The fabric goes on taking and delivering messages; what needs SQL is refused, and soon. Once it is back
// every message that was acked is in it once, in order, and who was away meanwhile has missed nothing.
func TestDatabaseGoneUnderLoad(t *testing.T) {
	server := weftest.StartPostgres(t, "fsync=off") // a kill leaves what the system has, only a power cut needs fsync
	direct := server.Database(t)
	network, url := newLink(t, direct)
	p := weftest.StartWeft(t, t.TempDir(), "", "--postgres", url)
	people := newCrowd(t, p.URL)
	ann, bob, dora := people.lines[0].from.device, people.lines[0].to, people.dora

	people.start(t)
	people.progress(t, "at first")
	bobsCursor, dorasCursor := bob.Cursor(), people.hangUp(t)
	whileAway := func(t *testing.T) {
		people.progress(t, "while it is away")
		unavailable(t, p.URL, ann, people.lines[0].from.to)
		for _, cursor := range []fabric.Cursor{"", dorasCursor} {
			toldToComeBack(t, p.URL, dora.AccessToken, cursor)
		}
		// Of bob it is known what he is in: he is here already.
		another := dial(t, p.URL, bob.Grant, "")
		defer another.Close()
		another.await(t)
		for _, l := range people.of(bob) {
			weftest.Eventually(t, "another session of bob's hears what is new", func() bool { return another.newest(l.from.to) > 0 })
		}
		another.checkOrder(t, "bob's other session")
		operatorsAreTold(t, p)
	}

	network.goSilent()
	silentSince := time.Now()
	t.Run("the network is silent", whileAway)
	// Those who come back now: dora's client tries until she is let in, bob's second device is, and waits.
	doraAgain, bobAgain := dial(t, p.URL, dora.Grant, dorasCursor), dial(t, p.URL, bob.Grant, bobsCursor)
	bobAgain.await(t)
	<-time.After(time.Until(silentSince.Add(silence))) // no event tells: that it is long is the point
	people.progress(t, "after a long while")

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	network.speak()
	t.Run("it is killed", whileAway)
	if doraAgain.State() == client.Online || doraAgain.newest(people.group) != 0 {
		t.Error("dora was let in while nobody could know what she is in")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	weftest.Eventually(t, "history answers", func() bool {
		_, err := ann.History(t.Context(), people.lines[0].from.to, client.HistoryQuery{})
		return err == nil
	})
	people.progress(t, "with the database back")
	people.stop()

	total := 0
	for i, l := range people.lines {
		all := l.from.check(t)
		total += len(all)
		inDatabase(t, direct, l.from.to, all)
		last := all[len(all)-1].Seq
		for who, d := range map[string]*device{"its receiver": l.to, "bob's second device": bobAgain, "dora": doraAgain} {
			if d == dora || (d == bobAgain && l.to != bob) || (d == doraAgain && l.to != dora && l.from.to != people.group) {
				continue
			}
			weftest.Eventually(t, fmt.Sprintf("line %d: %s has the end", i, who), func() bool { return d.newest(l.from.to) >= last })
			hasEndOf(t, fmt.Sprintf("line %d: %s", i, who), d.received(l.from.to), all)
			d.checkOrder(t, who)
		}
	}
	for _, l := range people.of(dora) {
		if doraAgain.received(l.from.to)[0].Prev > dora.newest(l.from.to) {
			t.Error("dora's resume left out what came behind her cursor")
		}
	}
	weftest.Eventually(t, "operators are told that it is back", func() bool { return strings.Contains(get(t, p.Ops+"/readyz"), "sql: up") })
	t.Logf("%d messages, the database away for %s", total, time.Since(silentSince).Round(time.Second))
}

// operatorsAreTold looks at what a process says of a database that is away: it is ready all the same.
func operatorsAreTold(t *testing.T, p *weftest.Process) {
	t.Helper()
	weftest.Eventually(t, "readiness tells", func() bool {
		body := get(t, p.Ops+"/readyz")
		return strings.HasPrefix(body, "ready\n") && strings.Contains(body, "sql: away since")
	})
	if body := get(t, p.Ops+"/metrics"); !strings.Contains(body, "\nweft_sql_up 0\n") {
		t.Error("no metric says that the database is away")
	}
	if body := get(t, p.URL+"/readyz"); body != "ready\n" {
		t.Errorf("clients are told %q", body)
	}
}

// crowd is people who chat: pairs, a group, and dora, who hangs up before the database goes.
type crowd struct {
	lines []line
	group fabric.ChannelID
	dora  *device

	sends sync.WaitGroup
	end   context.CancelFunc
}

// line is somebody who sends all the time, and one of those who get it.
type line struct {
	from *sender
	to   *device
}

func newCrowd(t *testing.T, server string) *crowd {
	t.Helper()
	c := &crowd{dora: newDevice(t, server, newPhone())}
	for range pairs {
		ann, bob := newDevice(t, server, newPhone()), newDevice(t, server, newPhone())
		c.lines = append(c.lines, line{&sender{device: ann, to: fabric.Direct(ann.User.ID, bob.User.ID)}, bob})
	}
	ann, bob := c.lines[0].from.device, c.lines[0].to
	g, _, err := ann.Account().CreateGroup(t.Context(), client.NewGroup{Name: "all", Members: []fabric.UserID{bob.User.ID, c.dora.User.ID}})
	if err != nil {
		t.Fatal(err)
	}
	c.group = g.Channel
	cleo := c.lines[1].from.device
	c.lines = append(c.lines,
		line{&sender{device: ann, to: g.Channel}, bob},
		line{&sender{device: cleo, to: fabric.Direct(cleo.User.ID, c.dora.User.ID)}, c.dora})
	return c
}

// of returns the lines that end at a device.
func (c *crowd) of(d *device) (lines []line) {
	for _, l := range c.lines {
		if l.to == d {
			lines = append(lines, l)
		}
	}
	return lines
}

func (c *crowd) start(t *testing.T) {
	var sending context.Context
	sending, c.end = context.WithCancel(t.Context())
	for _, l := range c.lines {
		c.sends.Go(func() { l.from.sendUntil(sending, t, pace) })
	}
	t.Cleanup(func() { // a test that has failed does not wait for answers
		c.end()
		for _, l := range c.lines {
			l.from.Close()
		}
		c.sends.Wait()
	})
}

func (c *crowd) stop() {
	c.end()
	c.sends.Wait()
}

// progress waits until every sender has had answers from now on, and whoever is there the messages.
func (c *crowd) progress(t *testing.T, when string) {
	t.Helper()
	for i, l := range c.lines {
		before, _ := l.from.progress()
		weftest.Eventually(t, fmt.Sprintf("sender %d is answered %s", i, when), func() bool {
			now, _ := l.from.progress()
			return now >= before+10
		})
		if l.to.State() != client.Online {
			continue
		}
		_, seq := l.from.progress()
		weftest.Eventually(t, fmt.Sprintf("receiver %d hears of it %s", i, when), func() bool { return l.to.newest(l.from.to) >= seq })
	}
}

// hangUp has dora go, who has heard of everything by then.
func (c *crowd) hangUp(t *testing.T) fabric.Cursor {
	t.Helper()
	direct := c.of(c.dora)[0].from.to
	weftest.Eventually(t, "dora hears of both", func() bool { return c.dora.newest(direct) > 0 && c.dora.newest(c.group) > 0 })
	cursor := c.dora.Cursor()
	c.dora.Close()
	return cursor
}

// unavailable asks for what needs SQL, over both ways in.
func unavailable(t *testing.T, server string, d *device, c fabric.ChannelID) {
	var asked sync.WaitGroup
	defer asked.Wait()
	ask := func(what string, f func(context.Context) (fabric.Code, error)) {
		asked.Go(func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			if code, err := f(ctx); code != fabric.CodeUnavailable {
				t.Errorf("%s: %v after %s, want unavailable", what, err, time.Since(began))
			}
		})
	}
	ask("op history", func(ctx context.Context) (fabric.Code, error) {
		_, err := d.History(ctx, c, client.HistoryQuery{})
		return codeOf(err), err
	})
	ask("op channels", func(ctx context.Context) (fabric.Code, error) {
		_, err := d.Channels(ctx, 0, "")
		return codeOf(err), err
	})
	for _, path := range []string{
		"/v1/channels", "/v1/channels/" + string(c), "/v1/channels/" + string(c) + "/messages", "/v1/channels/" + string(c) + "/messages?before=5",
		"/v1/me", "/v1/devices", "/v1/search?q=1", "/v1/starred",
	} {
		ask("GET "+path, func(ctx context.Context) (fabric.Code, error) { return refusal(ctx, server+path, d.AccessToken) })
	}
}

// refusal returns the code of a problem that comes with its status.
func refusal(ctx context.Context, url, token string) (fabric.Code, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var problem struct {
		Code fabric.Code `json:"code"`
	}
	if err := json.NewDecoder(res.Body).Decode(&problem); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusServiceUnavailable {
		return "", fmt.Errorf("status %d, code %s", res.StatusCode, problem.Code)
	}
	return problem.Code, nil
}

// toldToComeBack says hello as somebody of whom nobody here knows what they are in: they must not be let in, nor be left
// waiting or be told that they are signed out.
func toldToComeBack(t *testing.T, server, token string, cursor fabric.Cursor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, server+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{"weft.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	hello, err := json.Marshal(map[string]any{"op": "hello", "id": 1, "token": token, "cursor": cursor})
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(ctx, websocket.MessageText, hello); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for {
		_, data, err := ws.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("the connection ended with %v, want 1012", err)
			}
			break
		}
		said.Write(data)
	}
	if !strings.Contains(said.String(), `"code":"unavailable"`) || strings.Contains(said.String(), `"ok"`) || strings.Contains(said.String(), `"ev":"message"`) {
		t.Errorf("hello with cursor %q was answered with %s", cursor, said.String())
	}
}

// inDatabase holds what the database has of a channel against its history.
func inDatabase(t *testing.T, url string, c fabric.ChannelID, all []client.Shown) {
	t.Helper()
	db, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var there []history.Shown
	weftest.Eventually(t, "the archive has caught up", func() bool {
		there, err = db.Page(t.Context(), history.View{Channel: c, From: all[0].Seq, Now: fabric.Millis(time.Now())}, 0, new(uint64), len(all)+1)
		return err == nil && len(there) >= len(all)
	})
	for i, m := range there {
		if i >= len(all) || m.Seq != all[i].Seq || m.CID != all[i].CID || m.Prev != all[i].Prev {
			t.Errorf("%s: the database has seq %d (cid %s, prev %d) as its message %d of %d, not what the history has", c, m.Seq, m.CID, m.Prev, i, len(there))
			return
		}
	}
}

// hasEndOf checks that what a device got is the end of a channel's history, without a gap.
func hasEndOf(t *testing.T, who string, got []fabric.Stored, all []client.Shown) {
	t.Helper()
	from := slices.IndexFunc(all, func(m client.Shown) bool { return m.Seq == got[0].Seq })
	if from < 0 || len(all)-from != len(got) {
		t.Errorf("%s got %d messages from seq %d on, the history has %d of %d from there", who, len(got), got[0].Seq, len(all)-max(from, 0), len(all))
		return
	}
	for i, m := range got {
		if all[from+i].CID != m.CID {
			t.Errorf("%s got %s at seq %d, the history has %s", who, m.CID, m.Seq, all[from+i].CID)
		}
	}
}
