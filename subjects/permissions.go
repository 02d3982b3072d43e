package subjects

import (
	"slices"
	"strings"
)

// Role is who connects to NATS: a part of the fabric, a person who operates it, or an internal service. A role's
// credentials let it publish and subscribe what PermissionsOf says, and nothing else.
type Role string

// The roles.
const (
	RoleEdge     Role = "edge"
	RoleUsers    Role = "users"
	RoleChats    Role = "chats"
	RoleHistory  Role = "history"
	RoleReceipts Role = "receipts"
	RolePresence Role = "presence"
	RoleIngest   Role = "ingest" // takes and brings what internal services write and are written
	RoleOTP      Role = "otp"    // sends one-time codes to phones
	RoleMedia    Role = "media"  // keeps files
	RoleScan     Role = "scan"   // looks whether files are harmful
	RolePush     Role = "push"   // tells devices whose app is not there

	RoleProvision Role = "provision" // makes the streams and buckets
	RoleOperator  Role = "operator"  // people with the nats and weft commands
	RoleService   Role = "service"   // an internal service, by its name
)

// Roles returns all roles.
func Roles() []Role {
	return []Role{
		RoleEdge, RoleUsers, RoleChats, RoleHistory, RoleReceipts, RolePresence, RoleIngest, RoleOTP, RoleMedia, RoleScan, RolePush,
		RoleProvision, RoleOperator, RoleService,
	}
}

// Permissions are the subjects that a role may use, with wildcards.
type Permissions struct {
	Pub, PubDeny []string // a subject of PubDeny is refused although Pub has it
	Sub          []string
}

// inboxes begins all reply subjects. Behind it stands the role, so that none hears another's replies.
const inboxes = "_INBOX."

// serviceName is where a service's name stands in its permissions: the NATS server puts the name in the service's own
// credentials there.
const serviceName = "{{name()}}"

// InboxPrefix returns what a role's reply subjects begin with, without the last dot; ServiceInboxPrefix an internal
// service's.
func InboxPrefix(r Role) string { return inboxes + string(r) }

func ServiceInboxPrefix(name string) string { return inboxes + "svc." + name }

// PermissionsOf returns what a role may do in a fabric of so many shards. This is the only table of it: the accounts'
// JWTs and the tests are made from it.
func PermissionsOf(r Role, shards int) Permissions {
	if r == RoleOperator {
		return Permissions{Pub: []string{">"}, Sub: []string{">"}}
	}
	p := Permissions{Sub: []string{InboxPrefix(r) + ".>"}}
	p.readBucket(BucketFabric) // what is fixed for the fabric
	if w := work[r]; w != nil {
		w(&p, shards)
	}
	slices.Sort(p.Pub)
	p.Pub = slices.Compact(p.Pub)
	slices.Sort(p.Sub)
	p.Sub = slices.Compact(p.Sub)
	return p
}

// work adds what a role's work needs beyond an inbox for replies.
var work = map[Role]func(p *Permissions, shards int){
	RoleEdge:      edgeWork,
	RoleUsers:     usersWork,
	RoleChats:     chatsWork,
	RoleHistory:   historyWork,
	RoleReceipts:  receiptsWork,
	RolePresence:  presenceWork,
	RoleIngest:    ingestWork,
	RoleOTP:       otpWork,
	RoleMedia:     mediaWork,
	RoleScan:      scanWork,
	RolePush:      pushWork,
	RoleProvision: provisionWork,
	RoleService:   serviceWork,
}

