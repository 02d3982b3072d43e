package natsconfig_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// site is what the configuration's files stand in: the files themselves, the keys that `weft auth init` makes, and
// certificates that `weft auth tls` does. Each server has a folder of its own with a copy.
type site struct {
	keys       *auth.Keys
	tls, files string
}

func newSite(t *testing.T, shards int) site {
	t.Helper()
	keys, err := auth.OpenKeys(t.TempDir(), shards)
	if err == nil {
		err = errors.Join(keys.WriteCreds(subjects.RoleEdge, subjects.RoleProvision), keys.WriteServerConf())
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := site{keys, t.TempDir(), files}
	if err := auth.MakeTLS(s.tls, []string{"n1", "n2", "n3", "hub", "localhost", "127.0.0.1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s site) rootCAs() string { return filepath.Join(s.tls, auth.TLSCA) }

// options reads one of the files as it stands, in a folder of its own, and takes only the addresses from it: the test's
// are free ones on loopback.
func (s site) options(t *testing.T, file string) *server.Options {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.files)); err != nil {
		t.Fatal(err)
	}
	if err := s.keys.Bundle(filepath.Join(dir, "auth"), subjects.RoleEdge); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "tls"), os.DirFS(s.tls)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if opts.HTTPHost != "127.0.0.1" {
		t.Errorf("%s: monitoring listens on %s", file, opts.HTTPHost)
	}
	opts.Host, opts.Port, opts.HTTPPort = "127.0.0.1", server.RANDOM_PORT, 0
	if opts.LeafNode.Port != 0 {
		opts.LeafNode.Host, opts.LeafNode.Port = "127.0.0.1", weftest.FreePort(t)
	}
	if opts.StoreDir, err = filepath.Abs(opts.StoreDir); err != nil {
		t.Fatal(err)
	}
	opts.NoSigs, opts.NoLog = true, true
	return opts
}

func run(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.SetLoggerV2(quiet{t}, false, false, false)
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatalf("%s does not come up", opts.ServerName)
	}
	return srv
}

// quiet shows what a server finds wrong where a test fails.
type quiet struct{ t *testing.T }

func (quiet) Noticef(string, ...any)           {}
func (q quiet) Warnf(format string, v ...any)  { q.t.Logf("warn: "+format, v...) }
func (quiet) Debugf(string, ...any)            {}
func (quiet) Tracef(string, ...any)            {}
func (q quiet) Errorf(format string, v ...any) { q.t.Logf("error: "+format, v...) }
func (q quiet) Fatalf(format string, v ...any) { q.t.Errorf(format, v...) }

// connect connects as a role, or as nobody where that is empty.
func (s site) connect(t *testing.T, srv *server.Server, role subjects.Role, more ...nats.Option) (*nats.Conn, error) {
	t.Helper()
	opts := append([]nats.Option{nats.RootCAs(s.rootCAs()), nats.Timeout(10 * time.Second), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}, more...)
	if role != "" {
		token, seed, err := s.keys.Creds(role)
		if err != nil {
			t.Fatal(err)
		}
		opts = append(opts, nats.UserJWTAndSeed(token, string(seed)), nats.CustomInboxPrefix(subjects.InboxPrefix(role)))
	}
	nc, err := nats.Connect("tls://"+srv.Addr().String(), opts...)
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}

func (s site) mustConnect(t *testing.T, srv *server.Server, role subjects.Role, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := s.connect(t, srv, role, more...)
	if err != nil {
		t.Fatalf("connect as %s: %v", role, err)
	}
	return nc
}

func (s site) system(t *testing.T, srv *server.Server) *nats.Conn {
	t.Helper()
	token, seed, err := s.keys.SystemCreds()
	if err != nil {
		t.Fatal(err)
	}
	return s.mustConnect(t, srv, "", nats.UserJWTAndSeed(token, string(seed)))
}

// provision makes the fabric, with as many copies of each stream as there are servers.
func (s site) provision(t *testing.T, srv *server.Server, replicas int) natsconfig.Fabric {
	t.Helper()
	js, err := jetstream.New(s.mustConnect(t, srv, subjects.RoleProvision))
	if err != nil {
		t.Fatal(err)
	}
	f, err := natsconfig.Provision(t.Context(), js, natsconfig.FabricConfig{Shards: s.keys.Shards(), Replicas: replicas})
	if err == nil {
		err = natsconfig.PutClients(t.Context(), js, s.keys.Clients().JWT)
	}
	if err != nil {
		t.Fatalf("provision: %v", err)
	}
	return f
}

