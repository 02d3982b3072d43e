package bench

import (
	"strconv"
	"time"
)

// A message's body is {"text":"<run><number><clock><padding>"}: which run it is of, its number in its channel and when it
// was sent, in hexadecimal of fixed width, so that it is written and read at fixed places without decoding JSON.
const (
	bodyHead  = `{"text":"`
	bodyTail  = `"}`
	runAt     = len(bodyHead)
	numberAt  = runAt + 8
	clockAt   = numberAt + 16
	paddingAt = clockAt + 16
	// MinBody is the size of the smallest body, in bytes.
	MinBody = paddingAt + len(bodyTail)
)

// clock is the loader's: monotonic nanoseconds since it began.
type clock struct{ begun time.Time }

func (c clock) now() time.Duration { return time.Since(c.begun) }

// newBody returns a body of this size for messages of a run.
func newBody(size int, run uint32) []byte {
	b := make([]byte, max(size, MinBody))
	for i := range b {
		b[i] = 'x'
	}
	copy(b, bodyHead)
	copy(b[len(b)-len(bodyTail):], bodyTail)
	putHex(b[runAt:numberAt], uint64(run))
	return b
}

// stamp writes a message's number and its clock into its body.
func stamp(b []byte, n uint64, at time.Duration) {
	putHex(b[numberAt:clockAt], n)
	putHex(b[clockAt:paddingAt], uint64(at))
}

// readBody returns what stamp wrote; ok is false where the body is none of this run's.
func readBody(b []byte, run uint32) (n uint64, at time.Duration, ok bool) {
	if len(b) < MinBody || string(b[:runAt]) != bodyHead {
		return 0, 0, false
	}
	of, err := strconv.ParseUint(string(b[runAt:numberAt]), 16, 32)
	if err != nil || uint32(of) != run {
		return 0, 0, false
	}
	n, err = strconv.ParseUint(string(b[numberAt:clockAt]), 16, 64)
	if err != nil {
		return 0, 0, false
	}
	ns, err := strconv.ParseUint(string(b[clockAt:paddingAt]), 16, 64)
	if err != nil {
		return 0, 0, false
	}
	return n, time.Duration(ns), true
}

// putHex fills b with v in hexadecimal, its lowest digit last.
func putHex(b []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[v&15]
		v >>= 4
	}
}
