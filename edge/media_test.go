package edge_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
)

// noise returns bytes that are no known type of file, the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// tus is a client of tus 1.0 that does nothing by itself.
type tus struct {
	t    testing.TB
	url  string
	user client.Grant
}

// do makes a request and returns the answer with its body read.
func (c tus) do(method, path string, body io.Reader, header ...string) (*http.Response, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	if c.user.AccessToken != "" {
		req.Header.Set("Authorization", "Bearer "+c.user.AccessToken)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(data)
}

func metadata(pairs ...string) string {
	var fields []string
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(fields, ",")
}

// create begins an upload and returns its path.
func (c tus) create(to string, size int, name, kind string) string {
	c.t.Helper()
	resp, body := c.do("POST", "/v1/media/uploads", nil, "Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata("channel", to, "filename", name, "filetype", kind)) //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusCreated {
		c.t.Fatalf("create: %d %s", resp.StatusCode, body)
	}
	return resp.Header.Get("Location")
}

func (c tus) patch(path string, offset int, data []byte, header ...string) *http.Response {
	c.t.Helper()
	resp, _ := c.do("PATCH", path, bytes.NewReader(data), append([]string{
		"Upload-Offset", strconv.Itoa(offset), "Content-Type", "application/offset+octet-stream",
	}, header...)...)
	return resp
}

// offset returns how far an upload is.
func (c tus) offset(path string) int {
	c.t.Helper()
	resp, _ := c.do("HEAD", path, nil) //nolint:bodyclose // do closes it
	n, err := strconv.Atoi(resp.Header.Get("Upload-Offset"))
	if err != nil {
		c.t.Fatalf("HEAD: %d, %v", resp.StatusCode, err)
	}
	return n
}

// upload uploads a file and returns its id.
func (c tus) upload(to string, data []byte, name, kind string) fabric.MediaID {
	c.t.Helper()
	path := c.create(to, len(data), name, kind)
	if len(data) > 0 {
		if resp := c.patch(path, 0, data); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
			c.t.Fatalf("PATCH: %d", resp.StatusCode)
		}
	}
	return fabric.MediaID(strings.TrimPrefix(path, "/v1/media/uploads/"))
}

func (c tus) get(id fabric.MediaID, header ...string) (*http.Response, string) {
	c.t.Helper()
	return c.do("GET", "/v1/media/"+string(id), nil, header...)
}

// send sends a message that names a file.
func sendMedia(c *edgetest.Conn, to string, id fabric.MediaID) edgetest.Object {
	return c.Call("send", map[string]any{"to": to, "cid": fabric.NewCID(), "kind": "media", "body": map[string]any{"media": id}})
}

