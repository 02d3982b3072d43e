package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/weft-im/weft/fabric"
)

// LinkKeyBytes is the length of a key that signs links.
const LinkKeyBytes = 32

// NewLinkKey returns a key that signs links to files.
func NewLinkKey() []byte {
	key := make([]byte, LinkKeyBytes)
	_, _ = rand.Read(key) // it never fails: https://pkg.go.dev/crypto/rand#Read
	return key
}

// SignLink returns a token by which one user may load one file until a time, as far as they still may then. It is for where
// no header can be sent, as by <img>: it stands in a URL, and so is good for nothing else and not for long.
func SignLink(key []byte, u fabric.UserID, m fabric.MediaID, until time.Time) string {
	end := strconv.FormatInt(until.Unix(), 36)
	return end + "." + string(u) + "." + base64.RawURLEncoding.EncodeToString(linkMAC(key, u, m, end))
}

func linkMAC(key []byte, u fabric.UserID, m fabric.MediaID, end string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("weft media link\n" + string(m) + "\n" + string(u) + "\n" + end))
	return mac.Sum(nil)
}

// VerifyLink returns whose link to a file a token is, by any of the keys. The error has CodeUnauthenticated.
func VerifyLink(keys [][]byte, token string, m fabric.MediaID, now time.Time) (fabric.UserID, error) {
	end, rest, _ := strings.Cut(token, ".")
	user, sum, _ := strings.Cut(rest, ".")
	until, err := strconv.ParseInt(end, 36, 64)
	if err != nil {
		return "", errNoLink
	}
	u, err := fabric.ParseUserID(user)
	if err != nil {
		return "", errNoLink
	}
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil {
		return "", errNoLink
	}
	for _, key := range keys {
		if hmac.Equal(mac, linkMAC(key, u, m, end)) {
			if now.Unix() >= until {
				return "", fabric.Errorf(fabric.CodeUnauthenticated, "this link is over: ask for another one")
			}
			return u, nil
		}
	}
	return "", errNoLink
}

var errNoLink = fabric.Errorf(fabric.CodeUnauthenticated, "this is no link to the file, or one from long ago")
