// Package up_test runs the real `weft up` as its users do.
package up_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

func TestUp(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := weftest.StartWeft(t, data, "")

	t.Run("pages and health", func(t *testing.T) {
		for url, want := range map[string]string{
			p.URL + "/":        "<!doctype html>",
			p.URL + "/healthz": "ok",
			p.URL + "/readyz":  "ready",
			p.Ops + "/healthz": "ok",
			p.Ops + "/readyz":  "ready",
			p.Ops + "/metrics": "weft_edge_sessions 0",
		} {
			if body := get(t, url); !strings.Contains(strings.ToLower(body), want) {
				t.Errorf("%s: %.200s", url, body)
			}
		}
		for _, secret := range []string{"/metrics", "/debug/pprof/"} {
			if res, err := http.Get(p.URL + secret); err != nil || res.StatusCode == http.StatusOK && strings.Contains(read(t, res), "go_goroutines") {
				t.Errorf("%s is open to clients", secret)
			}
		}
	})
	t.Run("nats", func(t *testing.T) {
		// the line that is printed: its server and its credentials
		m := regexp.MustCompile(`--server (\S+) --creds (\S+)`).FindStringSubmatch(p.Output())
		if m == nil {
			t.Fatalf("no line for nats in:\n%s", p.Output())
		}
		nc, err := nats.Connect(m[1], nats.UserCredentials(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Stream(t.Context(), "MSG_0"); err != nil {
			t.Errorf("MSG_0: %v", err)
		}
		if nc, err := nats.Connect(m[1]); err == nil {
			nc.Close()
			t.Error("NATS lets in whoever has no credentials")
		}
	})
	t.Run("secrets are the owner's", func(t *testing.T) {
		err := filepath.WalkDir(filepath.Join(data, "keys"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			want := fs.FileMode(0o600)
			if filepath.Ext(path) == ".jwt" {
				want = 0o644 // accounts are no secrets: they say what may be done, and by whose signature
			}
			if info, err := d.Info(); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("a second process is refused", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), weftest.Binary(t), "up", "--data", data, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "in use by another weft process") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("a taken address is named", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), weftest.Binary(t), "up", "--data", t.TempDir(), "--listen", strings.TrimPrefix(p.URL, "http://"), "--nats-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--listen") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, res)
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Ctrl-C under load: every client is told bye, every send has its answer, the process ends well within ten seconds, and
// on the same data everything is there.
func TestInterruptDrains(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := weftest.StartWeft(t, data, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	address := strings.TrimPrefix(p.URL, "http://")
	ann, bob := signIn(t, p.URL, "+4915123456780"), signIn(t, p.URL, "+4915123456781")
	var mu sync.Mutex
	got := map[string]int{}
	a := connect(t, p.URL, ann, func(client.Event) {})
	connect(t, p.URL, bob, func(ev client.Event) {
		if m, ok := ev.(*client.Message); ok {
			mu.Lock()
			got[m.CID]++
			mu.Unlock()
		}
	})
	const n = 2000
	var answered sync.WaitGroup
	answered.Add(n)
	failed := 0
	for i := range n {
		_, err := a.SendAsync(client.Draft{To: string(bob.User.ID), Kind: "text", Body: fmt.Appendf(nil, "%d", i)}, func(_ fabric.Sent, err error) {
			if err != nil {
				mu.Lock()
				failed++
				mu.Unlock()
			}
			answered.Done()
		})
		if err != nil {
			t.Fatal(err)
		}
		if i == n/2 {
			if err := p.Interrupt(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := p.Wait(ctx); err != nil {
				t.Fatalf("it ended with %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s to end", took)
			}
			p = weftest.StartWeft(t, data, address)
		}
	}
	answered.Wait()
	if failed > 0 {
		t.Errorf("%d of %d sends failed", failed, n)
	}
	weftest.Eventually(t, "bob has all", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= n
	})
	mu.Lock()
	defer mu.Unlock()
	for cid, times := range got {
		if times != 1 {
			t.Errorf("%s came %d times", cid, times)
		}
	}
}

func signIn(t *testing.T, url, phone string) client.Grant {
	t.Helper()
	api := client.API{URL: url}
	otp, err := api.OTP(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	g, err := api.Token(t.Context(), client.SignIn{Phone: phone, Code: otp.DevCode, Device: client.NewDevice{Name: "test", Platform: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func connect(t *testing.T, url string, g client.Grant, h func(client.Event)) *client.Session {
	t.Helper()
	s, err := client.Connect(t.Context(), client.Options{
		URL: url, Tokens: client.NewGrants(client.API{URL: url}, g, nil), Handler: h, Pending: 4096,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
