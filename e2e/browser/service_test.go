package browser_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// internalService is a service with what `weft service add` gave it: credentials, and a context of the stock nats CLI.
type internalService struct {
	t    *testing.T
	name string
	env  []string
}

var natsLine = regexp.MustCompile(`nats://127\.0\.0\.1:\d+`)

// addService registers a service with a weft that runs.
func addService(t *testing.T, p *weftest.Process, data, name string, args ...string) internalService {
	t.Helper()
	home := t.TempDir()
	s := internalService{t, name, append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(home, "config"))}
	s.run(weftest.Binary(t), append([]string{"service", "add", name, "--nats", natsLine.FindString(p.Output()), "--data", data, "--to", home}, args...)...)
	return s
}

func (s internalService) run(program string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), program, args...)
	cmd.Env = s.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// nats runs the stock CLI as the service.
func (s internalService) nats(args ...string) string {
	s.t.Helper()
	return s.run("go", append([]string{"tool", "nats", "--context", s.name}, args...)...)
}

// send publishes to a subject below svc.<name>.send and returns the answer.
func (s internalService) send(to, kind, body string) (answer contract.ServiceSent) {
	s.t.Helper()
	payload := fmt.Sprintf(`{"cid":%q,"kind":%q,"body":%s}`, fabric.NewCID(), kind, body)
	out := s.nats("request", "--raw", fmt.Sprintf("svc.%s.send.%s", s.name, to), payload)
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		s.t.Fatalf("the answer is %q: %v", out, err)
	}
	return answer
}

// next returns the next message that a user wrote to it.
func (s internalService) next() (m contract.ServiceInbox) {
	s.t.Helper()
	out := s.nats("consumer", "next", "SVC_INBOX", s.name, "--raw", "--ack", "--timeout", "20s")
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		s.t.Fatalf("its inbox has %q: %v", out, err)
	}
	return m
}

