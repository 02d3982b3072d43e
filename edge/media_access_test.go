package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/weftest"
)

// loads returns whether each of the users may load a file.
func loads(id fabric.MediaID, who ...tus) string {
	var may []string
	for _, u := range who {
		resp, _ := u.get(id) //nolint:bodyclose // do closes it
		switch resp.StatusCode {
		case http.StatusOK:
			may = append(may, "yes")
		case http.StatusNotFound:
			may = append(may, "no")
		default:
			may = append(may, fmt.Sprint(resp.StatusCode))
		}
	}
	return strings.Join(may, " ")
}

// Who may load a file: members of a channel with a message that names it, from the moment they may read it, for as long
// as it is there.
func TestWhoMayLoad(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	a, b, c := tus{t, e.URL, ann}, tus{t, e.URL, bob}, tus{t, e.URL, cem}
	ac, bc := edgetest.Connect(t, e, ann, ""), edgetest.Connect(t, e, bob, "")
	expect := func(when string, id fabric.MediaID, want string) {
		t.Helper()
		if got := loads(id, a, b, c); got != want {
			t.Errorf("%s: Ann, Bob and Cem load it: %s, want %s", when, got, want)
		}
	}
	send := func(from *edgetest.Conn, to string, id fabric.MediaID) uint64 {
		t.Helper()
		o := sendMedia(from, to, id)
		if o.Err() != "" {
			t.Fatalf("send: %v", o)
		}
		return o.OK().Num("seq")
	}
	direct := string(edgetest.Direct(ann, bob))
	id := a.upload(direct, noise(4, 1000), "x", "")
	expect("uploaded", id, "yes no no")
	if o := sendMedia(bc, direct, id); o.Err() != fabric.CodeNotFound {
		t.Errorf("Bob sends what he may not load: %v", o)
	}
	seq := send(ac, direct, id)
	expect("sent to Bob", id, "yes yes no")

	// Bob forwards it to Cem, who may load it then, also when Ann has deleted hers.
	forwarded := string(edgetest.Direct(bob, cem))
	copied := send(bc, forwarded, id)
	expect("forwarded", id, "yes yes yes")
	if resp, _ := a.do("DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d?for=all", direct, seq), nil); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
		t.Fatalf("delete: %d", resp.StatusCode)
	}
	weftest.Eventually(t, "Ann may load it no more", func() bool { return loads(id, a) == "no" })
	expect("deleted here, and not there", id, "no yes yes")
	if resp, _ := b.do("DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d?for=all", forwarded, copied), nil); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
		t.Fatalf("delete: %d", resp.StatusCode)
	}
	weftest.Eventually(t, "nobody may load it", func() bool { return loads(id, a, b, c) == "no no no" })
	if o := sendMedia(ac, direct, id); o.Err() != fabric.CodeNotFound {
		t.Errorf("Ann sends what was deleted: %v", o)
	}

	// A group: who comes later sees what comes then; who is removed sees none of it.
	_, body := a.do("POST", "/v1/groups", strings.NewReader(fmt.Sprintf(`{"name":"g","members":[%q]}`, bob.User.ID)), "Content-Type", "application/json") //nolint:bodyclose // do closes it
	var group client.Group
	if err := json.Unmarshal([]byte(body), &group); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	g := string(group.Channel)
	early, late := a.upload(g, noise(5, 10), "x", ""), a.upload(g, noise(6, 10), "x", "")
	send(ac, g, early)
	expect("sent before Cem came", early, "yes yes no")
	member := "/v1/groups/" + string(group.ID) + "/members/" + string(cem.User.ID)
	if resp, body := a.do("PUT", member, nil); resp.StatusCode >= 300 { //nolint:bodyclose // do closes it
		t.Fatalf("add Cem: %d %s", resp.StatusCode, body)
	}
	send(ac, g, late)
	weftest.Eventually(t, "Cem is in", func() bool { return loads(late, c) == "yes" })
	expect("sent before Cem came", early, "yes yes no")
	if resp, _ := a.do("DELETE", member, nil); resp.StatusCode >= 300 { //nolint:bodyclose // do closes it
		t.Fatalf("remove Cem: %d", resp.StatusCode)
	}
	weftest.Eventually(t, "Cem is out", func() bool { return loads(late, c) == "no" })
	expect("sent while Cem was in", late, "yes yes no")

	// Uploads are for members, too, and of nobody else to go on with.
	if resp, _ := c.do("POST", "/v1/media/uploads", nil, "Upload-Length", "3", "Upload-Metadata", metadata("channel", g)); resp.StatusCode != http.StatusForbidden { //nolint:bodyclose // do closes it
		t.Errorf("Cem uploads into a group that he is not in: %d", resp.StatusCode)
	}
	path := a.create(g, 3, "x", "")
	for _, method := range []string{"HEAD", "PATCH", "DELETE"} {
		resp, _ := b.do(method, path, strings.NewReader(""), "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream") //nolint:bodyclose // do closes it
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("Bob may %s Ann's upload: %d", method, resp.StatusCode)
		}
	}
	if resp, _ := (tus{t, e.URL, client.Grant{}}).get(late); resp.StatusCode != http.StatusUnauthorized { //nolint:bodyclose // do closes it
		t.Errorf("somebody loads it: %d", resp.StatusCode)
	}
}

