package picture

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
)

const pngHead = "\x89PNG\r\n\x1a\n"

// pngKept are the chunks that say how a picture looks, those of moving ones among them (PNG, third edition). All others go.
const pngKept = "IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs hIST sPLT acTL fcTL fdAT"

var errPNG = errors.New("this is no sound PNG")

// cleanPNG copies chunks that are kept, up to the last one.
func cleanPNG(w io.Writer, r io.Reader) error {
	head := make([]byte, len(pngHead))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != pngHead {
		return errPNG
	}
	if _, err := w.Write(head); err != nil {
		return err //nolint:wrapcheck // of w
	}
	for {
		var start [8]byte // length and type
		if _, err := io.ReadFull(r, start[:]); err != nil {
			return errPNG
		}
		n, kind := int64(binary.BigEndian.Uint32(start[:])), string(start[4:])
		if n >= 1<<31 {
			return errPNG
		}
		to := io.Discard
		if slices.Contains(strings.Fields(pngKept), kind) {
			to = w
		}
		if _, err := to.Write(start[:]); err != nil {
			return err //nolint:wrapcheck // of w
		}
		if copied, err := io.CopyN(to, r, n+4); err != nil { // with the checksum
			if copied < n+4 && errors.Is(err, io.EOF) {
				return errPNG
			}
			return err //nolint:wrapcheck // of w
		}
		if kind == "IEND" {
			return nil
		}
	}
}
