package edge_test

import (
	"fmt"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// place is where a message stands, as replies, events and history all tell it.
func place(o edgetest.Object) string {
	return fmt.Sprintf("%s %d<%d at %d", o.Str("channel"), o.Num("seq"), o.Num("prev"), o.Num("at"))
}

func text(o edgetest.Object) string {
	b, _ := o["body"].(map[string]any)
	s, _ := b["text"].(string)
	return s
}

func TestTwoPeopleChat(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	// on two edges, as the two of them hardly ever share one
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e1, "ann"), f.User(t, e2, "bob")
	chat := edgetest.Direct(ann, bob)
	a, b := edgetest.Connect(t, e1, ann, ""), edgetest.Connect(t, e2, bob, "")
	a.Synced()
	b.Synced()

	// ann types, and writes to bob by his user id: that opens the chat
	a.Call("typing", map[string]any{"channel": chat, "on": true})
	if ev := b.Event("typing"); ev.Str("user") != string(ann.User.ID) || ev["on"] != true || ev.Str("channel") != string(chat) {
		t.Errorf("typing: %v", ev)
	}
	cid := fabric.NewCID()
	sent := a.Send(string(bob.User.ID), cid, "hello ✓")
	got := b.Event("message")
	if place(sent) != place(got) || got.Str("from") != string(ann.User.ID) || got.Str("cid") != cid || got.Str("kind") != "text" || text(got) != "hello ✓" {
		t.Errorf("bob got %v, ann was told %v", got, sent)
	}
	// he answers to the channel
	answer := b.Send(string(chat), "", "hi")
	if back := a.Event("message"); place(back) != place(answer) || answer.Num("prev") != sent.Num("seq") {
		t.Errorf("ann got %v, bob was told %v", back, answer)
	}

	// delivered, then read
	b.Ask("ack", map[string]any{"channel": chat, "seq": sent.Num("seq")})
	if r := a.Event("receipt"); r.Str("user") != string(bob.User.ID) || r.Num("delivered") != sent.Num("seq") || r.Num("read") != 0 {
		t.Errorf("after bob's ack: %v", r)
	}
	b.Ask("read", map[string]any{"channel": chat, "seq": sent.Num("seq")})
	if r := a.Await("read", func(o edgetest.Object) bool { return o.Event() == "receipt" && o.Num("read") > 0 }); r.Num("read") != sent.Num("seq") {
		t.Errorf("after bob's read: %v", r)
	}
	receipts := a.Call("receipts", map[string]any{"channel": chat}).OK()
	if want := fmt.Sprintf("[map[delivered:%d read:%[1]d user:%s]]", sent.Num("seq"), bob.User.ID); fmt.Sprint(receipts["receipts"]) != want {
		t.Errorf("receipts: %v, want %s", receipts, want)
	}

	// the past agrees
	history := a.Call("history", map[string]any{"channel": chat}).OK()
	messages, _ := history["messages"].([]any)
	if len(messages) != 2 || history["more"] != false {
		t.Fatalf("history: %v", history)
	}
	first := edgetest.Object(messages[0].(map[string]any))
	if place(first) != place(sent) || text(first) != "hello ✓" {
		t.Errorf("history has %v, ann was told %v", first, sent)
	}
	for who, c := range map[*client.Grant]*edgetest.Conn{&ann: a, &bob: b} {
		list, _ := c.Call("channels", nil).OK()["channels"].([]any)
		if len(list) != 1 {
			t.Fatalf("channels of %s: %v", who.User.Name, list)
		}
		ch := edgetest.Object(list[0].(map[string]any))
		last := edgetest.Object(ch["last"].(map[string]any))
		// nobody has unread ones of their own, and ann hasn't read bob's
		unread, name := uint64(1), "bob"
		if who == &bob {
			unread, name = 0, "ann"
		}
		if ch.Str("id") != string(chat) || ch.Str("name") != name || ch.Num("unread") != unread || place(last) != place(answer) {
			t.Errorf("channel of %s: %v", who.User.Name, ch)
		}
	}
}

func TestTwoDevicesAreInStep(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e1, "ann"), f.User(t, e1, "bob")
	laptop := edgetest.SignIn(t, e2.URL, ann.User.Phone, "ann's laptop")
	if laptop.User != ann.User || laptop.Device.ID == ann.Device.ID {
		t.Fatalf("ann's laptop signed in as %+v", laptop)
	}
	chat := edgetest.Direct(ann, bob)
	phone, lap, b := edgetest.Connect(t, e1, ann, ""), edgetest.Connect(t, e2, laptop, ""), edgetest.Connect(t, e2, bob, "")
	for _, c := range []*edgetest.Conn{phone, lap, b} {
		c.Synced()
	}
	// what one device sends, the other shows
	sent := phone.Send(string(bob.User.ID), "", "from the phone")
	if ev := lap.Event("message"); place(ev) != place(sent) || ev.Str("from") != string(ann.User.ID) {
		t.Errorf("the laptop got %v", ev)
	}
	// what comes, both get
	answer := b.Send(string(chat), "", "answer")
	for _, c := range []*edgetest.Conn{phone, lap} {
		if ev := c.Event("message"); place(ev) != place(answer) {
			t.Errorf("got %v, want %v", ev, answer)
		}
	}
	// what one reads, the other shows as read
	lap.Ask("read", map[string]any{"channel": chat, "seq": answer.Num("seq")})
	ev := phone.Await("read", func(o edgetest.Object) bool { return o.Event() == "channel" })
	if ev.Str("channel") != string(chat) || ev.Str("change") != "read" || ev.Num("read") != answer.Num("seq") {
		t.Errorf("the phone was told %v", ev)
	}
	list, _ := phone.Call("channels", nil).OK()["channels"].([]any)
	if ch := edgetest.Object(list[0].(map[string]any)); ch.Num("unread") != 0 {
		t.Errorf("unread on the phone: %v", ch)
	}
	// the sender's session alone has no event of its own message
	for {
		o := phone.Await("anything", func(o edgetest.Object) bool { return true })
		if o.Event() == "message" {
			t.Errorf("the sender got its own message as an event: %v", o)
		}
		if o.Event() == "cursor" {
			break
		}
	}
}

