package fabric

// The kinds of records in a channel's log that the server itself knows. All others are the clients' own.
const (
	MsgText     = "text"
	MsgMedia    = "media"
	MsgEdit     = "edit"     // {seq, body}: the message seq has a new body
	MsgDelete   = "delete"   // {seq}: the message seq is gone, for everyone
	MsgReaction = "reaction" // {seq, emoji}: its sender's reaction to seq, "" takes it back
	MsgPin      = "pin"      // {seq, on}: the message seq is pinned in its channel, or no longer
	MsgMember   = "member"   // a MemberChange
	MsgGroup    = "group"    // a GroupChange
	MsgSettings = "settings" // {disappear, by}: of a direct chat
	MsgChannel  = "channel"  // in a self channel: what changed in its user's list
	MsgDeleted  = "deleted"  // in history: a message that was deleted; its body is {}
)

// IsChange reports whether records of the kind change another message instead of being one: lists, pages and counts have
// the changed message instead.
func IsChange(kind string) bool {
	switch kind {
	case MsgEdit, MsgDelete, MsgReaction, MsgPin:
		return true
	}
	return false
}

// IsServerKind reports whether only the server writes records of the kind.
func IsServerKind(kind string) bool {
	switch kind {
	case MsgMember, MsgGroup, MsgSettings, MsgChannel, MsgDeleted:
		return true
	}
	return false
}

// What a MemberChange tells.
const (
	MemberCreated = "created" // the group, with its first members
	MemberAdded   = "added"
	MemberJoined  = "joined"
	MemberRemoved = "removed"
	MemberLeft    = "left"
	MemberRole    = "role"
)

// MemberChange is the body of a `member` record: who came, went or got a role. In the log's order it says who receives
// what: those who came receive the record and all behind it, those who went the record and nothing behind it.
type MemberChange struct {
	Event string   `json:"event"`
	Users []UserID `json:"users"`
	By    UserID   `json:"by"`
	Role  Role     `json:"role,omitempty"` // of MemberRole, and of those who came where it is not member
}

// GroupChange is the body of a `group` record: what changed, absent what did not.
type GroupChange struct {
	Name     *string   `json:"name,omitempty"`
	About    *string   `json:"about,omitempty"`
	Avatar   *string   `json:"avatar,omitempty"`
	Settings *Settings `json:"settings,omitempty"`
	By       UserID    `json:"by"`
}

// ChannelChange is the body of a `channel` record in a self channel, and with ev the `channel` event that it becomes.
type ChannelChange struct {
	Channel ChannelID `json:"channel"`
	Change  string    `json:"change"`
	Seq     uint64    `json:"seq,omitempty"` // of the record in the channel, of a message
	By      UserID    `json:"by,omitempty"`
	User    UserID    `json:"user,omitempty"`
	Name    string    `json:"name,omitempty"`
	On      *bool     `json:"on,omitempty"`
	Prefs   *Prefs    `json:"prefs,omitempty"`
}

// What a ChannelChange tells.
const (
	ChangeAdded   = "added"   // to a group, by the record Seq of its log
	ChangeRemoved = "removed" // from it
	ChangePrefs   = "prefs"
	ChangeStarred = "starred" // the message Seq, or no longer
	ChangeHidden  = "hidden"  // the message Seq was deleted for oneself
	ChangeBlocked = "blocked" // User, or no longer
	ChangeProfile = "profile" // one's own profile or privacy
)

// Prefs are how one member wants a channel shown.
type Prefs struct {
	MutedUntil   int64 `json:"muted_until,omitempty"` // Unix milliseconds; MutedForever; 0 for not muted
	Archived     bool  `json:"archived,omitempty"`
	Pinned       bool  `json:"pinned,omitempty"`
	MarkedUnread bool  `json:"marked_unread,omitempty"`
}

// MutedForever is a channel's MutedUntil that has no end.
const MutedForever = -1
