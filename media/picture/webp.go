package picture

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"
)

// Flags of a VP8X chunk (RFC 9649, 2.7).
const (
	webpEXIF = 0x08
	webpXMP  = 0x04
)

var errWebP = errors.New("this is no sound WebP, or one that is too large")

// riffChunks returns the chunks of a WebP in memory, as far as it is sound.
func riffChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WEBP" {
			return
		}
		if end := 8 + uint64(binary.LittleEndian.Uint32(data[4:])); end < uint64(len(data)) {
			data = data[:max(end, 12)]
		}
		for data = data[12:]; len(data) >= 8; {
			n := uint64(binary.LittleEndian.Uint32(data[4:]))
			if n > uint64(len(data)-8) {
				return
			}
			if !yield(string(data[:4]), data[8:8+n]) {
				return
			}
			data = data[min(8+n+n&1, uint64(len(data))):]
		}
	}
}

// cleanWebP writes the chunks that are kept. Its length stands at the beginning, so it must fit in memory.
func cleanWebP(w io.Writer, r io.Reader, orientation int) error {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return err //nolint:wrapcheck // of r
	}
	if len(data) > MaxBytes {
		return errWebP
	}
	out := append([]byte(nil), "RIFF\x00\x00\x00\x00WEBP"...)
	pictures, extended := 0, false
	for id, body := range riffChunks(data) {
		switch id {
		case "VP8X":
			if len(body) < 10 {
				return errWebP
			}
			extended = true
			body = append([]byte(nil), body...)
			body[0] &^= webpEXIF | webpXMP
			if orientation > 1 {
				body[0] |= webpEXIF
			}
		case "VP8 ", "VP8L", "ANMF":
			pictures++
		case "ALPH", "ANIM", "ICCP":
		default:
			continue
		}
		out = appendChunk(out, id, body)
	}
	if pictures == 0 {
		return errWebP
	}
	if orientation > 1 && extended {
		out = appendChunk(out, "EXIF", tiffOf(orientation))
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	_, err = w.Write(out)
	return err //nolint:wrapcheck // of w
}

func appendChunk(b []byte, id string, body []byte) []byte {
	b = append(b, id...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}
