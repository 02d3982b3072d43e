package node_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/node/nodetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/webhook"
	"github.com/weft-im/weft/weftest"
)

// alone is the configuration of a process that has everything in it.
func alone(t *testing.T) node.Config {
	cfg := nodetest.Config(t)
	cfg.Sync = time.Minute
	return cfg
}

// cluster is a NATS server, and the keys of the fabric on it.
type cluster struct {
	url, keys string
	auth      *auth.Keys
}

func startCluster(t *testing.T) cluster {
	t.Helper()
	c := cluster{keys: t.TempDir()}
	var err error
	if c.auth, err = auth.OpenKeys(c.keys, 0); err != nil {
		t.Fatal(err)
	}
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute, Log: slog.New(slog.DiscardHandler),
		Operator: c.auth.Operator(), System: c.auth.SystemAccount(), Accounts: c.auth.Accounts(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	c.url = srv.ClientURL()
	return c
}

// process is the configuration of one of several processes.
func (c cluster) process(t *testing.T, roles ...node.Role) node.Config {
	cfg := alone(t)
	cfg.Data, cfg.NATSListen, cfg.Sync = "", "", 0
	cfg.NATS, cfg.Keys, cfg.Roles = node.External{URLs: c.url, Creds: c.auth.CredsFile(subjects.RoleOperator)}, c.keys, roles
	return cfg
}

// credsWithout makes credentials that may not publish on some subjects.
func (c cluster) credsWithout(t *testing.T, denied ...string) string {
	t.Helper()
	seed, err := os.ReadFile(filepath.Join(c.keys, "fabric.nk"))
	if err != nil {
		t.Fatal(err)
	}
	account, err := nkeys.FromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public)
	claims.Permissions.Pub.Deny.Add(denied...)
	token, err := claims.Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	userSeed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(token, userSeed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "limited.creds")
	if err := os.WriteFile(path, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// up starts a node and ends it again.
func up(t *testing.T, cfg node.Config) {
	t.Helper()
	n, err := node.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	select {
	case <-n.Ready():
	case err := <-ended:
		t.Fatalf("it ended with %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// refused starts a node that must not start, and returns why it doesn't.
func refused(t *testing.T, cfg node.Config) string {
	t.Helper()
	n, err := node.Start(t.Context(), cfg)
	if err != nil {
		return err.Error()
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	t.Fatalf("it started; at its end: %v", n.Run(ctx))
	return ""
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	c := startCluster(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	others, err := auth.OpenKeys(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		change func(*node.Config)
		want   []string
	}{
		"no NATS":        {func(c *node.Config) { c.NATS = node.External{} }, []string{"--nats is missing"}},
		"no PostgreSQL":  {func(c *node.Config) { c.Roles = []node.Role{node.Edge, node.Users, node.History} }, []string{"--postgres is missing", "users, history"}},
		"no keys":        {func(c *node.Config) { c.Keys = "" }, []string{"--keys is missing"}},
		"a folder too":   {func(c *node.Config) { c.Data = t.TempDir() }, []string{"--nats and --data exclude each other"}},
		"others' keys":   {func(c *node.Config) { c.Keys = t.TempDir() }, []string{"--keys", "operator.jwt", "weft auth init"}},
		"no credentials": {func(c *node.Config) { c.NATS.Creds = "/nowhere/x.creds" }, []string{"--creds", "/nowhere/x.creds"}},
		"another role's": {func(cfg *node.Config) { cfg.NATS.Creds, cfg.Keys = "", c.bundle(t, subjects.RoleChats) },
			[]string{"credentials of role edge", "edge.creds"}},
		"others' credentials": {func(cfg *node.Config) { cfg.NATS.Creds = others.CredsFile(subjects.RoleOperator) },
			[]string{"NATS at 127.0.0.1:", "Authorization"}},
		"a taken address":   {func(c *node.Config) { c.Door.Listen = taken.Addr().String() }, []string{"--listen", taken.Addr().String()}},
		"for operators too": {func(c *node.Config) { c.OpsListen = taken.Addr().String() }, []string{"--ops-listen", taken.Addr().String()}},
		"no URL": {func(c *node.Config) { c.Roles, c.Postgres = []node.Role{node.Chats}, "mysql://weft:secret@h/d" },
			[]string{"--postgres", "want postgres://"}},
		"no such user": {func(c *node.Config) {
			c.Roles, c.Postgres = []node.Role{node.Chats}, strings.Replace(weftest.Postgres(t), "postgres@", "nobody:secret@", 1)
		}, []string{"--postgres", "nobody"}},
	} {
		cfg := c.process(t, node.Edge)
		tc.change(&cfg)
		began := time.Now()
		why := refused(t, cfg)
		for _, want := range tc.want {
			if !strings.Contains(why, want) {
				t.Errorf("%s: %s; want it to say %q", what, why, want)
			}
		}
		if strings.Contains(why, "secret") {
			t.Errorf("%s: the error shows a password: %s", what, why)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it took %s to say so", what, took)
		}
	}
}

func TestRoles(t *testing.T) {
	for _, tc := range []struct {
		names []string
		want  []node.Role
		err   string
	}{
		{nil, node.Roles(), ""},
		{[]string{"edge", " presence", "edge"}, []node.Role{node.Edge, node.Presence}, ""},
		{[]string{"edge", "telex"}, nil, `no role "telex": want some of edge, users, chats, history, presence, receipts, ingest`},
	} {
		got, err := node.ParseRoles(tc.names)
		if !slices.Equal(got, tc.want) || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: %q, %v", tc.names, got, err)
		}
	}
}

// A process with a copy of what its roles need of the keys does their work, once somebody who may has made the fabric.
func TestBundles(t *testing.T) {
	c := startCluster(t)
	own := c.process(t, node.Edge, node.Presence)
	own.NATS.Creds, own.Keys = "", c.bundle(t, subjects.RoleEdge, subjects.RolePresence)
	if files, err := filepath.Glob(filepath.Join(own.Keys, "*.nk")); err != nil || len(files) > 0 {
		t.Fatalf("an edge's host has the seeds %q, %v", files, err)
	}
	made := make(chan error, 1)
	go func() { // meanwhile the others wait
		maker := c.process(t, node.Receipts)
		maker.NATS.Creds, maker.Keys = "", c.bundle(t, subjects.RoleProvision, subjects.RoleReceipts)
		n, err := node.Start(t.Context(), maker)
		if err == nil {
			ctx, stop := context.WithCancel(t.Context())
			stop()
			err = n.Run(ctx)
		}
		made <- err
	}()
	up(t, own)
	if err := <-made; err != nil {
		t.Error(err)
	}
}

// bundle returns a folder with what hosts of some roles need.
func (c cluster) bundle(t *testing.T, roles ...subjects.Role) string {
	t.Helper()
	if err := c.auth.WriteCreds(roles...); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := c.auth.Bundle(dir, roles...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each role runs by itself.
func TestEachRoleAlone(t *testing.T) {
	c, url := startCluster(t), weftest.Postgres(t)
	for _, r := range node.Roles() {
		cfg := c.process(t, r)
		if r != node.Edge && r != node.Users {
			cfg.Keys = ""
		}
		if r == node.Users || r == node.Chats || r == node.History || r == node.Ingest || r == node.Media || r == node.Push {
			cfg.Postgres = url
		}
		if r == node.Scan {
			cfg.Clamd = "127.0.0.1:1"
		}
		if r == node.OTP {
			cfg.SendCodes = node.Webhook{URL: "http://127.0.0.1:1/", Secret: webhook.NewSecret()}
		}
		t.Run(string(r), func(t *testing.T) { up(t, cfg) })
	}
}

// A NATS server that asks nobody who they are will do.
func TestNATSWithoutCredentials(t *testing.T) {
	plain, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Shutdown(); plain.WaitForShutdown() })
	cfg := startCluster(t).process(t, node.Edge, node.Presence)
	cfg.NATS = node.External{URLs: plain.ClientURL()}
	up(t, cfg)
}

// Credentials that may not make streams are told what is missing, and do once it is there.
func TestCredentialsThatMayNotProvision(t *testing.T) {
	c := startCluster(t)
	limited := c.process(t, node.Edge, node.Presence)
	limited.NATS.Creds = c.credsWithout(t, "$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>")
	began := time.Now()
	why := refused(t, limited)
	for _, want := range []string{"bucket FABRIC", "stream MSG_0", "$JS.API.>"} {
		if !strings.Contains(why, want) {
			t.Errorf("on an empty server: %s; want it to name %s", why, want)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	up(t, c.process(t, node.Presence))
	up(t, limited)
}

// SQL and NATS that are of two fabrics are not brought together.
func TestWrongFabric(t *testing.T) {
	url := weftest.Postgres(t)
	cfg := alone(t)
	cfg.Postgres = url
	up(t, cfg)
	other := startCluster(t).process(t, node.Chats)
	other.Postgres = url
	if why := refused(t, other); !strings.Contains(why, "belongs to fabric") {
		t.Errorf("another fabric's database: %s", why)
	}
	up(t, cfg) // still the first one's
}

// A folder's SQL is in one place: what has begun in PostgreSQL does not go on in SQLite, nor the other way round.
func TestOneFolderOneDatabase(t *testing.T) {
	url := weftest.Postgres(t)
	outside := alone(t)
	outside.Postgres = url
	up(t, outside)
	outside.Postgres = ""
	if why := refused(t, outside); !strings.Contains(why, "--postgres is missing") || !strings.Contains(why, " at 127.0.0.1:") {
		t.Errorf("without its PostgreSQL: %s", why)
	}
	inside := alone(t)
	up(t, inside)
	inside.Postgres = weftest.Postgres(t)
	if why := refused(t, inside); !strings.Contains(why, "weft move") {
		t.Errorf("with an empty PostgreSQL: %s", why)
	}
	inside.Postgres = ""
	up(t, inside)
}

// A move that was broken off when the database had everything, and the folder did not know yet, is finished by the next
// start.
func TestMoveBrokenOffAtItsEnd(t *testing.T) {
	cfg := alone(t)
	up(t, cfg)
	url := weftest.Postgres(t)
	if err := node.Move(t.Context(), cfg.Data, url, func(string, int64) {}); err != nil {
		t.Fatal(err)
	}
	file, moved, stamp := filepath.Join(cfg.Data, "weft.db"), filepath.Join(cfg.Data, "weft.db.moved"), filepath.Join(cfg.Data, "POSTGRES")
	if err := errors.Join(os.Remove(stamp), os.Rename(moved, file)); err != nil {
		t.Fatal(err)
	}
	cfg.Postgres = url
	up(t, cfg)
	for path, there := range map[string]bool{file: false, moved: true, stamp: true} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v, want it to be there: %t", path, err, there)
		}
	}
	cfg.Postgres = ""
	if why := refused(t, cfg); !strings.Contains(why, "--postgres is missing") {
		t.Errorf("without its PostgreSQL: %s", why)
	}
}

// A database that comes up late is waited for.
func TestDatabaseComesLate(t *testing.T) {
	server := weftest.StartPostgres(t, "fsync=off")
	cfg := alone(t)
	cfg.Postgres = server.Database(t)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	said := make(chan struct{}, 1)
	cfg.Log = slog.New(telling{slog.DiscardHandler, "waiting for the database", said})
	late := make(chan error, 1)
	go func() {
		<-said
		late <- server.Start()
	}()
	up(t, cfg)
	if err := <-late; err != nil {
		t.Fatal(err)
	}
}

// telling is a log that tells when something was logged.
type telling struct {
	slog.Handler
	what string
	told chan struct{}
}

func (h telling) Enabled(context.Context, slog.Level) bool { return true }
func (h telling) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h telling) Handle(_ context.Context, r slog.Record) error {
	if !strings.Contains(r.Message, h.what) {
		return nil
	}
	select {
	case h.told <- struct{}{}:
	default:
		return errors.New("told already")
	}
	return nil
}
