package edge

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// fileRoutes are the calls about files that are there.
func (e *Edge) fileRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/media/{id}", e.mediaReader(false))
	// What there is of a file has a mux of its own: beside HEAD /v1/media/uploads/{id} these patterns could not stand, as
	// http.ServeMux takes no two of which neither is the narrower one.
	of := http.NewServeMux()
	of.Handle("GET /v1/media/{id}/thumbnail", e.mediaReader(true))
	of.Handle("GET /v1/media/{id}/info", e.signedIn(e.getMediaInfo))
	of.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, fabric.Errorf(fabric.CodeNotFound, "there is no %s %s", clip(r.Method), clip(r.URL.Path)))
	})
	mux.Handle("GET /v1/media/{id}/{what}", of)
	mux.Handle("POST /v1/media/{id}/link", e.signedIn(e.postMediaLink))
}

func (e *Edge) getMediaInfo(r *http.Request, c caller) (int, any, error) {
	f, err := e.mayLoad(r.Context(), contract.MediaGetRequest{User: c.user, Media: fabric.MediaID(r.PathValue("id"))})
	return http.StatusOK, f.Media, err
}

// postMediaLink makes addresses of a file, and of its thumbnail, for where no header can be sent.
func (e *Edge) postMediaLink(r *http.Request, c caller) (int, any, error) {
	id := r.PathValue("id")
	l, err := service.Call[contract.MediaLinkReply](r.Context(), e.nc, subjects.MediaLink, contract.MediaLinkRequest{User: c.user, Media: fabric.MediaID(id)})
	return http.StatusCreated, struct {
		URL       string `json:"url"`
		Thumbnail string `json:"thumbnail"`
		ExpiresAt int64  `json:"expires_at"`
	}{"/v1/media/" + id + "?token=" + l.Token, "/v1/media/" + id + "/thumbnail?token=" + l.Token, l.ExpiresAt}, err
}

// mediaReader answers with a file's bytes: to who is signed in, and to who has a link.
func (e *Edge) mediaReader(thumbnail bool) http.Handler {
	signedIn := e.signedInWriting(func(w http.ResponseWriter, r *http.Request, c caller) error {
		done, ok := e.callers.of(c.user).download()
		if !ok {
			return fabric.Errorf(fabric.CodeRateLimited, "%d of your downloads are at work: wait for these", e.cfg.Limits.DownloadsAtOnce)
		}
		defer done()
		return e.serveMedia(w, r, contract.MediaGetRequest{User: c.user, Thumbnail: thumbnail})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.Query().Get("token")
		if token == "" {
			signedIn.ServeHTTP(w, r)
			return
		}
		err := e.serveLinked(w, r, contract.MediaGetRequest{Token: token, Thumbnail: thumbnail})
		if err != nil {
			e.failed(w, r, caller{}, err)
		}
	})
}

// linkedAtOnce bounds what is loaded by links over one edge at a time: whose they are is known once they are read.
const linkedAtOnce = 512

func (e *Edge) serveLinked(w http.ResponseWriter, r *http.Request, req contract.MediaGetRequest) error {
	if e.addresses.exhausted(fromOf(r)) {
		return e.tooManyStrangers()
	}
	select {
	case e.linked <- struct{}{}:
		defer func() { <-e.linked }()
	default:
		return fabric.Errorf(fabric.CodeUnavailable, "too many files are loaded at once: try again")
	}
	err := e.serveMedia(w, r, req)
	if fabric.CodeOf(err) == fabric.CodeUnauthenticated && err != nil {
		e.addresses.stranger(fromOf(r))
	}
	return err
}

// serveMedia writes a file's bytes, or those of a range. What people upload is theirs, and must not act as ours: a browser
// takes it for nothing but what its bytes are, and what it may show runs no script and is of no origin.
func (e *Edge) serveMedia(w http.ResponseWriter, r *http.Request, req contract.MediaGetRequest) error {
	req.Media, req.Bytes = fabric.MediaID(r.PathValue("id")), true
	ctx, cancel := context.WithTimeout(r.Context(), 2*callTimeout)
	f, err := e.mayLoad(ctx, req)
	cancel()
	if err != nil {
		return err
	}
	h := w.Header()
	tag := `"` + f.SHA256 + `"`
	if req.Thumbnail {
		tag = `"` + string(f.Blob) + `"`
	}
	h.Set("ETag", tag)
	h.Set("Content-Type", f.BlobType)
	h.Set("Content-Disposition", f.Disposition)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if req.Token != "" {
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // who has the link may show it
	}
	secure(w, "private, no-cache") // asked about each time: who may load it changes
	if f.URL != "" && r.Method == http.MethodGet && !matches(r, tag) {
		h.Del("ETag")
		h.Set("Cache-Control", "no-store") // the address is for some minutes
		http.Redirect(w, r, f.URL, http.StatusTemporaryRedirect)
		return nil
	}
	bytes := e.uploads.parts.Open(r.Context(), f.Blob, f.BlobSize) // reads nothing for HEAD
	defer func() { _ = bytes.Close() }()
	rc := http.NewResponseController(w)
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // it would hold for the connection's next requests too
	http.ServeContent(&slowWriter{ResponseWriter: w, rc: rc, count: e.metrics.downloaded.Add}, r, "", time.Time{}, bytes)
	return nil
}

// slowWriter gives a client time for each piece, not for the whole. That there is no such range it says as this API does.
type slowWriter struct {
	http.ResponseWriter

	rc      *http.ResponseController
	count   func(float64)
	refused bool // there is no such range
}

func (w *slowWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		problemWith(w.ResponseWriter, status, fabric.Errorf(fabric.CodeBadRequest, "the file has no such range"))
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *slowWriter) Write(b []byte) (int, error) {
	if w.refused { // what http.ServeContent says of it
		return len(b), nil
	}
	_ = w.rc.SetWriteDeadline(time.Now().Add(silence)) // a connection that knows none ends by itself
	n, err := w.ResponseWriter.Write(b)
	w.count(float64(n))
	return n, err //nolint:wrapcheck // as http.ResponseWriter has it
}

// ReadFrom implements io.ReaderFrom, for http.ServeContent: the range of a file that it wants goes out part by part, as it came
// from NATS.
func (w *slowWriter) ReadFrom(src io.Reader) (n int64, err error) {
	l, _ := src.(*io.LimitedReader)
	var file *blob.Reader
	if l != nil {
		file, _ = l.R.(*blob.Reader)
	}
	if file == nil {
		return io.Copy(struct{ io.Writer }{w}, src) //nolint:wrapcheck // as io.ReaderFrom has it
	}
	for l.N > 0 && err == nil {
		var data []byte
		if data, err = file.Next(l.N); err == nil {
			_, err = w.Write(data)
			n += int64(len(data))
			l.N -= int64(len(data))
		}
	}
	return n, err
}

func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
