package fabric

import "strings"

// ChannelID names a channel: a direct chat `<low>.<high>` (the two user ids in byte order), a group `g.<group id>`, or a
// user's self channel `u.<user id>`. It is exactly two subject tokens, so it is a subject suffix as it stands.
type ChannelID string

// Kind tells what sort of channel a ChannelID names.
type Kind string

// The kinds of channels.
const (
	KindDirect Kind = "direct"
	KindGroup  Kind = "group"
	KindSelf   Kind = "self"
)

// Direct returns the channel of a and b. It exists once per pair, whoever asks.
func Direct(a, b UserID) ChannelID {
	if b < a {
		a, b = b, a
	}
	return ChannelID(string(a) + "." + string(b))
}

// Self returns the self channel of u.
func Self(u UserID) ChannelID { return ChannelID("u." + string(u)) }

// ParseChannelID checks s and returns it as a ChannelID. It refuses, with CodeBadRequest, whatever is no channel's name:
// a direct chat with its ids in the wrong order, or of a user with themselves, has no second name.
func ParseChannelID(s string) (ChannelID, error) {
	a, b, ok := strings.Cut(s, ".")
	switch {
	case ok && (a == "g" || a == "u") && isID(b):
		return ChannelID(s), nil
	case ok && isID(a) && isID(b) && a < b:
		return ChannelID(s), nil
	}
	return "", Errorf(CodeBadRequest,
		"%s is not a channel: want <low>.<high> (two user ids in byte order), g.<group id> or u.<user id>", quote(s))
}

// Kind returns the channel's kind.
func (c ChannelID) Kind() Kind {
	switch {
	case strings.HasPrefix(string(c), "g."):
		return KindGroup
	case strings.HasPrefix(string(c), "u."):
		return KindSelf
	default:
		return KindDirect
	}
}

// Tokens returns the channel's two subject tokens.
func (c ChannelID) Tokens() (a, b string) {
	a, b, _ = strings.Cut(string(c), ".")
	return a, b
}

// Users returns the two users of a direct chat in byte order; ok is false for other kinds.
func (c ChannelID) Users() (low, high UserID, ok bool) {
	a, b := c.Tokens()
	if len(a) != IDLen {
		return "", "", false
	}
	return UserID(a), UserID(b), true
}

// Peer returns the other user of a direct chat that u is in; ok is false where u is not in it, or it is no direct chat.
func (c ChannelID) Peer(u UserID) (peer UserID, ok bool) {
	low, high, ok := c.Users()
	switch {
	case !ok:
		return "", false
	case u == low:
		return high, true
	case u == high:
		return low, true
	}
	return "", false
}
