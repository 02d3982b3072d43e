package bench_test

import (
	"testing"
	"time"

	"github.com/weft-im/weft/bench"
	"github.com/weft-im/weft/weftest"
)

// A small run has every figure.
func TestMedia(t *testing.T) {
	r, err := bench.Media(t.Context(), bench.MediaConfig{
		Dir: t.TempDir(), Bytes: 20 << 20, Uploads: 2, Weft: weftest.Binary(t),
		Pairs: 2, Every: 10 * time.Millisecond, Calm: 100 * time.Millisecond, Rest: time.Second, // there are two turns and more
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"uploads_mib_s", "memory_idle_mib", "memory_chat_mib", "memory_more_mib", "calm_p99_ms", "during_p99_ms", "chat_ratio", "calm_ratio",
		"stock_put_mib_s", "upload_mib_s", "upload_ratio", "download_mib_s", "download_ratio", "range_0_ms", "range_90_ms", "range_ratio",
	} {
		if v := r.Figure(key); v == nil || (*v <= 0 && key != "memory_chat_mib" && key != "memory_more_mib") {
			t.Errorf("%s: %v", key, v)
		}
	}
}
