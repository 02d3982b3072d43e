package picture_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/weft-im/weft/media/picture"
)

// corners returns a picture of w×h whose top left quarter is red, on blue.
func corners(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{0, 0, 255, 255}
			if x < w/2 && y < h/2 {
				c = color.RGBA{255, 0, 0, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

const place = "48.3984N 9.9916E" // that nobody is to learn

func exif(orientation byte) []byte {
	return append([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00"), append([]byte{orientation, 0, 0, 0, 0, 0, 0, 0}, place...)...)
}

func segment(marker byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(body)+2)), body...)
}

// withPlace returns a JPEG as a camera writes it.
func withPlace(t testing.TB, img image.Image, orientation byte) []byte {
	t.Helper()
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, img, nil); err != nil {
		t.Fatal(err)
	}
	out := append([]byte(nil), plain.Bytes()[:2]...)
	out = append(out, segment(0xE1, exif(orientation))...)
	out = append(out, segment(0xE1, []byte("http://ns.adobe.com/xap/1.0/\x00"+place))...)
	out = append(out, segment(0xE2, []byte("ICC_PROFILE\x00\x01\x01profile"))...)
	out = append(out, segment(0xED, []byte(place))...)
	out = append(out, segment(0xFE, []byte(place))...)
	out = append(out, plain.Bytes()[2:]...)
	return append(out, place...) // and behind the end
}

func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func pngWithPlace(t testing.TB, img image.Image) []byte {
	t.Helper()
	var plain bytes.Buffer
	if err := png.Encode(&plain, img); err != nil {
		t.Fatal(err)
	}
	head := 8 + 25 // the signature and IHDR
	out := append([]byte(nil), plain.Bytes()[:head]...)
	for _, kind := range []string{"tEXt", "iTXt", "eXIf", "tIME", "prVt"} {
		out = append(out, chunk(kind, []byte(place))...)
	}
	return append(append(out, plain.Bytes()[head:]...), place...)
}

func gifWithPlace(t testing.TB) []byte {
	t.Helper()
	frame := image.NewPaletted(image.Rect(0, 0, 20, 10), color.Palette{color.Black, color.White})
	var plain bytes.Buffer
	if err := gif.EncodeAll(&plain, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{5, 5}}); err != nil {
		t.Fatal(err)
	}
	data := plain.Bytes()
	trailer := len(data) - 1
	out := append([]byte(nil), data[:trailer]...)
	out = append(out, 0x21, 0xFE, byte(len(place)))
	out = append(append(out, place...), 0)
	out = append(out, 0x21, 0xFF, 11)
	out = append(out, "XMP DataXMP"...)
	out = append(append(append(out, byte(len(place))), place...), 0)
	return append(append(out, 0x3B), place...)
}

// A WebP of 1×1 pixels, lossless.
const webpPixel = "UklGRiQAAABXRUJQVlA4TBcAAAAvAAAAEAcQERGIiP4HAA=="

func webpWithPlace(t testing.TB) []byte {
	t.Helper()
	pixel, err := base64.StdEncoding.DecodeString(webpPixel)
	if err != nil {
		t.Fatal(err)
	}
	riff := func(id string, data []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(data)))
		b = append(b, data...)
		if len(data)%2 == 1 {
			b = append(b, 0)
		}
		return b
	}
	body := []byte("WEBP")
	body = append(body, riff("VP8X", []byte{0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0})...)
	body = append(body, pixel[12:]...)
	body = append(body, riff("EXIF", exif(1)[6:])...)
	body = append(body, riff("XMP ", []byte(place))...)
	return append(append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...), place...)
}

func clean(t *testing.T, kind string, data []byte, orientation int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := picture.Clean(&out, bytes.NewReader(data), kind, orientation); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return out.Bytes()
}

// What a camera notes beside a picture is gone from all kinds, and the picture is what it was.
func TestClean(t *testing.T) {
	for kind, data := range map[string][]byte{
		"image/jpeg": withPlace(t, corners(60, 40), 1), "image/png": pngWithPlace(t, corners(60, 40)), "image/gif": gifWithPlace(t), "image/webp": webpWithPlace(t),
	} {
		if !bytes.Contains(data, []byte(place)) {
			t.Fatalf("%s: this test shows nothing", kind)
		}
		got := clean(t, kind, data, 1)
		if bytes.Contains(got, []byte(place)) || bytes.Contains(got, []byte("Exif")) {
			t.Errorf("%s: it still says where it was taken", kind)
		}
		was, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		is, _, err := image.Decode(bytes.NewReader(got))
		if err != nil || fmt.Sprint(was) != fmt.Sprint(is) {
			t.Errorf("%s: it is another picture: %v", kind, err)
		}
		if again := clean(t, kind, got, 1); !bytes.Equal(again, got) {
			t.Errorf("%s: what is clean changes", kind)
		}
		if kind == "image/jpeg" && !bytes.Contains(got, []byte("ICC_PROFILE")) {
			t.Error("its colours' profile is gone")
		}
	}
	moving, err := gif.DecodeAll(bytes.NewReader(clean(t, "image/gif", gifWithPlace(t), 1)))
	if err != nil || len(moving.Image) != 2 || moving.Delay[0] != 5 {
		t.Errorf("a moving picture: %v", err)
	}
}

