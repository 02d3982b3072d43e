package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the three kinds of picture that are taken
	_ "image/png"
	"io"
	"net/http"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go/jetstream"
	_ "golang.org/x/image/webp" // as above

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/rates"
	"github.com/weft-im/weft/subjects"
)

// Bounds of a picture of a person or a group.
const (
	maxAvatarBytes = 256 << 10
	maxAvatarSide  = 1024 // pixels, of width and height
	avatarsPerHour = 20   // by one user, over one edge
)

// Pictures that an edge holds in memory, since a group's is asked for by all of its members within moments, and reads
// of others at once: 8 MiB each at most.
const (
	keptAvatars   = 32
	avatarsAtOnce = 32
)

// avatars keeps pictures in the object store, each once and by its hash, so that one never changes and who has its name
// has no need to ask again. Nothing takes a picture away: another user may have the same.
type avatars struct {
	store jetstream.ObjectStore
	kept  *lru.Cache[string, []byte]
	reads chan struct{}
	rates *rates.Rates
}

func newAvatars(ctx context.Context, js jetstream.JetStream) (*avatars, error) {
	store, err := js.ObjectStore(ctx, subjects.BucketAvatars)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketAvatars, err)
	}
	kept, err := lru.New[string, []byte](keptAvatars)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d: %w", keptAvatars, err)
	}
	return &avatars{store: store, kept: kept, reads: make(chan struct{}, avatarsAtOnce), rates: rates.New(avatarsPerHour, time.Now)}, nil
}

// avatarID returns the name of a picture.
func avatarID(picture []byte) string {
	sum := sha256.Sum256(picture)
	return hex.EncodeToString(sum[:])
}

// avatarType returns the media type of a picture by its bytes, and refuses what is none or too large.
func avatarType(picture []byte) (string, error) {
	cfg, format, err := image.DecodeConfig(bytes.NewReader(picture))
	if err != nil || (format != "png" && format != "jpeg" && format != "webp") {
		return "", fabric.Errorf(fabric.CodeBadRequest, "want a picture: PNG, JPEG or WebP")
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxAvatarSide || cfg.Height > maxAvatarSide {
		return "", fabric.Errorf(fabric.CodeTooLarge, "want a picture of up to %d×%[1]d pixels, got %d×%d", maxAvatarSide, cfg.Width, cfg.Height)
	}
	return "image/" + format, nil
}

// put keeps a picture.
func (a *avatars) put(ctx context.Context, picture []byte) (id string, err error) {
	id = avatarID(picture)
	if there, err := a.has(ctx, id); there || err != nil {
		return id, err
	}
	if _, err := a.store.PutBytes(ctx, id, picture); err != nil {
		return "", fmt.Errorf("keep avatar %s: %w", id, err)
	}
	return id, nil
}

// has reports whether there is such a picture.
func (a *avatars) has(ctx context.Context, id string) (bool, error) {
	if a.kept.Contains(id) {
		return true, nil
	}
	_, err := a.store.GetInfo(ctx, id)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for avatar %s: %w", id, err)
	}
	return true, nil
}

// check refuses the id of a picture that is not there. Nil and "" name none.
func (a *avatars) check(ctx context.Context, id *string) error {
	if id == nil || *id == "" {
		return nil
	}
	there := isAvatarID(*id)
	if there {
		var err error
		if there, err = a.has(ctx, *id); err != nil {
			return err
		}
	}
	if !there {
		return fabric.Errorf(fabric.CodeBadRequest, "avatar: want the id of an uploaded picture, or none")
	}
	return nil
}

func isAvatarID(id string) bool {
	if len(id) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// get returns a picture. The bytes are shared: nobody may change them.
func (a *avatars) get(ctx context.Context, id string) ([]byte, error) {
	if picture, ok := a.kept.Get(id); ok {
		return picture, nil
	}
	select {
	case a.reads <- struct{}{}:
		defer func() { <-a.reads }()
	case <-ctx.Done():
		return nil, fabric.Errorf(fabric.CodeUnavailable, "too many pictures are read at once: try again")
	}
	picture, err := a.store.GetBytes(ctx, id)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, fabric.Errorf(fabric.CodeNotFound, "there is no such picture")
	}
	if err != nil {
		return nil, fmt.Errorf("read avatar %s: %w", id, err)
	}
	a.kept.Add(id, picture)
	return picture, nil
}

func (e *Edge) avatarRoutes(mux *http.ServeMux) {
	mux.Handle("POST /v1/avatars", e.signedInUpTo(maxAvatarBytes, e.postAvatar))
	mux.Handle("GET /v1/avatars/{id}", e.signedInWriting(e.getAvatar))
}

func (e *Edge) postAvatar(r *http.Request, c caller) (int, any, error) {
	if !e.avatars.rates.Take(string(c.user), 1) {
		return 0, nil, fabric.Errorf(fabric.CodeRateLimited, "over %d pictures an hour: try again later", avatarsPerHour)
	}
	done, ok := e.callers.of(c.user).upload()
	if !ok {
		return 0, nil, fabric.Errorf(fabric.CodeRateLimited, "%d of your uploads are at work: wait for these", e.cfg.Limits.UploadsAtOnce)
	}
	defer done()
	picture, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, bodyError(err)
	}
	if _, err := avatarType(picture); err != nil {
		return 0, nil, err
	}
	id, err := e.avatars.put(r.Context(), picture)
	return http.StatusCreated, struct {
		Avatar string `json:"avatar"`
	}{id}, err
}

// getAvatar answers with a picture. What was uploaded is a stranger's: its type is told by its bytes, and a browser is
// to take it for nothing else.
func (e *Edge) getAvatar(w http.ResponseWriter, r *http.Request, _ caller) error {
	id := r.PathValue("id")
	if !isAvatarID(id) {
		return fabric.Errorf(fabric.CodeBadRequest, "the path: want the id of a picture, 64 hex digits")
	}
	h := w.Header()
	h.Set("ETag", `"`+id+`"`)
	h.Set("Content-Security-Policy", "sandbox")
	secure(w, "private, max-age=31536000, immutable")
	if matches(r, h.Get("ETag")) { // whoever has it has it for ever
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*callTimeout)
	defer cancel()
	picture, err := e.avatars.get(ctx, id)
	if err == nil {
		var kind string
		if kind, err = avatarType(picture); err == nil {
			h.Set("Content-Type", kind)
			h.Set("Content-Length", strconv.Itoa(len(picture)))
			_, _ = w.Write(picture)
			return nil
		}
	}
	h.Del("ETag")
	return err
}
