// Package browser_test uses the page as people do: in a real browser, against the real binary.
package browser_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weft-im/weft/weftest"
)

// patience bounds every wait for the page.
const patience = 30 * time.Second

// startBrowser starts a browser that ends with the test.
func startBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "google-chrome", "chromium-browser"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("these tests need Chromium: `go tool task needs` installs it on Debian")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true)), more...)...)
	t.Cleanup(cancel)
	browser, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return browser
}

// window is a window of somebody's. What goes wrong in its page fails the test.
type window struct {
	t   *testing.T
	who string
	ctx context.Context

	mu       sync.Mutex
	outage   bool     // the server has been away: failed connections are to be expected
	expected []string // what its page says besides, by a part of it
	said     []string // of those, what it has said
}

// size of a window.
type size struct {
	width, height int64
	phone         bool
}

var (
	desktop = size{1200, 800, false}
	phone   = size{390, 844, true}
)

// open opens a window with a profile of its own; tab opens another tab with the profile of w.
func open(t *testing.T, browser context.Context, who, url string, s size) *window {
	t.Helper()
	return newWindow(t, who, url, s, browser, chromedp.WithNewBrowserContext())
}

func (w *window) tab(url string) *window {
	w.t.Helper()
	return newWindow(w.t, w.who+"'s other tab", url, desktop, w.ctx,
		chromedp.WithExistingBrowserContext(chromedp.FromContext(w.ctx).BrowserContextID))
}

func newWindow(t *testing.T, who, url string, s size, parent context.Context, opts ...chromedp.ContextOption) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, opts...)
	w := &window{t: t, who: who, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // without a timeout, which would be the window's own
		t.Fatalf("open a window for %s: %v", who, err)
	}
	console, watched := chromedp.Console(ctx), make(chan struct{})
	go func() {
		defer close(watched)
		for m, err := range console {
			if err != nil {
				return // the window is closed
			}
			w.heard(m)
		}
	}()
	t.Cleanup(func() { cancel(); <-watched })
	var view []chromedp.EmulateViewportOption
	if s.phone {
		view = append(view, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	// Each window is somebody's, who looks at it.
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	w.do("open the page", chromedp.EmulateViewport(s.width, s.height, view...), chromedp.Navigate(url))
	return w
}

// heard fails the test for whatever a page should not say: exceptions, errors, and what its own policy forbids it.
func (w *window) heard(m chromedp.ConsoleMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := m.Text + " " + m.URL
	if slices.ContainsFunc(w.expected, func(e string) bool { return strings.Contains(text, e) }) {
		w.said = append(w.said, text)
		return
	}
	connection := strings.Contains(text, "ERR_CONNECTION") || strings.Contains(m.Text, "WebSocket connection")
	switch {
	case w.outage && connection:
	case m.IsException(), m.Type == "error", m.Type == "warning":
		w.t.Errorf("%s: the page says: %s (%s)", w.who, m, m.URL)
	}
}

// expect says what the page will complain of, by a part of it: what a test provokes.
func (w *window) expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = append(w.expected, text)
}

// complains waits until the page has complained of what it was expected to.
func (w *window) complains(text string) {
	w.t.Helper()
	weftest.Eventually(w.t, fmt.Sprintf("%s's page says %q", w.who, text), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.said, func(s string) bool { return strings.Contains(s, text) })
	})
}

// away says that the server is going away. Connections that failed meanwhile may be told of seconds after it is back, with
// the time of the telling: the browser has been seen to do so under load.
func (w *window) away() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outage = true
}

// do runs actions.
func (w *window) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatalf("%s: %s: %v\n%s", w.who, what, err, w.screen())
	}
}

// screen is what the window shows, for a failure's text.
func (w *window) screen() string {
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return fmt.Sprintf("(the window shows nothing: %v)", err)
	}
	return "the window shows:\n" + text
}

// sees waits until a JavaScript expression is true. Where the page goes while it is asked, the next one is.
func (w *window) sees(what, expression string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	poll := chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience-time.Second))
	err := chromedp.Do(ctx, poll)
	for ; err != nil && isGone(err) && ctx.Err() == nil; err = chromedp.Do(ctx, poll) {
	}
	if err != nil {
		w.t.Fatalf("%s: wait until %s: %v\n%s", w.who, what, err, w.screen())
	}
}

