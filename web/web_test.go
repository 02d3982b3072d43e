package web_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/weft-im/weft/web"
)

// answer is what the handler said.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, method, target string, header http.Header) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestPlacesInThePageGetTheIndex(t *testing.T) {
	index := get(t, "GET", "/", nil).body
	for _, target := range []string{"/", "/index.html", "/chat", "/chat/deep/down"} {
		res := get(t, "GET", target, nil)
		if res.status != http.StatusOK || res.body != index {
			t.Errorf("%s: status %d, want the index", target, res.status)
		}
		if got := res.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", target, got)
		}
		if got := res.header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
	}
}

func TestWhatIsNoFileIsNotFound(t *testing.T) {
	for _, target := range []string{"/assets/none.js", "/favicon.ico", "/../web.go", "/a/b.css"} {
		if res := get(t, "GET", target, nil); res.status != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", target, res.status)
		}
	}
	if res := get(t, "POST", "/", nil); res.status != http.StatusMethodNotAllowed || res.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", res.status, res.header.Get("Allow"))
	}
}

// Every file that the index names is there, with its type, and is kept forever; the index runs nothing inline.
func TestTheIndexNamesAssetsThatNeverChange(t *testing.T) {
	index := get(t, "GET", "/", nil).body
	assets := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(assets) < 2 {
		t.Fatalf("the index names %d assets, want its script and its style at least", len(assets))
	}
	want := map[string]string{
		"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml",
	}
	for _, asset := range assets {
		res := get(t, "GET", asset[1], nil)
		if res.status != http.StatusOK {
			t.Errorf("%s: status %d", asset[1], res.status)
			continue
		}
		if got := res.header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", asset[1], got)
		}
		if got := res.header.Get("Content-Type"); got != want[asset[1][strings.LastIndex(asset[1], ".")+1:]] {
			t.Errorf("%s: Content-Type %q", asset[1], got)
		}
	}
	if inline := regexp.MustCompile(`<script(?:\s+type="module")?>|<style|\son\w+=|\sstyle=`).FindString(index); inline != "" {
		t.Errorf("the index has %q inline, which the policy forbids", inline)
	}
}

func TestAnUnchangedFileIsNotSentAgain(t *testing.T) {
	first := get(t, "GET", "/", nil)
	etag := first.header.Get("ETag")
	if !regexp.MustCompile(`^"[\w-]{22}"$`).MatchString(etag) {
		t.Fatalf("ETag %q, want a strong one", etag)
	}
	again := get(t, "GET", "/", http.Header{"If-None-Match": {etag}})
	if again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("with the ETag: status %d, want 304 and no body", again.status)
	}
	other := get(t, "GET", "/", http.Header{"If-None-Match": {`"another"`}})
	if other.status != http.StatusOK {
		t.Errorf("with another ETag: status %d, want 200", other.status)
	}
	head := get(t, "HEAD", "/", nil)
	if head.status != http.StatusOK || head.body != "" || head.header.Get("ETag") != etag {
		t.Errorf("HEAD: status %d, ETag %q; want 200, %q and no body", head.status, head.header.Get("ETag"), etag)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	for _, target := range []string{"/", "/none.js"} {
		h := get(t, "GET", target, nil).header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'self'", "connect-src 'self' ws://example.com wss://example.com;", "object-src 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", target, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q allows what is unsafe", target, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", target, h)
		}
	}
}

// A Host that is none does not get into the policy, and the page may connect to no other server.
func TestThePolicyNamesThisServerOnly(t *testing.T) {
	for host, want := range map[string]string{
		"chat.example":           "connect-src 'self' ws://chat.example wss://chat.example;",
		"chat.example:8443":      "connect-src 'self' ws://chat.example:8443 wss://chat.example:8443;",
		"[::1]:8080":             "connect-src 'self' ws://[::1]:8080 wss://[::1]:8080;",
		"":                       "connect-src 'self';",
		"*":                      "connect-src 'self';",
		"x *; script-src *":      "connect-src 'self';",
		"x\r\nSet-Cookie: a=b":   "connect-src 'self';",
		strings.Repeat("a", 999): "connect-src 'self';",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		web.Handler().ServeHTTP(w, r)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, want) || strings.Contains(csp, "ws:;") || strings.Contains(csp, "*") {
			t.Errorf("host %q: policy %q, want %q in it", host, csp, want)
		}
	}
}

// Files that are elsewhere are shown by pictures and players, and by nothing else.
func TestFilesFromElsewhere(t *testing.T) {
	w := httptest.NewRecorder()
	web.Handler("https://files.example.org").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"img-src 'self' data: blob: https://files.example.org;", "media-src 'self' blob: https://files.example.org;"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy %q lacks %q", csp, want)
		}
	}
	if n := strings.Count(csp, "files.example.org"); n != 2 {
		t.Errorf("policy %q names it %d times", csp, n)
	}
	if csp := get(t, "GET", "/", nil).header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' data: blob:; media-src 'self' blob:;") {
		t.Errorf("without it: %q", csp)
	}
}
