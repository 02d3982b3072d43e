package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func openParts(t testing.TB, n *weftest.NATS) *blob.Parts {
	t.Helper()
	p, err := blob.NewParts(n.ConnectAs(t, subjects.RoleMedia), n.Fabric.Shards)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each store keeps what Store promises.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *blob.Parts) blob.Store{
		"NATS": func(_ *testing.T, p *blob.Parts) blob.Store { return blob.NATS{Parts: p} },
		"S3": func(t *testing.T, p *blob.Parts) blob.Store {
			s, err := blob.OpenS3(t.Context(), weftest.StartS3(t).URL+"/some/where?region=us-east-1", p)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := openParts(t, weftest.StartNATS(t, natsconfig.FabricConfig{Shards: 2}))
			conform(t, p, open(t, p))
		})
	}
}

// upload brings data into parts, in two pieces, and returns what is known of it.
func upload(t *testing.T, p *blob.Parts, data []byte) (fabric.MediaID, blob.Info) {
	t.Helper()
	id := fabric.NewMediaID()
	at := blob.NoTail()
	var err error
	for _, piece := range [][]byte{data[:len(data)/3], data[len(data)/3:]} {
		if at, err = p.Append(t.Context(), id, at, bytes.NewReader(piece), int64(len(data))); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := p.Sum(t.Context(), id, at)
	if err != nil || sum != sha256.Sum256(data) || at.Offset != int64(len(data)) {
		t.Fatalf("the upload is at %d with hash %x, %v", at.Offset, sum, err)
	}
	return id, blob.Info{Size: at.Offset, Sum: sum, Type: "text/plain"}
}

func conform(t *testing.T, p *blob.Parts, s blob.Store) {
	ctx := t.Context()
	contents := map[fabric.MediaID][]byte{}
	for _, n := range []int{0, 1, blob.PartSize, blob.PartSize + 1, 11<<20 + 5} { // S3's own parts have 5 MiB
		data := noise(n)
		id, info := upload(t, p, data)
		for range 2 { // once more after a crash
			if err := s.Keep(ctx, id, info); err != nil {
				t.Fatalf("keep %d bytes: %v", n, err)
			}
		}
		if err := s.Release(ctx, id); err != nil {
			t.Fatal(err)
		}
		contents[id] = data
	}
	small := fabric.NewMediaID()
	data := noise(700)
	for range 2 {
		if err := s.Put(ctx, small, blob.Info{Size: 700, Sum: sha256.Sum256(data), Type: "image/jpeg"}, data); err != nil {
			t.Fatal(err)
		}
	}
	contents[small] = data
	for id, data := range contents {
		read(t, s, id, data, 0, len(data))
		if len(data) > blob.PartSize {
			read(t, s, id, data, blob.PartSize-1, blob.PartSize+1)
			read(t, s, id, data, len(data)-3, len(data))
		}
	}
	listed := map[fabric.MediaID]bool{}
	if err := s.Each(ctx, func(id fabric.MediaID) error { listed[id] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for id, data := range contents {
		if !listed[id] && len(data) > 0 {
			t.Errorf("%s of %d bytes is not listed", id, len(data))
		}
	}
	stop := errors.New("enough")
	if err := s.Each(ctx, func(fabric.MediaID) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a list goes on after %v: %v", stop, err)
	}
	url, err := s.URL(ctx, small, blob.Response{Type: "image/jpeg", Disposition: `inline; filename="a b.jpg"`, Cache: "private, no-cache"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if url != "" {
		presigned(t, url, data)
	}
	for range 2 {
		if err := s.Remove(ctx, small); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Open(ctx, small, 700)
	if err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	if err == nil {
		t.Error("what was removed is read")
	}
}

func read(t *testing.T, s blob.Store, id fabric.MediaID, data []byte, from, upto int) {
	t.Helper()
	r, err := s.Open(t.Context(), id, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Seek(int64(from), io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, upto-from)
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, data[from:upto]) {
		t.Errorf("bytes %d to %d of %d: %v", from, upto, len(data), err)
	}
}

// presigned loads a file from where the store says, without being anybody.
func presigned(t *testing.T, url string, want []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(got, want) ||
		resp.Header.Get("Content-Type") != "image/jpeg" || resp.Header.Get("Content-Disposition") != `inline; filename="a b.jpg"` {
		t.Errorf("%d with %d bytes, %v, %v", resp.StatusCode, len(got), resp.Header, err)
	}
	for _, forged := range []string{url + "x", url[:len(url)-1]} {
		resp, err := http.Get(forged)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode == http.StatusOK {
			t.Error("a forged address is good")
		}
	}
}

// What is kept on NATS the stock object store client reads, lists, and compares with its SHA-256.
func TestStockClientReadsFiles(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	p := openParts(t, n)
	data := noise(3<<20 + 17)
	id, info := upload(t, p, data)
	if err := (blob.NATS{Parts: p}).Keep(t.Context(), id, info); err != nil {
		t.Fatal(err)
	}
	store, err := n.JetStream(t).ObjectStore(t.Context(), subjects.MediaBucket(0))
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.GetBytes(t.Context(), string(id))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	list, err := store.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != string(id) || list[0].Size != uint64(len(data)) {
		t.Errorf("list: %+v, %v", list, err)
	}
	if err := p.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), string(id)); !errors.Is(err, jetstream.ErrObjectNotFound) {
		t.Errorf("after it was removed: %v", err)
	}
}

// An upload that goes on with a state of SHA-256 that this program does not know reads what is there instead.
func TestGoesOnWithoutTheState(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	p := openParts(t, n)
	data := noise(blob.PartSize + 1000)
	id := fabric.NewMediaID()
	at, err := p.Append(t.Context(), id, blob.NoTail(), bytes.NewReader(data[:blob.PartSize+10]), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	at = at.WithState([]byte("of another Go"))
	if at, err = p.Append(t.Context(), id, at, bytes.NewReader(data[blob.PartSize+10:]), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	if sum, err := p.Sum(t.Context(), id, at); err != nil || sum != sha256.Sum256(data) {
		t.Errorf("%x, %v", sum, err)
	}
}

func TestBadS3Addresses(t *testing.T) {
	for _, at := range []string{"", "host/bucket", "https://host", "ftp://host/bucket", "https://key:secret@host/bucket"} {
		if _, err := blob.OpenS3(context.Background(), at, nil); err == nil {
			t.Errorf("%q is taken", at)
		}
	}
}

// An upload's tail says what the file is by its first bytes, wherever it broke off among them and however long it goes on.
func TestTailTellsTheType(t *testing.T) {
	p := openParts(t, weftest.StartNATS(t, natsconfig.FabricConfig{}))
	data := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), noise(2*blob.PartSize)...)
	id, at := fabric.NewMediaID(), blob.NoTail()
	for _, tc := range []struct {
		upto int
		want string
	}{{4, "text/plain"}, {16, "image/png"}, {blob.PartSize + 1, "image/png"}, {len(data), "image/png"}} {
		next, err := p.Append(t.Context(), id, at, bytes.NewReader(data[at.Offset:tc.upto]), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if at, err = p.Tail(t.Context(), id); err != nil || at.Type != tc.want || next.Type != tc.want || at.Offset != int64(tc.upto) {
			t.Errorf("up to %d: it is %q, and %q as it is kept, at %d, %v; want %q", tc.upto, next.Type, at.Type, at.Offset, err, tc.want)
		}
	}
}