// isGone reports whether the page that was asked is not there any more.
func isGone(err error) bool {
	text := err.Error()
	return strings.Contains(text, "Cannot find context") || strings.Contains(text, "navigated or closed") || strings.Contains(text, "context was destroyed")
}

// by is the selector of a test id.
func by(id string) string { return `[data-testid="` + id + `"]` }

func (w *window) click(id string) {
	w.t.Helper()
	w.do("click "+id, chromedp.WaitEnabled(by(id)), chromedp.Click(by(id)))
}

// enter chooses an element by the keyboard: for those that move while what is above them loads.
func (w *window) enter(id string) {
	w.t.Helper()
	w.do("enter "+id, chromedp.WaitEnabled(by(id)), chromedp.Focus(by(id)))
	w.press(kb.Enter)
}

func (w *window) write(id, text string) {
	w.t.Helper()
	w.do("write into "+id, chromedp.WaitVisible(by(id)), chromedp.SendKeys(by(id), text))
}

// press presses a key where the focus is.
func (w *window) press(key string) {
	w.t.Helper()
	w.do("press a key", chromedp.KeyEvent(key))
}

// value returns what an expression is.
func value[T any](w *window, expression string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.t.Fatalf("%s: %s: %v\n%s", w.who, expression, err, w.screen())
	}
	return v
}

// later returns what the promise of an expression comes to.
func later[T any](w *window, expression string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s: %s: %v\n%s", w.who, expression, err, w.screen())
	}
	return v
}

// signedOut waits until the page shows the ways in.
func (w *window) signedOut() {
	w.t.Helper()
	w.sees("the sign-in is there", `!!document.querySelector('[data-testid=phone], [data-testid=oidc]')`)
}

// signIn signs in with the code that dev mode shows.
func (w *window) signIn(phone, name string) {
	w.t.Helper()
	w.write("phone", phone)
	w.click("otp-submit")
	w.sees("the code is there", `document.querySelector('[data-testid=code]')?.value.length === 6`)
	w.click("code-submit")
	w.write("name", name)
	w.press(kb.Enter)
	w.sees("the chats are there", `!!document.querySelector('[data-testid=new-chat]')`)
	w.live()
}

// live waits until the page is in step with the server.
func (w *window) live() {
	w.t.Helper()
	w.sees("it is connected", `document.querySelector('[data-testid=connection-state]')?.dataset.state === 'live'`)
}

// find opens the chat with whoever has a phone.
func (w *window) find(phone string) {
	w.t.Helper()
	w.click("new-chat")
	w.write("find-phone", phone)
	w.click("find-submit")
	w.sees("the chat is open", `!!document.querySelector('[data-testid=composer]')`)
}

// send writes a message and sends it.
func (w *window) send(text string) {
	w.t.Helper()
	w.write("composer", text+kb.Enter)
}

// choose opens a menu and chooses something in it.
func (w *window) choose(menu, item string) {
	w.t.Helper()
	w.click(menu)
	w.click(item)
}

// act chooses something in the menu of the message with this text.
func (w *window) act(text, item string) {
	w.t.Helper()
	w.sees(fmt.Sprintf("%q is there", text), messages(text)+`.length === 1`)
	// The button shows under the pointer only, of which a window has none.
	w.do("open its menu", chromedp.Evaluate[chromedp.Void](messages(text)+`[0].querySelector('[data-testid=message-menu]').click()`))
	w.click(item)
}

// messages is an expression for the messages with a text in them; what they quote does not count.
func messages(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('[data-testid=message]')].filter(m =>
		m.querySelector('.bubble > .text, .bubble > .unsupported')?.textContent.includes(%q))`, text)
}

// state waits until the one message with this text has a state.
func (w *window) state(text, state string) {
	w.t.Helper()
	w.sees(fmt.Sprintf("%q is %s", text, state), fmt.Sprintf(`(m => m.length === 1 && m[0].dataset.state === %q)(%s)`, state, messages(text)))
}

// shows waits until an element has a text in it.
func (w *window) shows(id, text string) {
	w.t.Helper()
	w.sees(fmt.Sprintf("%s shows %q", id, text), fmt.Sprintf(`!!document.querySelector('%s')?.textContent.includes(%q)`, by(id), text))
}

// gone waits until there is no such element.
func (w *window) gone(id string) {
	w.t.Helper()
	w.sees(id+" is gone", fmt.Sprintf(`!document.querySelector('%s')`, by(id)))
}
