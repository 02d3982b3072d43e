package client

import (
	"math/rand/v2"
	"time"
)

// Backoff tells how long to wait before the given attempt to connect, counted from 1 after the last connection that
// worked. Whatever it is, it must spread: a server that restarts is come back to by everybody at once.
type Backoff func(attempt int) time.Duration

// Bounds of DefaultBackoff.
const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = 15 * time.Second
)

// DefaultBackoff is exponential with full jitter: anywhere from 0 to a ceiling that begins at 0.25 s and doubles up to
// 15 s (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
func DefaultBackoff(attempt int) time.Duration {
	ceiling := maxBackoff
	if attempt = max(attempt, 1); attempt < 8 { // 2^6 × 0.25 s is above the ceiling already
		ceiling = min(minBackoff<<(attempt-1), maxBackoff)
	}
	return rand.N(ceiling) + 1
}

// jitter spreads a wait that the server asked for over ± a quarter.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/4 + rand.N(d/2+1)
}
