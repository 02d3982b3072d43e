package fabric

import "encoding/json"

// MediaID names a file that was uploaded, and before it is finished its upload. It is a UUIDv7 in standard lower-case text.
type MediaID string

// NewMediaID returns an id that sorts by its time of creation.
func NewMediaID() MediaID { return MediaID(newID()) }

// ParseMediaID returns s as the id of a file, or an error with CodeBadRequest.
func ParseMediaID(s string) (MediaID, error) {
	if !isID(s) {
		return "", Errorf(CodeBadRequest, "%s is not the id of a file: want a UUID in lower-case text", quote(s))
	}
	return MediaID(s), nil
}

// MediaBody is what the server reads of the body of a `media` message. Clients write more into it.
type MediaBody struct {
	Media MediaID `json:"media"`
	Type  string  `json:"type"`
	Size  *int64  `json:"size"`
}

// MediaOf returns the file that a message of kind media names, "" where it names none.
func MediaOf(kind string, body []byte) MediaID {
	if kind != MsgMedia {
		return ""
	}
	var b MediaBody
	if json.Unmarshal(body, &b) != nil || !isID(string(b.Media)) {
		return ""
	}
	return b.Media
}
