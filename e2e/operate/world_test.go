// Package operate_test runs what the documents tell operators to run: the real nats CLI and the real weft against the real
// `weft up`.
package operate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// natsCLI is the folder of a `nats` that is built at the version that go.mod pins, once a test binary.
var natsCLI = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "natscli")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "nats"), "github.com/nats-io/natscli/nats").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the nats CLI: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := natsCLI(); err == nil {
		_ = os.RemoveAll(dir) // what stays is a temporary folder
	}
	os.Exit(code)
}

// shell is where an operator sits: a folder, and a home of their own for the CLI's contexts.
type shell struct {
	dir string
	env []string
}

func newShell(t *testing.T) shell {
	t.Helper()
	bin, err := natsCLI()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return shell{dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "TERM=dumb", "COLUMNS=200")}
}

func (s shell) command(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+text)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run runs a line to its end.
func (s shell) run(t *testing.T, text string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := s.command(ctx, text).CombinedOutput()
	return string(out), err
}

// follow runs a line that does not end by itself until its output matches; trigger, again and again, brings about what it
// shows.
func (s shell) follow(t *testing.T, text string, want *regexp.Regexp, trigger func()) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := s.command(ctx, text)
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for !want.MatchString(out.String()) {
		select {
		case err := <-ended:
			t.Errorf("%s: it ended: %v", text, err)
			return out.String()
		case <-tick.C:
			if trigger != nil {
				trigger()
			}
		}
	}
	cancel()
	<-ended
	return out.String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func runWeft(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), weftest.Binary(t), args...).CombinedOutput()
	return string(out), err
}

// world is a fabric with people in it, and its operator.
type world struct {
	shell

	data, server string
	up           *weftest.Process
	values       map[string]string // what stands for the placeholders
	picture      []byte
	sent         []byte // a file

	ann, bob, cem client.Grant
	annHere       *client.Session
	group         fabric.ChannelID
	blocked       bool // cem is by ann

	source map[string][]record // what a backup has
	fresh  *weftest.Process    // the NATS server that it is restored into
}

