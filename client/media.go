package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Media is what is known of a file. All of it but State and SHA256 goes into the body of the message that names it.
type Media = contract.Media

// Upload is a file that is to go up.
type Upload struct {
	To   string // the channel that it is for, or a user for the direct chat
	Name string
	Type string // a hint: the server looks at the bytes
	Size int64
	Body io.ReaderAt

	Progress func(bytes int64) // is told how much is with the server, from one goroutine; nil for nobody
	Begun    func(at string)   // is told what Resume goes on by, once the upload is there
	Resume   string            // goes on with an upload that was begun before; "" begins one
}

// How an upload or download that is broken off is tried again: so often without any progress, after so long at first.
const (
	transferTries = 8
	transferPause = 200 * time.Millisecond
	tusVersion    = "1.0.0"
	tusBytes      = "application/offset+octet-stream"
)

// Upload uploads a file, over broken connections and restarts of the server, and returns it: name it in a message of kind
// media. Ended by ctx it goes on later by Resume.
func (a *Account) Upload(ctx context.Context, u Upload) (Media, error) {
	at := u.Resume
	if at == "" {
		resp, err := a.tus(ctx, http.MethodPost, "/v1/media/uploads", nil, 0, map[string]string{ //nolint:bodyclose // tus closes it
			"Upload-Length": strconv.FormatInt(u.Size, 10), "Upload-Metadata": u.metadata(),
		})
		if err != nil {
			return Media{}, err
		}
		at = resp.Header.Get("Location")
	}
	id, ok := strings.CutPrefix(at, "/v1/media/uploads/")
	if !ok {
		return Media{}, fmt.Errorf("client: %q is no upload", at)
	}
	if u.Begun != nil {
		u.Begun(at)
	}
	offset := int64(0)
	err := again(ctx, func() (progress bool, err error) {
		was := offset
		if offset, err = a.uploaded(ctx, at); err != nil {
			return false, err
		}
		u.tell(offset)
		if offset < u.Size {
			offset, err = a.patch(ctx, at, u, offset)
		}
		return offset > was, err
	})
	if err != nil {
		return Media{}, err
	}
	return a.Media(ctx, fabric.MediaID(id))
}

func (u Upload) metadata() string {
	var pairs []string
	for _, p := range [][2]string{{"channel", u.To}, {"filename", u.Name}, {"filetype", u.Type}} {
		if p[1] != "" {
			pairs = append(pairs, p[0]+" "+base64.StdEncoding.EncodeToString([]byte(p[1])))
		}
	}
	return strings.Join(pairs, ",")
}

func (u Upload) tell(bytes int64) {
	if u.Progress != nil {
		u.Progress(bytes)
	}
}

// again does f until it succeeds, is refused for good, or has made no progress for long.
func again(ctx context.Context, f func() (progress bool, err error)) error {
	pause := transferPause
	for try := 1; ; try++ {
		progress, err := f()
		if err == nil || ctx.Err() != nil || !worthAnother(err) {
			return err
		}
		if progress {
			try, pause = 0, transferPause
		}
		if try >= transferTries {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// worthAnother reports whether the same may go well another time: the connection broke, the server is away or busy, or
// another request of the same upload was at work still.
func worthAnother(err error) bool {
	var told *fabric.Error
	if !errors.As(err, &told) {
		return true
	}
	switch told.Code {
	case fabric.CodeUnavailable, fabric.CodeInternal, fabric.CodeRateLimited, fabric.CodeConflict:
		return true
	}
	return false
}

// tus makes a request of tus 1.0, whose body is asked for anew where a token was refused. Its answer has none to be read.
func (a *Account) tus(ctx context.Context, method, path string, body func() io.Reader, length int64, header map[string]string) (resp *http.Response, err error) {
	err = a.signed(ctx, func(token string) (err error) {
		r := apiRequest{method: method, path: path, token: token, header: map[string]string{"Tus-Resumable": tusVersion}}
		for k, v := range header {
			r.header[k] = v
		}
		if body != nil {
			r.stream, r.length, r.contentType = body(), length, tusBytes
		}
		if resp, err = a.api.do(ctx, r); err != nil { //nolint:bodyclose // tus closes it
			return err
		}
		return resp.Body.Close()
	})
	return resp, err
}

// uploaded returns how much of an upload is with the server.
func (a *Account) uploaded(ctx context.Context, at string) (int64, error) {
	resp, err := a.tus(ctx, http.MethodHead, at, nil, 0, nil) //nolint:bodyclose // tus closes it
	if err != nil {
		return 0, err
	}
	return offsetOf(resp)
}

func offsetOf(resp *http.Response) (int64, error) {
	n, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("client: the server does not say how far the upload is: %w", err)
	}
	return n, nil
}

// patch sends what is missing of an upload, and returns how much is there then, as far as that is known.
func (a *Account) patch(ctx context.Context, at string, u Upload, offset int64) (int64, error) {
	resp, err := a.tus(ctx, http.MethodPatch, at, func() io.Reader { //nolint:bodyclose // do closes it
		return &told{Reader: io.NewSectionReader(u.Body, offset, u.Size-offset), at: offset, tell: u.tell}
	}, u.Size-offset, map[string]string{"Upload-Offset": strconv.FormatInt(offset, 10)})
	if err != nil {
		return offset, err
	}
	return offsetOf(resp)
}

// told tells how much was read.
type told struct {
	io.Reader

	at   int64
	tell func(int64)
}

func (r *told) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if r.at += int64(n); n > 0 {
		r.tell(r.at)
	}
	return n, err //nolint:wrapcheck // as io.Reader has it
}

// Media returns what is known of a file that the user may load.
func (a *Account) Media(ctx context.Context, id fabric.MediaID) (m Media, err error) {
	err = a.get(ctx, pathOf("/v1/media/", id, "/info"), &m)
	return m, err
}

// Download writes a file to w, over broken connections: what came is not asked for again. It returns how much that was.
func (a *Account) Download(ctx context.Context, id fabric.MediaID, w io.Writer) (n int64, err error) {
	tag := ""
	err = again(ctx, func() (progress bool, err error) {
		was := n
		resp, err := a.openFrom(ctx, pathOf("/v1/media/", id), n, tag)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if n > 0 && resp.StatusCode != http.StatusPartialContent {
			return false, fabric.Errorf(fabric.CodeBadRequest, "file %s is not what it was", id)
		}
		tag = resp.Header.Get("ETag")
		copied, err := io.Copy(w, resp.Body)
		n += copied
		if err != nil {
			err = fmt.Errorf("client: download %s: %w", id, err)
		}
		return n > was, err
	})
	return n, err
}

// Thumbnail returns the thumbnail of a picture, a JPEG.
func (a *Account) Thumbnail(ctx context.Context, id fabric.MediaID) ([]byte, error) {
	resp, err := a.open(ctx, pathOf("/v1/media/", id, "/thumbnail"))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("client: read the thumbnail of %s: %w", id, err)
	}
	return data, nil
}

func (a *Account) openFrom(ctx context.Context, path string, from int64, tag string) (resp *http.Response, err error) {
	err = a.signed(ctx, func(token string) (err error) {
		r := apiRequest{method: http.MethodGet, path: path, token: token}
		if from > 0 {
			r.header = map[string]string{"Range": fmt.Sprintf("bytes=%d-", from), "If-Range": tag}
		}
		resp, err = a.api.do(ctx, r) //nolint:bodyclose // the caller's
		return err
	})
	return resp, err
}
