package edge

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // tus 1.0 asks every server for it; it guards against accidents, not against people
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
)

// checksumAlgorithms are those of Upload-Checksum.
const checksumAlgorithms = "sha1,sha256"

// statusChecksumMismatch is tus 1.0's own.
const statusChecksumMismatch = 460

var errChecksum = errors.New("checksum mismatch")

// checked takes the whole body of a request that has an Upload-Checksum, and compares: of one that does not match nothing
// may be kept. A small body waits in memory, a larger one in a temporary file, which is gone with done; losing it loses
// the request alone. Without the header the body stays as it is.
func (u *uploads) checked(r *http.Request, call *tusCall) (done func(), err error) {
	nothing := func() {}
	field := r.Header.Get("Upload-Checksum")
	if field == "" {
		return nothing, nil
	}
	sum, want, err := parseChecksum(field)
	if err != nil {
		return nothing, err
	}
	most := int64(u.e.cfg.Limits.ChecksumBytes)
	tooLarge := fabric.Errorf(fabric.CodeTooLarge, "a request with Upload-Checksum has at most %d bytes: send several", most)
	if r.ContentLength > most {
		return nothing, tooLarge
	}
	s := &spool{}
	n, err := io.Copy(io.MultiWriter(sum, s), io.LimitReader(&attentive{&drainingBody{r.Body, call.stopping}, call}, most+1))
	switch {
	case err != nil && call.stopping.Err() != nil:
		err = errDraining
	case err != nil:
		err = fabric.Errorf(fabric.CodeBadRequest, "the request's body could not be read to its end")
	case n > most:
		err = tooLarge
	case !bytes.Equal(sum.Sum(nil), want):
		err = errChecksum
	default:
		r.Body, err = s.reader()
	}
	if err != nil {
		s.remove()
		return nothing, err
	}
	return s.remove, nil
}

func parseChecksum(field string) (sum hash.Hash, want []byte, err error) {
	name, value, _ := strings.Cut(field, " ")
	switch name {
	case "sha1":
		sum = sha1.New() //nolint:gosec // as above
	case "sha256":
		sum = sha256.New()
	default:
		return nil, nil, fabric.Errorf(fabric.CodeBadRequest, "Upload-Checksum: want one of %s, and the sum in Base64", checksumAlgorithms)
	}
	if want, err = base64.StdEncoding.DecodeString(value); err != nil || len(want) != sum.Size() {
		return nil, nil, fabric.Errorf(fabric.CodeBadRequest, "Upload-Checksum: want %d bytes in Base64 behind %s", sum.Size(), name)
	}
	return sum, want, nil
}

// attentive reads a body for as long as its client says something.
type attentive struct {
	io.Reader

	call *tusCall
}

func (p *attentive) Read(b []byte) (int, error) {
	// Without deadlines it waits for the connection's end. This comes before drainingBody asks whether the edge drains: what
	// interrupts the wait then sets a deadline too.
	_ = p.call.rc.SetReadDeadline(time.Now().Add(silence))
	return p.Reader.Read(b)
}

// spool keeps bytes in memory, and from a part on in a file.
type spool struct {
	mem  bytes.Buffer
	file *os.File
}

func (s *spool) Write(b []byte) (int, error) {
	if s.file == nil && s.mem.Len()+len(b) > blob.PartSize {
		f, err := os.CreateTemp("", "weft-upload-")
		if err != nil {
			return 0, fmt.Errorf("keep a request's body: %w", err)
		}
		s.file = f
		if _, err := s.mem.WriteTo(f); err != nil {
			return 0, fmt.Errorf("keep a request's body: %w", err)
		}
	}
	if s.file != nil {
		return s.file.Write(b) //nolint:wrapcheck // as io.Writer has it
	}
	return s.mem.Write(b)
}

func (s *spool) reader() (io.ReadCloser, error) {
	if s.file == nil {
		return io.NopCloser(&s.mem), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read a request's body again: %w", err)
	}
	return io.NopCloser(s.file), nil
}

func (s *spool) remove() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name()) // the system clears its folder of temporary files
	}
}