// A file goes up in pieces, is sent, and comes down on the other side as it was.
func TestUploadAndDownload(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, b := tus{t, e.URL, ann}, tus{t, e.URL, bob}
	conn := edgetest.Connect(t, e, ann, "")
	to := string(edgetest.Direct(ann, bob))

	data := noise(1, 3*blob.PartSize+12345) // three parts and some
	path := a.create(to, len(data), "notes ✓.bin", "application/x-notes")
	for from := 0; from < len(data); {
		n := min(300_000, len(data)-from)
		resp := a.patch(path, from, data[from:from+n]) //nolint:bodyclose // do closes it
		if from += n; resp.StatusCode != http.StatusNoContent || resp.Header.Get("Upload-Offset") != strconv.Itoa(from) {
			t.Fatalf("PATCH up to %d: %d, Upload-Offset %s", from, resp.StatusCode, resp.Header.Get("Upload-Offset"))
		}
		if got := a.offset(path); got != from {
			t.Fatalf("the upload is at %d, want %d", got, from)
		}
	}
	id := fabric.MediaID(strings.TrimPrefix(path, "/v1/media/uploads/"))
	if resp, _ := b.get(id); resp.StatusCode != http.StatusNotFound { //nolint:bodyclose // do closes it
		t.Errorf("Bob loads what was not sent to him: %d", resp.StatusCode)
	}
	if sent := sendMedia(conn, to, id); sent.Err() != "" {
		t.Fatalf("send: %v", sent)
	}
	sum := sha256.Sum256(data)
	for _, who := range []tus{a, b} {
		resp, body := who.get(id) //nolint:bodyclose // do closes it
		if resp.StatusCode != http.StatusOK || body != string(data) {
			t.Fatalf("%d bytes with status %d: %.200s", len(body), resp.StatusCode, body)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/octet-stream", "Content-Length": strconv.Itoa(len(data)), "Accept-Ranges": "bytes",
			"Content-Disposition":    "attachment; filename*=utf-8''notes%20%E2%9C%93.bin",
			"X-Content-Type-Options": "nosniff", "ETag": `"` + hex.EncodeToString(sum[:]) + `"`,
			"Content-Security-Policy":      "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	_, body := b.do("GET", "/v1/media/"+string(id)+"/info", nil) //nolint:bodyclose // do closes it
	var info contract.Media
	if err := json.Unmarshal([]byte(body), &info); err != nil {
		t.Fatal(err)
	}
	want := contract.Media{ID: id, State: "ready", Name: "notes ✓.bin", Type: "application/octet-stream", Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	if info != want {
		t.Errorf("info %+v, want %+v", info, want)
	}
}

// Ranges, conditions and HEAD are those of RFC 9110.
func TestRanges(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a := tus{t, e.URL, ann}
	const part = 512 << 10
	data := noise(2, 4*part+77)
	id := a.upload(string(edgetest.Direct(ann, bob)), data, "x", "")
	resp, _ := a.do("HEAD", "/v1/media/"+string(id), nil) //nolint:bodyclose // do closes it
	tag := resp.Header.Get("ETag")
	if resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(data)) || tag == "" {
		t.Errorf("HEAD: %d, %d bytes, ETag %s", resp.StatusCode, resp.ContentLength, tag)
	}
	for _, tc := range []struct {
		header     []string
		status     int
		from, upto int // of the body, -1 for none of the file
	}{
		{[]string{"Range", "bytes=0-0"}, 206, 0, 1},
		{[]string{"Range", fmt.Sprintf("bytes=%d-%d", part-1, part)}, 206, part - 1, part + 1},
		{[]string{"Range", fmt.Sprintf("bytes=%d-", 4*part)}, 206, 4 * part, len(data)},
		{[]string{"Range", "bytes=-5"}, 206, len(data) - 5, len(data)},
		{[]string{"Range", fmt.Sprintf("bytes=%d-", len(data))}, 416, -1, -1},
		{[]string{"Range", "bytes=5-2"}, 416, -1, -1},
		{[]string{"Range", "bytes=1-2", "If-Range", tag}, 206, 1, 3},
		{[]string{"Range", "bytes=1-2", "If-Range", `"other"`}, 200, 0, len(data)},
		{[]string{"If-None-Match", tag}, 304, -1, -1},
		{[]string{"If-None-Match", `"other"`}, 200, 0, len(data)},
		{[]string{"If-Match", `"other"`}, 412, -1, -1},
	} {
		resp, body := a.get(id, tc.header...) //nolint:bodyclose // do closes it
		if resp.StatusCode != tc.status || tc.from >= 0 && body != string(data[tc.from:tc.upto]) {
			t.Errorf("%q: status %d with %d bytes, want %d with %d", tc.header, resp.StatusCode, len(body), tc.status, tc.upto-tc.from)
		}
	}
	resp, body := a.get(id, "Range", "bytes=0-1,1000000-1000003") //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusPartialContent || !strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(body, string(data[1000000:1000004])) {
		t.Errorf("two ranges: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
}

// A range at the end costs the parts that it lies in, whatever lies before.
func TestRangeReadsNoMoreThanItsParts(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a := tus{t, e.URL, ann}
	data := noise(3, 20<<20)
	id := a.upload(string(edgetest.Direct(ann, bob)), data, "x", "")
	var seen []int
	e.Bulk.Drop(func(_ string, payload []byte) bool {
		if len(payload) > 100_000 {
			seen = append(seen, len(payload))
		}
		return false
	})
	from := len(data) * 9 / 10
	if _, body := a.get(id, "Range", fmt.Sprintf("bytes=%d-%d", from, from+99)); body != string(data[from:from+100]) { //nolint:bodyclose // do closes it
		t.Error("other bytes came")
	}
	e.Bulk.Drop(nil)
	if len(seen) != 1 {
		t.Errorf("%d parts were read: %d", len(seen), seen)
	}
}

// A photo comes down the right way up, without a word of where it was taken; a message may say how it looks.
func TestPhotos(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a := tus{t, e.URL, ann}
	plain := picture(t, "jpeg", 600, 400)
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00GPS 48.3984N 9.9916E"
	photo := append([]byte{0xFF, 0xD8, 0xFF, 0xE1, 0, byte(len(exif) + 2)}, exif...)
	photo = append(photo, plain[2:]...)
	id := a.upload(string(edgetest.Direct(ann, bob)), photo, "IMG_1.jpg", "image/jpeg")
	_, body := a.do("GET", "/v1/media/"+string(id)+"/info", nil) //nolint:bodyclose // do closes it
	var info contract.Media
	if err := json.Unmarshal([]byte(body), &info); err != nil {
		t.Fatal(err)
	}
	if info.Type != "image/jpeg" || info.Width != 400 || info.Height != 600 || info.Preview == "" || !info.Thumbnail {
		t.Errorf("info: %+v", info)
	}
	resp, got := a.get(id) //nolint:bodyclose // do closes it
	if strings.Contains(got, "GPS") || strings.Contains(got, "Exif") || int64(len(got)) != info.Size || resp.Header.Get("Content-Disposition") != "inline; filename=IMG_1.jpg" {
		t.Errorf("%d bytes of %d, %s", len(got), info.Size, resp.Header.Get("Content-Disposition"))
	}
	sum := sha256.Sum256([]byte(got))
	if hex.EncodeToString(sum[:]) != info.SHA256 {
		t.Error("its hash is another")
	}
	// What was uploaded is not kept beside.
	if n := partsOf(t, f, id); n != 0 {
		t.Errorf("%d parts of the photo as it came are left", n)
	}
}
