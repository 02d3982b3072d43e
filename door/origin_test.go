package door_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/weftest"
)

// What pages of other origins may do: nothing, unless theirs is allowed. There is no cookie that a browser would add to
// their requests; this keeps them from reading, and from using somebody's browser as their own client.
func TestPagesOfOtherOrigins(t *testing.T) {
	const own, friend, foe = "http://chat.example", "https://friend.example", "https://foe.example"
	reached, refused := 0, 0
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })
	some, all := open(t, door.Config{Origins: []string{friend}}), open(t, door.Config{Origins: []string{"*"}})
	for _, tc := range []struct {
		door                *opened
		method, origin, ask string // ask: of a preflight; "websocket" for an upgrade
		reaches, reads      bool
		status              int
	}{
		{some, "GET", "", "", true, false, 200}, // no page
		{some, "POST", "", "", true, false, 200},
		{some, "POST", own, "", true, false, 200},
		{some, "POST", "https://CHAT.example", "", true, false, 200}, // a proxy has TLS
		{some, "GET", own, "websocket", true, false, 200},
		{some, "GET", foe, "", true, false, 200}, // it can't read the answer
		{some, "HEAD", foe, "", true, false, 200},
		{some, "POST", foe, "", false, false, 403},
		{some, "PUT", foe, "", false, false, 403},
		{some, "PATCH", foe, "", false, false, 403},
		{some, "DELETE", foe, "", false, false, 403},
		{some, "OPTIONS", foe, "POST", false, false, 403},
		{some, "GET", foe, "websocket", false, false, 403},
		{some, "GET", "null", "websocket", false, false, 403}, // a sandboxed frame, a file
		{some, "POST", "null", "", false, false, 403},
		{some, "GET", "http://chat.example.foe.example", "websocket", false, false, 403},
		{some, "GET", "http://chat.example:81", "websocket", false, false, 403},
		{some, "GET", "https://friend.example.foe.example", "websocket", false, false, 403},
		{some, "GET", "http://friend.example", "websocket", false, false, 403}, // not by TLS
		{some, "GET", friend + "/", "websocket", false, false, 403},
		{some, "GET", "https://x@chat.example", "websocket", false, false, 403},
		{some, "GET", friend, "", true, true, 200},
		{some, "POST", friend, "", true, true, 200},
		{some, "GET", friend, "websocket", true, true, 200},
		{some, "OPTIONS", friend, "DELETE", false, true, 204},
		{all, "POST", foe, "", true, true, 200},
		{all, "OPTIONS", foe, "PATCH", false, true, 204},
		{all, "GET", foe, "websocket", true, true, 200},
	} {
		r := httptest.NewRequest(tc.method, "http://chat.example/v1/ws", nil)
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		switch tc.ask {
		case "":
		case "websocket":
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "WebSocket")
		default:
			r.Header.Set("Access-Control-Request-Method", tc.ask)
		}
		reached = 0
		w := httptest.NewRecorder()
		tc.door.Handler(h).ServeHTTP(w, r)
		about := strings.Join([]string{tc.method, tc.origin, tc.ask}, " ")
		if w.Code != tc.status || (reached == 1) != tc.reaches {
			t.Errorf("%s: %d, reached %d times; want %d, reached: %v", about, w.Code, reached, tc.status, tc.reaches)
		}
		h := w.Header()
		if allowed := h.Get("Access-Control-Allow-Origin"); (allowed == tc.origin && allowed != "") != tc.reads || allowed == "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q, may read: %v", about, allowed, tc.reads)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", about)
		}
		if tc.reads && h.Get("Vary") != "Origin" {
			t.Errorf("%s: a cache would give one origin's answer to another: Vary %q", about, h.Get("Vary"))
		}
		if tc.status == 204 && (!strings.Contains(h.Get("Access-Control-Allow-Methods"), tc.ask) || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization")) {
			t.Errorf("%s: the preflight is answered with %v", about, h)
		}
		for _, header := range []string{"Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Range"} { // files, too
			if tc.status == 204 && !strings.Contains(h.Get("Access-Control-Allow-Headers"), header) {
				t.Errorf("%s: the preflight does not allow %s", about, header)
			}
		}
		for _, header := range []string{"Location", "Upload-Offset", "Content-Range"} {
			if tc.reads && !strings.Contains(h.Get("Access-Control-Expose-Headers"), header) {
				t.Errorf("%s: %s may not be read: %v", about, header, h)
			}
		}
		if tc.status == 403 {
			refused++
		}
		if tc.status == 403 && (h.Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"code":"forbidden"`)) {
			t.Errorf("%s: refused with %v %s", about, h, w.Body)
		}
	}
	if n := weftest.Metric(t, some.metrics, "weft_door_refused_requests_total"); int(n) != refused {
		t.Errorf("%v refusals are counted, want %d", n, refused)
	}
}

// A browser's WebSocket, by a real handshake.
func TestWebSocketsOfOtherOrigins(t *testing.T) {
	d := open(t, door.Config{Origins: []string{"https://friend.example"}})
	serve(t, d, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // as the edge does: the door checks
		if err == nil {
			_ = c.CloseNow()
		}
	}))
	for origin, want := range map[string]bool{
		"": true, "http://" + d.Addr().String(): true, "https://friend.example": true,
		"https://foe.example": false, "null": false, "http://localhost": false,
	} {
		opts := &websocket.DialOptions{HTTPHeader: http.Header{}}
		if origin != "" {
			opts.HTTPHeader.Set("Origin", origin)
		}
		c, resp, err := websocket.Dial(t.Context(), "ws://"+d.Addr().String()+"/v1/ws", opts) //nolint:bodyclose // the library has read it
		if (err == nil) != want || !want && (resp == nil || resp.StatusCode != http.StatusForbidden) {
			t.Errorf("origin %q: %v", origin, err)
		}
		if err == nil {
			_ = c.CloseNow()
		}
	}
}

// Every answer has the headers that keep browsers from doing what it does not ask for, also a refusal.
func TestSecurityHeaders(t *testing.T) {
	for _, tls := range []bool{false, true} {
		cfg := door.Config{}
		if tls {
			cfg.TLS = newCertificate(t).TLS
		}
		d := open(t, cfg)
		for _, origin := range []string{"", "https://foe.example"} {
			r := httptest.NewRequest(http.MethodPost, "http://chat.example/v1/me", nil)
			r.Header.Set("Origin", origin)
			w := httptest.NewRecorder()
			d.Handler(hello).ServeHTTP(w, r)
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
				"Content-Security-Policy":     "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
				"Access-Control-Allow-Origin": "",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("origin %q: %s %q, want %q", origin, name, got, want)
				}
			}
			if got := w.Header().Get("Strict-Transport-Security"); (got != "") != tls || tls && got != "max-age=31536000" {
				t.Errorf("TLS %v: Strict-Transport-Security %q", tls, got)
			}
			if p := w.Header().Get("Permissions-Policy"); !strings.Contains(p, "geolocation=()") {
				t.Errorf("Permissions-Policy %q", p)
			}
		}
	}
}