// What a message says of its file must be so, and it must name one.
func TestLyingMessages(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, conn := tus{t, e.URL, ann}, edgetest.Connect(t, e, ann, "")
	to := string(edgetest.Direct(ann, bob))
	id := a.upload(to, []byte("<html><script>alert(1)</script></html>"), "cat.png", "image/png")
	for body, want := range map[string]fabric.Code{
		`{}`:                                  fabric.CodeBadRequest,
		`"x"`:                                 fabric.CodeBadRequest,
		`{"media":5}`:                         fabric.CodeBadRequest,
		`{"media":"x"}`:                       fabric.CodeBadRequest,
		`{"media":"` + fabric.NewCID() + `"}`: fabric.CodeNotFound,
		fmt.Sprintf(`{"media":%q,"type":"image/png"}`, id):                                           fabric.CodeBadRequest,
		fmt.Sprintf(`{"media":%q,"size":5}`, id):                                                     fabric.CodeBadRequest,
		fmt.Sprintf(`{"media":%q,"type":"text/html; charset=utf-8","size":38,"name":"renamed"}`, id): "",
	} {
		if o := conn.Call("send", map[string]any{"to": to, "cid": fabric.NewCID(), "kind": "media", "body": json.RawMessage(body)}); o.Err() != want {
			t.Errorf("%s: %v, want %q", body, o, want)
		}
	}
	resp, _ := a.get(id) //nolint:bodyclose // do closes it
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("a page that is called a picture comes as %s, %s", got, resp.Header.Get("Content-Disposition"))
	}
}

