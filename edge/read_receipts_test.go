package edge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/weftest"
)

// Who shows nobody what they have read shows it nobody from then on, on sessions that are there already too: not live,
// not in the list, not when it is asked for. Their own devices know.
func TestReadReceiptsAreOnesOwn(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, a2, b := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, edgetest.SignIn(t, e.URL, ann.User.Phone, "laptop"), ""), edgetest.Connect(t, e, bob, "")
	for _, s := range []*edgetest.Conn{a, a2, b} {
		s.Synced()
	}
	read := func(seq uint64) {
		t.Helper()
		a.Call("read", map[string]any{"channel": edgetest.Direct(ann, bob), "seq": seq})
	}
	chat := string(edgetest.Direct(ann, bob))
	marksOf := func(as edgetest.Object, user string) string {
		for _, r := range as["receipts"].([]any) {
			if r := edgetest.Object(r.(map[string]any)); r.Str("user") == user {
				return fmt.Sprintf("%d %d", r.Num("delivered"), r.Num("read"))
			}
		}
		return "none"
	}
	first := b.Send(chat, "", "one").Num("seq")
	read(first)
	b.Await("he sees that she has read it", func(o edgetest.Object) bool { return o.Event() == "receipt" && o.Num("read") == first })

	do(t, e, ann, "PATCH", "/v1/me", map[string]any{"privacy": map[string]any{"read_receipts": false}}, 200)
	a.Await("her session knows", func(o edgetest.Object) bool { return o.Event() == "channel" && o.Str("change") == "profile" })
	next := func(text string) (seq, shown uint64) {
		t.Helper()
		seq = b.Send(chat, "", text).Num("seq")
		read(seq)
		return seq, b.Await("he sees that she has it", func(o edgetest.Object) bool { return o.Event() == "receipt" && o.Num("delivered") == seq }).Num("read")
	}
	weftest.Eventually(t, "her edge knows", func() bool {
		seq, shown := next("two")
		return shown < seq
	})
	second, shown := next("three")
	if shown == second {
		t.Error("he is told that she has read it")
	}
	a2.Await("her other device knows what she has read", func(o edgetest.Object) bool {
		return o.Event() == "channel" && o.Str("change") == "read" && o.Num("read") == second
	})
	for who, path := range map[string]string{"receipts": "/v1/channels/" + chat + "/receipts", "channel": "/v1/channels/" + chat} {
		his, hers := do(t, e, bob, "GET", path, nil, 200), do(t, e, ann, "GET", path, nil, 200)
		if got := marksOf(his, string(ann.User.ID)); got == fmt.Sprintf("%d %d", second, second) || !strings.HasPrefix(got, fmt.Sprint(second, " ")) {
			t.Errorf("%s shows him %s", who, got)
		}
		if got := marksOf(hers, string(ann.User.ID)); got != fmt.Sprintf("%d %d", second, second) {
			t.Errorf("%s shows her %s", who, got)
		}
	}
}
