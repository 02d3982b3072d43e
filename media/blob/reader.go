package blob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weft-im/weft/fabric"
)

// Reader reads a file. It gets the part that is asked for, whatever lies before it, and while that is read the next one.
type Reader struct {
	parts *Parts
	id    fabric.MediaID
	size  int64
	at    int64

	ctx   context.Context //nolint:containedctx // of the request that the reader is made for: io.ReadSeeker takes none
	stop  context.CancelFunc
	now   *fetch // the part that is read
	ahead *fetch // and the one behind it
}

// fetch is a part on its way.
type fetch struct {
	n    int
	done chan struct{}
	data []byte
	err  error
}

// Open returns a reader of a file, which works until ctx ends. Close it.
func (p *Parts) Open(ctx context.Context, id fabric.MediaID, size int64) *Reader {
	ctx, stop := context.WithCancel(ctx)
	return &Reader{parts: p, id: id, size: size, ctx: ctx, stop: stop}
}

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if len(b) == 0 {
		return 0, nil
	}
	n := int(r.at / PartSize)
	if r.now == nil || r.now.n != n {
		if r.ahead != nil && r.ahead.n == n {
			r.now, r.ahead = r.ahead, nil
		} else {
			r.now = r.fetch(n)
		}
	}
	select {
	case <-r.now.done:
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
	if r.now.err != nil {
		return 0, r.now.err
	}
	if want := min(PartSize, r.size-int64(n)*PartSize); int64(len(r.now.data)) != want {
		return 0, fmt.Errorf("part %d of %s has %d bytes, want %d: %w", n, r.id, len(r.now.data), want, ErrLost)
	}
	// Who reads on past this part gets the next one without waiting; a range within one part costs that part alone.
	from := r.at - int64(n)*PartSize
	copied := copy(b, r.now.data[from:])
	r.at += int64(copied)
	if r.ahead == nil && from > 0 && int64(n+1)*PartSize < r.size {
		r.ahead = r.fetch(n + 1)
	}
	return copied, nil
}

func (r *Reader) fetch(n int) *fetch {
	f := &fetch{n: n, done: make(chan struct{})}
	go func() { // ends with the reader's context
		defer close(f.done)
		f.data, f.err = r.parts.Get(r.ctx, r.id, n)
	}()
	return f
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	r.at = offset
	return offset, nil
}

// Close ends what is on its way.
func (r *Reader) Close() error {
	r.stop()
	for _, f := range []*fetch{r.now, r.ahead} {
		if f != nil {
			<-f.done
		}
	}
	return nil
}
