package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// uploader is Ann, who uploads for Bob.
func uploader(t *testing.T, cfg edgetest.Config) (*edgetest.Fabric, *edgetest.Edge, tus, string) {
	t.Helper()
	f := edgetest.Start(t, cfg)
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	return f, e, tus{t, e.URL, ann}, string(edgetest.Direct(ann, bob))
}

func idOfUpload(path string) fabric.MediaID {
	return fabric.MediaID(strings.TrimPrefix(path, "/v1/media/uploads/"))
}

// What does not match its checksum is not kept; what does is.
func TestChecksums(t *testing.T) {
	_, _, a, to := uploader(t, edgetest.Config{Limits: func(l *edge.Limits) { l.ChecksumBytes = 2 << 20 }})
	of := func(data []byte) (string, string) {
		s1, s256 := sha1.Sum(data), sha256.Sum256(data)
		return "sha1 " + base64.StdEncoding.EncodeToString(s1[:]), "sha256 " + base64.StdEncoding.EncodeToString(s256[:])
	}
	data := noise(7, 2_000_000) // too much to wait in memory
	path := a.create(to, len(data), "x", "")
	one, two := of(data[:900_000])
	for _, bad := range []struct {
		sum  string
		want int
	}{
		{two[:len(two)-8] + "AAAAAAA=", 460}, {"sha1 " + one[9:] + "AAAA", 400}, {"md5 AAAA", 400}, {"sha1", 400}, {"sha256 !", 400}, {strings.Replace(two, "sha256", "sha1", 1), 400},
	} {
		if resp := a.patch(path, 0, data[:900_000], "Upload-Checksum", bad.sum); resp.StatusCode != bad.want { //nolint:bodyclose // do closes it
			t.Errorf("%s: %d, want %d", bad.sum, resp.StatusCode, bad.want)
		}
		if at := a.offset(path); at != 0 {
			t.Fatalf("%s: %d bytes were kept", bad.sum, at)
		}
	}
	if resp := a.patch(path, 0, data[:900_000], "Upload-Checksum", one); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
		t.Errorf("sha1: %d", resp.StatusCode)
	}
	_, two = of(data[900_000:])
	if resp := a.patch(path, 900_000, data[900_000:], "Upload-Checksum", two); resp.StatusCode != http.StatusNoContent || resp.Header.Get("Weft-Media") == "" { //nolint:bodyclose // do closes it
		t.Errorf("sha256: %d", resp.StatusCode)
	}
	if _, body := a.get(idOfUpload(path)); body != string(data) { //nolint:bodyclose // do closes it
		t.Error("other bytes came")
	}
	large := a.create(to, 3<<20, "x", "")
	_, two = of(noise(8, 3<<20))
	if resp := a.patch(large, 0, noise(8, 3<<20), "Upload-Checksum", two); resp.StatusCode != http.StatusRequestEntityTooLarge { //nolint:bodyclose // do closes it
		t.Errorf("a body that is too large to be checked: %d", resp.StatusCode)
	}
	// A body without its length is bounded too.
	resp, _ := a.do("PATCH", large, io.MultiReader(bytes.NewReader(noise(8, 3<<20))), "Upload-Checksum", two, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream") //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("the same without a length: %d", resp.StatusCode)
	}
}

