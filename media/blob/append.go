package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/gabriel-vasile/mimetype"
	"github.com/nats-io/nuid"

	"github.com/weft-im/weft/fabric"
)

// filled is a part's bytes as they came in.
type filled struct {
	data  []byte
	end   int64  // the offset behind them
	hash  []byte // SHA-256's state there
	is    string // the file's type
	nonce string // of this Append
	buf   *[]byte
	err   error // of the source, behind data
}

var buffers = sync.Pool{New: func() any { b := make([]byte, PartSize); return &b }}

// Append adds what src brings behind an upload's tail, up to size bytes in all, and returns the new tail, which is durable.
// Where src ends early, or with an error, what came before it is kept: the error is src's own. While a part is written the
// next one is read: an Append holds three parts in memory at most. Where the store takes no more, src is closed if it can be,
// so that a source that has nothing to say holds nobody up.
func (p *Parts) Append(ctx context.Context, id fabric.MediaID, at Tail, src io.Reader, size int64) (Tail, error) {
	h := sha256.New()
	if at.part >= 0 {
		if err := restore(h, at.hash); err != nil {
			// SHA-256's state is of another Go's: it is made anew from the parts.
			if h, err = p.rehash(ctx, id, at.Offset); err != nil {
				return at, err
			}
		}
	}
	ctx, stop := context.WithCancel(ctx)
	parts := make(chan filled)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(parts)
		fill(ctx, h, at, src, size, parts)
	})
	var failed error
	for f := range parts {
		if failed == nil && len(f.data) > 0 {
			var next Tail
			if next, failed = p.put(ctx, id, at, f); failed == nil {
				at = next
				if at.data != nil {
					at.data = append([]byte(nil), at.data...) // the buffer goes back
				}
			} else {
				stop()
				if c, ok := src.(io.Closer); ok {
					_ = c.Close() // what it brings from now on has no place
				}
			}
		}
		if f.buf != nil {
			buffers.Put(f.buf)
		}
		if failed == nil {
			failed = f.err
		}
	}
	stop()
	reading.Wait()
	return at, failed
}

// TypeOf returns the media type of a file that begins so.
func TypeOf(head []byte) string { return mimetype.Detect(head).String() }

// fill reads src into parts.
func fill(ctx context.Context, h hash.Hash, at Tail, src io.Reader, size int64, parts chan<- filled) {
	nonce := nuid.Next()
	end, begun, is := at.Offset, at.data, at.Type
	for end < size {
		buf := buffers.Get().(*[]byte)
		have := copy(*buf, begun)
		begun = nil
		want := min(PartSize, size-(end-int64(have)))
		n, err := io.ReadFull(src, (*buf)[have:want])
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		f := filled{nonce: nonce, buf: buf, err: err}
		if n > 0 {
			h.Write((*buf)[have : have+n])
			end += int64(n)
			f.data, f.end = (*buf)[:have+n], end
			if end <= PartSize {
				is = TypeOf(f.data)
			}
			f.is = is
			var failed error
			if f.hash, failed = state(h); failed != nil {
				f.data, f.err = nil, failed
			}
		}
		last := f.err != nil
		if errors.Is(f.err, io.EOF) {
			f.err = nil
		}
		select {
		case parts <- f:
		case <-ctx.Done():
			buffers.Put(buf)
			return
		}
		if last {
			return
		}
	}
}

// rehash reads what is there of an upload.
func (p *Parts) rehash(ctx context.Context, id fabric.MediaID, upto int64) (hash.Hash, error) {
	h := sha256.New()
	for n := 0; int64(n)*PartSize < upto; n++ {
		data, err := p.Get(ctx, id, n)
		if err != nil {
			return nil, fmt.Errorf("hash anew: %w", err)
		}
		h.Write(data)
	}
	return h, nil
}

// PutParts writes a whole file that is in memory.
func (p *Parts) PutParts(ctx context.Context, id fabric.MediaID, data []byte) error {
	at, err := p.Tail(ctx, id)
	if err != nil {
		return err
	}
	if at.Offset > int64(len(data)) {
		return fmt.Errorf("%s: %w", id, ErrConflict)
	}
	_, err = p.Append(ctx, id, at, bytes.NewReader(data[at.Offset:]), int64(len(data)))
	return err
}