// An edge writes its clients' messages and marks, and hears all that is live. It writes to no self channel and forges
// nothing that is live but typing, and what a user has read on another device.
func edgeWork(p *Permissions, shards int) {
	p.Pub = append(p.Pub, "msg.*.*.*", "rcpt.*.*.*.*", "grcpt.*.*.*", "live.*.*.typing", "live.u.*."+string(EventRead))
	p.Pub = append(p.Pub, Acked("*"))
	p.PubDeny = append(p.PubDeny, "msg.*.u.*", "rcpt.*.*.*."+string(AllMembers))
	p.Sub = append(p.Sub, "live.>", "pres.*.*")
	p.ask(edgeAsks...)
	for shard := range shards {
		p.read(MsgStream(shard), RcptStream(shard))
	}
	p.readBucket(BucketPresence, BucketLastSeen)
	p.watchBucket(BucketFabric, BucketEdges, BucketRevoked)
	p.writeBucket(BucketEdges, BucketPresence, BucketLastSeen)
	p.pictures()
	p.readBucket(BucketUploads)
	for shard := range shards {
		p.read(MediaStream(shard))
		p.Pub = append(p.Pub, "$O."+MediaBucket(shard)+".C.*.*") // parts of files; what makes them a file is the media role's
	}
	p.serve(ServiceEdge + ".*") // of one edge: weft.edge.<edge>.<verb>
	p.audit(RoleEdge)
}

// edgeAsks are the verbs by which edges answer their clients.
var edgeAsks = []Verb{
	UsersOTP, UsersToken, UsersMethods, UsersOIDCStart, UsersOIDCToken, UsersRefresh, UsersRevoke, UsersGet, UsersUpdate, UsersLookup, UsersDevices, UsersBlock, UsersBlocks,
	UsersContacts, UsersForget, UsersVisible, UsersDelete,
	ChatsOpen, ChatsList, ChatsChannel, ChatsPrefs, ChatsReceipts, ChatsCreate, ChatsGroup, ChatsChange, ChatsMembers, ChatsAdd,
	ChatsRemove, ChatsRole, ChatsInvite, ChatsInvites, ChatsUninvite, ChatsInvited, ChatsJoin, ChatsAccess, ChatsMemberships,
	HistoryPage, HistoryMessage, HistorySince, HistoryAdmit, HistoryHide, HistoryStar, HistoryStarred, HistoryPins, HistorySearch,
	MediaCreate, MediaFinish, MediaDrop, MediaGet, MediaClaim, MediaLink,
	PushSet, PushRemove, PushKey,
}

func usersWork(p *Permissions, shards int) {
	p.serve(ServiceUsers)
	p.ask(ChatsMemberships, ChatsRemove, ChatsMembers, ChatsRole, HistorySettle)
	p.Pub = append(p.Pub, SendOTP, "msg.*.u.*", "live.*.*."+string(EventAccess))
	for shard := range shards {
		p.Pub = append(p.Pub, "$JS.API.STREAM.INFO."+MsgStream(shard), "$JS.API.STREAM.PURGE."+MsgStream(shard))
	}
	p.readBucket(BucketRevoked, BucketLastSeen, BucketSignIns)
	p.watchBucket(BucketFabric)
	p.writeBucket(BucketRevoked, BucketLastSeen, BucketSignIns)
	p.audit(RoleUsers)
}

func chatsWork(p *Permissions, shards int) {
	p.serve(ServiceChats)
	p.ask(HistorySettle)
	p.Pub = append(p.Pub, "msg.*.*.*", RelayKick, MembersChanged("*"))
	p.Sub = append(p.Sub, RelayKick)
	for shard := range shards {
		p.read(MsgStream(shard), RcptStream(shard))
	}
	p.audit(RoleChats)
}

func historyWork(p *Permissions, shards int) {
	p.serve(ServiceHistory)
	p.Pub = append(p.Pub, "msg.*.u.*")
	for shard := range shards {
		s := MsgStream(shard)
		p.read(s)
		p.follow(s)
		p.Pub = append(p.Pub, "$JS.API.STREAM.MSG.GET."+s, "$JS.API.STREAM.MSG.DELETE."+s, "$JS.API.STREAM.PURGE."+s)
	}
}