// A client that lies about how much there is gets no further than it has said.
func TestLyingUploads(t *testing.T) {
	_, _, a, to := uploader(t, edgetest.Config{Limits: func(l *edge.Limits) { l.FileBytes, l.UploadBytesPerDay, l.UploadsOpen = 5000, 12_000, 3 }})
	for what, header := range map[string][]string{
		"more than a file may have": {"Upload-Length", "5001"},
		"less than nothing":         {"Upload-Length", "-1"},
		"no length":                 {},
		"a length to come":          {"Upload-Defer-Length", "1"},
	} {
		resp, _ := a.do("POST", "/v1/media/uploads", nil, append([]string{"Upload-Metadata", metadata("channel", to)}, header...)...) //nolint:bodyclose // do closes it
		if resp.StatusCode < 400 || resp.StatusCode > http.StatusRequestEntityTooLarge && resp.StatusCode != http.StatusNotImplemented {
			t.Errorf("%s: %d", what, resp.StatusCode)
		}
	}
	path := a.create(to, 5000, "x", "")
	// Of an endless body no more is read than the length that was told, but what is on its way.
	endless := &counted{r: neverEnding('x')}
	resp, _ := a.do("PATCH", path, endless, "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream") //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusNoContent || endless.n.Load() > 64<<20 {
		t.Errorf("endless: %d after %d bytes", resp.StatusCode, endless.n.Load())
	}
	if _, body := a.get(idOfUpload(path)); body != strings.Repeat("x", 5000) { //nolint:bodyclose // do closes it
		t.Errorf("the file has %d bytes", len(body))
	}
	// A truncated one goes on where it ended.
	path = a.create(to, 5000, "x", "")
	if resp := a.patch(path, 0, make([]byte, 100)); resp.StatusCode != http.StatusNoContent || a.offset(path) != 100 { //nolint:bodyclose // do closes it
		t.Errorf("truncated: %d, at %d", resp.StatusCode, a.offset(path))
	}
	if resp := a.patch(path, 50, make([]byte, 10)); resp.StatusCode != http.StatusConflict { //nolint:bodyclose // do closes it
		t.Errorf("at another place: %d", resp.StatusCode)
	}
	// 10,000 of the day's 12,000 are spent, and one upload is open.
	create := func(size int) int {
		resp, _ := a.do("POST", "/v1/media/uploads", nil, "Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata("channel", to)) //nolint:bodyclose // do closes it
		return resp.StatusCode
	}
	if got := []int{create(2001), create(1000), create(1000), create(0)}; fmt.Sprint(got) != "[429 201 201 429]" {
		t.Errorf("past the bounds: %v", got)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

type counted struct {
	r io.Reader
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// partsOf returns how many messages there are of an upload's parts.
func partsOf(t *testing.T, f *edgetest.Fabric, id fabric.MediaID) (n uint64) {
	t.Helper()
	js, err := jetstream.New(f.NATS.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), subjects.MediaStream(0))
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(subjects.MediaParts(id, 0)))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range info.State.Subjects {
		n += of
	}
	return n
}

// An upload that is ended, or whose time is over, leaves nothing.
func TestUploadsThatEnd(t *testing.T) {
	f, _, a, to := uploader(t, edgetest.Config{
		Limits: func(l *edge.Limits) { l.UploadLifeMillis = 1500 },
		Media:  media.Config{TidyEvery: 20 * time.Millisecond},
	})
	path := a.create(to, 2<<20, "x", "")
	resp := a.patch(path, 0, noise(9, 1<<20)) //nolint:bodyclose // do closes it
	expires, err := http.ParseTime(resp.Header.Get("Upload-Expires"))
	if err != nil || time.Until(expires) > 3*time.Second {
		t.Errorf("Upload-Expires: %s, %v", resp.Header.Get("Upload-Expires"), err)
	}
	if n := partsOf(t, f, idOfUpload(path)); n != 1<<20/blob.PartSize {
		t.Errorf("it has %d parts", n)
	}
	if resp, _ := a.do("DELETE", path, nil); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
		t.Errorf("DELETE: %d", resp.StatusCode)
	}
	if resp, _ := a.do("HEAD", path, nil); resp.StatusCode != http.StatusNotFound { //nolint:bodyclose // do closes it
		t.Errorf("HEAD of what was ended: %d", resp.StatusCode)
	}
	if n := partsOf(t, f, idOfUpload(path)); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	late := a.create(to, 2<<20, "x", "")
	a.patch(late, 0, noise(9, 1<<20)) //nolint:bodyclose // do closes it
	weftest.Eventually(t, "its time is over", func() bool { return partsOf(t, f, idOfUpload(late)) == 0 })
	if resp := a.patch(late, 1<<20, noise(9, 1<<20)); resp.StatusCode != http.StatusNotFound { //nolint:bodyclose // do closes it
		t.Errorf("PATCH after its time: %d", resp.StatusCode)
	}
}

