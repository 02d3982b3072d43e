package picture

import (
	"bufio"
	"errors"
	"io"
)

// Blocks of GIF89a.
const (
	gifImage     = 0x2C
	gifExtension = 0x21
	gifTrailer   = 0x3B

	gifGraphic     = 0xF9
	gifApplication = 0xFF
)

var errGIF = errors.New("this is no sound GIF")

// cleanGIF copies pictures, and of the extensions those that say how they move.
func cleanGIF(w io.Writer, r io.Reader) error {
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	g := gifCopy{in, out}
	head := make([]byte, 13) // and the logical screen
	if _, err := io.ReadFull(in, head); err != nil || string(head[:4]) != "GIF8" {
		return errGIF
	}
	_, _ = out.Write(head) // a bufio.Writer's error comes with Flush
	if err := g.table(head[10]); err != nil {
		return err
	}
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return errGIF
		}
		switch kind {
		case gifTrailer:
			_ = out.WriteByte(kind)
			return out.Flush() //nolint:wrapcheck // of w
		case gifImage:
			err = g.image()
		case gifExtension:
			err = g.extension()
		default:
			err = errGIF
		}
		if err != nil {
			return err
		}
	}
}

type gifCopy struct {
	in  *bufio.Reader
	out *bufio.Writer
}

// table copies a table of colours, where the flags say that there is one.
func (g gifCopy) table(flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	return g.n(3 << (flags&7 + 1))
}

func (g gifCopy) n(n int64) error {
	if _, err := io.CopyN(g.out, g.in, n); err != nil {
		return errGIF
	}
	return nil
}

func (g gifCopy) image() error {
	about := make([]byte, 9)
	if _, err := io.ReadFull(g.in, about); err != nil {
		return errGIF
	}
	_ = g.out.WriteByte(gifImage)
	_, _ = g.out.Write(about)
	if err := g.table(about[8]); err != nil {
		return err
	}
	if err := g.n(1); err != nil { // the code's size
		return err
	}
	return g.blocks(true, nil)
}

func (g gifCopy) extension() error {
	label, err := g.in.ReadByte()
	if err != nil {
		return errGIF
	}
	keep := label == gifGraphic
	if label == gifApplication {
		first, err := g.in.Peek(12)
		if err != nil {
			return errGIF
		}
		name := string(first[1:12])
		keep = first[0] == 11 && (name == "NETSCAPE2.0" || name == "ANIMEXTS1.0")
	}
	return g.blocks(keep, []byte{gifExtension, label})
}

// blocks copies a chain of blocks behind its head, or leaves it out.
func (g gifCopy) blocks(keep bool, head []byte) error {
	to := io.Discard
	if keep {
		to = g.out
	}
	_, _ = to.Write(head)
	for {
		n, err := g.in.ReadByte()
		if err != nil {
			return errGIF
		}
		_, _ = to.Write([]byte{n})
		if n == 0 {
			return nil
		}
		if _, err := io.CopyN(to, g.in, int64(n)); err != nil {
			return errGIF
		}
	}
}
