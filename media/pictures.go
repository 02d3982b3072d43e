package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/media/picture"
)

// Bounds of what is done to a picture while who has uploaded it waits.
const (
	lookWithin   = 5 * time.Second
	mostCleaned  = 256 << 20 // bytes; a larger one is no picture but a file
	notAPicture  = "application/octet-stream"
	cleanedExtra = 256 // a cleaned picture is longer than it was by no more: a word of how it is to be turned
)

// picture keeps a picture without what it tells beside what it shows, and notes how it looks. done says that it is kept:
// otherwise its bytes stay as they came, and where these can't be made sense of it is a file like any other.
func (r *Role) picture(ctx context.Context, e entry, o *Object) (done bool, err error) {
	if e.Size > mostCleaned {
		o.Type = notAPicture
		return false, nil
	}
	if e.Size > picture.MaxBytes {
		return r.cleanLarge(ctx, e, o)
	}
	data, err := io.ReadAll(r.parts.Open(ctx, e.ID, e.Size))
	if err != nil {
		return false, fmt.Errorf("read picture %s: %w", e.ID, err)
	}
	looking, cancel := context.WithTimeout(ctx, lookWithin)
	look, failed := r.looker.Look(looking, data)
	cancel()
	if failed != nil {
		r.metrics.unseen.Inc()
		r.log.Debug("a picture can't be looked at", "upload", e.ID, "type", o.Type, "err", failed)
	}
	cleaned := look.Turned
	if cleaned == nil {
		var out bytes.Buffer
		if err := picture.Clean(&out, bytes.NewReader(data), o.Type, look.Orientation); err != nil {
			r.log.Debug("a picture can't be cleaned: it is kept as a file", "upload", e.ID, "type", o.Type, "err", err)
			o.Type = notAPicture
			return false, nil
		}
		cleaned = out.Bytes()
	}
	o.Width, o.Height, o.Preview = look.Width, look.Height, look.Preview
	if len(look.Thumb) > 0 {
		o.Thumb, o.ThumbSize = fabric.NewMediaID(), int64(len(look.Thumb))
		if err := r.put(ctx, o.Thumb, thumbType, look.Thumb); err != nil {
			return false, err
		}
	}
	if bytes.Equal(cleaned, data) {
		return false, nil
	}
	o.Blob, o.Size, o.SHA256 = fabric.NewMediaID(), int64(len(cleaned)), hexSum(cleaned)
	return true, r.put(ctx, o.Blob, o.Type, cleaned)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (r *Role) put(ctx context.Context, id fabric.MediaID, kind string, data []byte) error {
	if err := r.blobs.Put(ctx, id, blob.Info{Size: int64(len(data)), Sum: sha256.Sum256(data), Type: kind}, data); err != nil {
		return fmt.Errorf("keep %s: %w", id, err)
	}
	return nil
}

// cleanLarge cleans a picture that is too large to be looked at, from its parts into others.
func (r *Role) cleanLarge(ctx context.Context, e entry, o *Object) (done bool, err error) {
	from, to := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		in := r.parts.Open(ctx, e.ID, e.Size)
		err := picture.Clean(to, in, o.Type, 1)
		_ = in.Close()
		_ = to.CloseWithError(err) // nil is the end
		failed <- err
	}()
	id := fabric.NewMediaID()
	tail, err := r.parts.Append(ctx, id, blob.NoTail(), from, e.Size+cleanedExtra)
	_ = from.Close()
	if broken := <-failed; broken != nil || err != nil {
		_ = r.parts.Remove(ctx, id) // what is left of it the sweep finds
		if ctx.Err() != nil || broken == nil {
			return false, fmt.Errorf("clean picture %s: %w", e.ID, err)
		}
		o.Type = notAPicture
		return false, nil
	}
	sum, err := r.parts.Sum(ctx, id, tail)
	if err != nil {
		return false, err
	}
	o.Blob, o.Size, o.SHA256 = id, tail.Offset, hex.EncodeToString(sum[:])
	if err := r.blobs.Keep(ctx, id, blob.Info{Size: o.Size, Sum: sum, Type: o.Type}); err != nil {
		return false, fmt.Errorf("keep %s: %w", id, err)
	}
	return true, nil
}