// A picture that lies on its side stands up, in thumbnail and file, and has no word of it any more.
func TestOrientation(t *testing.T) {
	l := picture.NewLooker()
	for orientation, red := range map[byte]string{1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left", 5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left"} {
		data := withPlace(t, corners(600, 400), orientation)
		look, err := l.Look(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		w, h := 600, 400
		if orientation >= 5 {
			w, h = 400, 600
		}
		if look.Width != w || look.Height != h || look.Preview == "" {
			t.Errorf("%d: %d×%d, preview %q", orientation, look.Width, look.Height, look.Preview)
		}
		if got := redCorner(t, look.Thumb); got != red {
			t.Errorf("%d: the thumbnail's red corner is %s, want %s", orientation, got, red)
		}
		upright := look.Turned
		if orientation == 1 {
			upright = clean(t, "image/jpeg", data, look.Orientation)
		}
		if got := redCorner(t, upright); got != red || bytes.Contains(upright, []byte(place)) || bytes.Contains(upright, []byte("Exif")) || !bytes.Contains(upright, []byte("ICC_PROFILE")) {
			t.Errorf("%d: the picture's red corner is %s, want %s", orientation, got, red)
		}
		// Where it can't be turned it says how it lies, and nothing else.
		said := clean(t, "image/jpeg", data, int(orientation))
		again, err := l.Look(t.Context(), said)
		if err != nil || again.Width != w || bytes.Contains(said, []byte(place)) {
			t.Errorf("%d: cleaned, it is %d wide, %v", orientation, again.Width, err)
		}
	}
}

// redCorner says where a picture is red.
func redCorner(t *testing.T, data []byte) string {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	var at []string
	for name, p := range map[string]image.Point{
		"top left": {b.Dx() / 8, b.Dy() / 8}, "top right": {b.Dx() * 7 / 8, b.Dy() / 8},
		"bottom left": {b.Dx() / 8, b.Dy() * 7 / 8}, "bottom right": {b.Dx() * 7 / 8, b.Dy() * 7 / 8},
	} {
		if r, _, bl, _ := img.At(p.X, p.Y).RGBA(); r > bl {
			at = append(at, name)
		}
	}
	return strings.Join(at, ", ")
}

// bombPNG returns a small file that says it is a huge picture.
func bombPNG(side uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	out := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(head, 8, 6, 0, 0, 0))...)
	return append(append(out, chunk("IDAT", []byte{0x78, 0x9c, 1, 0, 0, 0xff, 0xff})...), chunk("IEND", nil)...)
}

// A picture that would take all memory is not decoded, and many at once wait for one another.
func TestBombs(t *testing.T) {
	l := picture.NewLooker()
	began := time.Now()
	for _, side := range []uint32{7000, 65535, 1<<31 - 1} {
		if _, err := l.Look(t.Context(), bombPNG(side)); err == nil {
			t.Errorf("%d×%[1]d pixels are decoded", side)
		}
	}
	gifBomb := append([]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), 0x2C, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 1, 0x44, 0, 0x3B)
	if _, err := l.Look(t.Context(), gifBomb); err == nil {
		t.Error("a GIF of 65535×65535 pixels is decoded")
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("refusing took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Look(ctx, withPlace(t, corners(5999, 6000), 1)); err != nil {
		t.Logf("who has gone is let go: %v", err)
	}
}

// Whatever a stranger calls a picture, nothing panics, takes for ever, or comes out longer than it was by more than a word.
func FuzzPicture(f *testing.F) {
	f.Add(withPlace(f, corners(20, 10), 6))
	f.Add(pngWithPlace(f, corners(20, 10)))
	f.Add(gifWithPlace(f))
	f.Add(webpWithPlace(f))
	f.Add(bombPNG(70000))
	f.Add([]byte("\xff\xd8\xff"))
	l := picture.NewLooker()
	f.Fuzz(func(t *testing.T, data []byte) {
		look, err := l.Look(t.Context(), data)
		if err == nil && (look.Width < 1 || look.Height < 1 || len(look.Thumb) == 0) {
			t.Errorf("it looks like %+v", look)
		}
		for _, kind := range []string{"image/jpeg", "image/png", "image/gif", "image/webp"} {
			var out bytes.Buffer
			if picture.Clean(&out, bytes.NewReader(data), kind, max(look.Orientation, 1)) != nil {
				continue
			}
			if out.Len() > len(data)+128 {
				t.Errorf("%s: %d bytes became %d", kind, len(data), out.Len())
			}
		}
	})
}
