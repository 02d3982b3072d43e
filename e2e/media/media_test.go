// Package media_test uploads to the real thing: it is killed at every stage of an upload, and clients that others have
// written talk to it.
package media_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// signIn signs a new user in.
func signIn(t *testing.T, at, phone string) client.Grant {
	t.Helper()
	api := client.API{URL: at}
	otp, err := api.OTP(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	g, err := api.Token(t.Context(), client.SignIn{Phone: phone, Code: otp.DevCode, Name: phone, Device: client.NewDevice{Name: "test", Platform: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func account(at string, g client.Grant) *client.Account {
	return client.NewAccount(client.API{URL: at}, client.StaticToken(g.AccessToken))
}

// killer kills the server once at each of some stages, and starts it again where it was: all of it, and each third time only
// the process that has the files, which comes back by itself.
type killer struct {
	t    *testing.T
	data string
	host string

	mu     sync.Mutex
	p      *weftest.Process
	stages []int64
	kills  int
}

// at is told how far an upload is.
func (k *killer) at(bytes int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.stages) == 0 || bytes < k.stages[0] {
		return
	}
	for len(k.stages) > 0 && bytes >= k.stages[0] {
		k.stages = k.stages[1:]
	}
	if k.kills++; k.kills%3 == 0 {
		k.p.KillOwn()
		return
	}
	k.p.Kill()
	k.p = weftest.StartWeft(k.t, k.data, k.host)
}

// The server is killed as an upload begins, within a part, at a part's end, shortly before the end, and when the last byte
// has left the client: the upload goes on each time, and what comes down is what went up.
func TestKilledAtEachStage(t *testing.T) {
	data := t.TempDir()
	p := weftest.StartWeft(t, data, "")
	address, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	ann, bob := signIn(t, p.URL, "+4915120000001"), signIn(t, p.URL, "+4915120000002")
	const part = 512 << 10
	file := noise(20*part + 4321)
	size := int64(len(file))
	k := &killer{t: t, data: data, host: address.Host, p: p, stages: []int64{
		0, 1, part / 2, part, 3*part + 1, 7 * part, 12*part + 77, size - 4321, size - 1, size,
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	a := account(p.URL, ann)
	m, err := a.Upload(ctx, client.Upload{
		To: string(fabric.Direct(ann.User.ID, bob.User.ID)), Name: "x.bin", Size: size, Body: bytes.NewReader(file), Progress: k.at,
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file)
	if m.SHA256 != hex.EncodeToString(sum[:]) || m.Size != size {
		t.Errorf("it is %d bytes with hash %s, want %d with %x", m.Size, m.SHA256, size, sum)
	}
	if k.kills < 6 {
		t.Errorf("the server was killed only %d times", k.kills)
	}
	k.mu.Lock()
	k.p.Kill() // and once more when it is a file
	k.p = weftest.StartWeft(t, data, address.Host)
	k.mu.Unlock()
	var got bytes.Buffer
	if _, err := a.Download(ctx, m.ID, &got); err != nil || !bytes.Equal(got.Bytes(), file) {
		t.Errorf("%d bytes came down, %v", got.Len(), err)
	}
	t.Logf("killed %d times", k.kills)
}

// tus-js-client uploads in pieces, leaves, and resumes.
func TestTusJS(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann, bob := signIn(t, p.URL, "+4915120000001"), signIn(t, p.URL, "+4915120000002")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	data := noise(3_000_000)
	write(t, file, data)
	for _, name := range []string{"package.json", "package-lock.json", "upload.mjs"} {
		text, err := os.ReadFile(filepath.Join("tusjs", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
	}
	run(t, dir, "npm", "ci", "--silent", "--no-audit", "--no-fund")
	out := run(t, dir, "node", "upload.mjs", p.URL, ann.AccessToken, string(fabric.Direct(ann.User.ID, bob.User.ID)), file)
	downloaded(t, account(p.URL, ann), idAt(out), data)
}

// curl does as the protocol says.
func TestCurl(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann, bob := signIn(t, p.URL, "+4915120000001"), signIn(t, p.URL, "+4915120000002")
	dir := t.TempDir()
	data := noise(1_500_000)
	write(t, filepath.Join(dir, "one"), data[:700_001])
	write(t, filepath.Join(dir, "two"), data[700_001:])
	of := func(b []byte) string {
		sum := sha256.Sum256(b)
		return "Upload-Checksum: sha256 " + base64.StdEncoding.EncodeToString(sum[:])
	}
	curl := func(args ...string) string {
		t.Helper()
		return run(t, dir, "curl", append([]string{"-sS", "--max-time", "60", "-i", "-H", "Tus-Resumable: 1.0.0", "-H", "Authorization: Bearer " + ann.AccessToken}, args...)...)
	}
	meta := "channel " + base64.StdEncoding.EncodeToString([]byte(fabric.Direct(ann.User.ID, bob.User.ID))) + ",filename " + base64.StdEncoding.EncodeToString([]byte("c.bin"))
	bytesOf := "Content-Type: application/offset+octet-stream"
	out := curl("-X", "POST", "-H", "Upload-Length: "+strconv.Itoa(len(data)), "-H", "Upload-Metadata: "+meta, p.URL+"/v1/media/uploads")
	at := p.URL + headerOf(t, out, "Location")
	if out := curl("-X", "PATCH", "-H", "Upload-Offset: 0", "-H", bytesOf, "-H", of([]byte("x")), "--data-binary", "@one", at); !strings.Contains(out, " 460 ") {
		t.Errorf("another checksum: %s", out)
	}
	curl("-X", "PATCH", "-H", "Upload-Offset: 0", "-H", bytesOf, "-H", of(data[:700_001]), "--data-binary", "@one", at)
	if got := headerOf(t, curl("--head", at), "Upload-Offset"); got != "700001" {
		t.Errorf("it is at %s", got)
	}
	out = curl("-X", "PATCH", "-H", "Upload-Offset: 700001", "-H", bytesOf, "--data-binary", "@two", at)
	id := fabric.MediaID(headerOf(t, out, "Weft-Media"))
	downloaded(t, account(p.URL, ann), id, data)
	run(t, dir, "curl", "-sS", "-f", "-o", "got", "-r", "700000-", "-H", "Authorization: Bearer "+ann.AccessToken, p.URL+"/v1/media/"+string(id))
	if got, err := os.ReadFile(filepath.Join(dir, "got")); err != nil || !bytes.Equal(got, data[700_000:]) {
		t.Errorf("a range has %d bytes, %v", len(got), err)
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s (scripts/needs.sh installs it)", name, err, out, stderr.String())
	}
	return string(out)
}

func headerOf(t *testing.T, answer, name string) string {
	t.Helper()
	for line := range strings.SplitSeq(answer, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("the answer has no %s:\n%s", name, answer)
	return ""
}

func idAt(out string) fabric.MediaID {
	out = strings.TrimSpace(out)
	return fabric.MediaID(out[strings.LastIndex(out, "/")+1:])
}

func downloaded(t *testing.T, a *client.Account, id fabric.MediaID, want []byte) {
	t.Helper()
	var got bytes.Buffer
	if _, err := a.Download(t.Context(), id, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes came down, want %d: %v", got.Len(), len(want), err)
	}
}
