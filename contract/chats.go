package contract

import (
	"encoding/json"

	"github.com/weft-im/weft/fabric"
)

// ChatsOpenRequest opens the direct chat of User and Peer, if it isn't open yet. Refused with CodeNotFound where the
// peer does not exist.
type ChatsOpenRequest struct {
	User fabric.UserID `json:"user"`
	Peer fabric.UserID `json:"peer"`
}

// ChatsOpenReply names the chat.
type ChatsOpenReply struct {
	Channel fabric.ChannelID `json:"channel"`
	// Only says that the peer has blocked User: what they write now, nobody but they themselves may see.
	Only bool `json:"only,omitempty"`
}

// ChatsListRequest asks for a page of the user's channels, newest first.
type ChatsListRequest struct {
	User   fabric.UserID `json:"user"`
	Limit  int           `json:"limit,omitempty"`
	Cursor string        `json:"cursor,omitempty"` // of the page before
}

// ChatsListReply is a page of channels; Cursor is empty at the end.
type ChatsListReply struct {
	Channels []Channel `json:"channels"`
	Cursor   string    `json:"cursor,omitempty"`
}

// Channel is a channel as one member's list shows it.
type Channel struct {
	ID       fabric.ChannelID `json:"id"`
	Kind     fabric.Kind      `json:"kind"`
	Name     string           `json:"name"`
	Avatar   string           `json:"avatar,omitempty"`
	Peer     *fabric.User     `json:"peer,omitempty"`
	Last     json.RawMessage  `json:"last,omitempty"` // a message object
	Unread   int              `json:"unread"`         // at most MaxUnread
	Receipts []fabric.Receipt `json:"receipts"`       // of a group: one's own
	All      *Marks           `json:"all,omitempty"`  // of a group: what all members have passed

	Role      fabric.Role      `json:"role,omitempty"` // of a group, as those that follow
	Members   int              `json:"members,omitempty"`
	Settings  *fabric.Settings `json:"settings,omitempty"`
	Disappear int              `json:"disappear,omitempty"` // seconds after which messages disappear
	Blocked   bool             `json:"blocked,omitempty"`   // the list's owner has blocked the peer
	fabric.Prefs
}

// Marks are high-water marks of a group as a whole.
type Marks struct {
	Delivered uint64 `json:"delivered"`
	Read      uint64 `json:"read"`
}

// MaxUnread is where counting stops: a list shows "1000+" at most.
const MaxUnread = 1000

// ChatsReceiptsRequest asks for the marks of a channel's members: of all, or of those who have Seq.
type ChatsReceiptsRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
	Seq     uint64           `json:"seq,omitempty"`
	Limit   int              `json:"limit,omitempty"` // members in a page of a group's; default and most MaxReceipts
	Cursor  string           `json:"cursor,omitempty"`
}

// MaxReceipts bounds a page of a group's receipts.
const MaxReceipts = 1000

// ChatsReceiptsReply has one entry per member with any mark. Cursor is empty at the end.
type ChatsReceiptsReply struct {
	Receipts []fabric.Receipt `json:"receipts"`
	Cursor   string           `json:"cursor,omitempty"`
}

// Bounds of groups.
const (
	MaxGroupName   = 100   // bytes
	MaxAbout       = 2_000 // bytes
	MaxAddAtOnce   = 1_000 // people in one call
	MaxGroups      = 2_000 // groups that one user is in
	MaxInvites     = 50    // invites of a group that hold
	MaxInviteUses  = 100_000
	MaxInviteLife  = 365 * 24 * 3600 // seconds
	MaxInviteBytes = 64
)

// Group is a group as one of its members sees it.
type Group struct {
	ID        fabric.GroupID   `json:"id"`
	Channel   fabric.ChannelID `json:"channel"`
	Name      string           `json:"name"`
	About     string           `json:"about"`
	Avatar    string           `json:"avatar"`
	Settings  fabric.Settings  `json:"settings"`
	CreatedAt int64            `json:"created_at"` // Unix milliseconds
	CreatedBy fabric.UserID    `json:"created_by"`
	Members   int              `json:"members"`
	Role      fabric.Role      `json:"role"` // the reader's
}

