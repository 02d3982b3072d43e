package operate_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// tells runs a command and returns what it says as JSON.
func tells[T any](t *testing.T, w *world, args ...string) (v T) {
	t.Helper()
	out, err := w.weft(t, append(args, "--json")...)
	if err == nil {
		err = json.Unmarshal([]byte(out), &v)
	}
	if err != nil {
		t.Fatalf("weft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return v
}

// says runs a command, which must say what matches.
func (w *world) says(t *testing.T, want string, args ...string) {
	t.Helper()
	out, err := w.weft(t, args...)
	if err != nil || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("weft %s: %v, want %s in:\n%s", strings.Join(args, " "), err, want, out)
	}
}

// fails runs a command that must not succeed.
func (w *world) fails(t *testing.T, want string, args ...string) {
	t.Helper()
	out, err := w.weft(t, args...)
	if err == nil || !strings.Contains(out, want) {
		t.Errorf("weft %s: %v, want %q in:\n%s", strings.Join(args, " "), err, want, out)
	}
}

// audited waits for an event in the audit log.
func (w *world) audited(t *testing.T, role subjects.Role, what audit.What) (e audit.Event) {
	t.Helper()
	s, err := w.jetStream(t, w.server).Stream(t.Context(), subjects.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	weftest.Eventually(t, "the audit log has "+string(what), func() bool {
		m, err := s.GetLastMsgForSubject(t.Context(), subjects.Audit(string(role), string(what)))
		return err == nil && json.Unmarshal(m.Data, &e) == nil
	})
	return e
}

func TestWeftUser(t *testing.T) {
	w := start(t)
	ann, cem := string(w.ann.User.ID), string(w.cem.User.ID)
	w.says(t, ann+` +Ann +\+49\*+80 +1 `, "user", "ls")
	w.says(t, `Orders|orders.*service orders`, "user", "find", "orders")
	type list struct {
		Users []struct{ ID, Name, Phone string }
		More  bool
	}
	for _, query := range []string{"ann", ann, w.ann.User.Phone} {
		got := tells[list](t, w, "user", "ls", query)
		if len(got.Users) != 1 || got.Users[0].ID != ann || strings.Contains(got.Users[0].Phone, "15123") {
			t.Errorf("find %s: %+v", query, got)
		}
	}
	page := tells[list](t, w, "user", "ls", "--limit", "1")
	if next := tells[list](t, w, "user", "ls", "--limit", "9", "--before", page.Users[0].ID); !page.More || len(next.Users) != 3 || next.More {
		t.Errorf("pages: %+v, %+v", page, next)
	}

	shown := tells[struct {
		Direct, Groups int
		SignedIn       []struct{ ID, Platform string } `json:"signed_in"`
		Sessions       []struct{ Edge, User, Address string }
	}](t, w, "user", "show", "Ann")
	if shown.Groups != 1 || shown.Direct != 2 || len(shown.SignedIn) != 1 || len(shown.Sessions) != 1 || shown.Sessions[0].Edge != w.values["edge"] {
		t.Errorf("show: %+v", shown)
	}
	w.says(t, `2 direct, 1 groups(?s:.*)`+w.values["edge"]+` +`+ann, "user", "show", w.ann.User.Phone)
	w.fails(t, "there is no user", "user", "show", "nobody")
	w.fails(t, "several users", "user", "show", "e") // Cem and orders
	w.fails(t, "there is no user", "user", "show", "")
	w.fails(t, "no id and no phone", "user", "sign-out", "Ann")
	w.fails(t, "there is no user", "user", "delete", "+4915123456799", "--yes")

	w.says(t, `1 device\(s\)`, "user", "sign-out", w.ann.User.Phone)
	weftest.Eventually(t, "ann's session has ended", func() bool { return w.annHere.State() == client.SignedOut })
	if e := w.audited(t, subjects.RoleUsers, audit.UserSignedOut); e.Other != w.ann.User.ID || !strings.Contains(e.Detail, "by ") {
		t.Errorf("audit: %+v", e)
	}
	if now := tells[struct{ Devices int }](t, w, "user", "show", "Ann"); now.Devices != 0 {
		t.Errorf("after it: %+v", now)
	}

	w.fails(t, "--yes", "user", "delete", cem)
	w.says(t, "is deleted", "user", "delete", cem, "--yes")
	w.says(t, cem+` +Deleted account.* deleted`, "user", "ls", cem)
	if e := w.audited(t, subjects.RoleUsers, audit.AccountDeleted); e.Other != w.cem.User.ID || e.User != "" {
		t.Errorf("audit: %+v", e)
	}
	w.fails(t, "weft service remove", "user", "delete", w.values["service user"], "--yes")
}

func TestWeftEdge(t *testing.T) {
	w := start(t)
	id := w.values["edge"]
	w.says(t, id+` +up +2 +2 +2 +\d`, "edge", "ls")
	w.says(t, string(w.ann.User.ID)+`(?s:.*)`+string(w.bob.User.ID), "edge", "sessions", id)
	only := tells[struct{ Sessions []struct{ Edge, User string } }](t, w, "edge", "sessions", "--user", "Bob")
	if len(only.Sessions) != 1 || only.Sessions[0].User != string(w.bob.User.ID) || only.Sessions[0].Edge != id {
		t.Errorf("bob's sessions: %+v", only)
	}
	w.fails(t, "does not answer", "edge", "drain", "enobody")
	w.fails(t, "there is no edge", "edge", "drain", "*")
	w.fails(t, "there is no edge", "edge", "sessions", "a.b")

	w.says(t, `2 connection\(s\) were told to go; its process stays`, "edge", "drain", id)
	weftest.Eventually(t, "ann has been told to go", func() bool { return w.annHere.State() != client.Online })
	w.says(t, id+` +draining +0 +0 +0 `, "edge", "ls")
	if e := w.audited(t, subjects.RoleEdge, audit.EdgeDrained); e.Edge != id {
		t.Errorf("audit: %+v", e)
	}
	// the others in the process go on
	w.says(t, `Ann`, "user", "ls")

	// It ends in good order from there; and with --after-drain end by itself.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.up.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if err := w.up.Wait(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
	w.up = weftest.StartWeft(t, w.data, "", "--after-drain", "end")
	w.server = natsAt(t, w.up, "nats")
	w.says(t, `its process ends`, "edge", "drain", w.edge(t))
	if err := w.up.Wait(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestWeftStream(t *testing.T) {
	w := start(t)
	w.says(t, `(?m)^MSG_0 +\d+ +\d+ +720h0m0s +1 .*archive_\S+ \(0\), ingest \(0\)`, "stream", "ls")
	type streams struct {
		Streams []struct {
			Name      string
			Messages  uint64
			WindowS   int64 `json:"window_s"`
			Consumers []struct{ Name string }
		}
	}
	window := func() (s int64) {
		t.Helper()
		for _, st := range tells[streams](t, w, "stream", "ls").Streams {
			if st.Name == "MSG_0" {
				s = st.WindowS
				if st.Messages == 0 || len(st.Consumers) != 2 {
					t.Errorf("%+v", st)
				}
			}
		}
		return s
	}
	w.says(t, "are changed", "stream", "set", "--window", "48h")
	if got := window(); got != 48*3600 {
		t.Errorf("the window is %d s", got)
	}
	if e := w.audited(t, subjects.RoleProvision, audit.StreamsChanged); !strings.HasPrefix(e.Detail, "window 48h0m0s by ") {
		t.Errorf("audit: %+v", e)
	}
	w.says(t, `with 1 shard`, "stream", "provision") // changes nothing that is not said
	if got := window(); got != 48*3600 {
		t.Errorf("after provisioning again the window is %d s", got)
	}
	w.fails(t, "nothing is to be changed", "stream", "set")
	w.fails(t, "--window", "stream", "set", "--window", "1m")
	w.fails(t, "--replicas", "stream", "set", "--replicas", "9")
	w.fails(t, "replicas", "stream", "set", "--replicas", "3") // on one server: NATS says no
	w.talk(t)                                                  // all goes on
}

// A fabric is made by `weft auth init` and `weft stream provision` on a server of one's own, as nats-config has it, with
// TLS; also with more shards than the keys were made for. A process with the bundle of its roles works on it.
func TestAServerOfOnesOwn(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.CopyFS(at("nats"), os.DirFS("../../nats-config")); err != nil {
		t.Fatal(err)
	}
	weft := func(args ...string) string {
		t.Helper()
		out, err := runWeft(t, args...)
		if err != nil {
			t.Fatalf("weft %v: %v: %s", args, err, out)
		}
		return out
	}
	weft("auth", "init", at("keys"))
	weft("auth", "tls", at("nats/tls"), "--hosts", "127.0.0.1")
	weft("auth", "bundle", at("keys"), "--to", at("nats/auth"))
	if secret, _ := filepath.Glob(at("nats/auth/*.nk")); len(secret) > 0 {
		t.Errorf("a NATS server is given %v", secret)
	}
	if secret, _ := filepath.Glob(at("nats/auth/creds/*")); len(secret) > 0 {
		t.Errorf("a NATS server is given %v", secret)
	}
	server := "tls://" + startServer(t, at("nats"))
	on := []string{"--nats", server, "--tls-ca", at("nats/tls/ca.pem")}
	master := append([]string{"--keys", at("keys")}, on...)

	out, err := runWeft(t, append([]string{"stream", "set", "--window", "48h"}, master...)...)
	if err == nil || !strings.Contains(out, "no fabric to change") {
		t.Errorf("set where there is none: %v: %s", err, out)
	}
	if out := weft(append([]string{"stream", "provision", "--shards", "2", "--window", "24h", "--json"}, master...)...); !strings.Contains(out, `"shards": 2`) {
		t.Errorf("provision: %s", out)
	}
	weft("auth", "bundle", at("keys"), "--roles", "presence,receipts", "--to", at("bundle"))
	p := weftest.StartServe(t, "", append([]string{"--roles", "presence,receipts", "--keys", at("bundle")}, on...)...)
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if out, err := runWeft(t, "stream", "ls", "--keys", at("keys"), "--nats", server); err == nil || !strings.Contains(out, "certificate") {
		t.Errorf("a server whose authority nobody knows: %v: %s", err, out)
	}
	if out := weft(append([]string{"stream", "ls"}, master...)...); !regexp.MustCompile(`(?m)^MSG_1 +0 +0 +24h0m0s`).MatchString(out) {
		t.Errorf("stream ls: %s", out)
	}
}

// startServer starts a nats-server by single.conf in a folder, on a free port, and returns its address.
func startServer(t *testing.T, dir string) string {
	t.Helper()
	t.Chdir(dir)
	opts, err := server.ProcessConfigFile("single.conf")
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.HTTPPort, opts.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT, 0, 0
	opts.StoreDir, opts.NoSigs, opts.NoLog = filepath.Join(dir, "data"), true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not come up")
	}
	return srv.Addr().String()
}

// Of several edges, one that is cut off from NATS is shown to be silent until its lease is over; the others answer, and one
// that is drained has its clients go to another.
func TestWeftEdgeOfSeveral(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{StayDrained: true})
	up, cut, drained := f.Edge(t), f.Edge(t), f.Edge(t)
	ann := f.User(t, up, "ann")
	for _, e := range []*edgetest.Edge{up, drained} {
		edgetest.Connect(t, e, ann, "").Synced()
	}
	weft := func(args ...string) string {
		t.Helper()
		out, err := runWeft(t, append(args, "--keys", f.NATS.Keys.Dir(), "--nats", f.NATS.URL)...)
		if err != nil {
			t.Fatalf("weft %v: %v: %s", args, err, out)
		}
		return out
	}
	shows := func(what, out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !regexp.MustCompile(w).MatchString(out) {
				t.Errorf("%s: want %s in:\n%s", what, w, out)
			}
		}
	}
	shows("where ann is", weft("user", "show", string(ann.User.ID)), up.ID+" +"+string(ann.User.ID), drained.ID+" +"+string(ann.User.ID))
	weft("edge", "drain", drained.ID)
	cut.Link.CutOff()
	shows("edges", weft("edge", "ls"), `(?m)^`+up.ID+` +up +1 +1 +1 `, `(?m)^`+cut.ID+` +silent .*lease renewed`, `(?m)^`+drained.ID+` +draining +0 +0 +0 `)
	if out := weft("edge", "sessions"); strings.Contains(out, drained.ID+" ") {
		t.Errorf("a drained edge has sessions:\n%s", out)
	}
}
