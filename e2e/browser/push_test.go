package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push/pushtest"
	"github.com/weft-im/weft/weftest"
)

// permit sets what the browser's user has decided on notifications.
func (w *window) permit(setting browser.PermissionSetting) {
	w.t.Helper()
	if _, err := chromedp.CallBrowser(w.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: setting,
	}); err != nil {
		w.t.Fatal(err)
	}
}

// worker returns the registration of the page's service worker, as the browser's tools know it.
func (w *window) worker(origin string) serviceworker.RegistrationID {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	found := make(chan serviceworker.RegistrationID, 16)
	events := chromedp.Events(ctx, serviceworker.WorkerRegistrationUpdated)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			for _, r := range e.Registrations {
				if strings.HasPrefix(r.ScopeURL, origin) && !r.IsDeleted {
					found <- r.RegistrationID
				}
			}
		}
	}()
	if _, err := chromedp.Call(ctx, serviceworker.Enable, cdp.Empty{}); err != nil {
		w.t.Fatal(err)
	}
	select {
	case id := <-found:
		return id
	case <-ctx.Done():
		w.t.Fatal("the page has no service worker")
	}
	return ""
}

// notification is one that the browser shows.
type notification struct{ Title, Body, Tag string }

// notified waits until the browser's notifications are so, by title and body.
func (w *window) notified(want ...string) {
	w.t.Helper()
	w.notifiedOf(func() {}, want...)
}

// notifiedOf has the browser be given pushes, and waits until its notifications are so. Under load it has been seen to leave
// the service worker deaf: that runs, and no promise of it comes to an end, not even a fetch's. So it is stopped after a
// while, as the browser does with one at rest, and given them again.
func (w *window) notifiedOf(give func(), want ...string) {
	w.t.Helper()
	give()
	given := time.Now()
	var got []notification
	weftest.Eventually(w.t, fmt.Sprintf("the notifications are %q", want), func() bool {
		if time.Since(given) > 3*time.Second {
			if _, err := chromedp.Call(w.ctx, serviceworker.StopAllWorkers, cdp.Empty{}); err != nil {
				w.t.Fatal(err)
			}
			w.t.Log("the service worker was deaf: it is stopped, and given the pushes again")
			give()
			given = time.Now()
		}
		got = later[[]notification](w, `navigator.serviceWorker.getRegistration().then((r) => r.getNotifications())
			.then((all) => all.map((n) => ({ Title: n.title, Body: n.body, Tag: n.tag })))`)
		var have []string
		for _, n := range got {
			have = append(have, n.Title+": "+n.Body)
		}
		return strings.Join(have, "|") == strings.Join(want, "|")
	})
}

// say writes to a channel as somebody without a window.
func say(t *testing.T, url string, as client.Grant, to, kind string, body any) (sent fabric.Sent) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"cid": fabric.NewCID(), "kind": kind, "body": body})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/channels/"+to+"/messages", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&sent); err != nil || resp.StatusCode >= 300 {
		t.Fatalf("send: %s, %v", resp.Status, err)
	}
	return sent
}

