package chats

import (
	"context"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database.
type Store interface {
	ListStore
	GroupStore
	OutboxStore

	// OpenDirect writes the row of the direct chat c of a and b unless it is there already. The error has CodeNotFound
	// where either user does not exist.
	OpenDirect(ctx context.Context, c fabric.ChannelID, a, b fabric.UserID, at int64) (created bool, err error)
	// Blocked reports whether `by` has blocked other.
	Blocked(ctx context.Context, by, other fabric.UserID) (bool, error)
}

// ListStore answers what a user's list of channels shows.
type ListStore interface {
	// List returns up to limit of u's channels after the place `before`, newest first.
	List(ctx context.Context, u fabric.UserID, before Place, limit int) ([]Entry, error)
	// Entry returns one channel as u's list has it. The error has CodeForbidden where u is not in it.
	Entry(ctx context.Context, u fabric.UserID, c fabric.ChannelID) (Entry, error)
	// Standings returns how u stands in each of the channels that u is in.
	Standings(ctx context.Context, u fabric.UserID, channels []fabric.ChannelID) (map[fabric.ChannelID]Standing, error)
	// Unread counts the messages of c with seq > after that are not from u and that u sees. It stops counting at most.
	Unread(ctx context.Context, c fabric.ChannelID, u fabric.UserID, after uint64, most int) (int, error)
	// SetPrefs changes how u wants c shown, and writes the record into the outbox. The error has CodeForbidden where u is
	// not in c.
	SetPrefs(ctx context.Context, u fabric.UserID, c fabric.ChannelID, change func(*fabric.Prefs), record func(fabric.Prefs) Record) error
	// SetDisappear changes when the messages of a direct chat that u is in disappear, and writes the record into the
	// outbox, unless that was so already. The error has CodeForbidden where u is not in it.
	SetDisappear(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seconds int, record Record) error
}

// GroupStore keeps groups and their members.
type GroupStore interface {
	// CreateGroup writes a group and runs f on it, in one transaction. Where its creator has made a group with the same
	// CID before, it runs nothing and returns that one's channel and true.
	CreateGroup(ctx context.Context, g Group, cid string, f func(GroupTx) error) (c fabric.ChannelID, existed bool, err error)
	// InGroup runs f on a group in a transaction that no other of the same group runs beside, and commits it unless f
	// fails. f must not be kept waiting. The error has CodeNotFound where there is no such group.
	InGroup(ctx context.Context, c fabric.ChannelID, f func(GroupTx) error) error
	// Group returns a group. The error has CodeNotFound where there is none.
	Group(ctx context.Context, c fabric.ChannelID) (Group, error)
	// Member returns a member of a group; ok is false where u is none.
	Member(ctx context.Context, c fabric.ChannelID, u fabric.UserID) (m Member, ok bool, err error)
	// Members returns up to limit of a group's members behind the place `after`, in the order of contract.ChatsMembersRequest.
	Members(ctx context.Context, c fabric.ChannelID, after MemberPlace, limit int) ([]MemberEntry, error)
	// Memberships returns u's groups in whose logs the record of it stands.
	Memberships(ctx context.Context, u fabric.UserID) ([]contract.Membership, error)
	// ReadReceipts reports whether u lets others see what u has read.
	ReadReceipts(ctx context.Context, u fabric.UserID) (bool, error)
	// Floors returns, by ascending user and behind `after`, up to limit members in whose group's log the record of it stands.
	Floors(ctx context.Context, c fabric.ChannelID, after fabric.UserID, limit int) ([]contract.Floor, error)
	// MayAdd returns those of the users whom adder may add to groups, by their privacy and their blocks.
	MayAdd(ctx context.Context, adder fabric.UserID, users []fabric.UserID) ([]fabric.UserID, error)
	// Existing returns those of the users who exist.
	Existing(ctx context.Context, users []fabric.UserID) ([]fabric.UserID, error)
	// InTooMany returns those of the users who are in as many groups as most, or more.
	InTooMany(ctx context.Context, users []fabric.UserID, most int) ([]fabric.UserID, error)

	// AddInvite writes an invite of a group. The error has CodeConflict where it has most that hold at now already.
	AddInvite(ctx context.Context, c fabric.ChannelID, in contract.Invite, now int64, most int) error
	// Invites returns a group's invites that hold at now, oldest first.
	Invites(ctx context.Context, c fabric.ChannelID, now int64) ([]contract.Invite, error)
	// Invited returns the group of an invite; ok is false where there is none that holds at now.
	Invited(ctx context.Context, code string, now int64) (c fabric.ChannelID, in contract.Invite, ok bool, err error)
	// RevokeInvite revokes an invite of a group; was is false where the group has none of this code that holds.
	RevokeInvite(ctx context.Context, c fabric.ChannelID, code string, now int64) (was bool, err error)
}

// GroupTx is a group in a transaction. What it returns is as the transaction left it.
type GroupTx interface {
	Group() Group
	// Members returns those of the users who are members.
	Members(ctx context.Context, users []fabric.UserID) (map[fabric.UserID]Member, error)
	// Owners counts the owners, up to 2.
	Owners(ctx context.Context) (int, error)
	// Add makes users members, who are none.
	Add(ctx context.Context, users []fabric.UserID, role fabric.Role, at int64) error
	// Remove ends a membership by the record with this cid.
	Remove(ctx context.Context, u fabric.UserID, cid string) error
	SetRole(ctx context.Context, u fabric.UserID, role fabric.Role) error
	// Update writes the group's name, about, avatar and settings.
	Update(ctx context.Context, g Group) error
	// UseInvite counts a use of an invite; ok is false where none of the group's has this code and holds at now.
	UseInvite(ctx context.Context, code string, now int64) (ok bool, err error)
	// Emit writes a record into the outbox.
	Emit(ctx context.Context, r Record) error
}

// OutboxStore keeps the records that are to be appended to logs.
type OutboxStore interface {
	// Outbox returns the first records that wait, in their order.
	Outbox(ctx context.Context, limit int) ([]Waiting, error)
	// Waits reports whether a record of this cid waits.
	Waits(ctx context.Context, cid string) (bool, error)
	// Relayed takes records out of the outbox that are in their logs, notes from and up to where by them members are
	// members, and puts the records into it that follow from them. What was taken out before changes nothing.
	Relayed(ctx context.Context, done []Relayed) error
	// Lease gives holder what the name stands for until then, unless somebody else holds it at now.
	Lease(ctx context.Context, name, holder string, now, until int64) (bool, error)
}

// Record is a record that is to be appended to a channel's log.
type Record struct {
	CID     string // what it is known by there
	Channel fabric.ChannelID
	After   uint64 // a seq up to which it is not in the log: whoever looks for it begins there
	From    fabric.UserID
	Kind    string
	Body    []byte // JSON
	Told    []Told // what follows from it
}

// Told is a record for the self channels of users, once the one that it follows from has its seq.
type Told struct {
	Users  []fabric.UserID      `json:"users"`
	Change fabric.ChannelChange `json:"change"` // without the seq
}

// Waiting is a record in the outbox.
type Waiting struct {
	Num int64
	Record
}

// Relayed is a record that is in its log at Seq, whom it made a member or made one no longer, and what follows from it.
type Relayed struct {
	Num        int64
	CID        string
	Channel    fabric.ChannelID
	Seq        uint64
	Came, Went []fabric.UserID
	Next       []Record
}

// Group is a group as the database has it.
type Group struct {
	Channel   fabric.ChannelID
	Name      string
	About     string
	Avatar    string
	Settings  fabric.Settings
	CreatedAt int64
	CreatedBy fabric.UserID
	Members   int
}

// Member is one member of a group.
type Member struct {
	Role fabric.Role
	From uint64 // the seq of the record that made them one, 0 until it is in the log
}

// MemberEntry is a member in a group's list of them.
type MemberEntry struct {
	contract.GroupMember
}

// Place returns the place of m in the list it stands in.
func (m MemberEntry) Place() MemberPlace {
	return MemberPlace{Rank: Rank(m.Role), JoinedAt: m.JoinedAt, User: m.User.ID}
}

// MemberPlace is a place in a group's list of members. Before all of them is the zero value.
type MemberPlace struct {
	Rank     int
	JoinedAt int64
	User     fabric.UserID
}

// Rank returns the place of a role in the order of roles, as the database has it.
func Rank(r fabric.Role) int {
	switch r {
	case fabric.RoleOwner:
		return 0
	case fabric.RoleAdmin:
		return 1
	case fabric.RoleMember:
	}
	return 2
}

// RoleOf returns the role of a rank.
func RoleOf(rank int) fabric.Role {
	switch rank {
	case 0:
		return fabric.RoleOwner
	case 1:
		return fabric.RoleAdmin
	}
	return fabric.RoleMember
}

// Standing is how a user stands in a channel.
type Standing struct {
	Prefs     fabric.Prefs
	Disappear int    // seconds, of a direct chat
	Blocked   bool   // the user has blocked the peer
	From      uint64 // what is before it the user does not see
	Role      fabric.Role
	Group     *Group // of a group
}

// Place is a place in a user's list of channels, which is ordered by At and then by Channel, both descending. Zero is
// the top.
type Place struct {
	At      int64
	Channel fabric.ChannelID
}

// Entry is a channel in a user's list.
type Entry struct {
	ID   fabric.ChannelID
	Kind fabric.Kind
	Name string
	Peer *fabric.User   // of a direct chat
	At   int64          // of the last message or, without one, when the channel was opened; Unix milliseconds
	Last *fabric.Stored // nil where nothing was ever written
}

// Place returns the place of e in the list it stands in.
func (e Entry) Place() Place { return Place{At: e.At, Channel: e.ID} }
