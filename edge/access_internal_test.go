package edge

import (
	"testing"

	"github.com/weft-im/weft/fabric"
)

// Who may do what in a channel: the whole table.
func TestWhoMayDoWhat(t *testing.T) {
	ann, bob, cem := fabric.NewUserID(), fabric.NewUserID(), fabric.NewUserID()
	for _, tc := range []struct {
		who         string
		user        fabric.UserID
		where       string
		channel     fabric.ChannelID
		read, write bool
	}{
		{"a member", ann, "a direct chat", fabric.Direct(ann, bob), true, true},
		{"the other member", bob, "a direct chat", fabric.Direct(ann, bob), true, true},
		{"a stranger", cem, "a direct chat", fabric.Direct(ann, bob), false, false},
		{"nobody", "", "a direct chat", fabric.Direct(ann, bob), false, false},
		{"its user", ann, "a self channel", fabric.Self(ann), true, false},
		{"another", bob, "a self channel", fabric.Self(ann), false, false},
		{"anyone", ann, "a group", fabric.ChannelID("g." + fabric.NewCID()), false, false}, // there are none yet
		{"one whose id is a part of the name", ann[:35], "a direct chat", fabric.Direct(ann, bob), false, false},
	} {
		for op, may := range map[string]func(fabric.UserID, fabric.ChannelID) error{"read": mayRead, "write": mayWrite} {
			want := tc.read
			if op == "write" {
				want = tc.write
			}
			err := may(tc.user, tc.channel)
			if (err == nil) != want || (err != nil && fabric.CodeOf(err) != fabric.CodeForbidden) {
				t.Errorf("%s may %s %s: %v, want %t", tc.who, op, tc.where, err, want)
			}
		}
	}
}
