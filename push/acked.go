package push

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/weft-im/weft/fabric"
)

// mostAcked is how many marks a generation of acked holds, some 40 bytes each. At 24,000 acks a second one lasts 20
// seconds, and marks are looked for some two seconds after they came.
const mostAcked = 500_000

// acked remembers what devices have acked lately, as edges tell it, and what users have read. It holds two generations:
// what the older one has and the newer one not is forgotten once the newer one is full; then the marks that are stored
// tell, less exactly (see stored).
type acked struct {
	seed maphash.Seed

	mu       sync.Mutex
	new, old map[uint64]uint64 // by a hash: of channel and device the delivered mark, of channel and user the read mark
}

func newAcked() *acked {
	return &acked{seed: maphash.MakeSeed(), new: make(map[uint64]uint64), old: make(map[uint64]uint64)}
}

// key is 64 bits of a hash with a seed of its own: two of a million are the same in one of 37 million processes.
func (a *acked) key(c, of []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	_, _ = h.Write(c)
	_, _ = h.Write(of)
	return h.Sum64()
}

// note takes what an edge tells: lines of channel, user, device, delivered, read. It returns how many were none.
func (a *acked) note(told []byte, read func(c fabric.ChannelID, u fabric.UserID, d fabric.DeviceID, upto uint64)) (bad int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for line := range bytes.Lines(told) {
		var words [5][]byte
		rest := bytes.TrimSuffix(line, []byte("\n"))
		for i := range words {
			words[i], rest, _ = bytes.Cut(rest, []byte(" "))
		}
		delivered, err := strconv.ParseUint(string(words[3]), 10, 64)
		upto, err2 := strconv.ParseUint(string(words[4]), 10, 64)
		if err != nil || err2 != nil {
			bad++
			continue
		}
		a.raise(a.key(words[0], words[2]), delivered)
		if upto > 0 {
			a.raise(a.key(words[0], words[1]), upto)
			read(fabric.ChannelID(words[0]), fabric.UserID(words[1]), fabric.DeviceID(words[2]), upto)
		}
	}
	return bad
}

// raise notes a mark. mu is held.
func (a *acked) raise(key, upto uint64) {
	if len(a.new) >= mostAcked {
		a.old, a.new = a.new, make(map[uint64]uint64, mostAcked)
	}
	a.new[key] = max(a.new[key], upto)
}

func (a *acked) get(c fabric.ChannelID, of string) uint64 {
	key := a.key([]byte(c), []byte(of))
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(a.new[key], a.old[key])
}

// delivered returns what a device has acked in a channel as far as it is remembered, read what a user has read.
func (a *acked) delivered(c fabric.ChannelID, d fabric.DeviceID) uint64 { return a.get(c, string(d)) }
func (a *acked) read(c fabric.ChannelID, u fabric.UserID) uint64        { return a.get(c, string(u)) }
