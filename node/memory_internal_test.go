package node

import "testing"

// The pace follows how much is allocated, and a small process may gather some garbage in any case.
func TestPaceOf(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		what       string
		of         garbage
		rate, live uint64
		want       int
	}{
		{"many connections at rest", ofMessages, 1 * mib, 400 * mib, 10},
		{"files go up beside them", ofMessages, 120 * mib, 400 * mib, 30},
		{"traffic", ofMessages, 600 * mib, 400 * mib, 100},
		{"a small process at rest", ofMessages, 1 * mib, 32 * mib, 50},
		{"a small process in traffic", ofMessages, 600 * mib, 32 * mib, 100},
		{"a process that has nothing yet", ofMessages, 0, 0, 400},
		{"a process for files, while they come", ofFiles, 600 * mib, 20 * mib, 50},
		{"and at rest", ofFiles, 0, 16 * mib, 50},
	} {
		if got := tc.of.paceOf(tc.rate, tc.live); got != tc.want {
			t.Errorf("%s: %d %%, want %d", tc.what, got, tc.want)
		}
	}
}
