package edge_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// files makes the calls about files.
func (h *held) files(ann, bob edgetest.Object, chat string) {
	a, b, nobody := ann.Str("access_token"), bob.Str("access_token"), string(fabric.NewUserID())
	const all, bytes = "/v1/media/uploads", "application/offset+octet-stream"
	sum := func(s string) string {
		of := sha256.Sum256([]byte(s))
		return "sha256 " + base64.StdEncoding.EncodeToString(of[:])
	}
	create := func(length, to string, more ...string) []string {
		return append([]string{"Tus-Resumable", "1.0.0", "Upload-Length", length, "Upload-Metadata", metadata("channel", to, "filename", "x.bin")}, more...)
	}
	h.do(call{op: "optionsUploads", want: 200, path: all})
	h.do(call{op: "postUpload", want: 201, path: all, token: a, head: create("6", chat)})
	at := all + "/" + h.at
	h.do(call{op: "postUpload", want: 201, path: all, token: a, head: create("6", chat, "Upload-Checksum", sum("wef")), body: "wef", kind: bytes})
	h.do(call{op: "postUpload", want: 201, path: all, token: a, head: create("0", chat)})
	done := all + "/" + h.at
	h.do(call{op: "postUpload", want: 400, path: all, token: a, head: create("x", chat), wrong: true})
	h.do(call{op: "postUpload", want: 400, path: all, token: a, head: create("6", "somewhere")})
	h.do(call{op: "postUpload", want: 403, path: all, token: a, head: create("6", "g."+nobody)})
	h.do(call{op: "postUpload", want: 404, path: all, token: a, head: create("6", nobody)})
	h.do(call{op: "postUpload", want: 412, path: all, token: a, head: create("6", chat, "Tus-Resumable", "0.2.2"), wrong: true})
	h.do(call{op: "postUpload", want: 413, path: all, token: a, head: create(strconv.Itoa(2<<30+1), chat)})
	h.do(call{op: "postUpload", want: 460, path: all, token: a, head: create("6", chat, "Upload-Checksum", sum("few")), body: "wef", kind: bytes})
	h.refused(call{op: "postUpload", path: all, head: create("6", chat)})

	patch := func(offset int, more ...string) []string {
		return append([]string{"Tus-Resumable", "1.0.0", "Upload-Offset", strconv.Itoa(offset)}, more...)
	}
	h.do(call{op: "headUpload", want: 200, path: at, token: a})
	h.do(call{op: "headUpload", want: 200, path: done, token: a})
	h.do(call{op: "headUpload", want: 400, path: all + "/x", token: a, wrong: true})
	h.do(call{op: "headUpload", want: 404, path: at, token: b})
	h.refused(call{op: "headUpload", path: at})
	h.do(call{op: "patchUpload", want: 204, path: at, token: a, head: patch(0), body: "we", kind: bytes})
	h.do(call{op: "patchUpload", want: 400, path: all + "/x", token: a, head: patch(0), body: "we", kind: bytes, wrong: true})
	h.do(call{op: "patchUpload", want: 404, path: at, token: b, head: patch(2), body: "ft", kind: bytes})
	h.do(call{op: "patchUpload", want: 409, path: at, token: a, head: patch(0), body: "we", kind: bytes})
	h.do(call{op: "patchUpload", want: 412, path: at, token: a, head: patch(2, "Tus-Resumable", "2"), body: "ft", kind: bytes, wrong: true})
	h.do(call{op: "patchUpload", want: 413, path: at, token: a, head: patch(2), body: "ft and more", kind: bytes})
	h.do(call{op: "patchUpload", want: 460, path: at, token: a, head: patch(2, "Upload-Checksum", sum("tf")), body: "ft", kind: bytes})
	h.refused(call{op: "patchUpload", path: at, head: patch(2), body: "ft", kind: bytes})

	version := []string{"Tus-Resumable", "1.0.0"}
	h.do(call{op: "deleteUpload", want: 400, path: all + "/x", token: a, head: version, wrong: true})
	h.do(call{op: "deleteUpload", want: 404, path: at, token: b, head: version})
	h.do(call{op: "deleteUpload", want: 409, path: done, token: a, head: version})
	h.do(call{op: "deleteUpload", want: 412, path: at, token: a, wrong: true})
	h.refused(call{op: "deleteUpload", path: at, head: version})
	h.do(call{op: "deleteUpload", want: 204, path: at, token: a, head: version})

	png := string(picture(h.t, "png", 400, 300))
	h.do(call{op: "postUpload", want: 201, path: all, token: a, head: create(strconv.Itoa(len(png)), chat), body: png, kind: bytes})
	file := "/v1/media/" + h.at
	empty := strings.Replace(done, "/uploads", "", 1)
	h.again(call{op: "getMedia", want: 200, path: file, token: a})
	h.do(call{op: "getMedia", want: 206, path: file, token: a, head: []string{"Range", "bytes=1-3"}})
	h.do(call{op: "getMedia", want: 400, path: "/v1/media/x", token: a, wrong: true})
	h.do(call{op: "getMedia", want: 404, path: file, token: b})
	h.do(call{op: "getMedia", want: 412, path: file, token: a, head: []string{"If-Match", `"x"`}})
	h.do(call{op: "getMedia", want: 416, path: file, token: a, head: []string{"Range", "bytes=1000000-"}})
	h.again(call{op: "getThumbnail", want: 200, path: file + "/thumbnail", token: a})
	h.do(call{op: "getThumbnail", want: 400, path: "/v1/media/x/thumbnail", token: a, wrong: true})
	h.do(call{op: "getThumbnail", want: 404, path: empty + "/thumbnail", token: a})
	for _, of := range []call{{op: "getMediaInfo", path: "/info", want: 200}, {op: "postMediaLink", path: "/link", want: 201}} {
		h.do(call{op: of.op, want: of.want, path: file + of.path, token: a})
		h.do(call{op: of.op, want: 400, path: "/v1/media/x" + of.path, token: a, wrong: true})
		h.do(call{op: of.op, want: 404, path: file + of.path, token: b})
		h.refused(call{op: of.op, path: file + of.path})
	}
	h.refused(call{op: "getMedia", path: file}, call{op: "getThumbnail", path: file + "/thumbnail"})

	// Uploads that are not finished are bounded; those of above but one are.
	for range 63 {
		h.do(call{op: "postUpload", want: 201, path: all, token: a, head: create("6", chat)})
	}
	h.do(call{op: "postUpload", want: 429, path: all, token: a, head: create("6", chat)})
}
