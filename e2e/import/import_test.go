// Package import_test runs the real `weft import` against the real `weft up`, as its users do.
package import_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// place is a fabric with two people, and how an operator reaches it.
type place struct {
	data, nats string
	ann, bob   client.Grant
	chat       fabric.ChannelID
	annHere    *client.Session
}

func start(t *testing.T) *place {
	t.Helper()
	p := &place{data: filepath.Join(t.TempDir(), "data")}
	up := weftest.StartWeft(t, p.data, "")
	m := regexp.MustCompile(`--server (\S+)`).FindStringSubmatch(up.Output())
	if m == nil {
		t.Fatalf("no line for nats in:\n%s", up.Output())
	}
	p.nats = m[1]
	p.ann, p.bob = signIn(t, up.URL, "+4915123456780", "Ann"), signIn(t, up.URL, "+4915123456781", "Bob")
	p.chat = fabric.Direct(p.ann.User.ID, p.bob.User.ID)
	s, err := client.Connect(t.Context(), client.Options{
		URL: up.URL, Tokens: client.NewGrants(client.API{URL: up.URL}, p.ann, nil), Handler: func(client.Event) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	p.annHere = s
	return p
}

func signIn(t *testing.T, url, phone, name string) client.Grant {
	t.Helper()
	api := client.API{URL: url}
	otp, err := api.OTP(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	g, err := api.Token(t.Context(), client.SignIn{
		Phone: phone, Code: otp.DevCode, Name: name, Device: client.NewDevice{Name: "test", Platform: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// command is `weft import whatsapp FILE` into the chat of Ann and Bob.
func (p *place) command(t *testing.T, file string, args ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), weftest.Binary(t), append([]string{
		"import", "whatsapp", file, "--channel", string(p.chat), "--data", p.data, "--nats", p.nats, "--zone", "Europe/Berlin",
	}, args...)...)
}

// run runs it, and returns what it said.
func (p *place) run(t *testing.T, answer, file string, args ...string) (string, error) {
	t.Helper()
	cmd := p.command(t, file, args...)
	cmd.Stdin = strings.NewReader(answer)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// texts returns what Ann sees in the chat, oldest first.
func (p *place) texts(t *testing.T) []string {
	t.Helper()
	var texts []string
	for before := uint64(0); ; {
		page, err := p.annHere.History(t.Context(), p.chat, client.HistoryQuery{Before: before, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		var older []string
		for _, m := range page.Messages {
			var body struct{ Text string }
			if err := json.Unmarshal(m.Body, &body); err != nil {
				t.Fatal(err)
			}
			older = append(older, body.Text)
		}
		texts = append(older, texts...)
		if !page.More {
			return texts
		}
		before = page.Messages[0].Seq
	}
}

// export writes a .zip as iOS makes it.
func export(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string]string{"_chat.txt": text, "00000002-PHOTO-2023-12-31-23-59-59.jpg": "a picture"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "WhatsApp Chat - Bob.zip")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestImport(t *testing.T) {
	p := start(t)
	file := export(t, "[31.12.23, 23:59:59] Ann: hello\r\n\u200e[31.12.23, 23:59:59] Bobby: \u200e<Anhang: 00000002-PHOTO-2023-12-31-23-59-59.jpg>\r\n")
	bobby := "--as=Bobby=" + string(p.bob.User.ID)
	preview := []string{`the chat with "Bob": 2 messages of 2 people`, "2023-12-31 23:59", "Europe/Berlin", "the chat of ", "(by name)", "1 in the export, 0 missing", "0 of 2 are in the channel"}
	for _, c := range []struct {
		name, answer string
		args         []string
		fails        bool
		says         []string
		has          int // messages of the chat then
	}{
		{"whom it does not know it asks for", "y\n", nil, true, append(preview[:4:4], "NOBODY", `"Bobby"`, "--as NAME=USER_ID"), 0},
		{"a dry run", "y\n", []string{bobby, "--dry-run"}, false, preview, 0},
		{"no", "n\n", []string{bobby}, false, append(preview, "Import 2 messages?", "Nothing was imported"), 0},
		{"no answer", "", []string{bobby}, false, []string{"Nothing was imported"}, 0},
		{"yes", "y\n", []string{bobby}, false, append(preview, "2 of 2 messages, 100%", "Imported 2 messages"), 2},
		{"again", "y\n", []string{bobby}, false, []string{"2 of 2 are in the channel", "nothing to import"}, 2},
		{"again, unasked", "", []string{"--from", string(p.ann.User.ID), "--yes"}, false, []string{"nothing to import"}, 2},
		{"an id that is none", "", []string{"--as=Bobby=bob"}, true, []string{"--as", "user id"}, 2},
		{"a zone that is none", "", []string{"--zone=Mars"}, true, []string{"--zone"}, 2},
		{"no credentials", "", []string{"--data", t.TempDir()}, true, []string{"--creds", "--data"}, 2},
		{"credentials by name", "", []string{bobby, "--data", t.TempDir(), "--creds", filepath.Join(p.data, "keys", "creds", "operator.creds"), "--dry-run"}, false, []string{"2 of 2"}, 2},
		{"another address", "", []string{"--nats", "nats://127.0.0.1:1"}, true, []string{"--nats"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := p.run(t, c.answer, file, c.args...)
			if (err != nil) != c.fails {
				t.Errorf("it ended with %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
			if got := p.texts(t); len(got) != c.has {
				t.Errorf("the chat has %q", got)
			}
		})
	}
}

// Killed again and again on its way, it adds each message once, in order.
func TestKilledImport(t *testing.T) {
	p := start(t)
	const n = 20_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "[%02d.01.24, %02d:%02d:%02d] Ann: message %d\n", 1+i/86_400, i/3600%24, i/60%60, i%60, i)
	}
	file := export(t, text.String())
	broken := 0
	for range 3 {
		cmd := p.command(t, file, "--yes")
		told, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := told.Read(make([]byte, 1)); err != nil { // the first window is stored
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if cmd.Wait() != nil {
			broken++
		}
	}
	if broken == 0 {
		t.Fatal("it was done before it could be killed")
	}
	if out, err := p.run(t, "", file, "--yes"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := p.texts(t)
	if len(got) != n {
		t.Fatalf("%d messages, want %d", len(got), n)
	}
	for i, text := range got {
		if text != fmt.Sprintf("message %d", i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
}
