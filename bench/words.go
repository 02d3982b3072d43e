package bench

import "math/rand/v2"

// Bodies of messages that are archived are of words as people use them, few of them often: what is searched for depends on
// how many different ones there are.

// vocabulary is how many words there are.
const vocabulary = 20_000

// minWords is the size of the smallest body of words, in bytes.
const minWords = len(bodyHead) + 2 + len(bodyTail)

// appendWords appends a body of exactly size bytes.
func appendWords(dst []byte, r *rand.Rand, size int) []byte {
	end := len(dst) + size - len(bodyTail)
	dst = append(dst, bodyHead...)
	for len(dst) < end {
		// A square of what is even has the first words much oftener than the last, roughly as languages do.
		n := r.IntN(vocabulary)
		n = n * n / vocabulary
		for letters := 0; letters < 2 || n > 0; letters++ {
			dst = append(dst, byte('a'+n%26))
			n /= 26
		}
		dst = append(dst, ' ')
	}
	return append(dst[:end], bodyTail...)
}
