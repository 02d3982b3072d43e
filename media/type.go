package media

import "mime"

// typeOf returns the media type of a file that is of type `is` by its first bytes. What the client says is not believed; only
// where one sort of file may hold sound or moving pictures, and the bytes don't tell which, it may say sound.
func typeOf(is, said string) string {
	claim, _, err := mime.ParseMediaType(said)
	if err != nil {
		return is
	}
	switch {
	case is == "video/webm" && claim == "audio/webm",
		is == "video/mp4" && claim == "audio/mp4",
		(is == "video/ogg" || is == "application/ogg") && claim == "audio/ogg":
		return claim
	}
	return is
}
