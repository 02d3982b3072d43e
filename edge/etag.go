package edge

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// tagged is the body of a single object, which has a tag.
type tagged struct{ body any }

// etagged gives the objects that h returns a strong ETag, and answers 304 to who has the same already.
func etagged(h handler) handler {
	return func(r *http.Request, c caller) (int, any, error) {
		status, body, err := h(r, c)
		if err == nil && body != nil {
			body = tagged{body}
		}
		return status, body, err
	}
}

// serve answers a GET with what may be kept, but is asked about each time.
func serve(w http.ResponseWriter, r *http.Request, kind string, data []byte) {
	sum := sha256.Sum256(data)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	secure(w, "private, no-cache")
	if matches(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // a client that is gone is no error of ours
}

// matches reports whether a request's If-None-Match names the tag (RFC 9110, 13.1.2: weak comparison). No tag of ours
// has a comma in it.
func matches(r *http.Request, tag string) bool {
	for _, field := range r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(field, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
