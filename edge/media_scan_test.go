package edge_test

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// Where uploads are scanned, none is a file before a scanner has said so, and what it condemns nobody loads or sends.
func TestScannedUploads(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Media: media.Config{Scan: true}})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann"), f.User(t, e, "bob")
	a, conn := tus{t, e.URL, ann}, edgetest.Connect(t, e, ann, "")
	to := string(edgetest.Direct(ann, bob))

	// No scanner is there: all bytes are, and no file.
	path := a.create(to, 5, "x.txt", "")
	held := make(chan int, 1)
	go func() { held <- a.patch(path, 0, []byte("clean")).StatusCode }() //nolint:bodyclose // do closes it
	if code := <-held; code != http.StatusServiceUnavailable {
		t.Errorf("an upload that no scanner has seen: %d", code)
	}
	id := idOfUpload(path)
	if resp, _ := a.get(id); resp.StatusCode != http.StatusNotFound { //nolint:bodyclose // do closes it
		t.Errorf("it is loaded all the same: %d", resp.StatusCode)
	}
	if o := sendMedia(conn, to, id); o.Err() != fabric.CodeNotFound {
		t.Errorf("it is sent all the same: %v", o)
	}

	// One comes that fails at first.
	nc := f.NATS.Connect(t)
	var asked atomic.Int64
	if _, err := nc.Subscribe(subjects.MediaScan.String(), func(m *nats.Msg) {
		var req contract.MediaScanRequest
		var reply contract.MediaScanReply
		if err := json.Unmarshal(m.Data, &req); err != nil || req.User != ann.User.ID {
			t.Errorf("a scanner is asked %s, %v", m.Data, err)
		}
		switch {
		case asked.Add(1) == 1:
			reply.Err = fabric.Errorf(fabric.CodeUnavailable, "busy")
		case req.Size == 7:
			reply.Harmful = "Bad.Thing"
		}
		data, err := json.Marshal(reply)
		if err == nil {
			err = m.Respond(data)
		}
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	weftest.Eventually(t, "it is a file", func() bool {
		resp, _ := a.do("HEAD", path, nil) //nolint:bodyclose // do closes it
		return resp.StatusCode == http.StatusOK
	})
	if _, body := a.get(id); body != "clean" { //nolint:bodyclose // do closes it
		t.Errorf("it is %q", body)
	}

	bad := a.upload(to, []byte("harmful"), "x.txt", "")
	var info client.Media
	if _, body := a.do("GET", "/v1/media/"+string(bad)+"/info", nil); json.Unmarshal([]byte(body), &info) != nil || info.State != contract.MediaCondemned { //nolint:bodyclose // do closes it
		t.Errorf("info: %s", body)
	}
	if resp, _ := a.get(bad); resp.StatusCode != http.StatusForbidden { //nolint:bodyclose // do closes it
		t.Errorf("what is harmful is loaded: %d", resp.StatusCode)
	}
	if o := sendMedia(conn, to, bad); o.Err() != fabric.CodeForbidden {
		t.Errorf("what is harmful is sent: %v", o)
	}
}
