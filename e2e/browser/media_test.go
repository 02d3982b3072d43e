package browser_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weft-im/weft/weftest"
)

// photo is a picture file of a size.
func photo(t *testing.T, dir, name string, width, height int) string {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.RGBA{uint8(x * 255 / width), uint8(y * 255 / height), uint8(len(name) * 20), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return file(t, dir, name, b.Bytes())
}

// noise is a file of bytes that are like nothing.
func noise(t *testing.T, dir, name string, size int) string {
	t.Helper()
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return file(t, dir, name, b)
}

func file(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pick chooses files in the picker, which shows what is to be sent.
func (w *window) pick(paths ...string) {
	w.t.Helper()
	w.do("choose files", chromedp.SetUploadFiles(by("attach-files"), paths))
	w.sees("what is to be sent", fmt.Sprintf(`document.querySelectorAll('%s').length === %d`, by("attachment"), len(paths)))
}

// slow bounds how fast a window's requests go out, in bytes a second; -1 for no bound.
func (w *window) slow(bytes float64) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, network.Enable, network.EnableParams{}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := chromedp.Call(w.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: bytes}},
	}); err != nil {
		w.t.Fatal(err)
	}
}

// digest is an expression for the SHA-256 of what the window loads of a file by a link of its own.
func digest(media string) string {
	return fmt.Sprintf(`(async () => {
		const token = JSON.parse(localStorage.getItem('weft.grant')).access_token;
		const r = await fetch('/v1/media/' + %s, { headers: { Authorization: 'Bearer ' + token } });
		const sum = await crypto.subtle.digest('SHA-256', await r.arrayBuffer());
		return [...new Uint8Array(sum)].map(b => b.toString(16).padStart(2, '0')).join('');
	})()`, media)
}

// twoWithFiles are ann on a desktop and bob on a phone, in their chat.
func twoWithFiles(t *testing.T, browser context.Context, p *weftest.Process) (ann, bob *window) {
	t.Helper()
	ann, bob = open(t, browser, "ann", p.URL, desktop), open(t, browser, "bob", p.URL, phone)
	ann.signIn(annsPhone, "Ann")
	bob.signIn(bobsPhone, "Bob")
	ann.find(bobsPhone)
	ann.send("here it comes")
	bob.shows("chat-item", "here it comes")
	bob.click("chat-item")
	bob.state("here it comes", "in")
	bob.expect("/link") // a message may be here before the server can tell whom it is for: the page asks again
	return ann, bob
}

func TestAnUploadOutlivesItsPage(t *testing.T) {
	data := t.TempDir()
	p := weftest.StartWeft(t, data, "")
	ann, bob := twoWithFiles(t, startBrowser(t), p)
	const size = 16 << 20
	path := noise(t, t.TempDir(), "plans.bin", size)

	// ann sends a large file over a thin line: she sees it go, and how far it is
	ann.slow(1 << 20)
	ann.pick(path)
	ann.write("caption", "the plans")
	ann.click("attach-send")
	ann.sees("that it goes", `+document.querySelector('[data-testid=upload]')?.dataset.bytes > 2_000_000`)
	ann.sees("a bar that says how far", `document.querySelector('[data-testid=progress]').value > 0.1`)

	// she pauses it: nothing moves, over a reload either; then it goes on where it was
	ann.click("upload-pause")
	ann.sees("that it is paused", `document.querySelector('[data-testid=upload]').dataset.state === 'paused'`)
	weftest.Eventually(t, "the page keeps that", func() bool { return strings.Contains(later[string](ann, kept), `"paused":true`) })
	ann.do("reload", chromedp.Reload())
	ann.live()
	ann.sees("that it is still paused", `document.querySelector('[data-testid=upload]')?.dataset.state === 'paused'`)
	ann.click("upload-resume")
	ann.sees("that it went on where it was", `(b => b > 1_000_000)(+(document.querySelector('[data-testid=upload]')?.dataset.bytes ?? 0))`)

	// the page is reloaded in the middle: the next one goes on by itself
	ann.sees("that it is in the middle", `+document.querySelector('[data-testid=upload]')?.dataset.bytes > 5_000_000`)
	ann.do("reload", chromedp.Reload())
	ann.live()
	ann.sees("that it goes on, and not from the beginning", `(b => b > 4_000_000)(+(document.querySelector('[data-testid=upload]')?.dataset.bytes ?? 0))`)

	// the server is killed: the upload waits, and goes on with the next one
	ann.sees("that it is further", `+document.querySelector('[data-testid=upload]')?.dataset.bytes > 8_000_000`)
	ann.away()
	bob.away()
	p.Kill()
	ann.sees("that it waits", `document.querySelector('[data-testid=upload]').dataset.state === 'waiting'`)
	weftest.StartWeft(t, data, strings.TrimPrefix(p.URL, "http://"))
	ann.live()
	bob.live()
	ann.sees("that it goes on, and not from the beginning", `(b => b > 6_000_000)(+(document.querySelector('[data-testid=upload]')?.dataset.bytes ?? 0))`)
	ann.slow(-1)

	// bob has it, as a card, byte for byte
	bob.shows("media-file", "plans.bin")
	bob.shows("media-file", "BIN · 17 MB")
	bob.state("the plans", "in")
	ann.gone("upload")
	ann.state("the plans", "read")
	want := sha256.Sum256(noiseOf(t, path))
	if got := later[string](bob, digest(`document.querySelector('[data-testid=media-file]').dataset.media`)); got != fmt.Sprintf("%x", want) {
		t.Errorf("bob has %s, want %x", got, want)
	}
	weftest.Eventually(t, "nothing is kept of what was sent", func() bool { return later[string](ann, kept) == "[]" })
}