// SettingsChange changes a group's settings; nil leaves one as it is.
type SettingsChange struct {
	Send      *string `json:"send,omitempty"`
	Change    *string `json:"change,omitempty"`
	History   *string `json:"history,omitempty"`
	Join      *string `json:"join,omitempty"`
	Disappear *int    `json:"disappear,omitempty"`
}

// ChatsCreateRequest makes a group whose owner is User. The same CID again is the same group.
type ChatsCreateRequest struct {
	User     fabric.UserID   `json:"user"`
	CID      string          `json:"cid,omitempty"`
	Name     string          `json:"name"`
	About    string          `json:"about,omitempty"`
	Avatar   string          `json:"avatar,omitempty"`
	Members  []fabric.UserID `json:"members,omitempty"` // besides the owner
	Settings *SettingsChange `json:"settings,omitempty"`
}

// ChatsCreateReply is the group. Existed says that the CID made it before.
type ChatsCreateReply struct {
	Group
	NotAdded []NotAdded `json:"not_added,omitempty"`
	Existed  bool       `json:"existed,omitempty"`
}

// NotAdded is somebody who could not be added, and why: CodeNotFound where there is no such user, CodeForbidden where
// they may not be added by whoever tried (an invite lets them decide), CodeConflict where they are in too many groups.
type NotAdded struct {
	User fabric.UserID `json:"user"`
	Code fabric.Code   `json:"code"`
}

// ChatsGroupRequest asks for a group of the user's; many verbs about one have nothing more in their request.
type ChatsGroupRequest struct {
	User  fabric.UserID  `json:"user"`
	Group fabric.GroupID `json:"group"`
}

// ChatsGroupReply is the group.
type ChatsGroupReply struct {
	Group
}

// ChatsChangeRequest changes a group; nil leaves a field as it is. The reply is ChatsGroupReply.
type ChatsChangeRequest struct {
	ChatsGroupRequest
	Name     *string         `json:"name,omitempty"`
	About    *string         `json:"about,omitempty"`
	Avatar   *string         `json:"avatar,omitempty"`
	Settings *SettingsChange `json:"settings,omitempty"`
}

// ChatsAddRequest adds people to a group, up to MaxAddAtOnce. Who is in it already is in neither list of the reply.
type ChatsAddRequest struct {
	ChatsGroupRequest
	Users []fabric.UserID `json:"users"`
}

// ChatsAddReply tells who was added.
type ChatsAddReply struct {
	Added    []fabric.UserID `json:"added"`
	NotAdded []NotAdded      `json:"not_added"`
}

// ChatsRemoveRequest removes Member from a group; where that is User, they leave.
type ChatsRemoveRequest struct {
	ChatsGroupRequest
	Member fabric.UserID `json:"member"`
}

// ChatsRoleRequest gives a member a role. Who is no member is added first.
type ChatsRoleRequest struct {
	ChatsGroupRequest
	Member fabric.UserID `json:"member"`
	Role   fabric.Role   `json:"role,omitempty"` // "" leaves the role of a member as it is
}

// ChatsRoleReply tells the member's role now.
type ChatsRoleReply struct {
	User  fabric.UserID `json:"user"`
	Role  fabric.Role   `json:"role"`
	Added bool          `json:"added,omitempty"`
}

