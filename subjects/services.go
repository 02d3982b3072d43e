package subjects

// Services: NATS micro services that edges and other roles ask. `nats micro ls` lists them.
const (
	ServiceUsers   = "users"
	ServiceChats   = "chats"
	ServiceHistory = "history"
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

	ChatsOpen     = Verb{ServiceChats, "open"}
	ChatsList     = Verb{ServiceChats, "list"}
	ChatsReceipts = Verb{ServiceChats, "receipts"}

	HistoryPage   = Verb{ServiceHistory, "page"}
	HistorySince  = Verb{ServiceHistory, "since"}
	HistorySettle = Verb{ServiceHistory, "settle"}
)

// SendOTP is where the users role asks whoever sends text messages to send a one-time code.
const SendOTP = "otp.send"
