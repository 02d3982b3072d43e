package browser_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weft-im/weft/oidc/oidctest"
	"github.com/weft-im/weft/weftest"
)

// organisation starts a weft whose people sign in by an issuer, at an address that the issuer knows.
func organisation(t *testing.T, args ...string) (*oidctest.Issuer, *front) {
	t.Helper()
	f := newFront(t)
	at := oidctest.Start(t, "dora", "emil")
	at.Allow(f.URL + "/")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(at.Config.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	p := weftest.StartWeft(t, t.TempDir(), "", append([]string{"--oidc-issuer", at.URL, "--oidc-name", at.Config.Name,
		"--oidc-client-id", at.Config.ClientID, "--oidc-secret-file", secret}, args...)...)
	f.send(t, p.URL)
	return at, f
}

// chats is true of the page of one who is signed in.
const chats = `!!document.querySelector('[data-testid=main-menu]')`

// atIssuer signs in at the issuer's own page.
func (w *window) atIssuer(at *oidctest.Issuer, name string) {
	w.t.Helper()
	w.expect(at.URL + "favicon.ico") // which it has none of
	w.sees("the issuer's page is there", `location.href.startsWith("`+at.URL+`") && !!document.querySelector('#password')`)
	w.do("sign in there", chromedp.SendKeys("#username", name), chromedp.SendKeys("#password", oidctest.Password+kb.Enter))
}

// history is the addresses that the window's back button leads through.
func (w *window) history() (all []string) {
	w.t.Helper()
	h, err := chromedp.Call(w.ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range h.Entries {
		all = append(all, e.URL)
	}
	return all
}

func TestSignInByAnIssuer(t *testing.T) {
	at, f := organisation(t, "--no-codes")
	browser := startBrowser(t)
	dora := open(t, browser, "dora", f.URL, desktop)
	dora.shows("oidc", "Sign in with Weavers")
	dora.gone("phone") // codes are off
	dora.click("oidc")
	dora.atIssuer(at, "dora")
	dora.sees("the chats are there", chats)
	dora.live()
	dora.sees("she has the issuer's name", `document.querySelector('h1')?.textContent === 'dora Weaver'`)

	// nothing of the way is left in the address, the history or the tab's store
	if here := value[string](dora, `location.href`); here != f.URL+"/" {
		t.Errorf("she is at %s", here)
	}
	for _, entry := range dora.history() {
		u, err := url.Parse(entry)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(entry, f.URL) && u.RawQuery != "" {
			t.Errorf("in the history stands %s", entry)
		}
	}
	if kept := value[int](dora, `sessionStorage.length`); kept != 0 {
		t.Errorf("%d entries are kept of the sign-in", kept)
	}
	if kept := later[[]keptKey](dora, keys); len(kept) != 1 || kept[0].Public != grantOf(dora).PublicKey {
		t.Errorf("her tokens are bound to %q of %+v", grantOf(dora).PublicKey, kept)
	}

	// an invite leads whom it was sent to through the issuer's page to the group
	dora.group("Weaving")
	dora.click("open-info")
	dora.enter("invite-create")
	dora.sees("the invite", `!!document.querySelector('[data-testid=invite]')`)
	emil := open(t, browser, "emil", value[string](dora, `document.querySelector('.invite-link').textContent`), phone)
	emil.click("oidc")
	emil.atIssuer(at, "emil")
	emil.sees("the chats are there", chats)
	emil.shows("join-page", "Weaving")
	emil.click("join")
	emil.shows("system-message", "emil Weaver joined by an invite")

	// nobody has a phone to be found by: a link leads to dora, and by itself to nobody
	dora.shows("members", "emil Weaver")
	dora.choose("main-menu", "settings")
	dora.sees("her link", `!!document.querySelector('[data-testid=my-link]')`)
	link := value[string](dora, `document.querySelector('[data-testid=my-link]').textContent`)
	emil.do("follow her link", chromedp.Evaluate[chromedp.Void](`location.href = "`+link+`"`))
	emil.sees("the chat with her", `document.querySelector('[data-testid=conversation] h2')?.textContent === 'dora Weaver'`)
	emil.send("Found you")
	dora.shows("chat-item", "Found you")
	dora.do("follow her own", chromedp.Evaluate[chromedp.Void](`location.href = "`+link+`"`))
	dora.shows("notice", "link to yourself")
	dora.expect("/v1/users/")
	dora.do("follow one of nobody", chromedp.Evaluate[chromedp.Void](`location.href = "`+link[:len(link)-4]+`0000"`))
	dora.shows("notice", "no such user")

	// nobody has a phone here: nothing says so, and to delete the account one's name confirms it
	for _, w := range []*window{dora, emil} {
		if n := value[int](w, `(document.body.innerText.match(/undefined|null|phone/gi) ?? []).length`); n != 0 {
			t.Errorf("%s sees something of phones:\n%s", w.who, w.screen())
		}
	}
	emil.click("back")
	emil.choose("main-menu", "settings")
	emil.expect("/v1/channels/g.") // a question about the group may be on its way as he leaves it
	emil.enter("delete-account")
	emil.shows("delete-dialog", "Your name, emil Weaver, to confirm")
	emil.write("delete-typed", "emil Weaver")
	emil.click("delete-confirm")
	emil.signedOut()
	emil.shows("ended", "This account was deleted.")

	// who signs in again is the same user
	dora.choose("main-menu", "sign-out")
	dora.click("oidc")
	dora.atIssuer(at, "dora")
	dora.sees("the chats are there", chats)
	dora.shows("chat-item", "Weaving")
}

func TestBothWaysIn(t *testing.T) {
	at, f := organisation(t)
	browser := startBrowser(t)
	ann := open(t, browser, "ann", f.URL, desktop)
	ann.shows("oidc", "Sign in with Weavers")
	ann.signIn(annsPhone, "Ann")
	dora := open(t, browser, "dora", f.URL, phone)
	dora.click("oidc")
	dora.atIssuer(at, "dora")
	dora.sees("the chats are there", chats)
	dora.live()
	// she knows ann's phone, ann sees a person without one
	dora.find(annsPhone)
	dora.send("Hello Ann")
	ann.shows("chat-item", "dora Weaver")
	ann.click("chat-item")
	ann.state("Hello Ann", "in")
	ann.click("open-info")
	ann.shows("info-panel", "dora Weaver")
	if n := value[int](ann, `(document.querySelector('[data-testid=info-panel]').innerText.match(/Phone|undefined/g) ?? []).length`); n != 0 {
		t.Errorf("ann sees of dora: %s", ann.screen())
	}
}

// What comes back otherwise than it should signs nobody in, and is told in words.
func TestSignInByAnIssuerThatGoesWrong(t *testing.T) {
	at, f := organisation(t)
	w := open(t, startBrowser(t), "dora", f.URL, desktop)
	back := func(query string) {
		t.Helper()
		w.do("come back with "+query, chromedp.Navigate(f.URL+"/?"+query))
		w.sees("nothing of it is in the address", `location.search === '' && !!document.querySelector('[data-testid=oidc]')`)
	}
	begin := func() (state string) {
		t.Helper()
		w.click("oidc")
		w.expect(at.URL + "favicon.ico")
		w.sees("the issuer's page is there", `!!document.querySelector('#password')`)
		w.do("leave it", chromedp.Navigate(f.URL+"/none.txt"))
		return value[string](w, `JSON.parse(sessionStorage.getItem('weft.oidc')).state`)
	}
	w.expect("none.txt")     // a place of the origin that is not the page
	w.expect("/favicon.ico") // which a browser asks for where no page says otherwise

	// somebody else's sign-in, which they want dora to be in by
	other := begin()
	back("code=theirs&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	w.shows("signin-error", "was not begun here")
	// what was begun is over by that
	back("code=x&state=" + other)
	w.shows("signin-error", "was not begun here")

	back("error=access_denied&state=" + begin())
	w.shows("signin-error", "it was cancelled, or you may not sign in here")
	back("error=temporarily_unavailable&state=" + begin())
	w.shows("signin-error", "does not work now")
	back("error=%3Cimg%20src%3Dx%3E&state=" + begin())
	w.shows("signin-error", "has failed. Tell")

	// a code that the issuer did not give
	w.expect("/v1/auth/oidc/token")
	back("code=made-up&state=" + begin())
	w.shows("signin-error", "begin again")
	w.complains("/v1/auth/oidc/token")
	if g := grantOf(w); g.AccessToken != "" {
		t.Error("somebody is signed in")
	}

	// and after all that she gets in
	w.click("oidc")
	w.atIssuer(at, "dora")
	w.sees("the chats are there", chats)
	w.live()
	w.choose("main-menu", "sign-out")
	w.signedOut()
}

// A server that cannot be reached as the page opens is asked again.
func TestWaysInThatCannotBeAsked(t *testing.T) {
	_, f := organisation(t, "--no-codes")
	f.refuse("/v1/auth/methods")
	w := open(t, startBrowser(t), "dora", "about:blank", desktop)
	w.expect("/v1/auth/methods")
	w.do("open the page", chromedp.Navigate(f.URL))
	w.complains("/v1/auth/methods")
	f.refuse("")
	w.click("methods-retry")
	w.shows("oidc", "Sign in with Weavers")
}