// natsAt returns the NATS server that a process prints for something.
func natsAt(t *testing.T, p *weftest.Process, of string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\s+` + of + `\s+nats --server (\S+)`).FindStringSubmatch(p.Output())
	if m == nil {
		t.Fatalf("no line for %s in:\n%s", of, p.Output())
	}
	return m[1]
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{shell: newShell(t), data: filepath.Join(t.TempDir(), "data")}
	w.up = weftest.StartWeft(t, w.data, "")
	w.server = natsAt(t, w.up, "nats")
	w.ann, w.bob, w.cem = signIn(t, w.up.URL, "+4915123456780", "Ann"), signIn(t, w.up.URL, "+4915123456781", "Bob"), signIn(t, w.up.URL, "+4915123456782", "Cem")
	w.annHere = connect(t, w.up.URL, w.ann, func(client.Event) {})
	bobHere := connect(t, w.up.URL, w.bob, func(client.Event) {})
	chat := fabric.Direct(w.ann.User.ID, w.bob.User.ID)
	for i := range 3 {
		sent, err := w.annHere.SendText(t.Context(), string(w.bob.User.ID), client.Text{Text: fmt.Sprintf("hello %d", i)})
		if err != nil {
			t.Fatal(err)
		}
		bobHere.Read(chat, sent.Seq)
	}
	g, _, err := w.annHere.Account().CreateGroup(t.Context(), client.NewGroup{Name: "weavers", Members: []fabric.UserID{w.bob.User.ID}})
	if err != nil {
		t.Fatal(err)
	}
	w.group = g.Channel
	if _, err := w.annHere.SendText(t.Context(), string(w.group), client.Text{Text: "to all"}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	w.picture = b.Bytes()
	picture, err := w.annHere.Account().UploadAvatar(t.Context(), "image/png", w.picture)
	if err != nil {
		t.Fatal(err)
	}
	file, upload := w.files(t)
	w.goAway(t)
	low, high, _ := strings.Cut(string(chat), ".")
	w.values = map[string]string{
		"server": w.server, "files server": natsAt(t, w.up, "files"), "keys": filepath.Join(w.data, "keys"), "you": "otto",
		"user": string(w.ann.User.ID), "phone": w.ann.User.Phone, "away": string(w.cem.User.ID), "low": low, "high": high,
		"group": string(g.ID), "picture": picture, "file": filepath.Join(w.dir, "picture.png"),
		"edge": w.edge(t), "new uuid": fabric.NewCID(), "another uuid": fabric.NewCID(), "service": "orders",
		"backup": filepath.Join(w.dir, "backup"), "backup of one": filepath.Join(w.dir, "one"), "backup of files": filepath.Join(w.dir, "files"),
		"sent file": file, "upload": upload,
	}
	w.addService(t)
	w.refuse(t)
	weftest.Eventually(t, "bob has read all", func() bool {
		receipts, err := w.annHere.Receipts(t.Context(), chat)
		return err == nil && len(receipts) > 0
	})
	return w
}

// files has ann send bob a file of two parts, and begin with another one.
func (w *world) files(t *testing.T) (file, upload string) {
	t.Helper()
	w.sent = bytes.Repeat([]byte("warp and weft. "), 50_000)
	account := w.annHere.Account()
	m, err := account.Upload(t.Context(), client.Upload{To: string(w.bob.User.ID), Name: "cloth.txt", Type: "text/plain", Size: int64(len(w.sent)), Body: bytes.NewReader(w.sent)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = account.Upload(ctx, client.Upload{
		To: string(w.bob.User.ID), Name: "more.txt", Type: "text/plain", Size: int64(len(w.sent)), Body: bytes.NewReader(w.sent),
		Begun: func(at string) { upload = path.Base(at); stop() },
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("an upload that was broken off: %v", err)
	}
	return string(m.ID), upload
}

// goAway has cem come and go, be signed out on a second device, and get a code wrong.
func (w *world) goAway(t *testing.T) {
	t.Helper()
	s := connect(t, w.up.URL, w.cem, func(client.Event) {})
	s.Close()
	second := signIn(t, w.up.URL, "+4915123456782", "Cem")
	if out, err := w.weft(t, "user", "sign-out", string(w.cem.User.ID), "--device", string(second.Device.ID)); err != nil {
		t.Fatalf("sign out: %v: %s", err, out)
	}
	_, err := client.API{URL: w.up.URL}.Token(t.Context(), client.SignIn{Phone: "+4915123456789", Code: "000000", Device: client.NewDevice{Name: "x", Platform: "test"}})
	if fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Fatalf("a wrong code: %v", err)
	}
}

// refuse has ann refused what she may not do.
func (w *world) refuse(t *testing.T) {
	t.Helper()
	others := fabric.Direct(w.bob.User.ID, w.cem.User.ID)
	if _, err := w.annHere.History(t.Context(), others, client.HistoryQuery{}); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("another's chat: %v", err)
	}
}

// addService makes an internal service, to which ann writes.
func (w *world) addService(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), weftest.Binary(t), "service", "add", "orders", "--data", w.data, "--nats", w.server, "--to", w.dir)
	cmd.Env = w.env
	out, err := cmd.CombinedOutput()
	m := regexp.MustCompile(`as user (\S+)\.`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("add a service: %v: %s", err, out)
	}
	w.values["service user"] = string(m[1])
	w.writeToService(t)
}

func (w *world) writeToService(t *testing.T) {
	t.Helper()
	if _, err := w.annHere.SendText(t.Context(), w.values["service user"], client.Text{Text: "where is it?"}); err != nil {
		t.Error(err)
	}
}

// talk has ann write to bob.
func (w *world) talk(t *testing.T) {
	t.Helper()
	if _, err := w.annHere.SendText(t.Context(), string(w.bob.User.ID), client.Text{Text: "are you there?"}); err != nil {
		t.Error(err)
	}
}

// writeSelf has ann's devices told of something that she did.
func (w *world) writeSelf(t *testing.T) {
	t.Helper()
	w.blocked = !w.blocked
	if err := w.annHere.Account().Block(t.Context(), w.cem.User.ID, w.blocked); err != nil {
		t.Error(err)
	}
}

// weft runs a command on the fabric.
func (w *world) weft(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return runWeft(t, append(args, "--data", w.data, "--nats", w.server)...)
}

// edge returns the id of the fabric's edge.
func (w *world) edge(t *testing.T) string {
	t.Helper()
	out, err := w.weft(t, "edge", "ls", "--json")
	var list struct{ Edges []struct{ Edge string } }
	if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list.Edges) != 1 {
		t.Fatalf("edge ls: %v: %s", err, out)
	}
	return list.Edges[0].Edge
}

// operator returns a connection to a NATS server of the fabric's.
func (w *world) operator(t *testing.T, server string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(server, nats.UserCredentials(filepath.Join(w.data, "keys", "creds", "operator.creds")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func signIn(t *testing.T, url, phone, name string) client.Grant {
	t.Helper()
	api := client.API{URL: url}
	otp, err := api.OTP(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	g, err := api.Token(t.Context(), client.SignIn{Phone: phone, Code: otp.DevCode, Name: name, Device: client.NewDevice{Name: "test", Platform: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func connect(t *testing.T, url string, g client.Grant, h func(client.Event)) *client.Session {
	t.Helper()
	s, err := client.Connect(t.Context(), client.Options{URL: url, Tokens: client.NewGrants(client.API{URL: url}, g, nil), Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
