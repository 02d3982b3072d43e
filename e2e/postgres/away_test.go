package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

const (
	// silence is longer than an edge relies on what it was told of a chat.
	silence = 33 * time.Second
	// soon is how long whoever asks for what needs SQL may be kept waiting: the edge's own bound of 10 s, and a slow machine.
	soon = 12 * time.Second
)

// PostgreSQL goes away under load, for longer than an edge relies on anything: first the network to it goes silent, then
// it is killed. The fabric goes on taking and delivering messages; what needs SQL is refused, and soon. Once it is back
// every message that was acked is in it once, in order, and who was away meanwhile has missed nothing.
func TestDatabaseGoneUnderLoad(t *testing.T) {
	t.Parallel()                                    // it mostly waits
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

	total := people.check(t, direct, func(l line) []*device {
		switch {
		case l.to == dora:
			return []*device{doraAgain}
		case l.from.to == people.group:
			return []*device{bob, bobAgain, doraAgain}
		case l.to == bob:
			return []*device{bob, bobAgain}
		}
		return []*device{l.to}
	})
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
	ws, _, err := websocket.Dial(ctx, server+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{"weft.v1"}}) //nolint:bodyclose // the library does
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
