package fabric

import (
	"fmt"

	"github.com/google/uuid"
)

// IDLen is the length of an id in its standard text, in bytes.
const IDLen = 36

// UserID names a person (or a service's account); DeviceID one installation of theirs. Both are UUIDv7 in standard
// lower-case text (RFC 9562), the same in SQL, subjects and JSON, so that grep finds them everywhere.
type (
	UserID   string
	DeviceID string
)

// NewUserID and NewDeviceID return ids that sort by their time of creation.
func NewUserID() UserID     { return UserID(newID()) }
func NewDeviceID() DeviceID { return DeviceID(newID()) }

// NewCID returns an id for a message as its client makes it.
func NewCID() string { return newID() }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// ParseUserID returns s as a user id, or an error with CodeBadRequest.
func ParseUserID(s string) (UserID, error) {
	if !isID(s) {
		return "", Errorf(CodeBadRequest, "%s is not a user id: want a UUID in lower-case text", quote(s))
	}
	return UserID(s), nil
}

// ParseDeviceID returns s as a device id, or an error with CodeBadRequest.
func ParseDeviceID(s string) (DeviceID, error) {
	if !isID(s) {
		return "", Errorf(CodeBadRequest, "%s is not a device id: want a UUID in lower-case text", quote(s))
	}
	return DeviceID(s), nil
}

// isID reports whether s is a UUID in lower-case standard text. It allocates nothing: it stands on the send path.
func isID(s string) bool {
	if len(s) != IDLen {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// quote shows what a stranger sent, bounded, so that an error text never grows with its input.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%q", s)
}