func TestResendIsTheSameMessage(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e1, "ann"), f.User(t, e1, "bob")
	a, b := edgetest.Connect(t, e1, ann, ""), edgetest.Connect(t, e2, bob, "")
	b.Synced()
	cid := fabric.NewCID()
	first := a.Send(string(bob.User.ID), cid, "once")
	// again on the same session, on another edge, and with another text
	a2 := edgetest.Connect(t, e2, ann, "")
	for _, again := range []edgetest.Object{
		a.Send(string(bob.User.ID), cid, "once"), a2.Send(first.Str("channel"), cid, "once"), a.Send(string(bob.User.ID), cid, "twice"),
	} {
		if place(again) != place(first) {
			t.Errorf("the resend was told %v, the first %v", again, first)
		}
	}
	last := a.Send(string(bob.User.ID), "", "last")
	// both in one frame
	a.Raw(fmt.Sprintf(`{"op":"send","id":901,"to":%q,"cid":%q,"kind":"text","body":1}`+"\n"+`{"op":"send","id":902,"to":%[1]q,"cid":%[2]q,"kind":"text","body":1}`,
		bob.User.ID, fabric.NewCID()))
	if one, two := a.Reply(901).OK(), a.Reply(902).OK(); place(one) != place(two) || one.Num("prev") != last.Num("seq") {
		t.Errorf("two in one frame: %v and %v", one, two)
	}
	for _, want := range []edgetest.Object{first, last} {
		if ev := b.Event("message"); place(ev) != place(want) {
			t.Errorf("bob got %v, want %v", ev, want)
		}
	}
	if ev := b.Event("message"); ev.Num("prev") != last.Num("seq") {
		t.Errorf("bob got %v after the last", ev)
	}
}

// Nothing that was said before hello is known, nothing that was stored after its reply is missed.
func TestNothingIsMissedFromHelloOn(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a := edgetest.Connect(t, e, ann, "")
	a.Synced()
	for i := range 50 {
		b := edgetest.Connect(t, e, bob, "")
		sent := a.Send(string(bob.User.ID), "", fmt.Sprint(i)) // bob may still be catching up
		if ev := b.Await("this message", func(o edgetest.Object) bool { return o.Event() == "message" && o.Num("seq") == sent.Num("seq") }); text(ev) != fmt.Sprint(i) {
			t.Fatalf("got %v", ev)
		}
		b.Hangup()
	}
}

// Invariant 3: what goes on in a chat reaches nobody else, on the same edge or another.
func TestStrangersHearNothing(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob, eve := f.User(t, e1, "ann"), f.User(t, e1, "bob"), f.User(t, e1, "eve")
	chat := edgetest.Direct(ann, bob)
	a, b := edgetest.Connect(t, e1, ann, ""), edgetest.Connect(t, e2, bob, "")
	eves := []*edgetest.Conn{edgetest.Connect(t, e1, eve, ""), edgetest.Connect(t, e2, eve, "")}
	a.Synced()
	b.Synced()
	_, cursor := eves[0].Synced()
	eves[1].Synced()
	// a whole conversation
	for range 20 {
		sent := a.Send(string(chat), "", "psst")
		a.Call("typing", map[string]any{"channel": chat, "on": true})
		b.Event("message")
		b.Call("read", map[string]any{"channel": chat, "seq": sent.Num("seq")})
		a.Event("receipt")
	}
	// eve asks for it by every way there is
	for _, c := range eves {
		for op, fields := range map[string]map[string]any{
			"history": {"channel": chat}, "receipts": {"channel": chat}, "typing": {"channel": chat, "on": true},
			"ack": {"channel": chat, "seq": 1}, "read": {"channel": chat, "seq": 1}, "join": {"channel": chat},
			"send": {"to": chat, "cid": fabric.NewCID(), "kind": "text", "body": 1},
		} {
			if o := c.Call(op, fields); o.Err() != fabric.CodeForbidden && op != "join" || o.OK() != nil {
				t.Errorf("%s of a stranger: %v", op, o)
			}
		}
		if list, _ := c.Call("channels", nil).OK()["channels"].([]any); len(list) != 0 {
			t.Errorf("a stranger's channels: %v", list)
		}
	}
	// what she was sent is her own: the answers above, and the end of this
	if missed, _ := edgetest.Connect(t, e2, eve, cursor).Synced(); len(missed) != 0 {
		t.Errorf("a stranger's resume brings %v", missed)
	}
	for _, c := range eves {
		mark := c.Ask("ping", nil)
		for {
			o := c.Next()
			if o["id"] == float64(mark) {
				break
			}
			if o.Event() != "" && o.Event() != "cursor" {
				t.Errorf("a stranger was sent %v", o)
			}
		}
	}
}
