package push_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/users"
)

// group makes a group of somebody's.
func (w *world) group(owner client.Grant, name string, members ...fabric.UserID) fabric.ChannelID {
	w.t.Helper()
	var g contract.Group
	if status := w.call(owner, "POST", "/v1/groups", map[string]any{"name": name, "members": members}, &g); status != http.StatusCreated {
		w.t.Fatalf("make a group: %d", status)
	}
	return g.Channel
}

// In a group each member is told for themselves: by their own acks, mutes, blocks and mentions, of what came since they did.
func TestGroups(t *testing.T) {
	w := newWorld(t, func(c *push.Config) { c.Delay = 2 * time.Second })
	ann, witness := w.user("ann"), w.user("witness")
	w.subscribe(witness, "witness", nil)
	w.subscribe(ann, "ann", nil)
	people := make(map[string]client.Grant)
	var ids []fabric.UserID
	for _, name := range []string{"bob", "muted", "muted but mentioned", "blocker", "here", "left"} {
		people[name] = w.user(name)
		ids = append(ids, people[name].User.ID)
		w.subscribe(people[name], name, func(r *contract.PushRegistration) { r.Mentions = true })
	}
	c := w.group(ann, "weavers", ids...)
	here := edgetest.Connect(t, w.edge, people["here"], "")
	here.Synced()
	for _, name := range []string{"muted", "muted but mentioned"} {
		w.must(people[name], "PATCH", "/v1/channels/"+string(c), map[string]any{"muted_until": time.Now().Add(time.Hour).UnixMilli()}, nil)
	}
	w.must(people["blocker"], "PUT", "/v1/blocks/"+string(ann.User.ID), nil, nil)

	w.text(ann, c, "first")
	late := w.user("late")
	w.subscribe(late, "late", nil)
	group := strings.TrimPrefix(string(c), "g.")
	w.must(ann, "PUT", "/v1/groups/"+group+"/members/"+string(late.User.ID), nil, nil)
	w.must(people["left"], "DELETE", "/v1/groups/"+group+"/members/"+string(people["left"].User.ID), nil, nil)
	last := w.say(ann, c, "text", map[string]any{"text": "second", "mentions": []fabric.UserID{people["muted but mentioned"].User.ID}})
	here.Call("ack", map[string]any{"channel": string(c), "seq": last.Seq})
	w.settled(ann, witness, "witness")

	for name, want := range map[string]string{
		"bob":                 "weavers|2 new messages\nann: second|2",
		"late":                "weavers|ann: second|1",
		"muted but mentioned": "weavers|ann: second|1",
		"muted":               "", "blocker": "", "here": "", "left": "", "ann": "",
	} {
		var got []string
		for _, p := range w.web.Taken(name) {
			m := payload(t, p)
			got = append(got, fmt.Sprintf("%s|%s|%d", m.Title, m.Body, m.Count))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s was pushed %q, want %q", name, got, want)
		}
	}
}

// A message to a large group is a storm: it goes out at the rate that was set, and what goes to one does not wait for it.
func TestAStormWaitsForNobody(t *testing.T) {
	const members, rate = 1000, 200 // five seconds
	w := newWorld(t, func(c *push.Config) { c.BulkPerSecond = rate })
	ann, bob := w.user("ann"), w.user("bob")
	w.subscribe(bob, "bob", nil)
	ids := make([]fabric.UserID, members)
	for i := range ids {
		ids[i] = w.absent(i)
	}
	c := w.group(ann, "everybody", ids...)
	began := time.Now()
	w.text(ann, c, "hello all")
	eventually(t, "the storm has begun", func() bool { return len(w.web.Taken("member 0"))+len(w.web.Taken("member 1")) > 0 })
	w.text(ann, edgetest.Direct(ann, bob), "hello you")
	w.web.Await("bob", 1)
	if n := len(w.web.All()) - 1; n > members*9/10 {
		t.Errorf("a push to one person came behind %d of a storm of %d", n, members)
	}
	eventually(t, "everybody was told", func() bool { return len(w.web.All()) == members+1 })
	// A tenth of a second's worth may go at once.
	if took, least := time.Since(began), time.Duration(members-rate/10)*time.Second/rate; took < least {
		t.Errorf("%d pushes took %s, at %d a second it is %s", members, took, rate, least)
	}
	w.drained()
	for i := range ids {
		if n := len(w.web.Taken(fmt.Sprint("member ", i))); n != 1 {
			t.Errorf("member %d was told %d times", i, n)
		}
	}
}

