package contract

import "github.com/weft-im/weft/fabric"

// What operators ask of the users role and of edges. Nobody else may: no role's permissions have these verbs.

// MaxBy bounds what an operator calls themselves in the audit log, in bytes.
const MaxBy = 100

// MaxFound bounds a page of users, or of an edge's sessions.
const MaxFound = 500

// UsersFindRequest looks for users: by their id, their phone, or a part of their name, in any case of letters. An empty
// query finds all. They come newest first, by id; Before, an id, goes on behind it.
type UsersFindRequest struct {
	Query  string        `json:"query,omitempty"`
	Before fabric.UserID `json:"before,omitempty"`
	Limit  int           `json:"limit,omitempty"` // 1 to MaxFound; 50 without it
}

// UsersFindReply is a page of them. More says that there are others behind the last one.
type UsersFindReply struct {
	Users []Account `json:"users"`
	More  bool      `json:"more"`
}

// Account is a user as operators see them. The phone is shown by its beginning and its end: whoever needs all of it has
// the database.
type Account struct {
	ID        fabric.UserID `json:"id"`
	Name      string        `json:"name"`
	Phone     string        `json:"phone,omitempty"` // +49*******80
	Service   string        `json:"service,omitempty"`
	Deleted   bool          `json:"deleted,omitempty"`
	CreatedAt int64         `json:"created_at"` // Unix milliseconds
	Devices   int           `json:"devices"`    // that are signed in
}

// UsersShowRequest asks for one user.
type UsersShowRequest struct {
	User fabric.UserID `json:"user"`
}

// UsersShowReply is how many of what a user has, and their devices.
type UsersShowReply struct {
	Account
	SignedIn []fabric.Device `json:"signed_in"` // oldest first
	Direct   int             `json:"direct"`    // direct chats
	Groups   int             `json:"groups"`
	Contacts int             `json:"contacts"`
	Blocks   int             `json:"blocks"`     // whom they have blocked
	Blocked  int             `json:"blocked_by"` // who has blocked them
}

// UsersSignOutRequest ends a device's sessions and tokens, or those of all of a user's devices.
type UsersSignOutRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device,omitempty"` // "" for all
	By     string          `json:"by"`               // the operator, for the audit log
}

// UsersSignOutReply names the devices.
type UsersSignOutReply struct {
	Devices []fabric.DeviceID `json:"devices"`
}

// UsersEraseRequest deletes an account as its owner would. The reply is empty.
type UsersEraseRequest struct {
	User fabric.UserID `json:"user"`
	By   string        `json:"by"` // the operator, for the audit log
}

// EdgeStatusRequest asks an edge how it is.
type EdgeStatusRequest struct{}

// EdgeStatus is how an edge is.
type EdgeStatus struct {
	Edge        string `json:"edge"`
	Addr        string `json:"addr"` // where its clients connect
	Version     string `json:"version"`
	Since       int64  `json:"since"`       // of its start, Unix milliseconds
	Connections int    `json:"connections"` // WebSockets, those that have not said hello included
	Sessions    int    `json:"sessions"`
	Users       int    `json:"users"`    // that these are of
	Draining    bool   `json:"draining"` // it takes no clients, or has not begun to
}

// EdgeSessionsRequest asks an edge who is connected to it, in the order in which they came.
type EdgeSessionsRequest struct {
	User  fabric.UserID `json:"user,omitempty"`  // only theirs
	After uint64        `json:"after,omitempty"` // what More said
	Limit int           `json:"limit,omitempty"` // 1 to MaxFound, which it is without it
}

// EdgeSessionsReply is a page of them.
type EdgeSessionsReply struct {
	Sessions []EdgeSession `json:"sessions"`
	More     uint64        `json:"more,omitempty"` // 0 at the end
}

// EdgeSession is one connection that has said hello.
type EdgeSession struct {
	Session string          `json:"session"`
	User    fabric.UserID   `json:"user"`
	Device  fabric.DeviceID `json:"device"`
	Address string          `json:"address"` // the client's; of IPv6 its /64
	Since   int64           `json:"since"`   // Unix milliseconds
	Active  bool            `json:"active"`  // its app is in front
	Queued  int             `json:"queued"`  // bytes that wait for it
}

// EdgeDrainRequest makes an edge drain: it takes no new clients, and tells those it has to go.
type EdgeDrainRequest struct {
	By string `json:"by"` // the operator, for the audit log
}

// EdgeDrainReply comes as it begins.
type EdgeDrainReply struct {
	Connections int  `json:"connections"` // that are told to go
	Stays       bool `json:"stays"`       // the process stays, not ready, until it is ended
}