func TestSingleServer(t *testing.T) {
	s := newSite(t, 2)
	opts := s.options(t, "single.conf")
	srv := run(t, opts)
	s.mustBeClosed(t, srv)
	if f := s.provision(t, srv, 1); f.Shards != 2 {
		t.Errorf("the fabric has %d shards", f.Shards)
	}
	for _, role := range []subjects.Role{
		subjects.RoleEdge, subjects.RoleUsers, subjects.RoleChats, subjects.RoleHistory, subjects.RoleReceipts, subjects.RolePresence,
		subjects.RoleIngest, subjects.RoleOTP, subjects.RoleMedia, subjects.RoleScan, subjects.RolePush, subjects.RoleOperator,
	} {
		js, err := jetstream.New(s.mustConnect(t, srv, role))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := natsconfig.Join(t.Context(), js, role == subjects.RoleEdge); err != nil {
			t.Errorf("%s joins: %v", role, err)
		}
	}
	v, err := srv.Jsz(&server.JSzOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Config.SyncInterval != 100*time.Millisecond || v.Config.MaxStore != 200<<30 || v.Config.MaxMemory != 1<<30 {
		t.Errorf("JetStream: %+v", v.Config)
	}
	if opts.MaxPayload < natsconfig.MaxPayload {
		t.Errorf("max_payload is %d, weft needs %d", opts.MaxPayload, natsconfig.MaxPayload)
	}
}

// mustBeClosed checks that a server lets in nobody without TLS and credentials.
func (s site) mustBeClosed(t *testing.T, srv *server.Server) {
	t.Helper()
	if _, err := s.connect(t, srv, ""); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("nobody connects: %v", err)
	}
	token, seed, err := s.keys.Creds(subjects.RoleEdge)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("nats://"+srv.Addr().String(), nats.UserJWTAndSeed(token, string(seed)), nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12}))
	if err == nil {
		nc.Close()
		t.Error("a client that does not know the authority connects")
	}
	raw, err := net.Dial("tcp", srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	info := make([]byte, 4096)
	n, err := raw.Read(info)
	if err != nil || !strings.Contains(string(info[:n]), `"tls_required":true`) {
		t.Errorf("it says %s, %v; want tls_required", info[:n], err)
	}
}