func TestAService(t *testing.T) {
	data := t.TempDir()
	p := weftest.StartWeft(t, data, "")
	const shop = "Bob's Very Own Shop for Yarn, Thread and Looms"
	orders := addService(t, p, data, "orders", "--title", shop, "--may-send", "user,group")
	browser := startBrowser(t)
	ann := open(t, browser, "ann", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	bob := open(t, browser, "bob", p.URL, desktop)
	bob.signIn(bobsPhone, shop) // anybody may call themselves that
	id := grantOf(ann).User.ID
	toAnn := "u." + string(id)

	// it writes to ann: she sees that it is a service's, in the list, over the chat and in what is known of it
	if yes := orders.send(toAnn, "text", `{"text":"Your order is on its way"}`); yes.OK == nil {
		t.Fatalf("refused: %v", yes.Err)
	}
	ann.shows("chat-item", "Your order is on its way")
	ann.sees("it is marked in the list", `document.querySelector('[data-testid=chat-item] [data-testid=service-badge]')?.title.includes('orders')
		&& !!document.querySelector('[data-testid=chat-item] .avatar-service')`)
	ann.click("chat-item")
	ann.state("Your order is on its way", "in")
	ann.sees("it is marked over the chat", `!!document.querySelector('[data-testid=conversation] header [data-testid=service-badge]')
		&& !!document.querySelector('[data-testid=conversation] header .avatar-service')`)
	ann.shows("service-name", "internal service orders")
	ann.click("open-info")
	ann.shows("info-panel", "Service info")
	ann.shows("service-info", "no person but the internal service orders")

	if hidden := value[[]string](ann, `[...document.querySelectorAll('[data-testid=service-badge]')].filter(b => {
		const { left, right, top, bottom } = b.getBoundingClientRect();
		return [left + 2, right - 2].some(x => document.elementFromPoint(x, (top + bottom) / 2) !== b);
	}).map(b => b.parentElement.className)`); len(hidden) > 0 {
		t.Errorf("the name pushes badges out of sight: %v", hidden)
	}

	// a person of the same name has none of that
	bob.find(annsPhone)
	bob.send("me too")
	ann.sees("bob in the list", `document.querySelectorAll('[data-testid=chat-item]').length === 2`)
	if n := value[int](ann, `document.querySelectorAll('[data-testid=chat-item] [data-testid=service-badge], [data-testid=chat-item] .avatar-service').length`); n != 2 {
		t.Errorf("%d badges and avatars of services in a list with one service, want one each", n)
	}

	// she answers, which comes into the service's inbox; what she marks does too
	ann.send("Thanks, where is it?")
	ann.state("Thanks, where is it?", "sent")
	if m := orders.next(); m.From != id || m.Kind != "text" || !strings.Contains(string(m.Body), "Thanks, where is it?") {
		t.Errorf("in its inbox is %+v", m)
	}
	ann.act("Your order is on its way", "quick-reaction")
	if m := orders.next(); m.From != id || m.Kind != "reaction" {
		t.Errorf("in its inbox is %+v", m)
	}

	// in a group it is marked as well
	ann.group("Buying", bobsPhone)
	ann.shows("member-count", "2 members")
	group := value[string](ann, `document.querySelector('[data-testid=conversation]').dataset.channel`)
	if yes := orders.send(group, "text", `{"text":"An order for all of you"}`); yes.OK == nil {
		t.Fatalf("refused: %v", yes.Err)
	}
	for _, w := range []*window{ann, bob} {
		if w == bob {
			w.do("open the group", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector('[data-testid=chat-item][data-channel="%s"]').click()`, group)))
		}
		w.state("An order for all of you", "in")
		w.sees("it is marked", messages("An order for all of you")+`[0].querySelector('.sender [data-testid=service-badge]')?.title.includes('orders')`)
	}

	// she blocks it: it is told no, typed, and she sees nothing more of it; then it may again
	chat := func() {
		t.Helper()
		ann.do("open the service's chat", chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid=chat-item]:has([data-testid=service-badge])').click()`))
	}
	chat()
	ann.click("open-info")
	ann.enter("block")
	ann.shows("silenced", "You have blocked this service")
	if no := orders.send(toAnn, "text", `{"text":"buy more"}`); no.Err == nil || no.Err.Code != fabric.CodeForbidden {
		t.Errorf("to one who has blocked it: %+v, %v", no.OK, no.Err)
	}
	ann.choose("main-menu", "settings")
	ann.sees("it is marked among those who are blocked", `!!document.querySelector('[data-testid=settings-panel] [data-testid=service-badge]')`)
	ann.click("panel-close")
	ann.click("open-info")
	ann.enter("block")
	ann.gone("silenced")
	if yes := orders.send(toAnn, "text", `{"text":"Welcome back"}`); yes.OK == nil {
		t.Errorf("to one who has unblocked it: %v", yes.Err)
	}
	ann.state("Welcome back", "in")
	if n := value[int](ann, messages("buy more")+".length"); n != 0 {
		t.Error("what it wrote while blocked came")
	}

	// it is removed: what it wrote stays, and nobody can write to it
	orders.run(weftest.Binary(t), "service", "remove", "orders", "--nats", natsLine.FindString(p.Output()), "--data", data)
	ann.do("reload", chromedp.Reload())
	ann.live()
	ann.state("Welcome back", "in")
	ann.shows("silenced", "This service was removed")
}

// What the page shows of a service is what the API tells of it.
func TestAServiceInTheAPI(t *testing.T) {
	data := t.TempDir()
	p := weftest.StartWeft(t, data, "")
	addService(t, p, data, "orders", "--title", "Orders", "--context", "-")
	list := internalService{t, "orders", os.Environ()}.run(weftest.Binary(t), "service", "ls", "--nats", natsLine.FindString(p.Output()), "--data", data)
	account := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(list)
	api := client.API{URL: p.URL}
	otp, err := api.OTP(t.Context(), annsPhone)
	if err != nil {
		t.Fatal(err)
	}
	g, err := api.Token(t.Context(), client.SignIn{Phone: otp.Phone, Code: otp.DevCode, Name: "Ann", Device: client.NewDevice{Name: "test", Platform: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := client.NewAccount(api, client.StaticToken(g.AccessToken)).User(t.Context(), fabric.UserID(account))
	if err != nil || u.Service != "orders" || u.Name != "Orders" || u.Phone != "" {
		t.Errorf("ann sees %+v, %v", u, err)
	}
}
