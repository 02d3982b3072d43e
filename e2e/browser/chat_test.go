package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/weftest"
)

const (
	annsPhone = "+4915123456780"
	bobsPhone = "+4915123456781"
)

func TestTwoPeopleInTwoWindows(t *testing.T) {
	data := t.TempDir()
	p := weftest.StartWeft(t, data, "")
	browser := startBrowser(t)
	ann := open(t, browser, "ann", p.URL, desktop)
	bob := open(t, browser, "bob", p.URL, desktop)
	ann.signIn(annsPhone, "Ann Lee")
	bob.signIn(bobsPhone, "Bob Ray")

	// ann finds bob, who is online, and writes; he sees the chat with its count, and she that it was delivered
	ann.find(bobsPhone)
	ann.shows("presence", "online")
	ann.send("Hello Bob!")
	bob.shows("chat-item", "Ann Lee")
	bob.shows("chat-item", "Hello Bob!")
	bob.shows("unread", "1")
	ann.state("Hello Bob!", "delivered")
	if days := value[int](ann, `document.querySelectorAll('[data-testid=day-separator]').length`); days != 1 {
		t.Errorf("%d day separators over one day's messages", days)
	}

	// he opens it: it is read, for both
	bob.click("chat-item")
	bob.state("Hello Bob!", "in")
	bob.gone("unread")
	ann.state("Hello Bob!", "read")

	// he types, which she sees until he sends
	bob.write("composer", "Hi A")
	ann.shows("typing", "typing")
	bob.send("nn")
	ann.state("Hi Ann", "in")
	ann.gone("typing")
	bob.state("Hi Ann", "read")

	// the server is killed: both see it; what ann writes meanwhile waits, and is sent once the server is back
	ann.away()
	bob.away()
	address := strings.TrimPrefix(p.URL, "http://")
	p.Kill()
	ann.sees("the connection is lost", `document.querySelector('[data-testid=connection-state]').dataset.state === 'waiting'`)
	ann.shows("connection-state", "No connection")
	ann.send("while it was down")
	ann.state("while it was down", "sending")
	weftest.StartWeft(t, data, address)
	ann.live()
	bob.live()
	bob.state("while it was down", "in")
	ann.state("while it was down", "read")
	bob.send("welcome back")
	ann.state("welcome back", "in")
	for _, w := range []*window{ann, bob} {
		texts := value[string](w, `[...document.querySelectorAll('[data-testid=message] .text')].map(e => e.textContent).join('|')`)
		if want := "Hello Bob!|Hi Ann|while it was down|welcome back"; texts != want {
			t.Errorf("%s has %s, want %s", w.who, texts, want)
		}
	}

	// bob goes: ann sees when he was last here
	if err := chromedp.Cancel(bob.ctx); err != nil {
		t.Fatal(err)
	}
	ann.shows("presence", "last seen")

	// she signs out, and nothing of hers stays
	ann.choose("main-menu", "sign-out")
	ann.away() // the server ends with the test, maybe before it has answered that she has
	ann.sees("the sign-in is there", `!!document.querySelector('[data-testid=phone]')`)
	if kept := value[int](ann, `localStorage.length + sessionStorage.length`); kept != 0 {
		t.Errorf("%d entries are kept after signing out", kept)
	}
}

