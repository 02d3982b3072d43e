package fabric

import "slices"

// GroupID names a group: a UUIDv7 like the other ids. Its channel is g.<group id>.
type GroupID string

// NewGroupID returns an id that sorts by its time of creation.
func NewGroupID() GroupID { return GroupID(newID()) }

// ParseGroupID returns s as a group id, or an error with CodeBadRequest. The name of a group's channel is as good.
func ParseGroupID(s string) (GroupID, error) {
	if len(s) == IDLen+2 && s[:2] == "g." {
		s = s[2:]
	}
	if !isID(s) {
		return "", Errorf(CodeBadRequest, "%s is not a group id: want a UUID in lower-case text", quote(s))
	}
	return GroupID(s), nil
}

// Channel returns the group's channel.
func (g GroupID) Channel() ChannelID { return ChannelID("g." + string(g)) }

// Group returns the group whose channel c is; ok is false for other kinds.
func (c ChannelID) Group() (g GroupID, ok bool) {
	if c.Kind() != KindGroup {
		return "", false
	}
	return GroupID(c[2:]), true
}

// Role is what a member is in a group.
type Role string

// The roles, from the one that may do everything on.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// ParseRole returns s as a role, or an error with CodeBadRequest.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains([]Role{RoleOwner, RoleAdmin, RoleMember}, r) {
		return r, nil
	}
	return "", Errorf(CodeBadRequest, "role: want owner, admin or member, got %s", quote(s))
}

// Who may do something, in a group's settings.
const (
	ByAll    = "all"
	ByAdmins = "admins"
)

// What a new member may read, and how one becomes a member, in a group's settings.
const (
	HistoryJoined = "joined" // from the moment of joining on
	HistoryAll    = "all"
	JoinInvite    = "invite" // added by a member, or by an invite's code
	JoinOpen      = "open"   // whoever knows the group's id
)

// Settings are a group's rules that its admins may change.
type Settings struct {
	Send      string `json:"send"`      // who may send: ByAll or ByAdmins
	Change    string `json:"change"`    // who may change name, about and avatar, add members, invite and pin
	History   string `json:"history"`   // HistoryJoined or HistoryAll
	Join      string `json:"join"`      // JoinInvite or JoinOpen
	Disappear int    `json:"disappear"` // seconds after which a message disappears, 0 for never; see DisappearTimes
}

// DefaultSettings are those of a new group.
func DefaultSettings() Settings {
	return Settings{Send: ByAll, Change: ByAll, History: HistoryJoined, Join: JoinInvite}
}

// DisappearTimes are the times after which messages can disappear, in seconds: never, a day, a week, 90 days.
var DisappearTimes = []int{0, 86_400, 7 * 86_400, 90 * 86_400}

// ParseDisappear checks a time after which messages disappear, in seconds.
func ParseDisappear(seconds int) error {
	if !slices.Contains(DisappearTimes, seconds) {
		return Errorf(CodeBadRequest, "disappear: want one of %v seconds, got %d", DisappearTimes, seconds)
	}
	return nil
}

// Validate refuses, with CodeBadRequest, settings that are none.
func (s Settings) Validate() error {
	for _, f := range []struct{ name, value, a, b string }{
		{"send", s.Send, ByAll, ByAdmins},
		{"change", s.Change, ByAll, ByAdmins},
		{"history", s.History, HistoryJoined, HistoryAll},
		{"join", s.Join, JoinInvite, JoinOpen},
	} {
		if f.value != f.a && f.value != f.b {
			return Errorf(CodeBadRequest, "settings.%s: want %s or %s, got %s", f.name, f.a, f.b, quote(f.value))
		}
	}
	return ParseDisappear(s.Disappear)
}

// MaxGroupMembers is how many members a group may have.
const MaxGroupMembers = 100_000