// A link loads one file for a while, as far as its maker may; it is good for nothing else.
func TestLinks(t *testing.T) {
	var ahead atomic.Int64 // of the clock
	f := edgetest.Start(t, edgetest.Config{Media: media.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b, nobody := tus{t, e.URL, ann}, tus{t, e.URL, bob}, tus{t, e.URL, client.Grant{}}
	conn := edgetest.Connect(t, e, ann, "")
	to := string(edgetest.Direct(ann, bob))
	id, other := a.upload(to, []byte("one"), "x", ""), a.upload(to, []byte("two"), "x", "")
	sent := sendMedia(conn, to, id).OK()
	_, body := b.do("POST", "/v1/media/"+string(id)+"/link", nil) //nolint:bodyclose // do closes it
	var link struct {
		URL       string `json:"url"`
		ExpiresAt int64  `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(body), &link); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if life := time.Until(time.UnixMilli(link.ExpiresAt)); life < 10*time.Minute || life > 20*time.Minute {
		t.Errorf("it is good for %s", life)
	}
	expect := func(what, path string, want int) {
		t.Helper()
		if resp, body := nobody.do("GET", path, nil); resp.StatusCode != want || want == 200 && (body != "one" || resp.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin") { //nolint:bodyclose // do closes it
			t.Errorf("%s: %d %s, want %d", what, resp.StatusCode, body, want)
		}
	}
	expect("the link", link.URL, 200)
	_, token, _ := strings.Cut(link.URL, "?")
	expect("another file by it", "/v1/media/"+string(other)+"?"+token, 401)
	expect("a forged one", link.URL[:len(link.URL)-2]+"xx", 401)
	expect("another's name in it", strings.Replace(link.URL, string(bob.User.ID), string(ann.User.ID), 1), 401)
	expect("none", "/v1/media/"+string(id)+"?token=x", 401)
	if resp, _ := nobody.do("GET", "/v1/me?"+token, nil); resp.StatusCode != http.StatusUnauthorized { //nolint:bodyclose // do closes it
		t.Errorf("another call by it: %d", resp.StatusCode)
	}
	if resp, _ := b.do("POST", "/v1/media/"+string(other)+"/link", nil); resp.StatusCode != http.StatusNotFound { //nolint:bodyclose // do closes it
		t.Errorf("a link to what one may not load: %d", resp.StatusCode)
	}
	ahead.Store(int64(16 * time.Minute))
	expect("when its time is over", link.URL, 401)
	ahead.Store(0)
	expect("the link", link.URL, 200)
	if resp, _ := a.do("DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d?for=all", to, sent.Num("seq")), nil); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
		t.Fatalf("delete: %d", resp.StatusCode)
	}
	weftest.Eventually(t, "the link is no good after the message was deleted", func() bool {
		resp, _ := nobody.do("GET", link.URL, nil) //nolint:bodyclose // do closes it
		return resp.StatusCode == http.StatusNotFound
	})
}

// Where files are in an S3-compatible store, whoever may load one is sent there, for some minutes.
func TestFilesInS3(t *testing.T) {
	s3 := weftest.StartS3(t)
	f := edgetest.Start(t, edgetest.Config{Blobs: func(p *blob.Parts) (blob.Store, error) { return blob.OpenS3(t.Context(), s3.URL, p) }})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := tus{t, e.URL, ann}, tus{t, e.URL, bob}
	data := noise(13, 6<<20)
	id := a.upload(string(edgetest.Direct(ann, bob)), data, "a file.bin", "")
	if n := partsOf(t, f, id); n != 0 {
		t.Errorf("%d parts are left on NATS", n)
	}
	resp, body := a.get(id) //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusOK || body != string(data) || resp.Header.Get("Content-Disposition") != `attachment; filename="a file.bin"` {
		t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(body), resp.Header)
	}
	resp, body = a.get(id, "Range", "bytes=6000000-6000009") //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusPartialContent || body != string(data[6000000:6000010]) {
		t.Errorf("a range: %d, %d bytes", resp.StatusCode, len(body))
	}
	if resp, _ := a.do("HEAD", "/v1/media/"+string(id), nil); resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(data)) { //nolint:bodyclose // do closes it
		t.Errorf("HEAD: %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
	if resp, _ := b.get(id); resp.StatusCode != http.StatusNotFound { //nolint:bodyclose // do closes it
		t.Errorf("Bob: %d", resp.StatusCode)
	}
	// Pictures and their thumbnails too.
	png := a.upload(string(edgetest.Direct(ann, bob)), picture(t, "png", 400, 300), "x.png", "")
	resp, body = a.do("GET", "/v1/media/"+string(png)+"/thumbnail", nil) //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/jpeg" || len(body) == 0 {
		t.Errorf("a thumbnail: %d, %d bytes of %s", resp.StatusCode, len(body), resp.Header.Get("Content-Type"))
	}
}
