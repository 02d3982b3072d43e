package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/media/picture"
	"github.com/weft-im/weft/subjects"
)

// MaxNameBytes bounds a file's name.
const MaxNameBytes = 255

// Steps of an upload. It goes from the first to one of the others by a compare-and-set on its entry in the bucket: either
// it becomes a file or it is removed, whoever asks for both at once.
const (
	stepOpen = ""
	stepDone = "done" // all bytes are there: it is made a file
	stepGone = "gone" // it is removed
)

// entry is an upload as the bucket has it.
type entry struct {
	contract.Upload
	Step string `json:"step,omitempty"`

	revision uint64
}

// create answers weft.media.create.
func (r *Role) create(ctx context.Context, req contract.MediaCreateRequest) (contract.MediaCreateReply, error) {
	var none contract.MediaCreateReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	if req.Size < 0 {
		return none, fabric.Errorf(fabric.CodeBadRequest, "size: want 0 or more, got %d", req.Size)
	}
	n, err := r.open(ctx, u)
	if err != nil {
		return none, err
	}
	if n >= req.Uploads {
		r.metrics.uploads.WithLabelValues("refused").Inc()
		return none, fabric.Errorf(fabric.CodeRateLimited, "%d of your uploads are not finished: finish or end these first", n)
	}
	now := r.cfg.Now()
	day := now.Unix() / int64((24 * time.Hour).Seconds())
	ok, err := r.store.SpendMedia(ctx, u, day, req.Size, req.DayBytes)
	if err != nil {
		return none, fmt.Errorf("bytes of a day: %w", err)
	}
	if !ok {
		r.metrics.uploads.WithLabelValues("refused").Inc()
		return none, fabric.Errorf(fabric.CodeRateLimited, "over %d bytes a day: go on tomorrow", req.DayBytes)
	}
	up := contract.Upload{
		ID: fabric.NewMediaID(), User: u, Channel: req.Channel, Name: cleanName(req.Name), Type: clip(req.Type, MaxNameBytes), Size: req.Size,
		CreatedAt: now.UnixMilli(), ExpiresAt: now.UnixMilli() + req.LivesMS,
	}
	data, err := json.Marshal(entry{Upload: up})
	if err != nil {
		return none, fmt.Errorf("encode: %w", err)
	}
	if _, err := r.uploads.Create(ctx, subjects.Upload(u, up.ID), data); err != nil {
		return none, fmt.Errorf("note an upload: %w", err)
	}
	r.metrics.uploads.WithLabelValues("created").Inc()
	return up, nil
}

// cleanName makes of what a client says a name that is shown and saved: the last element of a path, without what no file
// system takes.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), `\`, "/"))
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || isBidi(c) {
			return -1
		}
		return c
	}, name)
	if name = strings.TrimSpace(clip(name, MaxNameBytes)); name == "" || strings.Trim(name, "./") == "" {
		return "file"
	}
	return name
}

// isBidi reports whether c changes the direction of text: "photo\u202Egpj.exe" would look like a picture (CVE-2021-42574).
func isBidi(c rune) bool { return c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069 }

