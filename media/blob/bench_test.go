package blob_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/weftest"
)

// benchBytes is the size of a benchmark's file.
const benchBytes = 64 << 20

func BenchmarkAppend(b *testing.B) {
	p := openParts(b, weftest.StartNATS(b, natsconfig.FabricConfig{}))
	data := noise(benchBytes)
	b.SetBytes(benchBytes)
	for b.Loop() {
		id := fabric.NewMediaID()
		if at, err := p.Append(b.Context(), id, blob.NoTail(), bytes.NewReader(data), benchBytes); err != nil || at.Offset != benchBytes {
			b.Fatal(at.Offset, err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	p := openParts(b, weftest.StartNATS(b, natsconfig.FabricConfig{}))
	id := fabric.NewMediaID()
	if _, err := p.Append(b.Context(), id, blob.NoTail(), bytes.NewReader(noise(benchBytes)), benchBytes); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchBytes)
	for b.Loop() {
		r := p.Open(b.Context(), id, benchBytes)
		if n, err := io.Copy(io.Discard, r); err != nil || n != benchBytes {
			b.Fatal(n, err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