// Who is refused in the middle of sending reads why, and finds the connection ended in order: a reset could overtake the answer.
func TestRefusedWhileSending(t *testing.T) {
	_, e, a, to := uploader(t, edgetest.Config{Limits: func(l *edge.Limits) { l.ChecksumBytes = 1 << 20 }})
	ended := a.create(to, 64<<20, "x", "")
	a.do("DELETE", ended, nil) //nolint:bodyclose // do closes it
	begun := a.create(to, 64<<20, "x", "")
	host := strings.TrimPrefix(e.URL, "http://")
	for _, tc := range []struct {
		what, path, more string
		want             int
	}{
		{"an upload that is ended", ended, "Upload-Offset: 0\r\n", http.StatusNotFound},
		{"another offset", begun, "Upload-Offset: 7\r\n", http.StatusConflict},
		{"too much for a checksum", begun, "Upload-Offset: 0\r\nUpload-Checksum: sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", http.StatusRequestEntityTooLarge},
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\n"+
			"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n%s\r\n", tc.path, host, a.user.AccessToken, 64<<20, tc.more)
		if err == nil {
			_, err = conn.Write(noise(9, 64<<10)) // fits in the buffers of the system; the server does not read it
		}
		if err != nil {
			t.Fatalf("%s: %v", tc.what, err)
		}
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", tc.what, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != tc.want || resp.Body.Close() != nil {
			t.Errorf("%s: %d %s, %v; want %d", tc.what, resp.StatusCode, body, err, tc.want)
		}
		if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection ended with %v", tc.what, err)
		}
		_ = conn.Close()
	}
}

// The connection of a client ends in the middle: what came is kept, to the byte, and the upload goes on over another edge.
func TestLostConnection(t *testing.T) {
	f, e, a, to := uploader(t, edgetest.Config{})
	data := noise(10, 3<<20)
	path := a.create(to, len(data), "x", "")
	const came = 1_700_000
	body, feed := io.Pipe()
	ctx, cut := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPatch, e.URL+path, body)
		if err != nil {
			done <- err
			return
		}
		for k, v := range map[string]string{
			"Authorization": "Bearer " + a.user.AccessToken, "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream",
		} {
			req.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	if _, err := feed.Write(data[:came]); err != nil {
		t.Fatal(err)
	}
	weftest.Eventually(t, "three parts are there", func() bool { return partsOf(t, f, idOfUpload(path)) >= 3 })
	cut()
	_ = feed.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-done; err == nil {
		t.Fatal("the request came to its end")
	}
	other := a
	other.url = f.Edge(t).URL
	var at int
	weftest.Eventually(t, "all that came is kept", func() bool { at = other.offset(path); return at > 3*blob.PartSize })
	if at > came {
		t.Fatalf("%d bytes are there, and %d came", at, came)
	}
	if resp := other.patch(path, at, data[at:]); resp.StatusCode != http.StatusNoContent { //nolint:bodyclose // do closes it
		t.Fatalf("PATCH: %d", resp.StatusCode)
	}
	if _, got := a.get(idOfUpload(path)); got != string(data) { //nolint:bodyclose // do closes it
		t.Error("other bytes came")
	}
}

