package edge_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/weftest"
)

// exported fetches a user's export and returns its files.
func exported(t *testing.T, e *edgetest.Edge, as client.Grant) map[string]string {
	t.Helper()
	resp, data := fetch(t, e, as, "GET", "/v1/me/export", nil)
	if resp.status != 200 || resp.header.Get("Content-Type") != "application/zip" || resp.header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(resp.header.Get("Content-Disposition"), `attachment; filename="weft-export-`) {
		t.Fatalf("export: %d %v %.200s", resp.status, resp.header, data)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		files[f.Name] = string(text)
	}
	return files
}

// lines returns the objects of a file that has one on a line.
func lines(t *testing.T, file string) (list []edgetest.Object) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(file))
	for dec.More() {
		var o edgetest.Object
		if err := dec.Decode(&o); err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
	}
	if n := strings.Count(file, "\n"); n != len(list) {
		t.Errorf("%d objects on %d lines", len(list), n)
	}
	return list
}

// pour sends many messages and returns their seqs.
func pour(t *testing.T, c *edgetest.Conn, to string, n int, text func(int) string) (seqs []uint64) {
	t.Helper()
	const window = 200
	var asked []int
	for i := range n {
		asked = append(asked, c.Ask("send", map[string]any{"to": to, "cid": fabric.NewCID(), "kind": "text", "body": map[string]string{"text": text(i)}}))
		if len(asked) == window || i == n-1 {
			for _, id := range asked {
				reply := c.Reply(id)
				if reply.Err() != "" {
					t.Fatalf("send: %v", reply)
				}
				seqs = append(seqs, reply.OK().Num("seq"))
			}
			asked = nil
		}
	}
	slices.Sort(seqs)
	return seqs
}

// An export has all that its user may read, once, and nothing else.
func TestAnExportHasAllAndNothingElse(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	a, b, c := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, ""), edgetest.Connect(t, e, cem, "")
	for _, s := range []*edgetest.Conn{a, b, c} {
		s.Synced()
	}
	know(t, e, ann, bob)
	do(t, e, ann, "PATCH", "/v1/me", map[string]any{"about": "weaves"}, 200)
	// given a long chat with bob, in which ann has deleted two for herself, and he one for all
	chat := string(edgetest.Direct(ann, bob))
	seqs := pour(t, b, chat, 3456, func(i int) string { return fmt.Sprintf("n° %d ✓\n", i) })
	for _, i := range []int{0, 2000} {
		do(t, e, ann, "DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d", chat, seqs[i]), nil, 204)
	}
	do(t, e, bob, "DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d?for=all", chat, seqs[7]), nil, 204)
	seqs = slices.Delete(slices.Delete(slices.Clone(seqs), 2000, 2001), 0, 1)
	// what ann wrote to cem who has blocked her, and what cem who is blocked wrote to ann
	do(t, e, cem, "PUT", "/v1/blocks/"+string(ann.User.ID), nil, 204)
	mine := a.Send(string(cem.User.ID), "", "to whom it concerns").Num("seq")
	do(t, e, ann, "PUT", "/v1/blocks/"+string(cem.User.ID), nil, 204)
	c.Send(string(ann.User.ID), "", "SECRET of cem's own")
	// a group that ann came to late, one that she was removed from, and one that she never was in
	late, former, others := newGroup(t, e, bob), newGroup(t, e, bob, ann), newGroup(t, e, bob, cem)
	b.Send(string(late), "", "SECRET before ann")
	do(t, e, bob, "POST", "/v1/groups/"+string(late)+"/members", map[string]any{"users": []fabric.UserID{ann.User.ID}}, 200)
	here := b.Send(string(late), "", "with ann").Num("seq")
	do(t, e, bob, "DELETE", "/v1/groups/"+string(former)+"/members/"+string(ann.User.ID), nil, 204)
	b.Send(string(former), "", "SECRET after ann")
	b.Send(string(others), "", "SECRET of others")

	files := exported(t, e, ann)
	for name, text := range files {
		if strings.Contains(text, "SECRET") {
			t.Errorf("%s has what is not ann's to read: %.300s", name, text)
		}
	}
	want := []string{
		"README.txt", "blocks.json", "channels.jsonl", "channels/" + chat + ".jsonl", "channels/" + string(edgetest.Direct(ann, cem)) + ".jsonl",
		"channels/" + string(late) + ".jsonl", "channels/u." + string(ann.User.ID) + ".jsonl", "contacts.json", "devices.json", "profile.json",
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	var got []uint64
	for _, m := range lines(t, files["channels/"+chat+".jsonl"]) {
		got = append(got, m.Num("seq"))
	}
	if !slices.Equal(got, seqs) {
		t.Errorf("%d messages of the long chat, want %d", len(got), len(seqs))
	}
	for c, want := range map[fabric.ChannelID]uint64{edgetest.Direct(ann, cem): mine, late: here} {
		list := lines(t, files["channels/"+string(c)+".jsonl"])
		if len(list) == 0 || list[len(list)-1].Num("seq") != want {
			t.Errorf("channel %s: %v, want it to end with %d", c, list, want)
		}
	}
	for name, want := range map[string]string{
		"profile.json": `"about":"weaves"`, "devices.json": string(ann.Device.ID), "contacts.json": bob.User.Phone,
		"blocks.json": string(cem.User.ID), "channels.jsonl": `"name":"weavers"`, "README.txt": string(ann.User.ID),
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: %.300s, want %s in it", name, files[name], want)
		}
	}
}