func receiptsWork(p *Permissions, shards int) {
	p.ask(ChatsFloors)
	p.Pub = append(p.Pub, "rcpt.*.g.*."+string(AllMembers))
	p.Sub = append(p.Sub, AnyMembersChanged)
	for shard := range shards {
		p.read(RcptStream(shard))
		p.follow(RcptStream(shard))
	}
}

func presenceWork(p *Permissions, _ int) {
	p.readBucket(BucketEdges, BucketPresence, BucketLastSeen)
	p.watchBucket(BucketEdges)
	p.writeBucket(BucketPresence, BucketLastSeen)
	p.Pub = append(p.Pub, "$JS.API.STREAM.PURGE."+BucketStream(BucketLastSeen))
}

// Ingest speaks for internal services, whom NATS has made sure of by the subject that they write to.
func ingestWork(p *Permissions, shards int) {
	p.serve(ServiceServices)
	p.ask(ChatsOpen, ChatsFloors, HistorySettle, HistoryPage, HistoryAdmit, MediaClaim, PushNotify)
	p.Pub = append(p.Pub, "msg.*.*.*", ServiceInboxFilter, ServicesChanged, Ping(ServiceServices))
	p.PubDeny = append(p.PubDeny, "msg.*.u.*")
	p.Sub = append(p.Sub, ServiceSends)
	for shard := range shards {
		s := MsgStream(shard)
		p.read(s)
		for _, verb := range []string{"CREATE", "INFO", "DELETE", "MSG.NEXT"} {
			p.Pub = append(p.Pub, "$JS.API.CONSUMER."+verb+"."+s+"."+IngestConsumer)
		}
		p.Pub = append(p.Pub, "$JS.ACK."+s+"."+IngestConsumer+".>")
	}
	p.Pub = append(p.Pub, "$JS.API.STREAM.INFO."+ServiceInboxStream, "$JS.ACK."+ServiceInboxStream+".>")
	for _, verb := range []string{"CREATE", "INFO", "DELETE", "MSG.NEXT"} {
		p.Pub = append(p.Pub, "$JS.API.CONSUMER."+verb+"."+ServiceInboxStream+".>")
	}
	p.audit(RoleIngest)
}

// Media keeps and removes files. It sees no message: whether one names a file it is told by the database.
func mediaWork(p *Permissions, shards int) {
	p.serve(ServiceMedia)
	p.ask(HistorySettle, MediaScan)
	p.readBucket(BucketUploads)
	p.watchBucket(BucketUploads)
	p.writeBucket(BucketUploads)
	p.Pub = append(p.Pub, "$JS.API.STREAM.PURGE."+BucketStream(BucketUploads))
	for shard := range shards {
		s := MediaStream(shard)
		p.read(s)
		p.Pub = append(p.Pub, "$O."+MediaBucket(shard)+".>", "$JS.API.STREAM.PURGE."+s)
	}
	p.audit(RoleMedia)
}

func scanWork(p *Permissions, shards int) {
	p.Sub = append(p.Sub, MediaScan.String())
	p.answer()
	for shard := range shards {
		p.read(MediaStream(shard))
	}
}

func otpWork(p *Permissions, _ int) {
	p.Sub = append(p.Sub, SendOTP)
	p.answer()
}

// Push reads the logs and the marks, hears what devices have acked, and keeps its own queue. It writes to no log.
func pushWork(p *Permissions, shards int) {
	p.serve(ServicePush)
	p.ask(ChatsList, HistoryMessage)
	p.Sub = append(p.Sub, Acked("*"), PushChanged)
	p.Pub = append(p.Pub, PushChanged, PushFilter, "$JS.API.STREAM.INFO."+PushStream, "$JS.ACK."+PushStream+".>")
	for _, verb := range []string{"CREATE", "INFO", "DELETE", "MSG.NEXT"} {
		p.Pub = append(p.Pub, "$JS.API.CONSUMER."+verb+"."+PushStream+".>")
	}
	for shard := range shards {
		p.read(MsgStream(shard), RcptStream(shard))
		p.follow(MsgStream(shard))
	}
}

