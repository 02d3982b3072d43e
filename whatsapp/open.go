package whatsapp

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Open reads the export in a file: a .zip or the text itself.
func Open(file string, o Options) (*Chat, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open the export: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the export: %w", err)
	}
	if info.IsDir() {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "%s is a folder: want the .zip that WhatsApp made, or the .txt in it", file)
	}
	return Read(f, info.Size(), filepath.Base(file), o)
}

// Read reads an export of so many bytes; name is the file's, which may tell whom the chat is with.
func Read(r io.ReaderAt, size int64, name string, o Options) (*Chat, error) {
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the export: %w", err)
	} else if n < len(magic) || string(magic[:2]) != "PK" {
		c, err := Parse(io.NewSectionReader(r, 0, size), o)
		if err != nil {
			return nil, err
		}
		c.Name = chatName(name)
		return c, nil
	}
	return readZip(r, size, name, o)
}

func readZip(r io.ReaderAt, size int64, name string, o Options) (*Chat, error) {
	index := &bounded{r: r, left: MaxIndexBytes}
	z, err := zip.NewReader(index, size)
	switch {
	case errors.Is(err, errIndex) || err == nil && len(z.File) > MaxEntries:
		return nil, fabric.Errorf(fabric.CodeTooLarge, "the .zip has more than %d files", MaxEntries)
	case err != nil:
		return nil, fabric.Errorf(fabric.CodeBadRequest, "the file is no sound .zip: %v", err)
	}
	index.left = -1
	text, err := findText(z.File)
	if err != nil {
		return nil, err
	}
	if text.UncompressedSize64 > MaxTextBytes {
		return nil, fabric.Errorf(fabric.CodeTooLarge, "%s has %d bytes, more than %d", excerpt(text.Name), text.UncompressedSize64, MaxTextBytes)
	}
	files := make(map[string]int64)
	folder := path.Dir(text.Name)
	for _, f := range z.File {
		base := path.Base(f.Name)
		// Only what lies beside the text can be meant by it; a name with more to it is none that WhatsApp gives.
		if f != text && path.Dir(f.Name) == folder && isName(clean(base)) && f.UncompressedSize64 < 1<<62 {
			files[clean(base)] = int64(f.UncompressedSize64)
		}
	}
	body, err := text.Open()
	if err != nil {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "open %s in the .zip: %v", excerpt(text.Name), err)
	}
	defer body.Close()
	c, err := parse(body, files, o) // archive/zip gives no more than the text is said to have
	if err != nil {
		return nil, err
	}
	if c.Name = chatName(path.Base(text.Name)); c.Name == "" {
		c.Name = chatName(name)
	}
	return c, nil
}

// findText returns the chat's text among the files: _chat.txt, or the one that is named after WhatsApp, or the only one.
func findText(files []*zip.File) (*zip.File, error) {
	var best []*zip.File
	rank := 0
	for _, f := range files {
		base := strings.ToLower(path.Base(f.Name))
		if !strings.HasSuffix(base, ".txt") || strings.HasSuffix(f.Name, "/") || strings.Count(f.Name, "/") > 1 || strings.HasPrefix(f.Name, "__MACOSX/") {
			continue
		}
		r := 1
		switch {
		case base == "_chat.txt":
			r = 3
		case strings.Contains(base, "whatsapp"):
			r = 2
		}
		if r > rank {
			best, rank = nil, r
		}
		if r == rank {
			best = append(best, f)
		}
	}
	switch len(best) {
	case 0:
		return nil, fabric.Errorf(fabric.CodeBadRequest, "there is no chat in the .zip: want _chat.txt, or WhatsApp Chat with NAME.txt")
	case 1:
		return best[0], nil
	}
	return nil, fabric.Errorf(fabric.CodeBadRequest,
		"which text in the .zip is the chat? %s and %s may be: unpack it and name the .txt", excerpt(best[0].Name), excerpt(best[1].Name))
}

// chatName returns whom a chat is with, by the name of a file.
func chatName(file string) string {
	file = clean(file)
	for _, ext := range []string{".txt", ".zip"} {
		if n := len(file) - len(ext); n >= 0 && strings.EqualFold(file[n:], ext) {
			file = file[:n]
		}
	}
	for _, begin := range chatFiles {
		if n := len(begin); len(file) > n && strings.EqualFold(file[:n], begin) {
			return file[n:]
		}
	}
	return ""
}

// errIndex says that a .zip's directory is larger than MaxIndexBytes.
var errIndex = errors.New("the directory is too large")

// bounded is a ReaderAt of which only so many bytes can be read, -1 for any number: archive/zip reads a whole directory
// into memory before it tells how many files there are.
type bounded struct {
	r    io.ReaderAt
	left int64
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if b.left >= 0 {
		if int64(len(p)) > b.left {
			return 0, errIndex
		}
		b.left -= int64(len(p))
	}
	return b.r.ReadAt(p, off)
}
