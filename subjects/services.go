package subjects

import (
	"strconv"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Services: NATS micro services that edges and other roles ask. `nats micro ls` lists them.
const (
	ServiceUsers    = "users"
	ServiceChats    = "chats"
	ServiceHistory  = "history"
	ServiceMedia    = "media"
	ServiceServices = "services" // the internal services
	ServicePush     = "push"
	ServiceEdge     = "edge" // each edge, asked by its id
)

// Verb is the subject of one verb of one service, weft.<service>.<verb>.
type Verb struct{ Service, Name string }

func (v Verb) String() string { return "weft." + v.Service + "." + v.Name }

// The verbs. Their requests and replies are the types of package contract with the same names.
var (
	UsersOTP     = Verb{ServiceUsers, "otp"}
	UsersToken   = Verb{ServiceUsers, "token"}
	UsersMethods = Verb{ServiceUsers, "methods"}
	UsersRefresh = Verb{ServiceUsers, "refresh"}
	UsersRevoke  = Verb{ServiceUsers, "revoke"}
	UsersGet     = Verb{ServiceUsers, "get"}
	UsersUpdate  = Verb{ServiceUsers, "update"}
	UsersLookup  = Verb{ServiceUsers, "lookup"}
	UsersDevices = Verb{ServiceUsers, "devices"}

	UsersOIDCStart = Verb{ServiceUsers, "oidc_start"}
	UsersOIDCToken = Verb{ServiceUsers, "oidc_token"}

	UsersBlock    = Verb{ServiceUsers, "block"}
	UsersBlocks   = Verb{ServiceUsers, "blocks"}
	UsersContacts = Verb{ServiceUsers, "contacts"}
	UsersForget   = Verb{ServiceUsers, "forget"}
	UsersVisible  = Verb{ServiceUsers, "visible"}
	UsersDelete   = Verb{ServiceUsers, "delete"}

	// Which only operators may ask.
	UsersFind    = Verb{ServiceUsers, "find"}
	UsersShow    = Verb{ServiceUsers, "show"}
	UsersSignOut = Verb{ServiceUsers, "sign_out"}
	UsersErase   = Verb{ServiceUsers, "erase"}

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

	MediaCreate = Verb{ServiceMedia, "create"}
	MediaFinish = Verb{ServiceMedia, "finish"}
	MediaDrop   = Verb{ServiceMedia, "drop"}
	MediaGet    = Verb{ServiceMedia, "get"}
	MediaClaim  = Verb{ServiceMedia, "claim"}
	MediaLink   = Verb{ServiceMedia, "link"}
	MediaScan   = Verb{ServiceMedia, "scan"} // answered by whoever scans files

	PushSet    = Verb{ServicePush, "set"}
	PushRemove = Verb{ServicePush, "remove"}
	PushKey    = Verb{ServicePush, "key"}
	PushNotify = Verb{ServicePush, "notify"}
	PushTest   = Verb{ServicePush, "test"} // only operators may ask
)

// EdgeStatus, EdgeSessions and EdgeDrain are the verbs that operators ask of one edge, by its id.
func EdgeStatus(edge string) Verb   { return edgeVerb(edge, "status") }
func EdgeSessions(edge string) Verb { return edgeVerb(edge, "sessions") }
func EdgeDrain(edge string) Verb    { return edgeVerb(edge, "drain") }

func edgeVerb(edge, name string) Verb { return Verb{ServiceEdge + "." + edge, name} }

// ValidEdge reports whether id can be an edge's.
func ValidEdge(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// SendOTP is where the users role asks whoever sends text messages to send a one-time code.
const SendOTP = "otp.send"

// Verbs about internal services, which only operators may ask.
var (
	ServicesAdd    = Verb{ServiceServices, "add"}
	ServicesList   = Verb{ServiceServices, "list"}
	ServicesSet    = Verb{ServiceServices, "set"}
	ServicesRemove = Verb{ServiceServices, "remove"}
)

// ServicesChanged tells the processes of the ingest role that services are others than before.
const ServicesChanged = "weft.services.changed"

// ServiceSends matches what all internal services send, ServiceSend is one's to a channel, and ParseServiceSend reads it.
const ServiceSends = "svc.*.send.*.*"

func ServiceSend(name string, c fabric.ChannelID) string { return "svc." + name + ".send." + string(c) }

func ParseServiceSend(subject string) (name string, to string, ok bool) {
	t := strings.Split(subject, ".")
	if len(t) != 5 || t[0] != "svc" || t[1] == "" || t[2] != "send" {
		return "", "", false
	}
	return t[1], t[3] + "." + t[4], true
}

// ServiceInbox is where a service gets what a user writes to it, ServiceInboxes what brings all of it to one, and
// ServiceInboxFilter what their stream binds.
const (
	ServiceInboxStream = "SVC_INBOX"
	ServiceInboxFilter = "svc.*.inbox.*"
)

func ServiceInbox(name string, u fabric.UserID) string { return "svc." + name + ".inbox." + string(u) }

func ServiceInboxes(name string) string { return "svc." + name + ".inbox.*" }

// IngestConsumer is the durable consumer of each shard's log by which what is written to services is found.
const IngestConsumer = "ingest"

// LogsWith returns the subjects of a shard's logs of direct chats that u is in.
func LogsWith(u fabric.UserID, shard int) []string {
	n := "msg." + strconv.Itoa(shard)
	return []string{n + "." + string(u) + ".*", n + ".*." + string(u)}
}

// Ping is where every process of a micro service answers (NATS ADR-32).
func Ping(service string) string { return "$SRV.PING." + service }