// Acknowledgements of parts are lost, and whole answers; the connection to NATS breaks again and again: each part is there
// once, and the file is what was sent.
func TestLostAndDoubledParts(t *testing.T) {
	f, e, a, to := uploader(t, edgetest.Config{})
	const parts = 12
	data := noise(11, parts*blob.PartSize)
	var lost atomic.Int64
	var mu sync.Mutex
	seen := make(map[string]int)
	e.Bulk.Drop(func(_ string, payload []byte) bool {
		if !bytes.Contains(payload, []byte(`"stream":"OBJ_MEDIA_0"`)) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		key := string(payload)
		seen[key]++
		if seen[key] == 1 && len(seen)%3 == 1 { // the first word of every third part
			lost.Add(1)
			return true
		}
		return false
	})
	path := a.create(to, len(data), "x", "")
	stop := make(chan struct{})
	var breaker sync.WaitGroup
	breaker.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
				e.Bulk.Break()
			}
		}
	})
	for at := 0; at < len(data); at = a.offset(path) {
		if resp := a.patch(path, at, data[at:]); resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusServiceUnavailable { //nolint:bodyclose // do closes it
			t.Fatalf("PATCH at %d: %d", at, resp.StatusCode)
		}
	}
	close(stop)
	breaker.Wait()
	e.Bulk.Drop(nil)
	if lost.Load() == 0 {
		t.Error("nothing was lost: this test shows nothing")
	}
	if n := partsOf(t, f, idOfUpload(path)); n != parts {
		t.Errorf("there are %d messages of %d parts", n, parts)
	}
	if _, got := a.get(idOfUpload(path)); got != string(data) { //nolint:bodyclose // do closes it
		t.Error("other bytes came")
	}
}

// Two who write to one upload at once, over two edges, do not mix: what is there is of one of them, part by part.
func TestTwoWriteAtOnce(t *testing.T) {
	f, _, a, to := uploader(t, edgetest.Config{})
	b := a
	b.url = f.Edge(t).URL
	data := noise(12, 4<<20)
	path := a.create(to, len(data), "x", "")
	for at := 0; at < len(data); {
		var wg sync.WaitGroup
		for _, c := range []tus{a, b} {
			wg.Go(func() {
				if resp := c.patch(path, at, data[at:min(at+900_000, len(data))]); resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusConflict { //nolint:bodyclose // do closes it
					t.Errorf("PATCH at %d: %d", at, resp.StatusCode)
				}
			})
		}
		wg.Wait()
		at = a.offset(path)
	}
	if resp, got := b.get(idOfUpload(path)); got != string(data) { //nolint:bodyclose // do closes it
		t.Errorf("%d: %d bytes came, of %d: %.200s", resp.StatusCode, len(got), len(data), got)
	}
}

// An edge that drains ends uploads with what is there, and says why.
func TestDrainEndsUploads(t *testing.T) {
	f, e, a, to := uploader(t, edgetest.Config{})
	path, checked := a.create(to, 1<<20, "x", ""), a.create(to, 1<<20, "x", "")
	done := make(chan int, 2)
	var feeds []*io.PipeWriter
	for _, header := range [][]string{{path}, {checked, "Upload-Checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="}} {
		body, feed := io.Pipe()
		go func() {
			resp, _ := a.do("PATCH", header[0], body, append(header[1:], "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")...) //nolint:bodyclose // do closes it
			done <- resp.StatusCode
		}()
		if _, err := feed.Write(make([]byte, 600_000)); err != nil {
			t.Fatal(err)
		}
		feeds = append(feeds, feed)
	}
	weftest.Eventually(t, "a part is there", func() bool { return partsOf(t, f, idOfUpload(path)) >= 1 })
	go func() { _ = e.Stop() }()
	for range feeds {
		select {
		case code := <-done:
			if code != http.StatusServiceUnavailable {
				t.Errorf("it ended with %d", code)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it goes on")
		}
	}
	for _, feed := range feeds {
		_ = feed.Close()
	}
	a.url = f.Edge(t).URL
	if at := a.offset(path); at < blob.PartSize {
		t.Errorf("%d bytes are there", at)
	}
}
