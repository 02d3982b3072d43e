package edge

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	tusd "github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	tuslog "golang.org/x/exp/slog"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// uploadsPath is where uploads are made and go on.
const uploadsPath = "/v1/media/uploads"

// Bounds of uploads.
const (
	silence       = 60 * time.Second // a client that says nothing for so long is gone
	uploadsOfEdge = 256              // requests at work that bring bytes; each holds up to three parts in memory
	restOfRequest = time.Second      // for what a client still sends of a request that has its answer
)

// uploads is the server of tus 1.0 (https://tus.io/protocols/resumable-upload): creation, creation-with-upload, checksum,
// termination, expiration. An edge keeps nothing of an upload: what is to be known of one stands in the bucket of uploads,
// and its bytes in parts on NATS, so that it goes on over any edge.
type uploads struct {
	e     *Edge
	kv    jetstream.KeyValue
	parts *blob.Parts
	tus   *tusd.UnroutedHandler
	slots chan struct{}

	stopping context.Context //nolint:containedctx // ends when the edge drains: uploads end with what is there
	stop     context.CancelFunc
}

func newUploads(ctx context.Context, e *Edge, js jetstream.JetStream, bulk *nats.Conn) (*uploads, error) {
	u := &uploads{e: e, slots: make(chan struct{}, uploadsOfEdge)}
	u.stopping, u.stop = context.WithCancel(context.Background())
	var err error
	if u.kv, err = js.KeyValue(ctx, subjects.BucketUploads); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketUploads, err)
	}
	if u.parts, err = blob.NewParts(bulk, e.cfg.Shards); err != nil {
		return nil, err
	}
	composer := tusd.NewStoreComposer()
	composer.UseCore(u)
	composer.UseTerminater(u)
	composer.UseLocker(memorylocker.New())
	u.tus, err = tusd.NewUnroutedHandler(tusd.Config{
		StoreComposer: composer, BasePath: uploadsPath + "/", MaxSize: int64(e.cfg.Limits.FileBytes),
		Cors:   &tusd.CorsConfig{Disable: true}, // the door's
		Logger: tuslog.New(noTusLog{}), NetworkTimeout: silence, DisableDownload: true, DisableConcatenation: true,
		GracefulRequestCompletionTimeout: 2 * callTimeout, AcquireLockTimeout: callTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("tus: %w", err)
	}
	return u, nil
}

// noTusLog drops what the library logs of every request: what matters is in the edge's own metrics, log and audit.
type noTusLog struct{}

func (noTusLog) Enabled(context.Context, tuslog.Level) bool  { return false }
func (noTusLog) Handle(context.Context, tuslog.Record) error { return nil }
func (l noTusLog) WithAttrs([]tuslog.Attr) tuslog.Handler    { return l }
func (l noTusLog) WithGroup(string) tuslog.Handler           { return l }

func (u *uploads) routes(mux *http.ServeMux) {
	tus := u.tus
	mux.Handle("OPTIONS /v1/media/uploads", u.describe())
	mux.Handle("POST /v1/media/uploads", u.serve(tus.PostFile))
	mux.Handle("HEAD /v1/media/uploads/{id}", u.serve(tus.HeadFile))
	mux.Handle("PATCH /v1/media/uploads/{id}", u.serve(tus.PatchFile))
	mux.Handle("DELETE /v1/media/uploads/{id}", u.serve(tus.DelFile))
}

// describe says what this server can, to anyone.
func (u *uploads) describe() http.Handler {
	h := u.tus.Middleware(http.NotFoundHandler()) // it answers OPTIONS itself
	return u.e.strange(func(w http.ResponseWriter, r *http.Request) {
		tw := &tusWriter{ResponseWriter: w}
		h.ServeHTTP(tw, r)
		tw.end()
	})
}

// serve runs one of the library's handlers for a signed-in user.
func (u *uploads) serve(h http.HandlerFunc) http.Handler {
	inner := http.StripPrefix(uploadsPath, u.tus.Middleware(h))
	return u.e.signedInWriting(func(w http.ResponseWriter, r *http.Request, c caller) error {
		call := &tusCall{caller: c, rc: http.NewResponseController(w), stopping: u.stopping}
		// A copy, whose body may be another one: by its own request's body net/http tells whether a client is still sending, and
		// gives it time to read a refusal then.
		r = r.WithContext(context.WithValue(r.Context(), tusCallKey{}, call))
		tw := &tusWriter{ResponseWriter: w, call: call, refused: func(err *fabric.Error) { u.e.noteRefusal(err, c, r) }}
		if r.Method == http.MethodPost || r.Method == http.MethodPatch {
			done, err := u.slot(c)
			if err != nil {
				return err
			}
			defer done()
			defer context.AfterFunc(u.stopping, call.interrupt)()
			spool, err := u.checked(r, call)
			if errors.Is(err, errChecksum) {
				problemWith(w, statusChecksumMismatch, fabric.Errorf(fabric.CodeBadRequest, "the bytes are not those of Upload-Checksum: send them again"))
				return nil
			}
			if err != nil {
				return err
			}
			defer spool()
			// The library waits anew for each byte; when the edge drains it is to wait no more.
			r.Body = &drainingBody{ReadCloser: r.Body, stopping: u.stopping}
		}
		inner.ServeHTTP(tw, r)
		tw.end()
		_ = call.rc.SetWriteDeadline(time.Time{})                  // the library's would hold for the connection's next requests too
		_ = call.rc.SetReadDeadline(time.Now().Add(restOfRequest)) // it may have been broken off
		return nil
	})
}