func TestTabsAreInStep(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	bob := open(t, browser, "bob", p.URL, desktop)
	bob.signIn(bobsPhone, "Bob")
	ann := open(t, browser, "ann", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	second := ann.tab(p.URL)
	second.live()

	bob.find(annsPhone)
	bob.send("to both")
	for _, w := range []*window{ann, second} {
		w.shows("chat-item", "to both")
		w.shows("unread", "1")
	}
	// what one reads, the other shows as read
	second.click("chat-item")
	second.state("to both", "in")
	ann.gone("unread")
	bob.state("to both", "read")
	// what one sends, the other shows
	ann.click("chat-item")
	ann.send("from the first")
	second.state("from the first", "read")
	// signing out in one signs the other out
	second.choose("main-menu", "sign-out")
	ann.sees("the sign-in is there", `!!document.querySelector('[data-testid=phone]')`)
}

func TestPagingUp(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	const n = 450
	api := client.API{URL: p.URL}
	sign := func(phone string) client.Grant {
		otp, err := api.OTP(t.Context(), phone)
		if err != nil {
			t.Fatal(err)
		}
		g, err := api.Token(t.Context(), client.SignIn{Phone: phone, Code: otp.DevCode, Name: "someone", Device: client.NewDevice{Name: "test", Platform: "test"}})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	ann, bob := sign(annsPhone), sign(bobsPhone)
	s, err := client.Connect(t.Context(), client.Options{URL: p.URL, Tokens: client.NewGrants(api, bob, nil), Handler: func(client.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range n {
		if _, err := s.Send(t.Context(), string(ann.User.ID), "text", fmt.Appendf(nil, `{"text":"number %d."}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	w := open(t, startBrowser(t), "ann", p.URL, desktop)
	w.write("phone", annsPhone)
	w.click("otp-submit")
	w.sees("the code is there", `document.querySelector('[data-testid=code]')?.value.length === 6`)
	w.click("code-submit")
	w.shows("unread", fmt.Sprint(n))
	w.click("chat-item")
	w.sees("the newest is there", fmt.Sprintf(`%s.length === 1`, messages(fmt.Sprintf("number %d.", n-1))))
	// she scrolls up to the very first
	w.sees("the first is there", fmt.Sprintf(`(() => {
		const first = %s.length === 1;
		if (!first) document.querySelector('.scroller').scrollTop -= 1200;
		return first;
	})()`, messages("number 0.")))
	seqs := value[[]int](w, `[...document.querySelectorAll('[data-testid=message]')].map(m => +m.dataset.seq)`)
	for i := 1; i < len(seqs); i++ {
		if seqs[i] != seqs[i-1]+1 {
			t.Fatalf("after %d comes %d", seqs[i-1], seqs[i])
		}
	}
	if len(seqs) > 300 {
		t.Errorf("%d messages are in the page: it grows with what was read", len(seqs))
	}
	// and back to the end at once
	w.click("to-end")
	w.sees("the newest is there", fmt.Sprintf(`%s.length === 1`, messages(fmt.Sprintf("number %d.", n-1))))
}

func TestOnAPhone(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	bob := open(t, browser, "bob", p.URL, desktop)
	bob.signIn(bobsPhone, "Bob")
	ann := open(t, browser, "ann", p.URL, phone)
	ann.signIn(annsPhone, "Ann")
	bob.find(annsPhone)
	bob.send("hi")
	// list and conversation take turns, and nothing is wider than the screen
	visible := func(id string) string {
		return fmt.Sprintf(`!!document.querySelector('%s')?.checkVisibility({visibilityProperty: true})`, by(id))
	}
	fits := func() {
		t.Helper()
		if wide := value[int](ann, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
			t.Errorf("the page is %d pixels wider than the screen", wide)
		}
	}
	fits()
	ann.click("chat-item")
	ann.state("hi", "in")
	ann.sees("the list is out of sight", "!("+visible("chat-list")+")")
	fits()
	ann.click("back")
	ann.sees("the list is back", visible("chat-list"))
	ann.sees("the conversation is gone", "!("+visible("conversation")+")")
}

// All of it by keyboard alone, and every control has a name for a screen reader.
func TestKeyboardAlone(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	bob := open(t, browser, "bob", p.URL, desktop)
	bob.signIn(bobsPhone, "Bob")
	ann := open(t, browser, "ann", p.URL, desktop)
	focused := func(id string) {
		t.Helper()
		ann.sees("the focus is on "+id, fmt.Sprintf(`document.activeElement?.matches('%s')`, by(id)))
	}
	named := func() {
		t.Helper()
		nameless := value[[]string](ann, `[...document.querySelectorAll('button,input,textarea,a')].filter(e => e.checkVisibility()
			&& !(e.ariaLabel || e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)`)
		if len(nameless) > 0 {
			t.Errorf("controls without a name: %v", nameless)
		}
	}
	focused("phone")
	named()
	ann.press(annsPhone + kb.Enter)
	ann.sees("the code is there", `document.querySelector('[data-testid=code]')?.value.length === 6`)
	focused("code")
	named()
	ann.press(kb.Enter)
	focused("name")
	ann.press("Ann" + kb.Enter)
	ann.live()
	bob.find(annsPhone)
	bob.send("hi")
	ann.shows("chat-item", "hi")
	named()
	ann.sees("Tab leads to the chat", `document.activeElement?.matches('[data-testid=chat-item]') || (() => {
		const all = [...document.querySelectorAll('button:enabled,input,textarea')].filter(e => e.checkVisibility() && e.tabIndex >= 0);
		all[(all.indexOf(document.activeElement) + 1) % all.length].focus();
		return false;
	})()`)
	ann.press(kb.Enter)
	focused("composer")
	named()
	ann.press("by keyboard" + kb.Enter)
	bob.state("by keyboard", "in")
	ann.press(kb.Escape)
	focused("chat-item")
	if live := value[int](ann, `document.querySelectorAll('[role=status],[aria-live]').length`); live == 0 {
		t.Error("nothing is announced to a screen reader")
	}
}
