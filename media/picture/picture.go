// Package picture looks at pictures that strangers have made: it tells their size, makes a thumbnail and a blurred preview,
// turns them the right way up, and takes out what they tell beside what they show (where they were taken, by what, when).
//
// Nothing is decoded before its size is known and within bounds, and no more at once than fits in memory. What can't be
// decoded is no error: it is a file like any other.
package picture

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // the four kinds that are known
	"image/jpeg"
	_ "image/png"
	"io"

	"github.com/bbrks/go-blurhash"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // as above
	"golang.org/x/sync/semaphore"
)

// Bounds.
const (
	// MaxPixels is how many pixels are decoded at once, of one picture or several: with 4 bytes each, and three times as
	// many again for a progressive JPEG's coefficients, that stays within some 600 MiB at the worst.
	MaxPixels = 36_000_000
	// MaxBytes is how large a picture's file may be to be looked at; a larger one is only cleaned.
	MaxBytes = 32 << 20

	thumbSide   = 320 // pixels
	thumbQuota  = 80  // JPEG quality
	turnQuality = 92
	hashSide    = 32 // a BlurHash needs no more
)

// Look is what is known of a picture.
type Look struct {
	Width, Height int    // as it is to be looked at
	Preview       string // BlurHash
	Thumb         []byte // JPEG

	// Turned is the picture the right way up, where it was not and could be: a JPEG without a word of where it was taken.
	Turned []byte
	// Orientation is what the cleaned picture must still say of how it is to be turned (EXIF, tag 0x0112); 1 for nothing.
	Orientation int
}

// Looker looks at pictures, at few at once.
type Looker struct{ pixels *semaphore.Weighted }

// NewLooker returns one that decodes MaxPixels at once at most.
func NewLooker() *Looker { return &Looker{semaphore.NewWeighted(MaxPixels)} }

// Known reports whether a media type is one of a picture that can be looked at.
func Known(mediaType string) bool {
	switch mediaType {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return true
	}
	return false
}

// Look looks at a picture in memory. It waits for its turn; ctx ends the wait and not the work, which is bounded by
// MaxPixels. The error says why there is nothing to be seen: it is too large, or broken.
func (l *Looker) Look(ctx context.Context, data []byte) (Look, error) {
	cfg, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Look{Orientation: 1}, fmt.Errorf("it is broken: %w", err)
	}
	turn := orientation(format, data)
	look := Look{Width: cfg.Width, Height: cfg.Height, Orientation: turn}
	if turn >= 5 { // lies on its side
		look.Width, look.Height = cfg.Height, cfg.Width
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return Look{Orientation: 1}, fmt.Errorf("it has %d×%d pixels", cfg.Width, cfg.Height)
	}
	pixels := int64(cfg.Width) * int64(cfg.Height)
	if pixels > MaxPixels {
		return look, fmt.Errorf("it has %d×%d pixels, over %d", cfg.Width, cfg.Height, MaxPixels)
	}
	if err := l.pixels.Acquire(ctx, pixels); err != nil {
		return look, fmt.Errorf("too many pictures are looked at: %w", err)
	}
	defer l.pixels.Release(pixels)
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Look{Orientation: turn}, fmt.Errorf("it is broken: %w", err)
	}
	small := turned(shrink(img, thumbSide), turn)
	var thumb bytes.Buffer
	if err := jpeg.Encode(&thumb, small, &jpeg.Options{Quality: thumbQuota}); err != nil {
		return look, fmt.Errorf("make a thumbnail: %w", err)
	}
	look.Thumb = thumb.Bytes()
	if look.Preview, err = blurhash.Encode(4, 3, shrink(small, hashSide)); err != nil {
		return look, fmt.Errorf("make a preview: %w", err)
	}
	if turn == 1 || format != "jpeg" || cfg.ColorModel == color.CMYKModel {
		return look, nil
	}
	var upright bytes.Buffer
	if err := jpeg.Encode(&upright, turned(img, turn), &jpeg.Options{Quality: turnQuality}); err != nil {
		return look, fmt.Errorf("turn it: %w", err)
	}
	// Its colours mean what they did: by the profile.
	look.Turned = withSegments(upright.Bytes(), profiles(data))
	look.Orientation = 1
	return look, nil
}

// shrink returns img within side×side pixels, on white where it is transparent.
func shrink(img image.Image, side int) *image.RGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w > side || h > side {
		if w > h {
			w, h = side, max(1, h*side/w)
		} else {
			w, h = max(1, w*side/h), side
		}
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(small, small.Bounds(), image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Over, nil)
	return small
}

// turned returns img as an orientation of EXIF says that it is to be looked at.
func turned(img image.Image, orientation int) image.Image {
	if orientation < 2 || orientation > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	from, ok := img.(*image.RGBA)
	if !ok || b.Min != (image.Point{}) {
		from = image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(from, from.Bounds(), img, b.Min, draw.Src)
	}
	out := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		out = image.Rect(0, 0, h, w)
	}
	to := image.NewRGBA(out)
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			*(*[4]byte)(to.Pix[to.PixOffset(tx, ty):]) = [4]byte(from.Pix[from.PixOffset(x, y):])
		}
	}
	return to
}

// Clean copies a picture from r to w without what it tells beside what it shows, and without what stands behind its end.
// orientation is what it must still say of how it is to be turned, 1 for nothing. What is no sound picture of its type is an
// error; what was written by then is of no use.
func Clean(w io.Writer, r io.Reader, mediaType string, orientation int) error {
	switch mediaType {
	case "image/jpeg":
		return cleanJPEG(w, r, orientation)
	case "image/png":
		return cleanPNG(w, r)
	case "image/gif":
		return cleanGIF(w, r)
	case "image/webp":
		return cleanWebP(w, r, orientation)
	}
	_, err := io.Copy(w, r)
	return err //nolint:wrapcheck // of either side, as it is
}
