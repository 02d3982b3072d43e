package edge

import (
	"testing"

	"github.com/weft-im/weft/fabric"
)

// Who is in a channel that has its members in its name, and may write there.
func TestWhoIsNamed(t *testing.T) {
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
		{"one whose id is a part of the name", ann[:35], "a direct chat", fabric.Direct(ann, bob), false, false},
	} {
		st, err := named(tc.user, tc.channel)
		if (err == nil) != tc.read || (err != nil && fabric.CodeOf(err) != fabric.CodeForbidden) {
			t.Errorf("%s reads %s: %v, want %t", tc.who, tc.where, err, tc.read)
		}
		if err != nil {
			continue
		}
		if err := st.mayWrite(); (err == nil) != tc.write || (err != nil && fabric.CodeOf(err) != fabric.CodeForbidden) {
			t.Errorf("%s writes %s: %v, want %t", tc.who, tc.where, err, tc.write)
		}
	}
}

// Who may send what in a group: role by setting by kind.
func TestWhoSendsWhatInAGroup(t *testing.T) {
	all := fabric.DefaultSettings()
	quiet, closed := all, all
	quiet.Send, closed.Change = fabric.ByAdmins, fabric.ByAdmins
	for _, tc := range []struct {
		role     fabric.Role
		settings fabric.Settings
		kind     string
		send     bool // the record
		change   bool // what is another's
	}{
		{fabric.RoleMember, all, fabric.MsgText, true, false},
		{fabric.RoleMember, all, "x-game", true, false},
		{fabric.RoleMember, all, fabric.MsgEdit, true, false},
		{fabric.RoleMember, all, fabric.MsgDelete, true, false},
		{fabric.RoleMember, all, fabric.MsgReaction, true, false},
		{fabric.RoleMember, all, fabric.MsgPin, true, true},
		{fabric.RoleMember, closed, fabric.MsgPin, true, false},
		{fabric.RoleMember, quiet, fabric.MsgText, false, false},
		{fabric.RoleMember, quiet, fabric.MsgMedia, false, false},
		{fabric.RoleMember, quiet, fabric.MsgReaction, true, false},
		{fabric.RoleAdmin, quiet, fabric.MsgText, true, false},
		{fabric.RoleAdmin, closed, fabric.MsgPin, true, true},
		{fabric.RoleAdmin, all, fabric.MsgDelete, true, true},
		{fabric.RoleAdmin, all, fabric.MsgEdit, true, false},
		{fabric.RoleOwner, quiet, fabric.MsgText, true, false},
		{fabric.RoleOwner, closed, fabric.MsgDelete, true, true},
		{fabric.RoleOwner, all, fabric.MsgMember, false, false},
		{fabric.RoleOwner, all, fabric.MsgGroup, false, false},
		{fabric.RoleOwner, all, fabric.MsgSettings, false, false},
		{fabric.RoleOwner, all, fabric.MsgChannel, false, false},
		{fabric.RoleOwner, all, fabric.MsgDeleted, false, false},
	} {
		st := standing{kind: fabric.KindGroup, role: tc.role, settings: tc.settings}
		if err := st.maySend(tc.kind); (err == nil) != tc.send || (err != nil && fabric.CodeOf(err) != fabric.CodeForbidden) {
			t.Errorf("%s sends %s where %+v: %v, want %t", tc.role, tc.kind, tc.settings, err, tc.send)
		}
		if got := st.mayChange(tc.kind); got != tc.change {
			t.Errorf("%s changes another's by %s where %+v: %t, want %t", tc.role, tc.kind, tc.settings, got, tc.change)
		}
	}
}

// From where one reads: a new member not what was before, unless the group opens it.
func TestReadsFrom(t *testing.T) {
	st := standing{kind: fabric.KindGroup, from: 7, settings: fabric.DefaultSettings()}
	if got := st.readsFrom(); got != 7 {
		t.Errorf("reads from %d, want 7", got)
	}
	st.settings.History = fabric.HistoryAll
	if got := st.readsFrom(); got != 0 {
		t.Errorf("with the history open: from %d, want 0", got)
	}
}
