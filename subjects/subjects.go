// Package subjects is the only place where a NATS subject, a stream, a bucket or a header of Weft's is spelled. A subject
// ends in the channel's two tokens wherever it concerns a channel, so that `nats sub 'live.*.<user>.>'` and permissions
// need no table.
package subjects

import (
	"strconv"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Shard returns the shard of c among n: FNV-1a of the ChannelID, 64 bits, modulo n. It never changes for a fabric.
func Shard(c fabric.ChannelID, n int) int {
	if n <= 1 {
		return 0
	}
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(c) {
		h ^= uint64(c[i])
		h *= prime
	}
	return int(h % uint64(n))
}

// Streams that hold a channel's log and the receipts of direct chats, one of each a shard.
const (
	msgStream  = "MSG_"
	rcptStream = "RCPT_"
)

// MsgStream returns the name of the stream that holds the logs of a shard, RcptStream of the one with its receipts.
func MsgStream(shard int) string  { return msgStream + strconv.Itoa(shard) }
func RcptStream(shard int) string { return rcptStream + strconv.Itoa(shard) }

// Log returns the subject of a channel's log.
func Log(c fabric.ChannelID, shard int) string {
	return "msg." + strconv.Itoa(shard) + "." + string(c)
}

// LogFilter returns what a shard's stream of logs binds, and LogRepublish the source and destination of its RePublish:
// msg.<shard>.<a>.<b> appears as live.<a>.<b>.msg once it is stored.
func LogFilter(shard int) string { return "msg." + strconv.Itoa(shard) + ".*.*" }

func LogRepublish(shard int) (source, destination string) {
	return LogFilter(shard), "live.{{wildcard(1)}}.{{wildcard(2)}}.msg"
}

// ChannelOfLog returns the channel whose log has this subject.
func ChannelOfLog(subject string) (fabric.ChannelID, bool) {
	rest, ok := strings.CutPrefix(subject, "msg.")
	if !ok {
		return "", false
	}
	_, channel, ok := strings.Cut(rest, ".")
	return fabric.ChannelID(channel), ok
}

// Receipt returns the subject of a user's marks in a direct chat.
func Receipt(c fabric.ChannelID, shard int, u fabric.UserID) string {
	return "rcpt." + strconv.Itoa(shard) + "." + string(c) + "." + string(u)
}

// Receipts returns the subject that matches the marks of everybody in a direct chat.
func Receipts(c fabric.ChannelID, shard int) string {
	return "rcpt." + strconv.Itoa(shard) + "." + string(c) + ".*"
}

// ReceiptFilter returns what a shard's stream of receipts binds, and ReceiptRepublish its RePublish:
// rcpt.<shard>.<low>.<high>.<user> appears as live.<low>.<high>.rcpt.<user>.
func ReceiptFilter(shard int) string { return "rcpt." + strconv.Itoa(shard) + ".*.*.*" }

func ReceiptRepublish(shard int) (source, destination string) {
	return ReceiptFilter(shard), "live.{{wildcard(1)}}.{{wildcard(2)}}.rcpt.{{wildcard(3)}}"
}

// ChannelOfReceipt returns the channel and the user whose marks have this subject in the stream.
func ChannelOfReceipt(subject string) (fabric.ChannelID, fabric.UserID, bool) {
	rest, ok := strings.CutPrefix(subject, "rcpt.")
	if !ok {
		return "", "", false
	}
	_, rest, ok = strings.Cut(rest, ".")
	i := strings.LastIndexByte(rest, '.')
	if !ok || i < 0 {
		return "", "", false
	}
	return fabric.ChannelID(rest[:i]), fabric.UserID(rest[i+1:]), true
}

// GroupReceipt returns the subject of a member's marks in a group. They are in the same stream and not republished: the
// receipts role makes them into GroupMarks.
func GroupReceipt(c fabric.ChannelID, shard int, u fabric.UserID) string {
	_, g := c.Tokens()
	return "grcpt." + strconv.Itoa(shard) + "." + g + "." + string(u)
}

// GroupReceiptFilter returns what the stream of receipts binds beside ReceiptFilter.
func GroupReceiptFilter(shard int) string { return "grcpt." + strconv.Itoa(shard) + ".*.*" }

// ParseGroupReceipt returns the group's channel and the member whose marks have this subject.
func ParseGroupReceipt(subject string) (fabric.ChannelID, fabric.UserID, bool) {
	rest, ok := strings.CutPrefix(subject, "grcpt.")
	if !ok {
		return "", "", false
	}
	_, rest, _ = strings.Cut(rest, ".")
	g, u, ok := strings.Cut(rest, ".")
	return fabric.GroupID(g).Channel(), fabric.UserID(u), ok
}

// GroupMarks returns the subject of the marks that all members of a group have passed. It has the form of a receipt of a
// user called AllMembers, and so is republished to the group's sessions.
func GroupMarks(c fabric.ChannelID, shard int) string { return Receipt(c, shard, AllMembers) }

// AllMembers stands for everybody in a group where a user would.
const AllMembers fabric.UserID = "all"

// LiveOf returns the two subjects that bring an online user all that is live in direct chats, from either side of the
// pair, and in the self channel.
func LiveOf(u fabric.UserID) (low, high string) {
	return "live." + string(u) + ".*.>", "live.*." + string(u) + ".>"
}

// LiveOfGroup returns the subject that brings all that is live in a group.
func LiveOfGroup(c fabric.ChannelID) string { return "live." + string(c) + ".>" }

// ReadElsewhere returns the subject on which a user's other sessions learn what they have read in a group. It is never
// stored: the marks are.
func ReadElsewhere(u fabric.UserID) string { return "live.u." + string(u) + "." + string(EventRead) }

// Access returns the subject on which edges learn that one of a direct chat's users has blocked the other, or no longer.
func Access(c fabric.ChannelID) string { return "live." + string(c) + "." + string(EventAccess) }

// Typing returns the subject on which a channel's members see who types. It is never stored.
func Typing(c fabric.ChannelID) string { return "live." + string(c) + ".typing" }

// Event is what a live subject carries.
type Event string

// The events of a channel, by the token after the channel in a live subject.
const (
	EventMessage Event = "msg"
	EventReceipt Event = "rcpt"
	EventTyping  Event = "typing"
	EventRead    Event = "read"   // see ReadElsewhere
	EventAccess  Event = "access" // see Access
)

// ParseLive takes a live subject apart: live.<a>.<b>.<event>[.<user>]. It allocates nothing.
func ParseLive(subject string) (c fabric.ChannelID, e Event, u fabric.UserID, ok bool) {
	rest, ok := strings.CutPrefix(subject, "live.")
	if !ok {
		return "", "", "", false
	}
	i := strings.IndexByte(rest, '.')
	if i < 0 {
		return "", "", "", false
	}
	j := strings.IndexByte(rest[i+1:], '.')
	if j < 0 {
		return "", "", "", false
	}
	j += i + 1
	event, user, _ := strings.Cut(rest[j+1:], ".")
	return fabric.ChannelID(rest[:j]), Event(event), fabric.UserID(user), true
}

// Presence returns the key in the presence bucket that says user u has sessions on an edge.
func Presence(u fabric.UserID, edge string) string { return string(u) + "." + edge }

// PresenceOf returns the subject that brings the changes of a user's presence on any edge, PresenceRepublish the
// presence bucket's RePublish to it.
func PresenceOf(u fabric.UserID) string { return "pres." + string(u) + ".*" }

func PresenceRepublish() (source, destination string) {
	return "$KV." + BucketPresence + ".>", "pres.>"
}

// ParsePresence takes a presence subject, pres.<user>.<edge>, or a key of the bucket, <user>.<edge>, apart.
func ParsePresence(s string) (u fabric.UserID, edge string, ok bool) {
	s = strings.TrimPrefix(s, "pres.")
	user, edge, ok := strings.Cut(s, ".")
	return fabric.UserID(user), edge, ok
}

// Renewed returns the key in the bucket of last seen that says when an edge's lease was last renewed. It outlives the
// lease: whoever finds users of an edge that is gone reads there when they were last seen.
func Renewed(edge string) string { return "edge." + edge }

// Revoked returns the key in the bucket of revoked devices.
func Revoked(u fabric.UserID, d fabric.DeviceID) string { return string(u) + "." + string(d) }

// What stands there: when the device was revoked, in Unix milliseconds, where its user has done it, and otherwise why it was.
const (
	RevokedDeleted = "deleted"  // the user's account was deleted
	RevokedReused  = "reused"   // a refresh token was used a second time
	RevokedTooMany = "too_many" // the user has signed in on more devices than they may have
)

// Buckets.
const (
	BucketFabric   = "FABRIC"   // what is fixed when the fabric is created: its id, its shard count
	BucketPresence = "PRESENCE" // <user>.<edge>: on which edges a user has sessions
	BucketEdges    = "EDGES"    // <edge>: the edge's lease, which lapses by its TTL
	BucketLastSeen = "LASTSEEN" // <user>: when they last were online; edge.<edge>: when it last renewed; Unix milliseconds
	BucketSignIns  = "SIGN_INS" // <state>: sign-ins by OpenID Connect that have begun, for some minutes
	BucketUploads  = "UPLOADS"  // <user>.<upload>: uploads that are not finished
	BucketRevoked  = "REVOKED"  // <user>.<device>: kept for as long as an access token lives
)

// ValidState reports whether s can be the key of a sign-in that has begun.
func ValidState(s string) bool {
	return len(s) >= 20 && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// KeyClients is the key in BucketFabric of the JWT that says which keys sign access tokens.
const KeyClients = "clients"

// KeyMedia is the key in BucketFabric of where the NATS servers are that keep files, host:port separated by commas. It is
// there where these are others than the fabric's own.
const KeyMedia = "media"

// BucketAvatars is the object store of pictures of people and groups, each by its SHA-256 in hex.
const BucketAvatars = "AVATARS"

// Headers that Weft sets or reads.
const (
	HeaderMsgID    = "Nats-Msg-Id"
	HeaderSequence = "Nats-Sequence"
	HeaderLastSeq  = "Nats-Last-Sequence"
	HeaderTime     = "Nats-Time-Stamp"
)

// MsgID returns the id by which a stream knows a resend: the sender and the client's id of the message.
func MsgID(from fabric.UserID, cid string) string { return string(from) + "." + cid }

// ArchiveConsumer begins the names of the ordered consumers with which the archive role reads the shards' logs.
const ArchiveConsumer = "archive"

// KeySubject returns the subject of a bucket's key, and BucketStream the stream that a bucket is.
func KeySubject(bucket, key string) string { return "$KV." + bucket + "." + key }
func BucketStream(bucket string) string    { return "KV_" + bucket }

// RelayKick wakes whoever relays the outbox of the chats role: something is in it.
const RelayKick = "weft.chats.relay"

// MembersChanged tells that a group has other members than before; AnyMembersChanged matches it for every group, and
// GroupOfMembersChanged reads it.
func MembersChanged(g fabric.GroupID) string { return "weft.chats.members.of." + string(g) }

const AnyMembersChanged = "weft.chats.members.of.*"

func GroupOfMembersChanged(subject string) fabric.GroupID {
	return fabric.GroupID(strings.TrimPrefix(subject, "weft.chats.members.of."))
}

// AuditStream holds what was done that matters to security. Audit returns the subject of an event in it, and AuditFilter
// what it binds.
const AuditStream = "AUDIT"

func Audit(role, what string) string { return "audit." + role + "." + what }

const AuditFilter = "audit.*.*"

// DirectGet returns where a stream is read by direct get (NATS ADR-31); with a subject behind it, that subject's last
// message. PurgeStream returns where one is purged.
func DirectGet(stream string) string   { return "$JS.API.DIRECT.GET." + stream }
func PurgeStream(stream string) string { return "$JS.API.STREAM.PURGE." + stream }

// StreamInfo returns where a stream's state is told.
func StreamInfo(stream string) string { return "$JS.API.STREAM.INFO." + stream }
