package subjects

// Services: NATS micro services that edges and other roles ask. `nats micro ls` lists them.
const (
	ServiceUsers    = "users"
	ServiceChats    = "chats"
	ServiceHistory  = "history"
	ServiceServices = "services" // the internal services
	ServiceEdge     = "edge"     // each edge, asked by its id
)

// Verb is the subject of one verb of one service, weft.<service>.<verb>.
type Verb struct{ Service, Name string }

func (v Verb) String() string { return "weft." + v.Service + "." + v.Name }

// The verbs. Their requests and replies are the types of package contract with the same names.
var (
	UsersOTP     = Verb{ServiceUsers, "otp"}
	UsersToken   = Verb{ServiceUsers, "token"}
	UsersRefresh = Verb{ServiceUsers, "refresh"}
	UsersRevoke  = Verb{ServiceUsers, "revoke"}
	UsersGet     = Verb{ServiceUsers, "get"}
	UsersUpdate  = Verb{ServiceUsers, "update"}
	UsersLookup  = Verb{ServiceUsers, "lookup"}
	UsersDevices = Verb{ServiceUsers, "devices"}

	UsersBlock    = Verb{ServiceUsers, "block"}
	UsersBlocks   = Verb{ServiceUsers, "blocks"}
	UsersContacts = Verb{ServiceUsers, "contacts"}
	UsersForget   = Verb{ServiceUsers, "forget"}
	UsersVisible  = Verb{ServiceUsers, "visible"}
	UsersDelete   = Verb{ServiceUsers, "delete"}

	ChatsOpen        = Verb{ServiceChats, "open"}
	ChatsList        = Verb{ServiceChats, "list"}
	ChatsChannel     = Verb{ServiceChats, "channel"}
	ChatsPrefs       = Verb{ServiceChats, "prefs"}
	ChatsReceipts    = Verb{ServiceChats, "receipts"}
	ChatsCreate      = Verb{ServiceChats, "create"}
	ChatsGroup       = Verb{ServiceChats, "group"}
	ChatsChange      = Verb{ServiceChats, "change"}
	ChatsMembers     = Verb{ServiceChats, "members"}
	ChatsAdd         = Verb{ServiceChats, "add"}
	ChatsRemove      = Verb{ServiceChats, "remove"}
	ChatsRole        = Verb{ServiceChats, "role"}
	ChatsInvite      = Verb{ServiceChats, "invite"}
	ChatsInvites     = Verb{ServiceChats, "invites"}
	ChatsUninvite    = Verb{ServiceChats, "uninvite"}
	ChatsInvited     = Verb{ServiceChats, "invited"}
	ChatsJoin        = Verb{ServiceChats, "join"}
	ChatsAccess      = Verb{ServiceChats, "access"}
	ChatsMemberships = Verb{ServiceChats, "memberships"}
	ChatsFloors      = Verb{ServiceChats, "floors"}

	HistoryPage    = Verb{ServiceHistory, "page"}
	HistoryMessage = Verb{ServiceHistory, "message"}
	HistorySince   = Verb{ServiceHistory, "since"}
	HistorySettle  = Verb{ServiceHistory, "settle"}
	HistoryAdmit   = Verb{ServiceHistory, "admit"}
	HistoryHide    = Verb{ServiceHistory, "hide"}
	HistoryStar    = Verb{ServiceHistory, "star"}
	HistoryStarred = Verb{ServiceHistory, "starred"}
	HistoryPins    = Verb{ServiceHistory, "pins"}
	HistorySearch  = Verb{ServiceHistory, "search"}
)

// SendOTP is where the users role asks whoever sends text messages to send a one-time code.
const SendOTP = "otp.send"
