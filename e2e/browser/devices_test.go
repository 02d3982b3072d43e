package browser_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// enterAgain signs in somebody who has a name already.
func (w *window) enterAgain(phone string) {
	w.t.Helper()
	w.write("phone", phone)
	w.click("otp-submit")
	w.sees("the code is there", `document.querySelector('[data-testid=code]')?.value.length === 6`)
	w.click("code-submit")
	w.live()
}

// Ann signs out her other browser from this one: it is out within a second, in all its tabs, says why, and keeps nothing.
func TestSigningOutAnotherDevice(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	bob := open(t, browser, "bob", p.URL, desktop)
	bob.signIn(bobsPhone, "Bob")
	laptop := open(t, browser, "ann at the laptop", p.URL, desktop)
	laptop.signIn(annsPhone, "Ann")
	phone := open(t, browser, "ann on the phone", p.URL, phone)
	phone.enterAgain(annsPhone)
	second := phone.tab(p.URL)
	second.live()
	second.find(bobsPhone)
	second.write("composer", "not meant for others") // a draft
	second.sees("the draft is kept", `Object.keys(localStorage).some(k => k.startsWith('weft.draft.'))`)

	laptop.choose("main-menu", "settings")
	laptop.sees("both devices", `document.querySelectorAll('[data-testid=device]').length === 2`)
	if n := value[int](laptop, `document.querySelectorAll('[data-testid=device-sign-out]').length`); n != 1 {
		t.Fatalf("%d devices can be signed out from here, want the other one", n)
	}
	out := time.Now()
	laptop.enter("device-sign-out")
	for _, w := range []*window{phone, second} {
		w.shows("ended", "from another of your devices")
	}
	if took := time.Since(out); took > 2*time.Second { // of which the server has one, and two cores that tests share the other
		t.Errorf("the other device was out after %v", took)
	}
	laptop.sees("one device is left", `document.querySelectorAll('[data-testid=device]').length === 1`)
	laptop.live()
	phone.sees("nothing is kept but why", `Object.keys(localStorage).join() === 'weft.grant' && localStorage.getItem('weft.grant') === '{"ended":"signed_out"}'`)
	weftest.Eventually(t, "its key is gone", func() bool { return len(later[[]keptKey](second, keys)) == 0 })

	// it says so after a reload too, until somebody signs in
	phone.do("reload", chromedp.Reload())
	phone.shows("ended", "from another of your devices")
	phone.enterAgain(annsPhone)
	second.live()
	phone.choose("main-menu", "sign-out")
	for _, w := range []*window{phone, second} {
		w.signedOut()
		w.gone("ended")
	}
}

// Somebody has copied Ann's tokens and uses her refresh token after her: the device is revoked, and her page says what
// that may mean.
func TestACopiedSignIn(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann := open(t, startBrowser(t), "ann", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	stolen := grantOf(ann)
	value[bool](ann, `(() => {
		const grant = JSON.parse(localStorage.getItem('weft.grant'));
		localStorage.setItem('weft.grant', JSON.stringify({ ...grant, expires_at: Date.now() - 1000 }));
		return true;
	})()`)
	ann.do("reload", chromedp.Reload())
	ann.live() // by a new token: the one before is spent
	if _, err := (client.API{URL: p.URL}).Refresh(t.Context(), stolen.RefreshToken, "the thief's"); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Fatalf("a spent refresh token: %v", err)
	}
	ann.shows("ended", "somebody may have copied it")
}

// A sign-in that the server does not know any more leads to the sign-in, with a word on it.
func TestASignInThatIsNotGoodAnyMore(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann := open(t, startBrowser(t), "ann", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	g := grantOf(ann)
	ann.expect("none.txt")
	ann.expect("/favicon.ico") // which a browser asks for where no page says otherwise
	ann.expect("/v1/auth/refresh")
	// the browser is off while its device is revoked, and comes back when its access token has expired
	ann.do("leave", chromedp.Navigate("about:blank"))
	if err := (client.API{URL: p.URL}).Logout(t.Context(), g.AccessToken); err != nil {
		t.Fatal(err)
	}
	ann.do("come back", chromedp.Navigate(p.URL+"/none.txt")) // of the origin, and not the page
	ann.complains("none.txt")
	value[bool](ann, fmt.Sprintf(`(() => {
		const grant = JSON.parse(localStorage.getItem('weft.grant'));
		localStorage.setItem('weft.grant', JSON.stringify({ ...grant, expires_at: %d }));
		return true;
	})()`, time.Now().Add(-time.Minute).UnixMilli()))
	ann.do("open the page", chromedp.Navigate(p.URL))
	ann.shows("ended", "not good any more")
	ann.complains("/v1/auth/refresh")
	ann.enterAgain(annsPhone)
	ann.gone("ended")
}
