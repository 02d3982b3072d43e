package browser_test

import (
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// keys is the promise of what the browser keeps of keys: the public halves, and what reading out the private ones comes to.
const keys = `(async () => {
	const found = [];
	for (const { name } of await indexedDB.databases()) {
		const db = await new Promise((ok, no) => { const r = indexedDB.open(name); r.onsuccess = () => ok(r.result); r.onerror = no; });
		for (const store of db.objectStoreNames) {
			const all = await new Promise((ok, no) => { const r = db.transaction(store).objectStore(store).getAll(); r.onsuccess = () => ok(r.result); r.onerror = no; });
			for (const key of all) {
				const out = [];
				for (const format of ['raw', 'pkcs8', 'jwk']) {
					try { out.push(format + ': ' + JSON.stringify(await crypto.subtle.exportKey(format, key.privateKey))); }
					catch (err) { if (err.name !== 'InvalidAccessError') out.push(String(err)); }
				}
				found.push({ public: key.publicKey, kind: key.privateKey.algorithm.name, usages: key.privateKey.usages.join(), readable: key.privateKey.extractable, out });
			}
		}
		db.close();
	}
	return found;
})()`

type keptKey struct {
	Public   string   `json:"public"`
	Kind     string   `json:"kind"`
	Usages   string   `json:"usages"`
	Readable bool     `json:"readable"`
	Out      []string `json:"out"` // what could be read out of it
}

// grantOf is what a window's browser keeps of its sign-in.
func grantOf(w *window) (g struct {
	client.Grant
	PublicKey string `json:"public_key"`
}) {
	w.t.Helper()
	type bound = struct {
		client.Grant
		PublicKey string `json:"public_key"`
	}
	return value[bound](w, `JSON.parse(localStorage.getItem('weft.grant') ?? '{}')`)
}

// Ann's browser has a key that nobody can read out, not its page either, and her tokens are worth nothing without it.
func TestTheBrowsersKey(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann := open(t, startBrowser(t), "ann", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	one := func() keptKey {
		t.Helper()
		all := later[[]keptKey](ann, keys)
		if len(all) != 1 {
			t.Fatalf("the browser keeps %d keys: %+v", len(all), all)
		}
		return all[0]
	}
	key := one()
	if key.Kind != "Ed25519" || key.Usages != "sign" || key.Readable || len(key.Out) > 0 {
		t.Errorf("the key is %+v", key)
	}
	grant := grantOf(ann)
	if grant.PublicKey != key.Public || grant.AccessToken == "" {
		t.Errorf("the tokens are bound to %q, the key is %q", grant.PublicKey, key.Public)
	}

	// who has copied the token gets nowhere without the key, or with one of their own
	other, err := client.NewDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*client.DeviceKey{"no key": nil, "another key": other} {
		s, err := client.Connect(t.Context(), client.Options{URL: p.URL, Tokens: client.StaticToken(grant.AccessToken), DeviceKey: key})
		if fabric.CodeOf(err) != fabric.CodeUnauthenticated {
			t.Errorf("with her token and %s: %v", name, err)
		}
		if err == nil {
			s.Close()
		}
	}

	// after a reload she is in by the same key
	ann.do("reload", chromedp.Reload())
	ann.live()
	if again := one(); again.Public != key.Public {
		t.Errorf("after a reload the key is %q, was %q", again.Public, key.Public)
	}

	// and after she has signed out neither key nor tokens are left; the next sign-in has another
	ann.choose("main-menu", "sign-out")
	ann.signedOut()
	ann.sees("the tokens are gone", `localStorage.length + sessionStorage.length === 0`)
	weftest.Eventually(t, "the key is gone", func() bool { return len(later[[]keptKey](ann, keys)) == 0 })
	ann.write("phone", annsPhone)
	ann.click("otp-submit")
	ann.sees("the code is there", `document.querySelector('[data-testid=code]')?.value.length === 6`)
	ann.click("code-submit")
	ann.live()
	if next := one(); next.Public == key.Public {
		t.Error("the key of a sign-in that ended is used again")
	}
}

// Where the key is lost, the sign-in is, and it is said; nothing is tried again and again.
func TestAKeyThatIsLost(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann := open(t, startBrowser(t), "ann", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	later[bool](ann, `new Promise((ok, no) => { const r = indexedDB.deleteDatabase('weft.keys'); r.onsuccess = () => ok(true); r.onerror = no; })`)
	ann.do("reload", chromedp.Reload())
	ann.signedOut()
	ann.shows("ended", "lost the key")
	if g := grantOf(ann); g.AccessToken != "" || g.RefreshToken != "" {
		t.Error("the tokens are still there")
	}
}

// Two tabs have one key and one sign-in: when its token has expired, one refreshes and the other waits for it. Two
// refreshes by the same token would revoke the device.
func TestTwoTabsRefreshOnce(t *testing.T) {
	f := newFront(t)
	p := weftest.StartWeft(t, t.TempDir(), "")
	f.send(t, p.URL)
	ann := open(t, startBrowser(t), "ann", f.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	second := ann.tab(f.URL)
	second.live()
	before := grantOf(ann)
	if n := f.refreshed(); n != 0 {
		t.Fatalf("%d refreshes while the token was good", n)
	}

	// Both are away from the page while its token expires: one that is left in the middle of a refresh would have it done
	// again, under the same name.
	for _, w := range []*window{ann, second} {
		w.expect("none.txt")
		w.expect("/favicon.ico") // which a browser asks for where no page says otherwise
		w.do("leave the page", chromedp.Navigate(f.URL+"/none.txt"))
	}
	value[bool](ann, `(() => {
		const grant = JSON.parse(localStorage.getItem('weft.grant'));
		localStorage.setItem('weft.grant', JSON.stringify({ ...grant, expires_at: Date.now() - 1000 }));
		return true;
	})()`)
	f.holdRefreshes()
	ann.do("come back", chromedp.Navigate(f.URL))
	<-f.held // the first tab's refresh is on its way
	second.do("come back", chromedp.Navigate(f.URL))
	weftest.Eventually(t, "the second tab waits for the first", func() bool {
		return later[int](ann, `navigator.locks.query().then(l => l.pending.filter(l => l.name === 'weft.refresh').length)`) == 1
	})
	f.release()
	ann.live()
	second.live()
	if n := f.refreshed(); n != 1 {
		t.Errorf("%d refreshes by two tabs, want 1", n)
	}
	for _, w := range []*window{ann, second} {
		if g := grantOf(w); g.RefreshToken == before.RefreshToken || g.PublicKey != before.PublicKey {
			t.Errorf("%s is bound to %q, was %q; renewed: %t", w.who, g.PublicKey, before.PublicKey, g.RefreshToken != before.RefreshToken)
		}
	}
	if kept := later[[]keptKey](second, keys); len(kept) != 1 || kept[0].Public != before.PublicKey {
		t.Errorf("the tabs have the keys %+v", kept)
	}
}

// A browser without Ed25519 has none to bind tokens to: they are bearers, and all else is the same.
func TestABrowserWithoutEd25519(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann := open(t, startBrowser(t), "ann", "about:blank", desktop)
	older := `{
		const generate = SubtleCrypto.prototype.generateKey;
		SubtleCrypto.prototype.generateKey = function (algorithm, ...more) {
			if ((algorithm.name ?? algorithm) === 'Ed25519') return Promise.reject(new DOMException('Algorithm: Unrecognized name', 'NotSupportedError'));
			return generate.call(this, algorithm, ...more);
		};
	}`
	if _, err := chromedp.Call(ann.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: older}); err != nil {
		t.Fatal(err)
	}
	ann.do("open the page", chromedp.Navigate(p.URL))
	ann.signIn(annsPhone, "Ann")
	if kept := later[[]keptKey](ann, keys); len(kept) != 0 {
		t.Errorf("it keeps %+v", kept)
	}
	g := grantOf(ann)
	if g.PublicKey != "" {
		t.Errorf("its tokens are bound to %q", g.PublicKey)
	}
	ann.do("reload", chromedp.Reload())
	ann.live()
	ann.choose("main-menu", "sign-out")
	ann.signedOut()
}
