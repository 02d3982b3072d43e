package blob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weft-im/weft/fabric"
)

// readAhead is how many parts behind the one that is read are on their way: while one is asked for another one comes in, and
// a third is written out.
const readAhead = 2

// Reader reads a file. It gets the part that is asked for, whatever lies before it, and while that is used the next ones.
type Reader struct {
	parts *Parts
	id    fabric.MediaID
	size  int64
	at    int64
	more  bool // it was read from since it was opened or moved: who does goes on, most likely

	ctx   context.Context //nolint:containedctx // of the request that the reader is made for: io.ReadSeeker takes none
	stop  context.CancelFunc
	now   *fetch   // the part that is read
	ahead []*fetch // and those behind it, in order
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
	if len(b) == 0 {
		return 0, nil
	}
	upto := r.at + int64(len(b))
	if r.more {
		upto = r.size
	}
	data, err := r.next(int64(len(b)), upto)
	return copy(b, data), err
}

// Next returns what comes next of the n bytes that are wanted: at least one, and as many as one part has. They are the
// reader's own: nobody changes them. Parts beyond the n bytes are not asked for.
func (r *Reader) Next(n int64) ([]byte, error) { return r.next(n, r.at+n) }

// next returns up to most bytes, and has what is to be read up to an offset on its way.
func (r *Reader) next(most, upto int64) ([]byte, error) {
	if r.at >= r.size {
		return nil, io.EOF
	}
	n := int(r.at / PartSize)
	if r.now == nil || r.now.n != n {
		if len(r.ahead) == 0 || r.ahead[0].n != n { // at the beginning, or after a Seek
			r.drop()
			r.ahead = append(r.ahead, r.fetch(n))
		}
		r.now, r.ahead = r.ahead[0], r.ahead[1:]
	}
	last := int((min(upto, r.size) - 1) / PartSize)
	for next := n + 1 + len(r.ahead); len(r.ahead) < readAhead && next <= last; next++ {
		r.ahead = append(r.ahead, r.fetch(next))
	}
	select {
	case <-r.now.done:
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
	if r.now.err != nil {
		return nil, r.now.err
	}
	begin := int64(n) * PartSize
	if want := min(PartSize, r.size-begin); int64(len(r.now.data)) != want {
		return nil, fmt.Errorf("part %d of %s has %d bytes, want %d: %w", n, r.id, len(r.now.data), want, ErrLost)
	}
	data := r.now.data[r.at-begin:]
	data = data[:min(int64(len(data)), most)]
	r.at += int64(len(data))
	r.more = true
	return data, nil
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
	r.at, r.more = offset, false
	return offset, nil
}

// drop waits for what is on its way and is not wanted any more.
func (r *Reader) drop() {
	for _, f := range r.ahead {
		<-f.done
	}
	r.ahead = nil
}

// Close ends what is on its way.
func (r *Reader) Close() error {
	r.stop()
	if r.now != nil {
		<-r.now.done
	}
	r.drop()
	return nil
}