// kept is an expression for what the page keeps of files on their way, as JSON.
const kept = `new Promise((ok, no) => {
	const open = indexedDB.open('weft.uploads');
	open.onerror = () => no(open.error);
	open.onsuccess = () => {
		const all = open.result.transaction('uploads').objectStore('uploads').getAll();
		all.onsuccess = () => { open.result.close(); ok(JSON.stringify(all.result)); };
	};
})`

func noiseOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// given is what a page runs to be given a small file by drop or paste.
func given(how, name string) string {
	return fmt.Sprintf(`{
		const data = new DataTransfer();
		data.items.add(new File(['some words'], '%[2]s', { type: 'text/plain' }));
		const target = document.querySelector('[data-testid=composer]');
		const more = { bubbles: true, cancelable: true };
		if ('%[1]s' === 'drop') {
			for (const type of ['dragenter', 'dragover', 'drop']) target.dispatchEvent(new DragEvent(type, { ...more, dataTransfer: data }));
		} else {
			target.dispatchEvent(new ClipboardEvent('paste', { ...more, clipboardData: data }));
		}
	}`, how, name)
}

func TestPicturesInAConversation(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann, bob := twoWithFiles(t, startBrowser(t), p)
	dir := t.TempDir()

	// several at once, each with its caption
	ann.pick(photo(t, dir, "sea.jpg", 1600, 900), photo(t, dir, "mountain.jpg", 600, 1200))
	ann.do("write captions", chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('[data-testid=caption]').forEach((c, i) => {
		c.value = ['the sea', 'the mountain'][i];
		c.dispatchEvent(new Event('input', { bubbles: true }));
	})`))
	ann.click("attach-send")
	for _, w := range []*window{ann, bob} {
		w.sees("both pictures", `document.querySelectorAll('[data-testid=media-picture][data-loaded=true]').length === 2`)
		w.sees("pictures, not frames", `[...document.querySelectorAll('[data-testid=media-picture] img')].every(i => i.naturalWidth > 100)`)
	}
	bob.state("the sea", "in")
	bob.state("the mountain", "in")
	if wide := value[int](bob, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
		t.Errorf("the page is %d pixels wider than the phone", wide)
	}

	for _, w := range []*window{ann, bob} {
		nameless := value[[]string](w, `[...document.querySelectorAll('button,input,textarea,a,progress,video')].filter(e => e.checkVisibility()
			&& !(e.ariaLabel || e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)`)
		if len(nameless) > 0 {
			t.Errorf("%s has controls without a name: %v", w.who, nameless)
		}
	}

	// a dropped one and a pasted one; by keyboard alone she sends it, and writes on
	for _, how := range []string{"drop", "paste"} {
		name := how + "ped.txt"
		ann.do(how, chromedp.Evaluate[chromedp.Void](given(how, name)))
		ann.shows("attachment", name)
		ann.sees("the caption has the focus", `document.activeElement?.matches('[data-testid=caption]')`)
		ann.press(kb.Enter)
		bob.sees("it came", fmt.Sprintf(`[...document.querySelectorAll('[data-testid=media-file]')].some(f => f.textContent.includes(%q))`, name))
		ann.sees("the composer has the focus again", `document.activeElement?.matches('[data-testid=composer]')`)
	}

	// two before the browser shows either: the dialog is rendered twice before its effects run
	if n := later[int](ann, fmt.Sprintf(`(async () => {
		const shown = () => document.querySelectorAll('[data-testid=attachment]').length;
		%s
		for (let i = 0; i < 100 && shown() < 1; i++) await null;
		%s
		for (let i = 0; i < 100 && shown() < 2; i++) await null;
		return shown();
	})()`, given("drop", "first.txt"), given("drop", "second.txt"))); n != 2 {
		t.Errorf("the dialog has %d files, want 2 without a frame between them", n)
	}
	ann.sees("the first caption has the focus", `document.activeElement === document.querySelectorAll('[data-testid=caption]')[0]`)
	ann.press(kb.Escape)
	ann.gone("attach-dialog")

	// bob opens one large, and goes through them by keyboard; Escape brings him back to where he was
	bob.do("open the sea", chromedp.Evaluate[chromedp.Void](messages("the sea")+`[0].querySelector('[data-testid=media-picture]').click()`))
	bob.sees("it is large", `document.querySelector('[data-testid=gallery-item]')?.dataset.loaded === 'true'`)
	bob.shows("gallery", "the sea")
	next := kb.ArrowLeft // they went up side by side
	if value[bool](bob, `+`+messages("the mountain")+`[0].dataset.seq > +`+messages("the sea")+`[0].dataset.seq`) {
		next = kb.ArrowRight
	}
	bob.press(next)
	bob.sees("the other is large", `document.querySelector('[data-testid=gallery]')?.textContent.includes('the mountain') && document.querySelector('[data-testid=gallery-item]').dataset.loaded === 'true'`)
	bob.press(kb.Escape)
	bob.gone("gallery")

	// from the phone it goes as well
	bob.pick(photo(t, dir, "from the phone.jpg", 900, 900))
	bob.write("caption", "my view")
	bob.click("attach-send")
	ann.state("my view", "in")
	ann.sees("his picture", `document.querySelectorAll('[data-testid=media-picture][data-loaded=true]').length === 3`)
	bob.sees("the conversation is there still", `!!document.querySelector('[data-testid=composer]')`)
}

// pixels is an expression for a picture file of a kind that the browser itself writes, in Base64.
func pixels(kind string, width, height int) string {
	return fmt.Sprintf(`(() => {
		const c = Object.assign(document.createElement('canvas'), { width: %d, height: %d });
		const pen = c.getContext('2d');
		pen.fillStyle = 'rgb(0, 128, 255)';
		pen.fillRect(0, 0, c.width, c.height);
		return c.toDataURL('%s').split(',')[1];
	})()`, width, height, kind)
}

// moving is a GIF of two frames.
func moving(t *testing.T) []byte {
	t.Helper()
	frame := func(c color.Color) *image.Paletted {
		img := image.NewPaletted(image.Rect(0, 0, 320, 240), color.Palette{color.White, c})
		for i := range img.Pix {
			img.Pix[i] = 1
		}
		return img
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame(color.RGBA{R: 255, A: 255}), frame(color.RGBA{B: 255, A: 255})}, Delay: []int{50, 50}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Pictures of each kind that is one, whatever their names say, are shown as such, with what stands in for them until they
// are there; what only says that it is one comes as a file.
func TestPicturesOfEachKind(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann, bob := twoWithFiles(t, startBrowser(t), p)
	dir := t.TempDir()
	decoded := func(kind string) []byte {
		b, err := base64.StdEncoding.DecodeString(value[string](ann, pixels(kind, 320, 240)))
		if err != nil || !strings.HasPrefix(http.DetectContentType(b), kind) {
			t.Fatalf("the browser writes no %s: %q, %v", kind, http.DetectContentType(b), err)
		}
		return b
	}
	for name, data := range map[string][]byte{
		"a.webp": decoded("image/webp"), "a.png": decoded("image/png"), "moving.gif": moving(t), "webp, it says.jpg": decoded("image/webp"),
	} {
		ann.pick(file(t, dir, name, data))
		ann.write("caption", "this is "+name)
		ann.click("attach-send")
		for _, w := range []*window{ann, bob} {
			w.sees(name, messages("this is "+name)+`[0]?.querySelector('[data-testid=media-picture][data-loaded=true] img')?.naturalWidth >= 320`)
		}
		if kind := http.DetectContentType(data); kind == "image/gif" { // all of it, so that it moves
			loaded := messages("this is "+name) + `[0].querySelector('[data-testid=media-picture]').dataset.media`
			if got, want := later[string](bob, digest(loaded)), fmt.Sprintf("%x", sha256.Sum256(data)); got != want {
				t.Errorf("bob has %s of the GIF, want %s", got, want)
			}
		}
	}
	ann.pick(file(t, dir, "no picture.png", []byte("only words")))
	ann.click("attach-send")
	bob.shows("media-file", "no picture.png")
}

func TestAnUploadThatFailsIsTriedAgain(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t)
	ann, bob := open(t, browser, "ann", p.URL, desktop), open(t, browser, "bob", p.URL, desktop)
	ann.signIn(annsPhone, "Ann")
	bob.signIn(bobsPhone, "Bob")
	bob.group("Plans", annsPhone)
	bob.expect("/link")
	ann.shows("chat-item", "Plans")
	ann.click("chat-item")
	bob.click("open-info")
	writers := func(who string) {
		t.Helper()
		bob.sees("the setting", `!!document.querySelector('[data-testid=setting-send]')`)
		bob.do("let "+who+" write", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{
			const select = document.querySelector('[data-testid=setting-send]');
			select.value = %q;
			select.dispatchEvent(new Event('change', { bubbles: true }));
		}`, who)))
	}

	// while ann writes a caption she is no longer let to write: the upload is refused, and says why
	ann.pick(noise(t, t.TempDir(), "late.bin", 300_000))
	writers("admins")
	ann.shows("silenced", "Only admins")
	ann.expect("403") // as the browser tells of it
	ann.click("attach-send")
	ann.sees("that it failed", `document.querySelector('[data-testid=upload]')?.dataset.state === 'failed'`)
	ann.sees("why", `document.querySelector('[data-testid=upload] [role=alert]').textContent.length > 12`)

	// a reload does not forget it; once she may, another try brings it
	ann.do("reload", chromedp.Reload())
	ann.live()
	ann.sees("that it failed still", `document.querySelector('[data-testid=upload]')?.dataset.state === 'failed'`)
	writers("all")
	ann.gone("silenced")
	ann.click("upload-retry")
	bob.shows("media-file", "late.bin")
	ann.gone("upload")

	// one that she does not want any more goes, and nothing comes of it
	ann.slow(100_000)
	ann.pick(noise(t, t.TempDir(), "never.bin", 3<<20))
	ann.click("attach-send")
	ann.sees("that it goes", `+document.querySelector('[data-testid=upload]')?.dataset.bytes > 0`)
	ann.click("upload-cancel")
	ann.gone("upload")
	ann.slow(-1)
	ann.send("never mind")
	bob.state("never mind", "in")
	if n := value[int](bob, `document.querySelectorAll('[data-testid=media-file]').length`); n != 1 {
		t.Errorf("bob has %d files, want the one", n)
	}
}