// startThree starts the cluster's three servers.
func startThree(t *testing.T, s site) []*server.Server {
	t.Helper()
	var all []*server.Options
	var routes []*url.URL
	for i := range 3 {
		opts := s.options(t, fmt.Sprintf("cluster/n%d.conf", i+1))
		if len(opts.Routes) != 3 || opts.Cluster.TLSConfig == nil || opts.Cluster.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert {
			t.Fatalf("n%d: routes %v", i+1, opts.Routes)
		}
		opts.Cluster.Host, opts.Cluster.Port = "127.0.0.1", weftest.FreePort(t)
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", opts.Cluster.Port)})
		all = append(all, opts)
	}
	var servers []*server.Server
	for _, opts := range all {
		opts.Routes = slices.Clone(routes) // each server takes itself out
		srv, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		srv.SetLoggerV2(quiet{t}, false, false, false)
		srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		servers = append(servers, srv)
	}
	weftest.Eventually(t, "the leader has heard of all three", func() bool {
		for _, srv := range servers {
			if srv.JetStreamIsLeader() {
				return len(srv.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return servers
}

func TestCluster(t *testing.T) {
	s := newSite(t, 2)
	servers := startThree(t, s)
	for _, srv := range servers {
		s.mustBeClosed(t, srv)
	}
	s.provision(t, servers[0], 3)
	js, err := jetstream.New(s.mustConnect(t, servers[1], subjects.RoleOperator))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{subjects.MsgStream(1), subjects.RcptStream(0), subjects.AuditStream, subjects.BucketStream(subjects.BucketRevoked)} {
		st, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info := st.CachedInfo()
		if info.Config.Replicas != 3 || info.Cluster == nil || len(info.Cluster.Replicas) != 2 {
			t.Errorf("stream %s: %d replicas, %+v", name, info.Config.Replicas, info.Cluster)
		}
	}

	// Credentials that are revoked at one server end at every other.
	creds, user, err := s.keys.ServiceCreds("orders")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "orders.creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	var ended []chan struct{}
	for _, srv := range servers {
		done := make(chan struct{})
		s.mustConnect(t, srv, "", nats.UserCredentials(file), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(done) }))
		ended = append(ended, done)
	}
	account, err := s.keys.Revoke(user)
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconfig.PushAccount(t.Context(), s.system(t, servers[2]), account); err != nil {
		t.Fatal(err)
	}
	for i, done := range ended {
		ends(t, fmt.Sprintf("revoked credentials at n%d", i+1), done)
	}

	// Who has no certificate of ours joins no cluster.
	mustAskForCertificate(t, servers[0].ClusterAddr().String(), false)
}

// mustAskForCertificate checks that a server talks on a route or a leaf node's link only to who shows a certificate. A
// leaf node's says what it is before TLS begins, a route's doesn't.
func mustAskForCertificate(t *testing.T, addr string, info bool) {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if info {
		said, err := bufio.NewReaderSize(raw, 1).ReadString('\n')
		if err != nil || !strings.Contains(said, `"tls_required":true`) {
			t.Fatalf("it begins with %q, %v", said, err)
		}
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) // we look at what it asks of us
	err = c.Handshake()
	if err == nil {
		_, err = c.Read(make([]byte, 1)) // TLS 1.3 tells a client that it is refused after the handshake
	}
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without a certificate: %v, want one asked for", err)
	}
}

// An edge at a leaf reaches what it needs of the hub, and may do there what an edge may and no more, whoever connects to
// the leaf.
func TestLeaf(t *testing.T) {
	s := newSite(t, 1)
	hubOpts := s.options(t, "single.conf")
	hub, hubLeaf := run(t, hubOpts), net.JoinHostPort("127.0.0.1", strconv.Itoa(hubOpts.LeafNode.Port))
	s.provision(t, hub, 1)
	mustAskForCertificate(t, hubLeaf, true)
	opts := s.options(t, "leaf.conf")
	if n := len(opts.LeafNode.Remotes); n != 1 || opts.LeafNode.Remotes[0].LocalAccount != s.keys.FabricAccount() {
		t.Fatalf("%d remotes: %+v", n, opts.LeafNode.Remotes)
	}
	opts.LeafNode.Remotes[0].URLs = []*url.URL{{Scheme: "tls", Host: hubLeaf}}
	leaf := run(t, opts)
	weftest.Eventually(t, "the leaf is linked", func() bool { return hub.NumLeafNodes() == 1 })
	s.mustBeClosed(t, leaf)
	nc := s.mustConnect(t, leaf, subjects.RoleEdge)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var f natsconfig.Fabric
	weftest.Eventually(t, "an edge at the leaf finds the fabric", func() bool {
		f, err = natsconfig.Join(t.Context(), js, true)
		return err == nil
	})
	kv, err := js.KeyValue(t.Context(), subjects.BucketPresence)
	if err == nil {
		_, err = kv.PutString(t.Context(), "someone.e1", "{}")
	}
	if err != nil {
		t.Errorf("an edge at the leaf writes presence: %v", err)
	}

	at := func(srv *server.Server) *weftest.NATS {
		return &weftest.NATS{
			Server: srv, URL: "tls://" + srv.Addr().String(), Keys: s.keys, Fabric: f, Options: []nats.Option{nats.RootCAs(s.rootCAs()), nats.Timeout(10 * time.Second)},
		}
	}
	people := edgetest.Start(t, edgetest.Config{On: at(hub)})
	here, there := people.Edge(t), people.EdgeAt(t, at(leaf))
	ann, bob := people.User(t, here, "Ann"), people.User(t, there, "Bob")
	a, b := edgetest.Connect(t, here, ann, ""), edgetest.Connect(t, there, bob, "")
	a.Synced()
	b.Synced()
	for _, way := range []struct{ from, to *edgetest.Conn }{{a, b}, {b, a}} {
		sent := way.from.Send(string(edgetest.Direct(ann, bob)), fabric.NewCID(), "over the leaf")
		if got := way.to.Event("message"); got.Num("seq") != sent.Num("seq") || got.Num("seq") == 0 {
			t.Errorf("%v came, want what was sent: %v", got, sent)
		}
	}

	// An operator's credentials work at the leaf, and reach as far as an edge's.
	op, err := jetstream.New(s.mustConnect(t, leaf, subjects.RoleOperator))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := op.DeleteStream(ctx, subjects.MsgStream(0)); err == nil {
		t.Error("a log was deleted through the leaf")
	}
	if _, err := op.Stream(ctx, subjects.AuditStream); err == nil {
		t.Error("the audit log was read through the leaf")
	}
}
