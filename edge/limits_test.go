package edge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// Each limit that clients are told refuses what is past it, and moves the metric by which operators see that. A limit
// without a row here fails.
func TestEachLimitIsKeptAndCounted(t *testing.T) {
	var change func(*edge.Limits)
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) {
		if change != nil {
			change(l)
		}
	}})
	home := f.Edge(t)
	ann, bob := f.User(t, home, "ann"), f.User(t, home, "bob")
	const refused, turnedAway, closed = "weft_edge_refused_total", "weft_edge_turned_away_total", "weft_edge_closed_sessions_total"
	in := func(t *testing.T, e *edgetest.Edge) *edgetest.Conn {
		t.Helper()
		c := edgetest.Connect(t, e, ann, "")
		c.Synced()
		return c
	}
	// often has an op done so often on a session
	often := func(n int, op string, fields map[string]any) func(*testing.T, *edgetest.Edge) {
		return func(t *testing.T, e *edgetest.Edge) {
			c := in(t, e)
			var last edgetest.Object
			for range n {
				if op == "send" {
					fields["cid"] = fabric.NewCID()
				}
				last = c.Call(op, fields)
			}
			if code := last.Err(); code != fabric.CodeRateLimited && code != fabric.CodeTooLarge {
				t.Errorf("%s, %d times: %v", op, n, last)
			}
		}
	}
	chat := string(edgetest.Direct(ann, bob))
	say := map[string]any{"to": bob.User.ID, "kind": "text", "body": map[string]string{"text": strings.Repeat("x", 200)}}
	calls := func(n int, method, path, token, body string) func(*testing.T, *edgetest.Edge) {
		return func(t *testing.T, e *edgetest.Edge) {
			status := 0
			for range n {
				status = ask(t, e.URL, method, path, token, body).status
			}
			if status != http.StatusTooManyRequests {
				t.Errorf("%s %s, %d times: %d, want 429", method, path, n, status)
			}
		}
	}
	// while has a request of ann's at work while another one comes
	while := func(method, path string) func(*testing.T, *edgetest.Edge) {
		return func(t *testing.T, e *edgetest.Edge) {
			body, rest := io.Pipe()
			req, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+ann.AccessToken)
			req.Header.Set("Expect", "100-continue") // the body is sent when the server wants it: it is at work then
			client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
			ended := make(chan error, 1)
			go func() {
				resp, err := client.Do(req)
				if err == nil {
					err = resp.Body.Close()
				}
				ended <- err
			}()
			if _, err := rest.Write([]byte(`{"about":`)); err != nil {
				t.Fatal(err)
			}
			weftest.Eventually(t, "one more is refused", func() bool {
				return ask(t, e.URL, method, path, ann.AccessToken, "x").status == http.StatusTooManyRequests
			})
			_ = rest.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	hello := func(t *testing.T, e *edgetest.Edge) {
		in(t, e)
		c := edgetest.Dial(t, e)
		if o := c.Call("hello", map[string]any{"token": ann.AccessToken}); o.Err() != fabric.CodeRateLimited {
			t.Errorf("one session too many: %v", o)
		}
		if code := c.Closed(); code != 4429 {
			t.Errorf("one session too many: closed with %d, want 4429", code)
		}
	}
	const elsewhere, fixed = "-", "="
	known := make(map[string]bool)
	for name, row := range map[string]struct {
		set    int
		metric string
		exceed func(*testing.T, *edgetest.Edge)
	}{
		"frame_bytes": {1 << 10, refused, func(t *testing.T, e *edgetest.Edge) {
			c := in(t, e)
			c.Raw(`{"op":"ping","id":1,"pad":"` + strings.Repeat("x", 2<<10) + `"}`)
			c.Await("the refusal", func(o edgetest.Object) bool { return o.Err() == fabric.CodeTooLarge })
		}},
		"body_bytes":        {100, refused, often(1, "send", say)},
		"queue_bytes":       {metric: elsewhere}, // TestSlowReaderIsCutOff
		"watch":             {1, refused, often(1, "watch", map[string]any{"users": []fabric.UserID{ann.User.ID, bob.User.ID}})},
		"history":           {metric: elsewhere}, // TestPagesOfMessages: a page has no more
		"sends_per_second":  {metric: elsewhere}, // with send_burst
		"send_burst":        {1, refused, often(8, "send", say)},
		"ops_per_second":    {metric: elsewhere}, // with ops_burst, and far past it TestWhoIsClosed
		"ops_burst":         {1, refused, often(8, "ping", nil)},
		"typing_per_minute": {1, refused, often(2, "typing", map[string]any{"channel": chat, "on": true})},
		"dedupe_ms":         {metric: fixed},
		"lookup_phones":     {metric: fixed},
		"hello_ms": {100, closed, func(t *testing.T, e *edgetest.Edge) {
			if code := edgetest.Dial(t, e).Closed(); code != 4401 {
				t.Errorf("who says nothing is closed with %d, want 4401", code)
			}
		}},
		"hellos_per_address": {1, turnedAway, func(t *testing.T, e *edgetest.Edge) {
			edgetest.Dial(t, e)
			_, resp, err := websocket.Dial(t.Context(), e.URL+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{"weft.v1"}}) //nolint:bodyclose // the library has read it
			if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests {
				t.Errorf("one WebSocket too many: %v", err)
			}
		}},
		"sessions_per_address":    {1, turnedAway, hello},
		"sessions_per_user":       {1, turnedAway, hello},
		"strangers_per_second":    {1, refused, calls(12, "GET", "/v1/auth/methods", "", "")},
		"requests_at_once":        {1, refused, while("PATCH", "/v1/me")},
		"uploads_at_once":         {1, refused, while("POST", "/v1/avatars")},
		"downloads_at_once":       {1, refused, downloads(ann, chat)},
		"file_bytes":              {10, refused, uploads(ann, chat, 11, 1, http.StatusRequestEntityTooLarge)},
		"upload_bytes_per_day":    {4, refused, uploads(ann, chat, 5, 1, http.StatusTooManyRequests)},
		"uploads_open":            {1, refused, uploads(ann, chat, 1, 2, http.StatusTooManyRequests)},
		"upload_life_ms":          {metric: elsewhere}, // TestUploadsThatEnd
		"checksum_bytes":          {metric: elsewhere}, // TestChecksums
		"marks_per_second":        {1, refused, often(20, "ack", map[string]any{"channel": chat, "seq": 1})},
		"reads_per_second":        {1, refused, calls(20, "GET", "/v1/me", ann.AccessToken, "")},
		"watches_per_second":      {1, refused, often(20, "watch", map[string]any{"users": []fabric.UserID{bob.User.ID}})},
		"joins_per_minute":        {1, refused, often(2, "join", map[string]any{"channel": "g." + fabric.NewCID()})},
		"active_per_minute":       {1, refused, often(2, "active", map[string]any{"on": true})},
		"pings_per_minute":        {1, refused, often(2, "ping", nil)},
		"connections_per_address": {metric: elsewhere}, // package door: TestConnectionsAreBounded
		"connections":             {metric: elsewhere},
		"header_bytes":            {metric: elsewhere}, // TestHeadersAreBounded
		"group_members":           {metric: fixed},
		"groups":                  {metric: fixed},
	} {
		known[name] = true
		if row.exceed == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			change = func(l *edge.Limits) {
				if err := l.Set(name, row.set); err != nil {
					t.Fatal(err)
				}
				switch name {
				case "send_burst":
					l.SendsPerSecond = 1
				case "ops_burst":
					l.OpsPerSecond = 1
				}
			}
			e := f.Edge(t)
			if told := ask(t, e.URL, "GET", "/v1/limits", "", "").Num(name); told != uint64(row.set) {
				t.Errorf("clients are told %d, want %d", told, row.set)
			}
			before := e.Counter(t, row.metric)
			row.exceed(t, e)
			weftest.Eventually(t, "it is counted", func() bool { return e.Counter(t, row.metric) > before })
		})
	}
	limits := edge.DefaultLimits()
	limits.Connections, limits.ConnectionsPerAddress = 1, 1 // told where there is a door
	data, err := json.Marshal(limits)
	if err != nil {
		t.Fatal(err)
	}
	var names map[string]any
	if err := json.Unmarshal(data, &names); err != nil {
		t.Fatal(err)
	}
	for name := range names {
		if !known[name] {
			t.Errorf("limit %s: who goes past it?", name)
		}
	}
}

// uploads begins uploads of a size, of which the last one is refused.
func uploads(user client.Grant, to string, size, n, want int) func(*testing.T, *edgetest.Edge) {
	return func(t *testing.T, e *edgetest.Edge) {
		t.Helper()
		u := tus{t, e.URL, user}
		status := 0
		for range n {
			resp, _ := u.do("POST", "/v1/media/uploads", nil, "Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata("channel", to)) //nolint:bodyclose // do closes it
			status = resp.StatusCode
		}
		if status != want {
			t.Errorf("upload %d of %d bytes: %d, want %d", n, size, status, want)
		}
	}
}

// downloads has a file on its way to who does not read it, and asks for it once more.
func downloads(user client.Grant, to string) func(*testing.T, *edgetest.Edge) {
	return func(t *testing.T, e *edgetest.Edge) {
		t.Helper()
		u := tus{t, e.URL, user}
		id := u.upload(to, noise(14, 24<<20), "x", "") // more than sockets hold
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/v1/media/"+string(id), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+user.AccessToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if again, _ := u.get(id); again.StatusCode != http.StatusTooManyRequests { //nolint:bodyclose // do closes it
			t.Errorf("one download too many: %d", again.StatusCode)
		}
	}
}
