package edge_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// head is an answer without its body.
type head struct {
	status int
	header http.Header
}

// fetch makes a request and returns the answer with its body.
func fetch(t testing.TB, e *edgetest.Edge, as client.Grant, method, path string, body []byte, header ...string) (head, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if as.AccessToken != "" {
		req.Header.Set("Authorization", "Bearer "+as.AccessToken)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return head{resp.StatusCode, resp.Header}, data
}

// picture draws one.
func picture(t testing.TB, kind string, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch img := image.NewGray(image.Rect(0, 0, width, height)); kind {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAvatars(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	here, there := f.Edge(t), f.Edge(t)
	ann, bob := f.User(t, here, "ann"), f.User(t, there, "bob")
	pixel, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==") // 1×1, WebP
	if err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, p := range []struct {
		kind string
		data []byte
	}{
		{"image/png", picture(t, "png", 1024, 1024)}, {"image/jpeg", picture(t, "jpeg", 10, 20)}, {"image/webp", pixel},
		// its own bytes say what a picture is, whatever follows them
		{"image/png", append(picture(t, "png", 1, 1), "<script>alert(1)</script>"...)},
	} {
		kind, data := p.kind, p.data
		resp, body := fetch(t, here, ann, "POST", "/v1/avatars", data, "Content-Type", "text/html")
		var reply struct{ Avatar string }
		sum := sha256.Sum256(data)
		if err := json.Unmarshal(body, &reply); err != nil || resp.status != 201 || reply.Avatar != hex.EncodeToString(sum[:]) {
			t.Fatalf("%s: %d %s, want the hash", kind, resp.status, body)
		}
		id = reply.Avatar
		if resp, _ := fetch(t, there, bob, "POST", "/v1/avatars", data); resp.status != 201 {
			t.Errorf("the same %s from another: %d", kind, resp.status)
		}
		for range 2 { // from the store, and from memory
			resp, body = fetch(t, there, bob, "GET", "/v1/avatars/"+id, nil)
			if resp.status != 200 || !bytes.Equal(body, data) {
				t.Errorf("%s: %d, %d bytes of %d", kind, resp.status, len(body), len(data))
			}
			for name, want := range map[string]string{
				"Content-Type": kind, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox",
				"Cache-Control": "private, max-age=31536000, immutable", "ETag": `"` + id + `"`,
			} {
				if got := resp.header.Get(name); got != want {
					t.Errorf("%s: %s: %q, want %q", kind, name, got, want)
				}
			}
		}
		if resp, body := fetch(t, here, bob, "GET", "/v1/avatars/"+id, nil, "If-None-Match", `"x", W/"`+id+`"`); resp.status != 304 || len(body) > 0 {
			t.Errorf("%s again: %d, %d bytes", kind, resp.status, len(body))
		}
	}
	do(t, here, ann, "PATCH", "/v1/me", map[string]any{"avatar": id}, 200)
	if u := do(t, there, bob, "GET", "/v1/users/"+string(ann.User.ID), nil, 200); u.Str("avatar") != id {
		t.Errorf("ann has no picture: %v", u)
	}
	g := newGroup(t, there, bob, ann)
	do(t, there, bob, "PATCH", "/v1/groups/"+string(g), map[string]any{"avatar": id}, 200)
	do(t, there, bob, "PATCH", "/v1/groups/"+string(g), map[string]any{"avatar": strings.Repeat("0", 64)}, 400)
	do(t, there, bob, "POST", "/v1/groups", map[string]any{"name": "x", "avatar": strings.Repeat("0", 64)}, 400)
	do(t, here, ann, "PATCH", "/v1/me", map[string]any{"avatar": ""}, 200)
	if u := do(t, there, bob, "GET", "/v1/users/"+string(ann.User.ID), nil, 200); u["avatar"] != nil {
		t.Errorf("ann has a picture: %v", u)
	}

	for what, c := range map[string]struct {
		as   client.Grant
		data []byte
		want int
		code fabric.Code
	}{
		"nothing":             {ann, nil, 400, fabric.CodeBadRequest},
		"text":                {ann, []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), 400, fabric.CodeBadRequest},
		"another kind":        {ann, picture(t, "gif", 10, 10), 400, fabric.CodeBadRequest},
		"a head without body": {ann, picture(t, "png", 10, 10)[:20], 400, fabric.CodeBadRequest},
		"too wide":            {ann, picture(t, "png", 1025, 1), 413, fabric.CodeTooLarge},
		"too high":            {ann, picture(t, "jpeg", 1, 1025), 413, fabric.CodeTooLarge},
		"too long":            {ann, append(picture(t, "png", 1, 1), make([]byte, 256<<10)...), 413, fabric.CodeTooLarge},
		"by nobody":           {client.Grant{}, pixel, 401, fabric.CodeUnauthenticated},
	} {
		resp, body := fetch(t, here, c.as, "POST", "/v1/avatars", c.data)
		if o := problemOf(t, body); resp.status != c.want || o != c.code {
			t.Errorf("%s: %d %s", what, resp.status, body)
		}
	}
	for path, want := range map[string]int{"x": 400, strings.Repeat("0", 64): 404, strings.ToUpper(id): 400, "..%2f..%2fetc": 400} {
		if resp, body := fetch(t, here, ann, "GET", "/v1/avatars/"+path, nil); resp.status != want || resp.header.Get("ETag") != "" {
			t.Errorf("get %s: %d %s", path, resp.status, body)
		}
	}
	if resp, _ := fetch(t, here, client.Grant{}, "GET", "/v1/avatars/"+id, nil); resp.status != 401 {
		t.Errorf("get by nobody: %d", resp.status)
	}
	// how many one may upload is bounded
	for range 30 {
		if resp, body := fetch(t, here, ann, "POST", "/v1/avatars", pixel); resp.status != 201 {
			if resp.status != 429 || problemOf(t, body) != fabric.CodeRateLimited {
				t.Errorf("too many: %d %s", resp.status, body)
			}
			return
		}
	}
	t.Error("over 30 uploads at once were taken")
}

// problemOf returns the code of a problem.
func problemOf(t testing.TB, body []byte) fabric.Code {
	t.Helper()
	var p struct{ Code fabric.Code }
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%.80q: %v", body, err)
	}
	return p.Code
}
