package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weft-im/weft/weftest"
)

const catsPhone = "+4915123456782"

// group makes a group with whoever has these phones.
func (w *window) group(name string, phones ...string) {
	w.t.Helper()
	w.choose("main-menu", "new-group")
	w.write("group-name", name)
	for i, p := range phones {
		w.write("choose-text", p)
		w.click("choose-find")
		w.sees("who was found is chosen", fmt.Sprintf(`document.querySelectorAll('[data-testid=choose-user]:checked').length === %d`, i+1))
	}
	w.click("group-create")
	w.sees("the group is open", `!!document.querySelector('[data-testid=composer]')`)
}

func TestAGroup(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	ann := open(t, browser, "ann", p.URL, desktop)
	bob := open(t, browser, "bob", p.URL, phone)
	ann.signIn(annsPhone, "Ann Lee")
	bob.signIn(bobsPhone, "Bob Ray")

	// ann makes a group with bob in it; it shows in his list, with what was written
	ann.group("Hiking", bobsPhone)
	ann.shows("system-message", "Ann Lee made the group and added Bob Ray")
	ann.shows("member-count", "2 members")
	ann.write("composer", "Who comes, @bo")
	ann.shows("mention", "Bob Ray")
	ann.write("composer", kb.Tab+"and others?"+kb.Enter)
	ann.state("Who comes, @Bob Ray and others?", "delivered")
	bob.shows("chat-item", "Hiking")
	bob.shows("chat-item", "Ann Lee: Who comes, @Bob Ray and others?")
	bob.shows("unread", "1")
	bob.click("chat-item")
	bob.state("Who comes", "in")
	bob.sees("that he is meant", `document.querySelector('[data-testid=message] .mention').textContent === '@Bob Ray'`)
	ann.state("Who comes", "read")

	// he answers, and reacts
	bob.act("Who comes", "reply")
	bob.shows("writing", "Who comes")
	bob.write("composer", "I do")
	bob.shows("writing", "Ann Lee")
	ann.shows("typing", "Bob Ray is typing")
	bob.click("send")
	bob.gone("writing")
	ann.sees("the answer with what it answers", `document.querySelector('[data-testid=quote]')?.textContent.includes('Who comes')`)
	bob.act("Who comes", "quick-reaction")
	ann.sees("his reaction", `document.querySelector('[data-testid=reactions] button')?.textContent === '👍'`)

	// she changes her words; he sees them changed, and searches for the new ones
	ann.act("and others?", "edit")
	ann.write("composer", " Saturday")
	ann.press(kb.Enter)
	for _, w := range []*window{ann, bob} {
		w.state("and others? Saturday", map[*window]string{ann: "read", bob: "in"}[w])
		w.shows("message", "edited")
	}
	ann.write("search", "satur")
	ann.shows("search-hit", "and others? Saturday")
	ann.click("search-hit")
	ann.sees("what was found", `!!document.querySelector('.message.found')`)
	ann.press(kb.Escape)

	// she pins and stars it, and sees who has read it
	ann.act("Saturday", "pin")
	ann.shows("pinbar", "Saturday")
	bob.shows("pinbar", "Saturday")
	ann.act("Saturday", "star")
	ann.choose("main-menu", "starred")
	ann.shows("starred-message", "Saturday")
	ann.act("Saturday", "message-info")
	ann.shows("info-dialog", "Read by (1)")
	ann.shows("info-dialog", "Bob Ray")
	ann.press(kb.Escape)
	ann.gone("info-dialog")

	// he takes his answer back; it is gone for both, and stays gone
	bob.act("I do", "delete-all")
	for _, w := range []*window{ann, bob} {
		w.sees("that it was deleted", messages("I do")+`.length === 0 && `+messages("This message was deleted")+`.length === 1`)
	}
	bob.do("reload", chromedp.Reload())
	bob.live()
	bob.sees("that it stays deleted", messages("This message was deleted")+`.length === 1`)
	bob.sees("the reaction still", `document.querySelector('[data-testid=reactions] button.mine')?.textContent === '👍'`)
}