// slot takes room for one more request that brings bytes.
func (u *uploads) slot(c caller) (done func(), err error) {
	one, ok := u.e.callers.of(c.user).upload()
	if !ok {
		return nil, fabric.Errorf(fabric.CodeRateLimited, "%d of your uploads are at work: wait for these", u.e.cfg.Limits.UploadsAtOnce)
	}
	select {
	case u.slots <- struct{}{}:
		return func() { <-u.slots; one() }, nil
	default:
		one()
		return nil, fabric.Errorf(fabric.CodeUnavailable, "too many uploads are at work here: try again")
	}
}

// tusCall is one request, as the data store of the library finds it in the context.
type tusCall struct {
	caller   caller
	rc       *http.ResponseController
	stopping context.Context //nolint:containedctx // the edge's
	expires  time.Time
	media    fabric.MediaID // once the upload is a file
}

type tusCallKey struct{}

// callOf returns the request of a context. All requests go through serve.
func callOf(ctx context.Context) (*tusCall, error) {
	call, ok := ctx.Value(tusCallKey{}).(*tusCall)
	if !ok {
		return nil, errors.New("an upload without a request")
	}
	return call, nil
}

// interrupt ends the wait for the client's next bytes.
func (c *tusCall) interrupt() { _ = c.rc.SetReadDeadline(time.Now()) } // a connection that is gone waits no more either

// drainingBody brings no more once the edge drains, and says so: a client tells that from a connection that broke off.
type drainingBody struct {
	io.ReadCloser

	stopping context.Context //nolint:containedctx // the edge's
}

func (b *drainingBody) Read(p []byte) (n int, err error) {
	if b.stopping.Err() == nil {
		if n, err = b.ReadCloser.Read(p); err == nil || errors.Is(err, io.EOF) || b.stopping.Err() == nil {
			return n, err //nolint:wrapcheck // as io.Reader has it
		}
	}
	return n, tusError(errDraining)
}

// errDraining is what uploads end with when their edge does.
var errDraining = fabric.Errorf(fabric.CodeUnavailable, "this server is going away: go on from where the upload is")

// NewUpload implements tusd.DataStore.
func (u *uploads) NewUpload(ctx context.Context, info tusd.FileInfo) (tusd.Upload, error) {
	call, err := callOf(ctx)
	if err != nil {
		return nil, tusError(err)
	}
	up, err := u.e.createUpload(ctx, call.caller, info)
	if err != nil {
		return nil, tusError(err)
	}
	call.expires = time.UnixMilli(up.ExpiresAt)
	none := blob.NoTail()
	return &upload{u: u, call: call, Upload: up, tail: &none}, nil
}

