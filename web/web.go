// Package web is the web client: a page that speaks the public protocol only, as any other client does. Its source is
// TypeScript in src; what is built of it is committed in dist, so that the binary carries the page and starting it
// needs no Node.js. `npm run verify` holds dist to its source.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

//go:generate npm ci
//go:generate npm run build

//go:embed dist
var dist embed.FS

// policy lets the page run its own files only, and talk to the server that it came from (host) and to nobody else: a
// script that got in has no way out. It names the server's WebSockets because browsers differ on whether 'self' covers them.
// Pictures and players may also show what the page has made of a file that is here, and files at the origins in elsewhere.
func policy(host, elsewhere string) string {
	sockets := ""
	if len(host) <= maxHost && isHost.MatchString(host) {
		sockets = " ws://" + host + " wss://" + host
	}
	return "default-src 'self'; connect-src 'self'" + sockets + "; img-src 'self' data: blob:" + elsewhere + "; media-src 'self' blob:" + elsewhere + "; " +
		"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// What a request's Host may be to stand in the policy: a name or an address, with or without a port.
var isHost = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

const maxHost = 255 + len(":65535")

// types are told here, not by the machine's mime tables, which differ.
var types = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".webmanifest": "application/manifest+json",
}

// file is one built file with the headers it is served with.
type file struct {
	body        []byte
	contentType string
	etag        string
	cache       string
}

// Handler serves the built page. A path without an extension is a place in the page and gets index.html; any other that
// is no file is 404. Who loads a file that somebody has sent may be led on to the origins that files names, as
// https://host: the page shows what comes from there.
func Handler(files ...string) http.Handler {
	built, err := load(dist)
	if err != nil {
		panic(err) // what is embedded can always be read
	}
	h := handler{files: built}
	for _, origin := range files {
		h.elsewhere += " " + origin
	}
	return h
}

type handler struct {
	files     map[string]file
	elsewhere string // of the policy
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy(r.Host, h.elsewhere))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f, ok := h.files[name]
	if !ok {
		if path.Ext(name) != "" {
			http.NotFound(w, r)
			return
		}
		f = h.files["index.html"]
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", f.cache)
	header.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

// load reads the built files. Those in assets have their content's hash in their names, so they never change.
func load(dist fs.FS) (map[string]file, error) {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	files := make(map[string]file)
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		f := file{
			body:        body,
			contentType: types[path.Ext(name)],
			etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
			cache:       "no-cache",
		}
		if f.contentType == "" {
			f.contentType = mime.TypeByExtension(path.Ext(name))
		}
		if strings.HasPrefix(name, "assets/") {
			f.cache = "public, max-age=31536000, immutable"
		}
		files[name] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, ok := files["index.html"]; !ok {
		return nil, fmt.Errorf("the built page has no index.html")
	}
	return files, nil
}
