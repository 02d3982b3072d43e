package media

import (
	"mime"
	"strings"
)

// thumbType is the media type of all thumbnails.
const thumbType = "image/jpeg"

// disposition returns the Content-Disposition of a file (RFC 6266; names beyond ASCII as RFC 8187 has it). What a browser
// may show in a page stays inline; all else, and so whatever could run as a page of ours, is saved.
func disposition(name, mediaType string) string {
	how := "attachment"
	if inline(mediaType) {
		how = "inline"
	}
	return mime.FormatMediaType(how, map[string]string{"filename": name})
}

// inline reports whether a browser may show a file of a type itself.
func inline(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	switch base {
	case "image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp", "text/plain":
		return true
	}
	return strings.HasPrefix(base, "audio/") || strings.HasPrefix(base, "video/")
}