// createUpload begins an upload into a channel that the caller may write to.
func (e *Edge) createUpload(ctx context.Context, c caller, info tusd.FileInfo) (contract.Upload, error) {
	channel, err := e.mayUpload(ctx, c.user, info.MetaData["channel"])
	if err != nil {
		return contract.Upload{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	l := &e.cfg.Limits
	return service.Call[contract.MediaCreateReply](ctx, e.nc, subjects.MediaCreate, contract.MediaCreateRequest{
		User: c.user, Channel: channel, Name: info.MetaData["filename"], Type: info.MetaData["filetype"], Size: info.Size,
		Uploads: l.UploadsOpen, DayBytes: int64(l.UploadBytesPerDay), LivesMS: int64(l.UploadLifeMillis),
	})
}

// GetUpload implements tusd.DataStore. An upload that is a file already is found too, so that who has lost the last
// answer learns that all is there.
func (u *uploads) GetUpload(ctx context.Context, id string) (tusd.Upload, error) {
	call, err := callOf(ctx)
	if err != nil {
		return nil, tusError(err)
	}
	m, err := fabric.ParseMediaID(id)
	if err != nil {
		return nil, tusError(err)
	}
	up := &upload{u: u, call: call}
	entry, err := u.kv.Get(ctx, subjects.Upload(call.caller.user, m))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		f, err := u.finish(ctx, call, m, nil)
		if err != nil {
			return nil, tusError(err)
		}
		up.Upload, up.done = contract.Upload{ID: m, Name: f.Name, Type: f.Type, Size: f.Size}, true
		return up, nil
	case err != nil:
		return nil, tusError(fabric.Errorf(fabric.CodeUnavailable, "the store does not answer: try again"))
	}
	var state struct {
		contract.Upload
		Step string `json:"step"`
	}
	if err := json.Unmarshal(entry.Value(), &state); err != nil {
		return nil, tusError(fmt.Errorf("upload %s: %w", m, err))
	}
	if state.Step == "gone" || time.Now().UnixMilli() > state.ExpiresAt {
		return nil, tusError(fabric.Errorf(fabric.CodeNotFound, "upload %s is over", m))
	}
	up.Upload = state.Upload
	call.expires = time.UnixMilli(up.ExpiresAt)
	return up, nil
}

// finish makes an upload a file. tail is its end where that is known already, so that nobody has to read it again.
func (u *uploads) finish(ctx context.Context, call *tusCall, id fabric.MediaID, tail *blob.Tail) (contract.Media, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	req := contract.MediaFinishRequest{User: call.caller.user, Upload: id}
	if tail != nil {
		sum, err := u.parts.Sum(ctx, id, *tail)
		if err != nil {
			return contract.Media{}, err
		}
		req.SHA256, req.Type = hex.EncodeToString(sum[:]), tail.Type
	}
	f, err := service.Call[contract.MediaFinishReply](ctx, u.e.nc, subjects.MediaFinish, req)
	if err == nil {
		call.media = f.ID
	}
	return f, err
}

// upload is one upload during one request.
type upload struct {
	contract.Upload

	u    *uploads
	call *tusCall
	tail *blob.Tail // nil until it was read
	done bool       // it is a file
}

// at returns how far the upload is.
func (up *upload) at(ctx context.Context) (blob.Tail, error) {
	if up.tail == nil {
		t, err := up.u.parts.Tail(ctx, up.ID)
		if err != nil {
			return t, err
		}
		up.tail = &t
	}
	return *up.tail, nil
}

// GetInfo implements tusd.Upload. Where all bytes are there and the last request has not come to its end, it is brought
// there: a client that finds all of its bytes here asks for no more.
func (up *upload) GetInfo(ctx context.Context) (tusd.FileInfo, error) {
	info := tusd.FileInfo{ID: string(up.ID), Size: up.Size, Offset: up.Size, MetaData: tusd.MetaData{"filename": up.Name, "filetype": up.Type}}
	if up.Channel != "" {
		info.MetaData["channel"] = string(up.Channel)
	}
	if up.done {
		return info, nil
	}
	t, err := up.at(ctx)
	if err != nil {
		return info, tusError(err)
	}
	info.Offset = t.Offset
	if t.Offset == up.Size {
		return info, up.FinishUpload(ctx)
	}
	return info, nil
}

// WriteChunk implements tusd.Upload.
func (up *upload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	t, err := up.at(ctx)
	if err != nil {
		return 0, tusError(err)
	}
	if t.Offset != offset {
		return 0, tusd.ErrMismatchOffset
	}
	next, err := up.u.parts.Append(ctx, up.ID, t, &interruptible{src, up.call}, up.Size)
	up.tail = &next
	up.u.e.metrics.uploaded.Add(float64(next.Offset - offset))
	if errors.Is(err, blob.ErrConflict) {
		err = fabric.Errorf(fabric.CodeConflict, "somebody else writes to this upload: ask how far it is")
	}
	return next.Offset - offset, tusError(err)
}

// interruptible is a request's body whose reader can be sent away.
type interruptible struct {
	io.Reader

	call *tusCall
}

func (s *interruptible) Close() error { s.call.interrupt(); return nil }

// GetReader implements tusd.Upload; nothing is downloaded here.
func (up *upload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, tusd.ErrNotImplemented
}

// FinishUpload implements tusd.Upload.
func (up *upload) FinishUpload(ctx context.Context) error {
	if up.done {
		return nil
	}
	tail := up.tail
	if tail != nil && tail.Offset != up.Size {
		tail = nil // it is no end: the media role looks, and says what is missing
	}
	if _, err := up.u.finish(ctx, up.call, up.ID, tail); err != nil {
		return tusError(err)
	}
	up.done = true
	return nil
}

// AsTerminatableUpload implements tusd.TerminaterDataStore.
func (u *uploads) AsTerminatableUpload(up tusd.Upload) tusd.TerminatableUpload {
	return up.(*upload) //nolint:forcetypeassert // the library hands back what GetUpload gave it
}

// Terminate implements tusd.TerminatableUpload.
func (up *upload) Terminate(ctx context.Context) error {
	if up.done {
		return tusError(fabric.Errorf(fabric.CodeConflict, "upload %s is a file already", up.ID))
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := service.CallRaw(ctx, up.u.e.nc, subjects.MediaDrop, contract.MediaDropRequest{User: up.call.caller.user, Upload: up.ID})
	return tusError(err)
}
