package edge

import "github.com/weft-im/weft/fabric"

// The rules of who may do what in a channel stand here and nowhere else in the edge. A direct chat's and a self channel's
// members are in their names, so the rules need no lookup; that the other user exists and can be written to is asked
// once a pair, when the chat is opened.

// mayRead refuses whoever is not a member of c. It tells the same of a channel that does not exist.
func mayRead(u fabric.UserID, c fabric.ChannelID) error {
	if _, ok := c.Peer(u); ok || c == fabric.Self(u) {
		return nil
	}
	return fabric.Errorf(fabric.CodeForbidden, "you are not a member of channel %s", c)
}

// mayWrite refuses whoever must not write to c. A self channel is written by the roles only.
func mayWrite(u fabric.UserID, c fabric.ChannelID) error {
	if err := mayRead(u, c); err != nil {
		return err
	}
	if c.Kind() == fabric.KindSelf {
		return fabric.Errorf(fabric.CodeForbidden, "nobody writes to a self channel")
	}
	return nil
}
