package node_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/node/nodetest"
	"github.com/weft-im/weft/weftest"
)

// apart is the configuration of a node whose files are in a process of their own.
func apart(t *testing.T) node.Config {
	cfg := alone(t)
	cfg.Dev = true
	cfg.MediaServer = node.MediaServer{Command: []string{weftest.Binary(t), "media-nats", "--log-level", "error"}, Listen: "127.0.0.1:0"}
	return cfg
}

// metric returns a metric without labels.
func metric(t *testing.T, ops, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("there is no metric %s", name)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sender is somebody who sends files to bob.
type sender struct {
	*client.Account
	token client.StaticToken
	to    string
}

func newSender(t *testing.T, at string) sender {
	t.Helper()
	ann, bob := edgetest.SignIn(t, at, "+4915120000001", "ann"), edgetest.SignIn(t, at, "+4915120000002", "bob")
	return sender{nil, client.StaticToken(ann.AccessToken), string(fabric.Direct(ann.User.ID, bob.User.ID))}.at(at)
}

// at is the sender at a node.
func (s sender) at(url string) sender {
	s.Account = client.NewAccount(client.API{URL: url}, s.token)
	return s
}

// upload uploads a file with contents of its own.
func (s sender) upload(t *testing.T, seed byte) (fabric.MediaID, []byte) {
	t.Helper()
	data := make([]byte, 1<<20+77)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // it never fails
	m, err := s.Upload(t.Context(), client.Upload{To: s.to, Name: "x.bin", Size: int64(len(data)), Body: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	return m.ID, data
}

func (s sender) loads(t *testing.T, id fabric.MediaID, want []byte) {
	t.Helper()
	var got bytes.Buffer
	if _, err := s.Download(t.Context(), id, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes came down, want %d, %v", got.Len(), len(want), err)
	}
}

// streams returns which streams a NATS server has, by the keys of a data folder.
func streams(t *testing.T, at, data string) []string {
	t.Helper()
	keys, err := auth.ReadKeys(filepath.Join(data, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return (&weftest.NATS{URL: at, Keys: keys}).Streams(t)
}

// Files are on a NATS server in a process of its own, in all shards and nowhere else. Killed, it is started again where it
// was, and what it had is there; it ends with the node.
func TestFilesInAProcessOfTheirOwn(t *testing.T) {
	cfg := apart(t)
	cfg.Shards = 3
	at, stop := nodetest.Start(t, cfg)
	if got, want := strings.Join(streams(t, at.Media, cfg.Data), " "), "OBJ_MEDIA_0 OBJ_MEDIA_1 OBJ_MEDIA_2"; got != want {
		t.Errorf("its streams are %s, want %s", got, want)
	}
	if got := strings.Join(streams(t, at.NATS, cfg.Data), " "); strings.Contains(got, "OBJ_MEDIA") {
		t.Errorf("the fabric's server has files: %s", got)
	}
	s := newSender(t, at.Clients)
	files := make(map[fabric.MediaID][]byte)
	for seed := range byte(8) {
		id, data := s.upload(t, seed)
		files[id] = data
	}
	pid := pidIn(t, filepath.Join(cfg.Data, "media"))
	threads, err := procfs.AllThreads(pid)
	if err != nil || len(threads) == 0 {
		t.Fatalf("its %d threads: %v", len(threads), err)
	}
	for _, thread := range threads {
		if stat, err := thread.Stat(); err == nil && stat.Nice <= 0 { // one that has ended meanwhile stands back as well
			t.Errorf("a thread stands back by %d: want more than 0", stat.Nice)
		}
	}
	if rss := metric(t, at.Ops, "weft_media_nats_process_resident_memory_bytes"); rss < 1<<20 {
		t.Errorf("its memory is %v bytes", rss)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	weftest.Eventually(t, "it is started again", func() bool { return metric(t, at.Ops, "weft_media_nats_restarts_total") == 1 })
	for id, data := range files {
		s.loads(t, id, data)
	}
	id, data := s.upload(t, 99)
	s.loads(t, id, data)
	again := pidIn(t, filepath.Join(cfg.Data, "media"))
	stop()
	if err := syscall.Kill(again, 0); err == nil {
		t.Errorf("process %d outlives the node", again)
	}
}

// pidIn returns which process holds a folder.
func pidIn(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// A data folder that has files with everything else, of an earlier version or out of a backup, gives them to the server of
// their own. Without one it is refused from then on: nobody would find them.
func TestFilesMoveToTheirServer(t *testing.T) {
	cfg := apart(t)
	before := cfg
	before.MediaServer = node.MediaServer{}
	at, stop := nodetest.Start(t, before)
	s := newSender(t, at.Clients)
	id, data := s.upload(t, 1)
	stop()
	if err := os.WriteFile(filepath.Join(cfg.Data, "VERSION"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	at, stop = nodetest.Start(t, cfg)
	s = s.at(at.Clients)
	s.loads(t, id, data)
	other, more := s.upload(t, 2)
	s.loads(t, other, more)
	if got := strings.Join(streams(t, at.NATS, cfg.Data), " "); strings.Contains(got, "OBJ_MEDIA") {
		t.Errorf("the fabric's server has files still: %s", got)
	}
	stop()
	if v, err := os.ReadFile(filepath.Join(cfg.Data, "VERSION")); err != nil || string(v) != "2\n" {
		t.Errorf("the folder's version is %q, %v", v, err)
	}
	if _, err := node.Start(t.Context(), before); err == nil || !strings.Contains(err.Error(), "this fabric's files are in") {
		t.Errorf("without a server for files: %v", err)
	}
	at, _ = nodetest.Start(t, cfg)
	s = s.at(at.Clients)
	s.loads(t, id, data)
	s.loads(t, other, more)
}

// In a fabric of several processes one names the NATS servers that keep files, and the others find them. Files that are there
// already stay found, and messages go on while those servers are away.
func TestMediaNATSOfAFabric(t *testing.T) {
	c := startCluster(t)
	media, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), SyncInterval: time.Minute,
		Operator: c.auth.Operator(), System: c.auth.SystemAccount(), Accounts: c.auth.Accounts(), Log: weftest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { media.Shutdown(); media.WaitForShutdown() })
	back := c.process(t, node.Users, node.Chats, node.History, node.Presence, node.Receipts, node.Ingest, node.Media, node.Push)
	back.Dev, back.Postgres, back.MediaNATS = true, weftest.Postgres(t), media.ClientURL()
	nodetest.Start(t, back)
	front := c.process(t, node.Edge)
	at := nodetest.Run(t, front)
	if want := media.Addr().String(); at.Media != want {
		t.Errorf("the edge finds files at %q, want %s", at.Media, want)
	}
	s := newSender(t, at.Clients)
	id, data := s.upload(t, 1)
	s.loads(t, id, data)

	media.Shutdown()
	media.WaitForShutdown()
	late := nodetest.Run(t, c.process(t, node.Edge))
	edgetest.Connect(t, &edgetest.Edge{URL: late.Clients}, edgetest.SignIn(t, late.Clients, "+4915120000003", "cem"), "").Synced()
}