// absent puts a user who is never there into the database, with a device that can be reached.
func (w *world) absent(i int) fabric.UserID {
	w.t.Helper()
	token, now := auth.NewRefreshToken(), fabric.Millis(time.Now())
	in := users.SignIn{
		Phone: fmt.Sprintf("+4917%08d", i), NewUser: fabric.NewUserID(), Name: fmt.Sprint("member ", i),
		Device:           fabric.Device{ID: fabric.NewDeviceID(), Name: "phone", Platform: "test", CreatedAt: now, SeenAt: now},
		RefreshExpiresAt: now + 1_000_000,
	}
	in.Family, in.Once = token.Hashes()
	u, _, err := w.f.Store.SignIn(w.t.Context(), in, 4)
	if err != nil {
		w.t.Fatal(err)
	}
	reg := w.web.Subscribe(fmt.Sprint("member ", i), w.key)
	data := fmt.Sprintf(`{"endpoint":%q,"p256dh":%q,"auth":%q}`, reg.Endpoint, reg.Keys.P256dh, reg.Keys.Auth)
	if err := w.f.Store.SetPush(w.t.Context(), push.Target{
		User: u.ID, Device: in.Device.ID, Kind: push.KindWebPush, Address: data, Hash: reg.Endpoint, Show: push.ShowAll, CreatedAt: now,
	}); err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

// What is deleted or edited after it was pushed is withdrawn or shown as it is now, without a sound.
func TestChangesOfWhatWasPushed(t *testing.T) {
	w := newWorld(t, nil)
	ann, bob, here := w.user("ann"), w.user("bob"), w.user("here")
	w.subscribe(bob, "bob", nil)
	w.subscribe(here, "here", nil)
	c := edgetest.Direct(ann, bob)
	sent := w.text(ann, c, "helo")
	shown := w.web.Await("bob", 1)[0]
	w.say(ann, c, "edit", map[string]any{"seq": sent.Seq, "body": map[string]any{"text": "hello"}})
	edit := w.web.Await("bob", 2)[1]
	if got := payload(t, edit); got.Kind != "edit" || got.Seq != sent.Seq || got.Channel != c || len(got.Lines) != 1 || got.Lines[0].Text != "hello" || got.Title != "" {
		t.Errorf("pushed was %s", edit.Data)
	}
	w.say(ann, c, "delete", map[string]any{"seq": sent.Seq})
	gone := w.web.Await("bob", 3)[2]
	if got := payload(t, gone); got.Kind != "withdraw" || got.Seq != sent.Seq || got.Lines != nil || got.Body != "" {
		t.Errorf("pushed was %s", gone.Data)
	}
	if gone.Topic == shown.Topic || edit.Topic == shown.Topic {
		t.Error("a change takes the place of the message at the service: a device that is off would learn of nothing else")
	}
	if gone.Header.Get("Urgency") != "normal" {
		t.Errorf("urgency of a withdrawal: %s", gone.Header.Get("Urgency"))
	}

	// whoever has read it is told nothing
	c = edgetest.Direct(ann, here)
	s := edgetest.Connect(t, w.edge, here, "")
	s.Synced()
	sent = w.text(ann, c, "oops")
	s.Call("read", map[string]any{"channel": string(c), "seq": sent.Seq})
	w.drained()
	time.Sleep(2 * delay) // the message is decided, and its deletion comes in a window of its own
	w.say(ann, c, "delete", map[string]any{"seq": sent.Seq})
	w.settled(ann, bob, "bob")
	if taken := w.web.Taken("here"); len(taken) != 0 {
		t.Errorf("pushed was %s", taken[0].Data)
	}
}

// What was shown on one device goes when it is read on another.
func TestWhatIsReadElsewhereGoes(t *testing.T) {
	w := newWorld(t, nil)
	ann, bob := w.user("ann"), w.user("bob")
	laptop := edgetest.SignIn(t, w.edge.URL, bob.User.Phone, "")
	w.subscribe(bob, "phone", nil)
	c := edgetest.Direct(ann, bob)
	sent := w.text(ann, c, "hi")
	w.web.Await("phone", 1)
	s := edgetest.Connect(t, w.edge, laptop, "")
	s.Synced()
	s.Call("ack", map[string]any{"channel": string(c), "seq": sent.Seq}) // which is not to have read it
	s.Call("read", map[string]any{"channel": string(c), "seq": sent.Seq})
	gone := w.web.Await("phone", 2)[1]
	if got := payload(t, gone); got.Kind != "read" || got.Seq != sent.Seq || got.Channel != c || got.Badge == nil || *got.Badge != 0 {
		t.Errorf("pushed was %s", gone.Data)
	}
	s.Call("read", map[string]any{"channel": string(c), "seq": sent.Seq}) // again
	w.drained()
	if n := len(w.web.Taken("phone")); n != 2 {
		t.Errorf("%d pushes, want 2", n)
	}
}