// Provision makes and changes streams and buckets; it reads and writes what is fixed for the fabric, and no message.
func provisionWork(p *Permissions, _ int) {
	for _, verb := range []string{"STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE"} {
		p.Pub = append(p.Pub, "$JS.API."+verb+".*")
	}
	p.Pub = append(p.Pub, "$JS.API.INFO")
	p.writeBucket(BucketFabric)
	p.audit(RoleProvision)
}

// A service's permissions end at its own name: it can't be another one, and no chat's subject is among them.
func serviceWork(p *Permissions, _ int) {
	p.Sub = []string{ServiceInboxPrefix(serviceName) + ".>", "svc." + serviceName + ".inbox.>"}
	p.Pub = []string{
		"svc." + serviceName + ".send.*.*",
		// Its own consumer of the stream of inboxes, which has the service's name.
		"$JS.API.CONSUMER.INFO." + ServiceInboxStream + "." + serviceName,
		"$JS.API.CONSUMER.MSG.NEXT." + ServiceInboxStream + "." + serviceName,
		"$JS.ACK." + ServiceInboxStream + "." + serviceName + ".>",
	}
}

// ask lets a role ask verbs of other roles.
func (p *Permissions) ask(verbs ...Verb) {
	for _, v := range verbs {
		p.Pub = append(p.Pub, v.String())
	}
}

// answer lets a role answer requests, whoever asks: who does not know a request's reply subject, which nobody can guess,
// can't answer it. NATS's own permission to respond would note the reply subject of every message that comes to the role:
// with the logs' it cost 12 µs a message, a third of all.
func (p *Permissions) answer() { p.Pub = append(p.Pub, inboxes+">") }

// serve lets a role be a micro service (NATS ADR-32): take requests on its name's subjects, answer them, and be discovered.
func (p *Permissions) serve(on string) {
	p.answer()
	name, _, _ := strings.Cut(on, ".")
	p.Sub = append(p.Sub, "weft."+on+".*", "$SRV.*", "$SRV.*."+name, "$SRV.*."+name+".*")
}

// read lets a role read a stream by direct get (NATS ADR-31), and learn of its state.
func (p *Permissions) read(streams ...string) {
	for _, s := range streams {
		p.Pub = append(p.Pub, "$JS.API.STREAM.INFO."+s, "$JS.API.DIRECT.GET."+s, "$JS.API.DIRECT.GET."+s+".>")
	}
}

// follow lets a role follow a stream by ephemeral ordered consumers.
func (p *Permissions) follow(streams ...string) {
	for _, s := range streams {
		p.Pub = append(p.Pub, "$JS.API.STREAM.INFO."+s, "$JS.FC."+s+".>")
		for _, verb := range []string{"CREATE", "INFO", "DELETE", "MSG.NEXT"} {
			p.Pub = append(p.Pub, "$JS.API.CONSUMER."+verb+"."+s+".>")
		}
	}
}

// readBucket lets a role get keys, watchBucket follow them, writeBucket put and purge them.
func (p *Permissions) readBucket(buckets ...string) {
	for _, b := range buckets {
		p.read(BucketStream(b))
	}
}

func (p *Permissions) watchBucket(buckets ...string) {
	for _, b := range buckets {
		p.follow(BucketStream(b))
	}
}

func (p *Permissions) writeBucket(buckets ...string) {
	for _, b := range buckets {
		p.Pub = append(p.Pub, "$JS.API.STREAM.INFO."+BucketStream(b), KeySubject(b, ">"))
	}
}

// pictures lets a role put and get objects of the store of pictures. What is there can't be taken away.
func (p *Permissions) pictures() {
	s := "OBJ_" + BucketAvatars
	p.read(s)
	p.follow(s)
	p.Pub = append(p.Pub, "$O."+BucketAvatars+".>")
}

// audit lets a role write its own events into the audit log.
func (p *Permissions) audit(r Role) { p.Pub = append(p.Pub, Audit(string(r), "*")) }