// ChatsMembersRequest asks for a page of a group's members: owners, admins, members, each by when they came.
type ChatsMembersRequest struct {
	ChatsGroupRequest
	Limit  int    `json:"limit,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// ChatsMembersReply is the page; Cursor is empty at the end.
type ChatsMembersReply struct {
	Members []GroupMember `json:"members"`
	Cursor  string        `json:"cursor,omitempty"`
}

// GroupMember is one member of a group.
type GroupMember struct {
	User     fabric.User `json:"user"`
	Role     fabric.Role `json:"role"`
	JoinedAt int64       `json:"joined_at"`
}

// ChatsInviteRequest makes an invite: a code by which anyone may join.
type ChatsInviteRequest struct {
	ChatsGroupRequest
	ExpiresIn int `json:"expires_in,omitempty"` // seconds; 0 for an invite that does not expire
	Uses      int `json:"uses,omitempty"`       // how many may join by it; 0 for any number
}

// Invite is an invite of a group.
type Invite struct {
	Code      string        `json:"code"`
	CreatedBy fabric.UserID `json:"created_by"`
	CreatedAt int64         `json:"created_at"`
	ExpiresAt int64         `json:"expires_at,omitempty"`
	Uses      int           `json:"uses,omitempty"`
	Used      int           `json:"used"`
}

// ChatsInvitesReply lists the invites that hold.
type ChatsInvitesReply struct {
	Invites []Invite `json:"invites"`
}

// ChatsUninviteRequest revokes an invite.
type ChatsUninviteRequest struct {
	ChatsGroupRequest
	Code string `json:"code"`
}

// ChatsInvitedRequest asks what an invite is for.
type ChatsInvitedRequest struct {
	User fabric.UserID `json:"user"`
	Code string        `json:"code"`
}

// ChatsInvitedReply is what whoever has the invite may know before joining.
type ChatsInvitedReply struct {
	ID      fabric.GroupID   `json:"id"`
	Channel fabric.ChannelID `json:"channel"`
	Name    string           `json:"name"`
	About   string           `json:"about"`
	Avatar  string           `json:"avatar"`
	Members int              `json:"members"`
}

// ChatsJoinRequest joins by an invite's code, or an open group by its id. The reply is ChatsGroupReply.
type ChatsJoinRequest struct {
	User  fabric.UserID  `json:"user"`
	Group fabric.GroupID `json:"group,omitempty"` // with a code it may be absent
	Code  string         `json:"code,omitempty"`
}

// ChatsChannelRequest asks for one channel of the user's list. The reply is a Channel.
type ChatsChannelRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
}

// ChatsPrefsRequest changes how the user wants a channel shown, and in a direct chat when messages disappear; nil leaves
// a field as it is. The reply is a Channel.
type ChatsPrefsRequest struct {
	ChatsChannelRequest
	MutedUntil   *int64 `json:"muted_until,omitempty"`
	Archived     *bool  `json:"archived,omitempty"`
	Pinned       *bool  `json:"pinned,omitempty"`
	MarkedUnread *bool  `json:"marked_unread,omitempty"`
	Disappear    *int   `json:"disappear,omitempty"`
}

// ChatsAccessRequest asks what User may do in a group: for callers without a session on an edge that follows it.
type ChatsAccessRequest struct {
	User    fabric.UserID    `json:"user"`
	Channel fabric.ChannelID `json:"channel"`
}

// Membership is a user's in a group: what an edge must know to let them read and write. The error of asking for one has
// CodeForbidden where the user is no member.
type Membership struct {
	Channel  fabric.ChannelID `json:"channel"`
	Role     fabric.Role      `json:"role"`
	From     uint64           `json:"from"` // the seq of the record that made them one
	Settings fabric.Settings  `json:"settings"`
}

// ChatsMembershipsRequest asks for all of a user's groups, as a session begins.
type ChatsMembershipsRequest struct {
	User fabric.UserID `json:"user"`
}

// ChatsMembershipsReply has a membership per group, and what else a session must know of its user.
type ChatsMembershipsReply struct {
	Groups       []Membership `json:"groups"`
	ReadReceipts bool         `json:"read_receipts"`
}

// ChatsFloorsRequest asks for a group's members and from which seq on each receives, for the receipts role.
type ChatsFloorsRequest struct {
	Channel fabric.ChannelID `json:"channel"`
	After   fabric.UserID    `json:"after,omitempty"` // of the page before
}

// ChatsFloorsReply is a page by ascending user; it is the last one where it has less than MaxFloors.
type ChatsFloorsReply struct {
	Members []Floor `json:"members"`
}

// MaxFloors is how many members a page of floors has.
const MaxFloors = 5_000

// Floor is a member and the seq of the record that made them one.
type Floor struct {
	User fabric.UserID `json:"user"`
	From uint64        `json:"from"`
}