// clip cuts s to at most n bytes, between its characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// open returns how many uploads of a user's are not finished.
func (r *Role) open(ctx context.Context, u fabric.UserID) (int, error) {
	req, err := json.Marshal(map[string]string{"subjects_filter": subjects.KeySubject(subjects.BucketUploads, subjects.UploadsOf(u))})
	if err != nil {
		return 0, fmt.Errorf("encode request: %w", err)
	}
	m, err := r.nc.RequestWithContext(ctx, subjects.StreamInfo(subjects.BucketStream(subjects.BucketUploads)), req)
	if err != nil {
		return 0, fabric.Errorf(fabric.CodeUnavailable, "the store does not answer: try again")
	}
	var reply struct {
		State struct {
			Subjects map[string]uint64 `json:"subjects"`
		} `json:"state"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return 0, fmt.Errorf("uploads of %s: %w", u, err)
	}
	if reply.Error != nil {
		return 0, fmt.Errorf("uploads of %s: %w", u, reply.Error)
	}
	return len(reply.State.Subjects), nil
}

// upload returns an upload of a user's. The error has CodeNotFound where there is none.
func (r *Role) upload(ctx context.Context, u fabric.UserID, id fabric.MediaID) (entry, error) {
	var e entry
	if _, err := fabric.ParseUserID(string(u)); err != nil {
		return e, err
	}
	if _, err := fabric.ParseMediaID(string(id)); err != nil {
		return e, err
	}
	kve, err := r.uploads.Get(ctx, subjects.Upload(u, id))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return e, noUpload(id)
	}
	if err != nil {
		return e, fmt.Errorf("read upload %s: %w", id, err)
	}
	if err := json.Unmarshal(kve.Value(), &e); err != nil {
		return e, fmt.Errorf("read upload %s: %w", id, err)
	}
	e.revision = kve.Revision()
	return e, nil
}

func noUpload(id fabric.MediaID) error {
	return fabric.Errorf(fabric.CodeNotFound, "there is no upload %s", id)
}

// step takes an upload to a step, from which there is no way to the other one.
func (r *Role) step(ctx context.Context, e *entry, to string) error {
	if e.Step == to {
		return nil
	}
	if e.Step != stepOpen {
		return fabric.Errorf(fabric.CodeConflict, "upload %s is ended already", e.ID)
	}
	next := *e
	next.Step = to
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if next.revision, err = r.uploads.Update(ctx, subjects.Upload(e.User, e.ID), data, e.revision); err != nil {
		if errors.Is(err, jetstream.ErrKeyExists) {
			return fabric.Errorf(fabric.CodeConflict, "upload %s is ended by somebody else just now: look again", e.ID)
		}
		return fmt.Errorf("note upload %s: %w", e.ID, err)
	}
	*e = next
	return nil
}

// forget takes an upload out of the bucket, and leaves no marker of it.
func (r *Role) forget(ctx context.Context, e entry) error {
	return blob.Purge(ctx, r.nc, subjects.BucketStream(subjects.BucketUploads), subjects.KeySubject(subjects.BucketUploads, subjects.Upload(e.User, e.ID)))
}

// finish answers weft.media.finish.
func (r *Role) finish(ctx context.Context, req contract.MediaFinishRequest) (contract.MediaFinishReply, error) {
	e, err := r.upload(ctx, req.User, req.Upload)
	if fabric.CodeOf(err) == fabric.CodeNotFound {
		f, o, found := r.store.Media(ctx, req.Upload)
		switch {
		case found == nil && f.User == req.User:
			return mediaOf(f, o), nil
		case found != nil && fabric.CodeOf(found) != fabric.CodeNotFound:
			return contract.Media{}, found
		}
	}
	if err != nil {
		return contract.Media{}, err
	}
	return r.flights.join(ctx, e.ID, func(ctx context.Context) (contract.Media, error) { return r.complete(ctx, e, req) })
}

// complete makes an upload a file. Whatever it has done before a crash it does again.
func (r *Role) complete(ctx context.Context, e entry, req contract.MediaFinishRequest) (contract.Media, error) {
	began := time.Now()
	var none contract.Media
	if f, o, err := r.store.Media(ctx, e.ID); err == nil { // only that was left
		return mediaOf(f, o), r.forget(ctx, e)
	} else if fabric.CodeOf(err) != fabric.CodeNotFound {
		return none, err
	}
	sum, is, err := r.bytesOf(ctx, e, req)
	if err != nil {
		return none, err
	}
	if err := r.step(ctx, &e, stepDone); err != nil {
		return none, err
	}
	o, err := r.objectOf(ctx, e, sum, is)
	if err != nil {
		return none, err
	}
	f, kept, err := r.store.AddMedia(ctx, File{ID: e.ID, User: e.User, Channel: e.Channel, Name: e.Name, SHA256: o.SHA256, CreatedAt: r.cfg.Now().UnixMilli()}, o)
	if err != nil {
		return none, fmt.Errorf("note file %s: %w", e.ID, err)
	}
	release := r.blobs.Release
	if o.Blob != e.ID { // it was kept otherwise than it came
		release = r.parts.Remove
	}
	if err := errors.Join(release(ctx, e.ID), r.forget(ctx, e)); err != nil {
		r.log.Warn("a finished upload stays noted as such until it is tidied up", "upload", e.ID, "err", err)
	}
	if kept.Blob != o.Blob {
		r.metrics.known.Inc()
	}
	r.metrics.uploads.WithLabelValues("finished").Inc()
	r.metrics.bytes.Add(float64(e.Size))
	r.metrics.finish.Observe(time.Since(began).Seconds())
	return mediaOf(f, kept), nil
}

// bytesOf returns the SHA-256 of an upload's bytes and the type that they are of. What the edge says that has written them
// is as good as what it has written into the last part, and saves NATS from loading the block of files that has that.
func (r *Role) bytesOf(ctx context.Context, e entry, req contract.MediaFinishRequest) (sum [sha256.Size]byte, is string, err error) {
	is = req.Type
	if req.SHA256 != "" {
		b, err := hex.DecodeString(req.SHA256)
		if err != nil || len(b) != len(sum) {
			return sum, is, fabric.Errorf(fabric.CodeBadRequest, "sha256: want %d bytes in hex, got %q", len(sum), req.SHA256)
		}
		copy(sum[:], b)
	} else {
		tail, err := r.parts.Tail(ctx, e.ID)
		if err != nil {
			return sum, is, err
		}
		if tail.Offset != e.Size {
			return sum, is, fabric.Errorf(fabric.CodeConflict, "upload %s has %d bytes of %d: go on there", e.ID, tail.Offset, e.Size)
		}
		if sum, err = r.parts.Sum(ctx, e.ID, tail); err != nil {
			return sum, is, err
		}
		is = tail.Type
	}
	if is != "" {
		return sum, is, nil
	}
	var head []byte
	if e.Size > 0 {
		if head, err = r.parts.Get(ctx, e.ID, 0); err != nil {
			return sum, is, err
		}
	}
	return sum, blob.TypeOf(head), nil
}

// objectOf keeps the bytes of an upload, whose SHA-256 is sum and which are of type `is`.
func (r *Role) objectOf(ctx context.Context, e entry, sum [sha256.Size]byte, is string) (Object, error) {
	o := Object{SHA256: hex.EncodeToString(sum[:]), Blob: e.ID, Size: e.Size, Type: typeOf(is, e.Type), State: contract.MediaReady}
	if err := r.scan(ctx, e, &o); err != nil {
		return Object{}, err
	}
	if picture.Known(o.Type) && o.State == contract.MediaReady {
		if done, err := r.picture(ctx, e, &o); done || err != nil {
			return o, err
		}
	}
	if err := r.blobs.Keep(ctx, e.ID, blob.Info{Size: e.Size, Sum: sum, Type: o.Type}); err != nil {
		return Object{}, fmt.Errorf("keep %s: %w", e.ID, err)
	}
	return o, nil
}

// drop answers weft.media.drop.
func (r *Role) drop(ctx context.Context, req contract.MediaDropRequest) (struct{}, error) {
	e, err := r.upload(ctx, req.User, req.Upload)
	if err == nil {
		err = r.end(ctx, e)
	}
	if err == nil {
		r.metrics.uploads.WithLabelValues("dropped").Inc()
	}
	return struct{}{}, err
}

// end removes an upload that is not finished.
func (r *Role) end(ctx context.Context, e entry) error {
	if err := r.step(ctx, &e, stepGone); err != nil {
		return err
	}
	if err := r.parts.Remove(ctx, e.ID); err != nil {
		return err
	}
	return r.forget(ctx, e)
}