func TestAVoiceMessage(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	browser := startBrowser(t, chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	ann, bob := twoWithFiles(t, browser, p)

	// one that is thrown away leaves nothing
	ann.click("record")
	ann.shows("recording-time", "0:01")
	ann.press(kb.Escape)
	ann.gone("recording")
	ann.sees("the focus is where it was", `document.activeElement?.matches('[data-testid=record]')`)
	// one that is sent is heard by bob, who sees how loud it is
	ann.click("record")
	ann.shows("recording-time", "0:02")
	ann.click("record-send")
	bob.sees("it came", `document.querySelectorAll('[data-testid=media-audio]').length === 1`)
	bob.sees("how loud it is", `new Set([...document.querySelectorAll('[data-testid=waveform] rect')].map(r => r.getAttribute('height'))).size > 3`)
	bob.sees("how long it is", `/^0:0[23]$/.test(document.querySelector('.player-time').textContent)`)
	bob.click("speed")
	bob.shows("speed", "1.5×")
	bob.click("play")
	bob.sees("that it plays, faster", `(a => !a.paused && a.currentTime > 0.2 && a.playbackRate === 1.5)(document.querySelector('[data-testid=player] audio'))`)
	bob.sees("that it ends", `document.querySelector('[data-testid=player]').dataset.playing === 'false'`)
	ann.sees("hers is a voice message too", `!!document.querySelector('[data-testid=media-audio]')`)
	bob.click("back")
	bob.shows("chat-item", "Voice message (0:0")
}

// Where files are in another store, the page shows what it is sent there for, and nothing else from elsewhere.
func TestPicturesFromABucket(t *testing.T) {
	s3 := weftest.StartS3(t)
	p := weftest.StartWeft(t, t.TempDir(), "", "--media-s3", s3.URL)
	ann, bob := twoWithFiles(t, startBrowser(t), p)
	ann.pick(photo(t, t.TempDir(), "sea.jpg", 1600, 900))
	ann.click("attach-send")
	for _, w := range []*window{ann, bob} {
		w.sees("the picture", `document.querySelector('[data-testid=media-picture]')?.dataset.loaded === 'true'`)
	}
	bob.do("open it", chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid=media-picture]').click()`))
	bob.sees("it is large", `document.querySelector('[data-testid=gallery-item] img')?.naturalWidth === 1600`)
}

// A film has the picture that the browser it was sent from has made of it, and plays.
func TestAFilm(t *testing.T) {
	p := weftest.StartWeft(t, t.TempDir(), "")
	ann, bob := twoWithFiles(t, startBrowser(t, chromedp.Flag("autoplay-policy", "no-user-gesture-required")), p)
	later[bool](ann, `new Promise(done => {
		const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
		const context = canvas.getContext('2d');
		let n = 0;
		const draw = setInterval(() => { context.fillStyle = 'hsl(' + (n += 9) + ' 90% 50%)'; context.fillRect(0, 0, 320, 240); }, 40);
		const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm' });
		const chunks = [];
		recorder.ondataavailable = e => chunks.push(e.data);
		recorder.onstop = () => {
			clearInterval(draw);
			const dataTransfer = new DataTransfer();
			dataTransfer.items.add(new File(chunks, 'colours.webm', { type: 'video/webm' }));
			document.querySelector('[data-testid=conversation]').dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
			done(true);
		};
		recorder.start();
		setTimeout(() => recorder.stop(), 1500);
	})`)
	ann.shows("attachment", "colours.webm")
	ann.write("caption", "all of them")
	ann.click("attach-send")
	bob.state("all of them", "in")
	bob.sees("its picture, of its size", `(v => v.poster.startsWith('data:image/jpeg;base64,') && Math.abs(v.clientWidth / v.clientHeight - 4 / 3) < 0.02)(document.querySelector('[data-testid=media-video] video'))`)
	bob.sees("where it is", `document.querySelector('[data-testid=media-video] video').src !== ''`)
	bob.do("play it", chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-testid=media-video] video').play()`))
	bob.sees("that it plays", `(v => v.currentTime > 0.2 && v.videoWidth === 320)(document.querySelector('[data-testid=media-video] video'))`)
	bob.click("back")
	bob.shows("chat-item", "🎬 all of them")
}