// Ann turns notifications on when she is asked, closes the page, and is told by the service worker of what Bob writes: once a
// chat, with all that is new, without what he takes back; a click opens the chat. The push service between the two is ours, and
// so is the last step of its way: the browser's own service can't be reached by a test.
func TestNotifications(t *testing.T) {
	web := pushtest.StartWebPush(t)
	p := weftest.StartWeft(t, t.TempDir(), "", "--push-service", web.URL, "--push-delay", "200ms")
	bob := edgetest.SignIn(t, p.URL, bobsPhone, "Bob Ray")
	var key struct{ Key string }
	get(t, p.URL+"/v1/push/vapid", bob, &key)
	reg := web.Subscribe("ann", key.Key)

	// Not a window in private mode, which has no notifications.
	ann := newWindow(t, "ann", "about:blank", desktop, startBrowser(t))
	stub := fmt.Sprintf(`if (globalThis.PushManager) PushManager.prototype.subscribe = async function (options) {
		if (options.applicationServerKey !== %q || !options.userVisibleOnly) throw new Error("subscribed with something else");
		return { options: { applicationServerKey: null }, unsubscribe: async () => true, toJSON: () => ({ endpoint: %q, keys: { p256dh: %q, auth: %q } }) };
	}`, key.Key, reg.Endpoint, reg.Keys.P256dh, reg.Keys.Auth)
	if _, err := chromedp.Call(ann.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: stub}); err != nil {
		t.Fatal(err)
	}
	ann.permit(browser.PermissionSettingPrompt)
	ann.do("open the page", chromedp.Navigate(p.URL))
	ann.signIn(annsPhone, "Ann Lee")
	if value[bool](ann, `!!document.querySelector('[data-testid=push-ask]')`) {
		t.Error("she is asked before she has done anything")
	}
	ann.find(bobsPhone)
	ann.send("Hello Bob!")
	ann.shows("push-ask", "Turn on")
	ann.permit(browser.PermissionSettingGranted)
	ann.click("push-yes")
	ann.gone("push-ask")
	ann.choose("main-menu", "settings")
	ann.sees("notifications are on", `document.querySelector('[data-testid=push-settings]')?.dataset.state === 'on'`)
	registration := ann.worker(p.URL)
	// One that is still being installed is given no push.
	weftest.Eventually(t, "the service worker is at work", func() bool {
		return later[bool](ann, `navigator.serviceWorker.getRegistration().then((r) => r.active?.state === 'activated')`)
	})
	chat := value[string](ann, `decodeURIComponent(location.hash.slice(2))`)

	// The page is closed; the worker is asked by another document of its origin.
	ann.expect("favicon.ico") // which it has not got
	ann.do("close the page", chromedp.Navigate(p.URL+"/v1/limits"))
	n := 0
	deliver := func(push int, want ...string) {
		t.Helper()
		pushes := web.Await("ann", push)[n:]
		n += len(pushes)
		ann.notifiedOf(func() {
			for _, push := range pushes {
				if _, err := chromedp.Call(ann.ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{
					Origin: p.URL, RegistrationID: registration, Data: string(push.Data),
				}); err != nil {
					t.Fatal(err)
				}
			}
		}, want...)
	}
	first := say(t, p.URL, bob, chat, "text", map[string]any{"text": "Hi Ann"})
	deliver(1, "Bob Ray: Hi Ann")
	say(t, p.URL, bob, chat, "text", map[string]any{"text": "are you there?"})
	deliver(2, "Bob Ray: Hi Ann\nare you there?")
	cem := edgetest.SignIn(t, p.URL, "+4915123456782", "Cem")
	say(t, p.URL, cem, strings.ReplaceAll(strings.ReplaceAll(chat, string(bob.User.ID), ""), ".", ""), "text", map[string]any{"text": "it's me"})
	deliver(3, "Bob Ray: Hi Ann\nare you there?", "Cem: it's me")
	say(t, p.URL, bob, chat, "delete", map[string]any{"seq": first.Seq})
	deliver(4, "Bob Ray: are you there?", "Cem: it's me")

	// She opens the page and clicks one: it opens its chat, and goes; opening the other one takes that one away.
	ann.do("open the page", chromedp.Navigate(p.URL))
	ann.lists("Cem")
	ann.clickNotification(t, p.URL, chat)
	ann.sees("Bob's chat is open", fmt.Sprintf(`decodeURIComponent(location.hash) === '#/%s'`, chat))
	ann.state("are you there?", "in")
	ann.notified("Cem: it's me")

	// Without a server, what is installed starts and shows the chats as they were.
	time.Sleep(1500 * time.Millisecond) // the list is kept once a second
	ann.away()
	p.Kill()
	ann.do("open the page", chromedp.Navigate(p.URL))
	ann.lists("Cem")
	ann.lists("Bob Ray")
}

// lists waits until a chat is in the list.
func (w *window) lists(name string) {
	w.t.Helper()
	w.sees("the chat with "+name+" is listed", fmt.Sprintf(`[...document.querySelectorAll('%s')].some((i) => i.textContent.includes(%q))`, by("chat-item"), name))
}

// get makes a call as somebody.
func get(t *testing.T, url string, as client.Grant, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// clickNotification clicks a chat's notification, as far as a page can tell: the browser's tools can't click what the
// system shows, so the worker is handed the event.
func (w *window) clickNotification(t *testing.T, origin, tag string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	wait := true
	targets, err := chromedp.CallBrowser(ctx, target.GetTargets, target.GetTargetsParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range targets.TargetInfos {
		if info.Type != "service_worker" || !strings.HasPrefix(info.URL, origin) {
			continue
		}
		worker, stop := chromedp.NewContext(w.ctx, chromedp.WithTargetID(info.TargetID))
		defer stop()
		if _, err := chromedp.Call(worker, runtime.Evaluate, runtime.EvaluateParams{AwaitPromise: &wait, Expression: fmt.Sprintf(
			`registration.getNotifications({ tag: %q }).then(([n]) => self.dispatchEvent(new NotificationEvent("notificationclick", { notification: n })))`, tag)}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the service worker does not run")
}
