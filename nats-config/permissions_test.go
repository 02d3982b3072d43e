package natsconfig_test

import (
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// guarded is a server in operator mode with nothing on it.
type guarded struct {
	url  string
	keys *auth.Keys
}

func startGuarded(t *testing.T, shards int) guarded {
	t.Helper()
	keys, err := auth.OpenKeys(t.TempDir(), shards)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute, Log: slog.New(slog.DiscardHandler),
		Operator: keys.Operator(), System: keys.SystemAccount(), Accounts: keys.Accounts(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return guarded{srv.ClientURL(), keys}
}

// visitor is a connection that notes what the server refuses it.
type visitor struct {
	*nats.Conn

	mu      sync.Mutex
	refused map[string]bool // "pub <subject>" or "sub <subject>"
}

var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

func (g guarded) visit(t *testing.T, token string, seed []byte, opts ...nats.Option) *visitor {
	t.Helper()
	v := &visitor{refused: make(map[string]bool)}
	opts = append(opts, nats.UserJWTAndSeed(token, string(seed)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			m := violation.FindStringSubmatch(err.Error())
			if m == nil {
				t.Errorf("the server says %v", err)
				return
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			v.refused[strings.ToLower(m[1][:3])+" "+m[2]] = true
		}))
	nc, err := nats.Connect(g.url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	v.Conn = nc
	return v
}

// may tries subjects and returns which of them the server let pass. The server's answers come in order, so a flush has
// them all; what calls the handler has seen them once it is through with its queue.
func (v *visitor) may(t *testing.T, tries []try) map[try]bool {
	t.Helper()
	for _, try := range tries {
		var err error
		if try.sub {
			var sub *nats.Subscription
			if sub, err = v.SubscribeSync(try.subject); err == nil {
				err = sub.AutoUnsubscribe(1)
			}
		} else {
			err = v.Publish(try.subject, nil)
		}
		if err != nil {
			t.Fatalf("%v: %v", try, err)
		}
	}
	// One that everybody is refused says that all those before it have come.
	last := "nobody.may." + fabric.NewCID()
	if err := errors.Join(v.Publish(last, nil), v.Flush()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		v.mu.Lock()
		done := v.refused["pub "+last]
		v.mu.Unlock()
		if done {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("the server does not answer")
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	passed := make(map[try]bool)
	for _, try := range tries {
		passed[try] = !v.refused[try.String()]
	}
	return passed
}

// try is one use of a subject.
type try struct {
	sub     bool
	subject string
}

func (t try) String() string {
	if t.sub {
		return "sub " + t.subject
	}
	return "pub " + t.subject
}

// matches reports whether a subject, which may itself have wildcards, lies within a pattern.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		switch {
		case token == ">":
			return len(s) > i
		case i >= len(s) || s[i] == ">":
			return false
		case token != "*" && token != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

func anyMatches(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, subject) })
}

// allowed is what the table says.
func allowed(may subjects.Permissions, t try) bool {
	if t.sub {
		return anyMatches(may.Sub, t.subject)
	}
	return anyMatches(may.Pub, t.subject) && !anyMatches(may.PubDeny, t.subject)
}

// everySubject returns a subject of each kind that there is: one for each pattern of any role's, and what the server
// itself and its JetStream take.
func everySubject(shards int) []try {
	concrete := func(pattern string) string {
		pattern = strings.ReplaceAll(pattern, "{{name()}}", "orders")
		tokens := strings.Split(pattern, ".")
		for i, token := range tokens {
			switch token {
			case "*":
				tokens[i] = "x"
			case ">":
				tokens[i] = "x.y"
			}
		}
		return strings.Join(tokens, ".")
	}
	set := make(map[try]bool)
	add := func(list ...string) {
		for _, s := range list {
			set[try{true, s}] = true
			if !strings.ContainsAny(s, "*>") { // nobody publishes to a wildcard
				set[try{false, s}] = true
			}
		}
	}
	for _, role := range subjects.Roles() {
		may := subjects.PermissionsOf(role, shards)
		for _, p := range slices.Concat(may.Pub, may.PubDeny, may.Sub) {
			add(concrete(p))
			if !strings.Contains(p, "{{") {
				set[try{true, p}] = true // the pattern itself, to subscribe
			}
		}
	}
	a, b, g := fabric.NewUserID(), fabric.NewUserID(), fabric.NewGroupID()
	direct, group, self := fabric.Direct(a, b), g.Channel(), fabric.Self(a)
	low, high := subjects.LiveOf(a)
	add(low, high, subjects.LiveOfGroup(group), subjects.PresenceOf(a), subjects.SendOTP, subjects.RelayKick,
		subjects.Log(direct, 0), subjects.Log(group, 0), subjects.Log(self, 0), subjects.Receipt(direct, 0, a), subjects.GroupReceipt(group, 0, a),
		subjects.GroupMarks(group, 0), subjects.Typing(direct), subjects.Access(direct), subjects.ReadElsewhere(a), subjects.MembersChanged(g),
		"live."+string(direct)+".msg", "live."+string(direct)+".rcpt."+string(a), "pres."+string(a)+".e1",
		">", "live.>", "msg.>", "svc.>", "svc.payments.send.u."+string(a), "svc.payments.inbox.>", "_INBOX.>", "audit.>",
		"$SYS.>", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.SERVER.PING", "$JS.API.>", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES",
		"$JS.API.ACCOUNT.PURGE.x", "$JS.API.META.LEADER.STEPDOWN")
	streams := []string{subjects.AuditStream, subjects.PushStream, "OBJ_" + subjects.BucketAvatars}
	for shard := range shards {
		streams = append(streams, subjects.MsgStream(shard), subjects.RcptStream(shard), subjects.MediaStream(shard))
		f := fabric.NewMediaID()
		add(subjects.MediaPart(f, shard, 0), subjects.MediaMeta(f, shard), subjects.MediaParts(f, shard))
	}
	for _, b := range []string{subjects.BucketFabric, subjects.BucketPresence, subjects.BucketEdges, subjects.BucketLastSeen, subjects.BucketRevoked, subjects.BucketSignIns, subjects.BucketUploads} {
		streams = append(streams, subjects.BucketStream(b))
		add(subjects.KeySubject(b, "x"))
	}
	for _, s := range streams {
		for _, verb := range []string{
			"STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.GET", "STREAM.MSG.DELETE",
			"STREAM.SNAPSHOT", "STREAM.RESTORE", "DIRECT.GET", "CONSUMER.LIST", "CONSUMER.NAMES",
		} {
			add("$JS.API." + verb + "." + s)
		}
		for _, verb := range []string{"CONSUMER.CREATE", "CONSUMER.DURABLE.CREATE", "CONSUMER.INFO", "CONSUMER.DELETE", "CONSUMER.MSG.NEXT", "DIRECT.GET"} {
			add("$JS.API." + verb + "." + s + ".x")
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b try) int { return strings.Compare(a.String(), b.String()) })
}

// Everything that the table does not give a role is refused to it by the server, and nothing that it gives is.
func TestWhatEachRoleMayDo(t *testing.T) {
	const shards = 2
	g := startGuarded(t, shards)
	tries := everySubject(shards)
	for _, role := range subjects.Roles() {
		if role == subjects.RoleOperator {
			continue // may do everything, and would
		}
		t.Run(string(role), func(t *testing.T) {
			var token string
			var seed []byte
			var err error
			may := subjects.PermissionsOf(role, shards)
			if role == subjects.RoleService {
				token, seed = serviceCreds(t, g.keys, "orders")
				for _, list := range [][]string{may.Pub, may.Sub} {
					for i := range list {
						list[i] = strings.ReplaceAll(list[i], "{{name()}}", "orders")
					}
				}
			} else if token, seed, err = g.keys.Creds(role); err != nil {
				t.Fatal(err)
			}
			passed := g.visit(t, token, seed).may(t, tries)
			n := 0
			for _, try := range tries {
				if passed[try] != allowed(may, try) {
					t.Errorf("%v: the server lets it pass: %v, the table: %v", try, passed[try], allowed(may, try))
				}
				if passed[try] {
					n++
				}
			}
			t.Logf("%d of %d subjects", n, len(tries))
		})
	}
}

func serviceCreds(t *testing.T, keys *auth.Keys, name string) (token string, seed []byte) {
	t.Helper()
	creds, _, err := keys.ServiceCreds(name)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = nkeys.ParseDecoratedJWT(creds); err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(creds)
	if err == nil {
		seed, err = pair.Seed()
	}
	if err != nil {
		t.Fatal(err)
	}
	return token, seed
}

// The rules that matter most, in words that no table derives.
func TestWhatNobodyMayDo(t *testing.T) {
	a, b := fabric.NewUserID(), fabric.NewUserID()
	direct := fabric.Direct(a, b)
	for _, tc := range []struct {
		what string
		try  try
		but  []subjects.Role // those who may
	}{
		{"forge a live message", try{false, "live." + string(direct) + ".msg"}, nil},
		{"forge a live receipt", try{false, "live." + string(direct) + ".rcpt." + string(a)}, nil},
		{"read what is live", try{true, "live.>"}, []subjects.Role{subjects.RoleEdge}},
		{"hear others' replies", try{true, "_INBOX.>"}, nil},
		{"delete a log", try{false, "$JS.API.STREAM.DELETE.MSG_0"}, nil},
		{"delete a message", try{false, "$JS.API.STREAM.MSG.DELETE.MSG_0"}, []subjects.Role{subjects.RoleHistory}},
		{"read the audit log", try{false, "$JS.API.DIRECT.GET." + subjects.AuditStream}, nil},
		{"follow the audit log", try{false, "$JS.API.CONSUMER.CREATE." + subjects.AuditStream + ".x"}, nil},
		{"see one-time codes", try{true, subjects.SendOTP}, []subjects.Role{subjects.RoleOTP}},
		{"ask for codes to be sent", try{false, subjects.SendOTP}, []subjects.Role{subjects.RoleUsers}},
		{"sign devices out", try{false, subjects.KeySubject(subjects.BucketRevoked, "x.y")}, []subjects.Role{subjects.RoleUsers}},
		{"say which keys sign tokens", try{false, subjects.KeySubject(subjects.BucketFabric, subjects.KeyClients)}, []subjects.Role{subjects.RoleProvision}},
		{"have something pushed", try{false, subjects.PushJob("fcm", "now", fabric.NewDeviceID())}, []subjects.Role{subjects.RolePush}},
		{"read what is to be pushed", try{false, "$JS.API.CONSUMER.MSG.NEXT." + subjects.PushStream + ".fcm_now"}, []subjects.Role{subjects.RolePush}},
		{"say what devices have", try{false, subjects.Acked("e1")}, []subjects.Role{subjects.RoleEdge}},
		{"say where devices are pushed to", try{false, subjects.PushSet.String()}, []subjects.Role{subjects.RoleEdge}},
		{"change accounts", try{false, "$SYS.REQ.CLAIMS.UPDATE"}, nil},
		{"write to a self channel", try{false, subjects.Log(fabric.Self(a), 0)}, []subjects.Role{subjects.RoleUsers, subjects.RoleChats, subjects.RoleHistory}},
		{"sign a user out", try{false, subjects.UsersSignOut.String()}, nil},
		{"delete a user", try{false, subjects.UsersErase.String()}, nil},
		{"look for users", try{false, subjects.UsersFind.String()}, nil},
		{"see who is connected", try{false, subjects.EdgeSessions("e1").String()}, nil},
		{"drain an edge", try{false, subjects.EdgeDrain("e1").String()}, nil},
		{"remove files", try{false, subjects.PurgeStream(subjects.MediaStream(0))}, []subjects.Role{subjects.RoleMedia}},
		{"say what is a file", try{false, subjects.MediaMeta(fabric.NewMediaID(), 0)}, []subjects.Role{subjects.RoleMedia}},
		{"write parts of files", try{false, subjects.MediaPart(fabric.NewMediaID(), 0, 0)}, []subjects.Role{subjects.RoleMedia, subjects.RoleEdge}},
		{"read files", try{false, subjects.DirectGet(subjects.MediaStream(0))}, []subjects.Role{subjects.RoleMedia, subjects.RoleEdge, subjects.RoleScan}},
		{"note uploads", try{false, subjects.KeySubject(subjects.BucketUploads, "x.y")}, []subjects.Role{subjects.RoleMedia}},
		{"say that a file does no harm", try{true, subjects.MediaScan.String()}, []subjects.Role{subjects.RoleMedia, subjects.RoleScan}},
		{"answer for users", try{true, subjects.UsersToken.String()}, []subjects.Role{subjects.RoleUsers}},
	} {
		for _, role := range subjects.Roles() {
			if role == subjects.RoleOperator {
				continue
			}
			if got, want := allowed(subjects.PermissionsOf(role, 1), tc.try), slices.Contains(tc.but, role); got != want {
				t.Errorf("%s: role %s may: %v, want %v", tc.what, role, got, want)
			}
		}
	}
}

// A user's access token is a NATS user JWT, and lets nobody in on NATS; neither does one of another fabric, or one that an
// account's own key has signed without saying what it may.
func TestWhoIsNotLetIn(t *testing.T) {
	g := startGuarded(t, 1)
	device, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := device.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := device.Seed()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := g.keys.Issuer().Issue(fabric.NewUserID(), fabric.NewDeviceID(), public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := auth.OpenKeys(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	edgeToken, edgeSeed, err := other.Creds(subjects.RoleEdge)
	if err != nil {
		t.Fatal(err)
	}
	for what, opts := range map[string][]nats.Option{
		"nobody":                 nil,
		"an access token":        {nats.UserJWTAndSeed(token, string(seed))},
		"a role of another":      {nats.UserJWTAndSeed(edgeToken, string(edgeSeed))},
		"a name and a password":  {nats.UserInfo("weft", "weft")},
		"a token without a seed": {nats.UserJWT(func() (string, error) { return edgeToken, nil }, func([]byte) ([]byte, error) { return []byte("x"), nil })},
	} {
		nc, err := nats.Connect(g.url, opts...)
		if err == nil {
			nc.Close()
		}
		if !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrMaxAccountConnectionsExceeded) {
			t.Errorf("%s: %v, want it refused", what, err)
		}
	}
}

// Credentials that are revoked end at once, those of a role whose key was changed too, and nobody else's.
func TestCredentialsAreTakenBack(t *testing.T) {
	g := startGuarded(t, 1)
	system := systemConn(t, g)
	connect := func(token string, seed []byte) (*nats.Conn, chan struct{}) {
		t.Helper()
		ended := make(chan struct{})
		nc, err := nats.Connect(g.url, nats.UserJWTAndSeed(token, string(seed)), nats.NoReconnect(),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.ClosedHandler(func(*nats.Conn) { close(ended) }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc, ended
	}
	creds, user, err := g.keys.ServiceCreds("orders")
	if err != nil {
		t.Fatal(err)
	}
	token, err := nkeys.ParseDecoratedJWT(creds)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(creds)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	_, revoked := connect(token, seed)
	otherToken, otherSeed := serviceCreds(t, g.keys, "orders")
	other, otherEnded := connect(otherToken, otherSeed)
	edgeToken, edgeSeed, err := g.keys.Creds(subjects.RoleEdge)
	if err != nil {
		t.Fatal(err)
	}
	_, edgeEnded := connect(edgeToken, edgeSeed)

	account, err := g.keys.Revoke(user)
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconfig.PushAccount(t.Context(), system, account); err != nil {
		t.Fatal(err)
	}
	ends(t, "revoked credentials", revoked)
	if nc, err := nats.Connect(g.url, nats.UserJWTAndSeed(token, string(seed))); err == nil {
		nc.Close()
		t.Error("revoked credentials are let in again")
	}
	if account, err = g.keys.RotateRole(subjects.RoleEdge); err != nil {
		t.Fatal(err)
	}
	if err := natsconfig.PushAccount(t.Context(), system, account); err != nil {
		t.Fatal(err)
	}
	ends(t, "credentials of a role whose key was changed", edgeEnded)
	newToken, newSeed, err := g.keys.Creds(subjects.RoleEdge)
	if err != nil {
		t.Fatal(err)
	}
	connect(newToken, newSeed)
	select {
	case <-otherEnded:
		t.Error("the service's other credentials ended too")
	default:
		if err := other.Flush(); err != nil {
			t.Errorf("the service's other credentials: %v", err)
		}
	}
	if err := natsconfig.PushAccount(t.Context(), system, "no account"); err == nil {
		t.Error("the servers took what is no account")
	}
}

func ends(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: the connection stays", what)
	}
}

func systemConn(t *testing.T, g guarded) *nats.Conn {
	t.Helper()
	token, seed, err := g.keys.SystemCreds()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(g.url, nats.UserJWTAndSeed(token, string(seed)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
