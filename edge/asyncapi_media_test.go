package edge_test

import (
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// talkOfFiles has a picture uploaded and sent, and asks what there is to be asked about it.
func talkOfFiles(t *testing.T, nc *nats.Conn, url string, ann, bob client.Grant, a *edgetest.Conn) {
	t.Helper()
	up := tus{t, url, ann}
	to := string(edgetest.Direct(ann, bob))
	id := up.upload(to, picture(t, "png", 400, 300), "cat.png", "image/png")
	if sent := sendMedia(a, to, id); sent.Err() != "" {
		t.Errorf("send: %v", sent)
	}
	link := asked[contract.MediaLinkReply](t, nc, subjects.MediaLink, contract.MediaLinkRequest{User: ann.User.ID, Media: id})
	for _, q := range []contract.MediaGetRequest{
		{User: ann.User.ID, Media: id}, {Token: link.Token, Media: id, Bytes: true}, {User: bob.User.ID, Media: id, Bytes: true, Thumbnail: true},
	} {
		asked[contract.MediaGetReply](t, nc, subjects.MediaGet, q)
	}
	asked[contract.Media](t, nc, subjects.MediaClaim, contract.MediaClaimRequest{User: bob.User.ID, Media: id, CID: fabric.NewCID()})
	asked[contract.Media](t, nc, subjects.MediaFinish, contract.MediaFinishRequest{User: ann.User.ID, Upload: id})
	if _, err := nc.Subscribe(subjects.MediaScan.String(), func(m *nats.Msg) {
		if err := m.Respond([]byte(`{"harmful":"Bad.Thing"}`)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	asked[contract.MediaScanReply](t, nc, subjects.MediaScan, contract.MediaScanRequest{Blob: id, Size: 5, Type: "text/plain", SHA256: "00", User: ann.User.ID})
	other := asked[contract.Upload](t, nc, subjects.MediaCreate, contract.MediaCreateRequest{
		User: ann.User.ID, Channel: edgetest.Direct(ann, bob), Name: "x", Type: "text/plain", Size: 5, Uploads: 10, DayBytes: 1 << 30, LivesMS: 60_000,
	})
	asked[struct{}](t, nc, subjects.MediaDrop, contract.MediaDropRequest{User: ann.User.ID, Upload: other.ID})
	if resp, _ := up.do("GET", "/v1/media/"+string(id), nil, "Range", "bytes=0-9"); resp.StatusCode != http.StatusPartialContent { //nolint:bodyclose // do closes it
		t.Errorf("a range: %d", resp.StatusCode)
	}
}