// socket is how many bytes a socket holds where a test asks for it. By itself it would grow to more than an export is.
const socket = 64 << 10

// Exports that are more than sockets hold, so that they are under way for as long as their client wants.
func TestLongExports(t *testing.T) {
	const request = 300 * time.Millisecond
	f := edgetest.Start(t, edgetest.Config{Read: request, Socket: socket})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a := edgetest.Connect(t, e, ann, "")
	a.Synced()
	pourNoise(t, a, string(bob.User.ID), 80)
	t.Run("last as long as a slow client takes", func(t *testing.T) { exportSlowly(t, e, bob, request) })
	t.Run("are bounded", func(t *testing.T) { exportOften(t, e, ann, bob) })
}

// exportSlowly takes longer than a request may.
func exportSlowly(t *testing.T, e *edgetest.Edge, as client.Grant, request time.Duration) {
	resp := startExport(t, e, as)
	defer resp.Body.Close()
	begun := time.Now()
	var got bytes.Buffer
	for {
		_, err := io.CopyN(&got, resp.Body, 256<<10)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("after %s and %d bytes: %v", time.Since(begun), got.Len(), err)
		}
		time.Sleep(request / 2) // that is what a slow client is
	}
	if took := time.Since(begun); took < 2*request {
		t.Fatalf("it took no longer than %s: there is too little to be slow with", took)
	}
	if _, err := zip.NewReader(bytes.NewReader(got.Bytes()), int64(got.Len())); err != nil {
		t.Error(err)
	}
}

// exportOften finds that there is one export at a time, three an hour; a client that goes away ends its own.
func exportOften(t *testing.T, e *edgetest.Edge, ann, bob client.Grant) {
	start := func() *http.Response { return startExport(t, e, ann) }
	if resp, body := fetch(t, e, ann, "HEAD", "/v1/me/export", nil); resp.status != 200 || len(body) > 0 {
		t.Errorf("HEAD: %d", resp.status)
	}
	first := start()
	if first.StatusCode != http.StatusOK {
		t.Fatalf("the first: %d", first.StatusCode)
	}
	if resp, body := fetch(t, e, ann, "GET", "/v1/me/export", nil); resp.status != 429 || problemOf(t, body) != fabric.CodeRateLimited {
		t.Errorf("a second beside it: %d %s", resp.status, body)
	}
	if resp, _ := fetch(t, e, bob, "GET", "/v1/me/export", nil); resp.status != 200 {
		t.Errorf("another's beside it: %d", resp.status)
	}
	if err := first.Body.Close(); err != nil { // and with it the connection
		t.Fatal(err)
	}
	weftest.Eventually(t, "the first has ended", func() bool {
		resp := start()
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	// whose device is signed out gets no more: the connection ends, and no half passes for a whole
	var last *http.Response
	weftest.Eventually(t, "the second has ended", func() bool {
		last = start() //nolint:bodyclose // closed here where it is refused, else at the end
		if last.StatusCode != http.StatusOK {
			last.Body.Close()
		}
		return last.StatusCode == http.StatusOK
	})
	defer last.Body.Close()
	do(t, e, ann, "POST", "/v1/auth/logout", nil, 204)
	outEverywhere(t, ann.AccessToken, e)
	if n, err := io.Copy(io.Discard, last.Body); err == nil {
		t.Errorf("after signing out: %d bytes and no error", n)
	}
	again := edgetest.SignIn(t, e.URL, ann.User.Phone, "phone")
	weftest.Eventually(t, "over three an hour", func() bool {
		resp, body := fetch(t, e, again, "GET", "/v1/me/export", nil)
		return resp.status == 429 && strings.Contains(string(body), "an hour")
	})
	if resp, _ := fetch(t, e, client.Grant{}, "GET", "/v1/me/export", nil); resp.status != 401 {
		t.Errorf("by nobody: %d", resp.status)
	}
}

// startExport begins an export and leaves it to be read.
func startExport(t *testing.T, e *edgetest.Edge, as client.Grant) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/v1/me/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	small := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(socket)
		}
		return c, err
	}}
	resp, err := (&http.Client{Transport: small}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// pourNoise sends messages of 32 KiB that can hardly be made smaller: many are more than sockets hold. They have no words,
// so that the search has nothing to do with them.
func pourNoise(t *testing.T, c *edgetest.Conn, to string, n int) {
	t.Helper()
	const signs = "!#$%&()*+,-./:;=?@[]^_{|}~ \t\n'"
	noise, source := make([]byte, 32<<10), rand.NewChaCha8([32]byte{})
	pour(t, c, to, n, func(int) string {
		_, _ = source.Read(noise) // it never fails
		for i, b := range noise {
			noise[i] = signs[int(b)%len(signs)]
		}
		return string(noise)
	})
}
