package fabric_test

import (
	"testing"

	"github.com/weft-im/weft/fabric"
)

// FuzzDecodeCursor holds cursors, which strangers send, to this: one is refused with a code, or it is a place in every
// shard, and the cursor of that place is the same place.
func FuzzDecodeCursor(f *testing.F) {
	for _, p := range []fabric.Position{{0}, {1, 2, 3}, {1 << 63, 0}, make(fabric.Position, fabric.MaxShards)} {
		f.Add(string(fabric.EncodeCursor("weft", p)), len(p))
		f.Add(string(fabric.EncodeCursor("other", p)), len(p))
		f.Add(string(fabric.EncodeCursor("weft", p)), len(p)+1)
	}
	for _, text := range []string{"", "AQ", "!", "AQAAAAAA", "AQAAAAD__________________w", "\x00"} {
		f.Add(text, 1)
	}
	f.Fuzz(func(t *testing.T, text string, shards int) {
		if shards < 1 || shards > fabric.MaxShards {
			t.Skip("no fabric has so many")
		}
		p, err := fabric.DecodeCursor("weft", shards, fabric.Cursor(text))
		if err != nil {
			if code := fabric.CodeOf(err); code != fabric.CodeBadRequest && code != fabric.CodeConflict {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(p) != shards {
			t.Fatalf("%q is a place in %d shards of %d", text, len(p), shards)
		}
		again, err := fabric.DecodeCursor("weft", shards, fabric.EncodeCursor("weft", p))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for i := range p {
			if p[i] != again[i] {
				t.Fatalf("%q: shard %d is at %d, and then at %d", text, i, p[i], again[i])
			}
		}
	})
}
