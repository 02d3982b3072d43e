package edge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

func newCID() string { return fabric.NewCID() }

func presenceOf(o edgetest.Object) string {
	return fmt.Sprintf("%v %v", o["user"], o["online"])
}

func TestPresence(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, e1, "ann"), f.User(t, e2, "bob")
	a := edgetest.Connect(t, e1, ann, "")
	a.Synced()
	online, offline := fmt.Sprintf("%s true", bob.User.ID), fmt.Sprintf("%s false", bob.User.ID)

	list, _ := a.Call("watch", map[string]any{"users": []fabric.UserID{bob.User.ID}}).OK()["presence"].([]any)
	if len(list) != 1 || presenceOf(list[0].(map[string]any)) != offline {
		t.Fatalf("before he came: %v", list)
	}
	b := edgetest.Connect(t, e2, bob, "")
	b.Synced()
	if ev := a.Event("presence"); presenceOf(ev) != online || ev["last_seen"] != nil {
		t.Errorf("when he came: %v", ev)
	}
	// a second device comes and the first goes: he stays
	b2 := edgetest.Connect(t, e1, edgetest.SignIn(t, e1.URL, bob.User.Phone, "laptop"), "")
	b2.Synced()
	b.Hangup()
	weftest.Eventually(t, "the first device's edge has written it off", func() bool { return !present(t, f, bob.User.ID, e2.ID) })
	// its app goes to the background: he is away
	before := fabric.Millis(time.Now())
	b2.Call("active", map[string]any{"on": false})
	ev := a.Event("presence")
	if seen := int64(ev.Num("last_seen")); presenceOf(ev) != offline || seen < before-1000 || seen > fabric.Millis(time.Now())+1000 {
		t.Errorf("when his app went to the background: %v", ev)
	}
	b2.Call("active", map[string]any{"on": true})
	if ev := a.Event("presence"); presenceOf(ev) != online {
		t.Errorf("when it came back: %v", ev)
	}
	// whom ann looks at no longer, she hears nothing of
	a.Call("unwatch", map[string]any{"users": []fabric.UserID{bob.User.ID}})
	b2.Hangup()
	weftest.Eventually(t, "he is written off", func() bool { return !present(t, f, bob.User.ID, e1.ID) })
	list, _ = a.Call("watch", map[string]any{"users": []fabric.UserID{bob.User.ID}}).OK()["presence"].([]any)
	if p := edgetest.Object(list[0].(map[string]any)); presenceOf(p) != offline || p.Num("last_seen") == 0 {
		t.Errorf("after he went: %v", p)
	}
}

// present reports whether the presence bucket has u on an edge.
func present(t *testing.T, f *edgetest.Fabric, u fabric.UserID, edge string) bool {
	t.Helper()
	kv, err := f.NATS.JetStream(t).KeyValue(t.Context(), subjects.BucketPresence)
	if err != nil {
		t.Fatal(err)
	}
	_, err = kv.Get(t.Context(), subjects.Presence(u, edge))
	return err == nil
}

// The users of an edge that crashed are offline for everybody once its lease has lapsed, whether somebody watches or not.
func TestCrashedEdgesUsersTurnOffline(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Lease: 2 * time.Second})
	e1, e2 := f.Edge(t), f.Edge(t)
	ann := f.User(t, e1, "ann")
	bob, cem := f.User(t, e2, "bob"), f.User(t, e2, "cem")
	a, b, c := edgetest.Connect(t, e1, ann, ""), edgetest.Connect(t, e2, bob, ""), edgetest.Connect(t, e2, cem, "")
	for _, s := range []*edgetest.Conn{a, b, c} {
		s.Synced()
	}
	weftest.Eventually(t, "they are online", func() bool { return present(t, f, bob.User.ID, e2.ID) && present(t, f, cem.User.ID, e2.ID) })
	list, _ := a.Call("watch", map[string]any{"users": []fabric.UserID{bob.User.ID}}).OK()["presence"].([]any)
	if presenceOf(list[0].(map[string]any)) != fmt.Sprintf("%s true", bob.User.ID) {
		t.Fatalf("bob before the crash: %v", list)
	}
	crashed := time.Now()
	e2.Link.CutOff()
	ev := a.Event("presence")
	seen := time.UnixMilli(int64(ev.Num("last_seen")))
	if presenceOf(ev) != fmt.Sprintf("%s false", bob.User.ID) || seen.After(crashed.Add(time.Second)) || seen.Before(crashed.Add(-4*time.Second)) {
		t.Errorf("after the crash at %s: %v, last seen %s", crashed, ev, seen)
	}
	// cem, whom nobody watched, is swept up, with when he was last seen
	weftest.Eventually(t, "they are swept up", func() bool { return !present(t, f, bob.User.ID, e2.ID) && !present(t, f, cem.User.ID, e2.ID) })
	list, _ = a.Call("watch", map[string]any{"users": []fabric.UserID{cem.User.ID}}).OK()["presence"].([]any)
	p := edgetest.Object(list[0].(map[string]any))
	if seen := time.UnixMilli(int64(p.Num("last_seen"))); presenceOf(p) != fmt.Sprintf("%s false", cem.User.ID) ||
		seen.After(crashed.Add(time.Second)) || seen.Before(crashed.Add(-4*time.Second)) {
		t.Errorf("cem after the crash at %s: %v", crashed, p)
	}
}
