package subjects

import (
	"strings"

	"github.com/weft-im/weft/fabric"
)

// PushStream holds what is to be pushed until a push service has taken it, or it is given up. PushFilter is what it binds.
const (
	PushStream = "PUSH"
	PushFilter = "push.*.*.*"
)

// PushJob returns the subject of what is to be pushed to a device: by which push service, which is its lane, and in which
// class of haste.
func PushJob(lane, class string, d fabric.DeviceID) string {
	return "push." + lane + "." + class + "." + string(d)
}

// PushJobs matches what is to be pushed by one service in one class, and PushConsumer is the durable consumer that brings
// it: what one service does not take holds no other up.
func PushJobs(lane, class string) string     { return "push." + lane + "." + class + ".*" }
func PushConsumer(lane, class string) string { return lane + "_" + class }

// PushLane returns the lane of a push service's host: a token of a subject, and part of a consumer's name.
func PushLane(host string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, strings.ToLower(host))
}

// PushChanged tells the processes of the push role that a user's devices are reached otherwise than before.
const PushChanged = "weft.push.changed"

// Acked returns the subject on which an edge tells what devices have acked, a moment after. It is never stored: the users'
// marks are. By it the push role knows one device of a user's from the others.
func Acked(edge string) string { return "acked." + edge }
