package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Markers of JPEG (ITU-T T.81, table B.1).
const (
	markerSOI  = 0xD8
	markerEOI  = 0xD9
	markerSOS  = 0xDA
	markerCOM  = 0xFE
	markerAPP0 = 0xE0
	markerAPP1 = 0xE1 // EXIF, XMP
	markerAPP2 = 0xE2 // ICC profiles, and further pictures
	markerAPPE = 0xEE // Adobe's: how its colours are meant
	markerAPPF = 0xEF
)

const iccHead = "ICC_PROFILE\x00"

// mostProfiles bounds the segments of a profile that are taken along: an ICC profile has at most 255.
const mostProfiles = 255

var errJPEG = errors.New("this is no sound JPEG")

// segment is what stands before a JPEG's scans.
type segment struct {
	marker byte
	body   []byte
}

// segments returns what stands before the first scan of a JPEG in memory, as far as it is sound.
func segments(data []byte) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		if len(data) < 2 || data[0] != 0xFF || data[1] != markerSOI {
			return
		}
		for data = data[2:]; len(data) >= 4 && data[0] == 0xFF; {
			for len(data) >= 4 && data[1] == 0xFF { // fill bytes (B.1.1.2)
				data = data[1:]
			}
			n := int(binary.BigEndian.Uint16(data[2:4]))
			if data[1] == markerSOS || n < 2 || 2+n > len(data) {
				return
			}
			if !yield(segment{data[1], data[4 : 2+n]}) {
				return
			}
			data = data[2+n:]
		}
	}
}

// keeps reports whether a segment is needed to show the picture as it is meant.
func keeps(marker byte, body []byte) bool {
	switch {
	case marker == markerAPP0, marker == markerAPPE:
		return true
	case marker == markerAPP2:
		return bytes.HasPrefix(body, []byte(iccHead))
	case marker > markerAPP0 && marker <= markerAPPF, marker == markerCOM:
		return false
	}
	return true
}

// profiles returns the segments with the colours' profile.
func profiles(data []byte) (list []segment) {
	for s := range segments(data) {
		if s.marker == markerAPP2 && keeps(s.marker, s.body) && len(list) < mostProfiles {
			list = append(list, s)
		}
	}
	return list
}

// withSegments returns a JPEG with segments behind its beginning.
func withSegments(data []byte, list []segment) []byte {
	if len(list) == 0 {
		return data
	}
	out := append([]byte(nil), data[:2]...)
	for _, s := range list {
		out = appendSegment(out, s)
	}
	return append(out, data[2:]...)
}

func appendSegment(b []byte, s segment) []byte {
	b = append(b, 0xFF, s.marker)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.body)+2))
	return append(b, s.body...)
}

// cleanJPEG copies segments that are kept, and the scans up to the end of the picture.
func cleanJPEG(w io.Writer, r io.Reader, orientation int) error {
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil || head != [2]byte{0xFF, markerSOI} {
		return errJPEG
	}
	_, _ = out.Write(head[:]) // a bufio.Writer's error comes with Flush
	if orientation > 1 {
		_, _ = out.Write(appendSegment(nil, segment{markerAPP1, append([]byte(exifHead), tiffOf(orientation)...)}))
	}
	for {
		marker, err := nextMarker(in)
		if err != nil {
			return err
		}
		if marker == markerEOI {
			_, _ = out.Write([]byte{0xFF, markerEOI})
			return out.Flush() //nolint:wrapcheck // of w
		}
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return errJPEG
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n < 2 {
			return errJPEG
		}
		body := make([]byte, n-2)
		if _, err := io.ReadFull(in, body); err != nil {
			return errJPEG
		}
		if keeps(marker, body) {
			_, _ = out.Write(appendSegment(nil, segment{marker, body}))
		}
		if marker == markerSOS {
			if err := copyScan(out, in); err != nil {
				return err
			}
		}
	}
}

// nextMarker reads a marker, and fill bytes before it.
func nextMarker(in *bufio.Reader) (byte, error) {
	b, err := in.ReadByte()
	if err != nil || b != 0xFF {
		return 0, errJPEG
	}
	for b == 0xFF {
		if b, err = in.ReadByte(); err != nil {
			return 0, errJPEG
		}
	}
	if b == 0 || b == markerSOI || isRestart(b) {
		return 0, errJPEG
	}
	return b, nil
}

func isRestart(marker byte) bool { return marker >= 0xD0 && marker <= 0xD7 }

// copyScan copies entropy-coded data up to a marker that ends it (B.1.1.5), which it leaves.
func copyScan(out *bufio.Writer, in *bufio.Reader) error {
	for {
		b, err := in.Peek(2) // a scan is followed by a marker: there are two
		if err != nil {
			return fmt.Errorf("%w: it ends within a scan", errJPEG)
		}
		n := 1
		if b[0] == 0xFF {
			if b[1] == 0xFF { // fill bytes
				_, _ = in.Discard(1)
				continue
			}
			if b[1] != 0 && !isRestart(b[1]) {
				return nil
			}
			n = 2
		}
		_, _ = out.Write(b[:n]) // a bufio.Writer's error comes with Flush
		_, _ = in.Discard(n)
	}
}