func TestComingAndGoing(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	ann := open(t, browser, "ann", p.URL, desktop)
	bob := open(t, browser, "bob", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	bob.signIn(bobsPhone, "Bob")
	ann.group("Hiking")
	ann.send("before anybody came")

	// an invite leads one who is not signed in through the sign-in to the group
	ann.click("open-info")
	ann.enter("invite-create")
	ann.sees("the invite", `!!document.querySelector('[data-testid=invite]')`)
	link := value[string](ann, `document.querySelector('.invite-link').textContent`)
	cat := open(t, browser, "cat", link, phone)
	cat.signIn(catsPhone, "Cat")
	cat.shows("join-page", "Hiking")
	cat.click("join")
	cat.shows("system-message", "Cat joined by an invite")
	cat.gone("message") // what was said before is not hers to read
	ann.shows("member-count", "2 members")
	ann.shows("members", "Cat")

	// bob is added, and may not write once only admins do
	ann.enter("add-members")
	ann.write("choose-text", bobsPhone)
	ann.click("choose-find")
	ann.click("add-submit")
	ann.shows("members", "Bob")
	bob.shows("chat-item", "Ann added Bob")
	bob.click("chat-item")
	bob.send("hello")
	cat.state("hello", "in")
	ann.do("let admins write only", chromedp.Evaluate[chromedp.Void](`{
		const select = document.querySelector('[data-testid=setting-send]');
		select.value = 'admins';
		select.dispatchEvent(new Event('change', { bubbles: true }));
	}`))
	bob.shows("silenced", "Only admins")
	cat.shows("silenced", "Only admins")

	// bob is made an admin: he writes; then he is removed, and the group is gone for him
	role := func(item string) {
		t.Helper()
		ann.do("open his menu", chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('[data-testid=member]')].find(m => m.textContent.includes('Bob')).querySelector('[data-testid=member-menu]').click()`))
		ann.click(item)
	}
	role("make-admin")
	bob.gone("silenced")
	bob.send("as an admin")
	cat.state("as an admin", "in")
	role("remove-member")
	bob.shows("notice", "no longer in this group")
	bob.gone("conversation")
	bob.gone("chat-item")
	cat.sees("that he was removed", `[...document.querySelectorAll('[data-testid=system-message]')].some(m => m.textContent === 'Ann removed Bob')`)

	// cat leaves
	cat.shows("member-count", "2 members")
	cat.click("open-info")
	cat.enter("leave")
	cat.click("leave-confirm")
	cat.gone("conversation")
	cat.gone("chat-item")
	ann.shows("member-count", "1 member")
}

func TestBlocking(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	ann := open(t, browser, "ann", p.URL, desktop)
	bob := open(t, browser, "bob", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	bob.signIn(bobsPhone, "Bob")
	second := ann.tab(p.URL)
	second.live()
	ann.find(bobsPhone)
	ann.send("hello")
	bob.click("chat-item")
	bob.state("hello", "in")
	second.click("chat-item")
	second.state("hello", "read")

	// whom ann blocks sees nothing of it: what he writes is sent, and never delivered
	ann.click("open-info")
	ann.enter("block")
	ann.shows("silenced", "blocked")
	second.shows("silenced", "blocked")
	bob.send("are you there?")
	bob.state("are you there?", "sent")
	ann.enter("block")
	ann.gone("silenced")
	bob.send("now?")
	ann.state("now?", "in")
	bob.state("now?", "read")
	if n := value[int](ann, messages("are you there?")+".length"); n != 0 {
		t.Error("what was written while blocked came")
	}

	// mute, archive: they show on the other tab
	ann.choose("chat-menu", "archive")
	second.shows("archived", "Archived (1)")
	second.gone("chat-item")
	second.click("archived")
	second.shows("chat-item", "now?")
}
