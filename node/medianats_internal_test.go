package node

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Files are moved to where their server looks for them, and never over others.
func TestPlaceMedia(t *testing.T) {
	const stream = "jetstream/ACCOUNT/streams/OBJ_MEDIA_0"
	for _, tc := range []struct {
		what    string
		nats    bool // files are there
		media   bool
		apart   bool
		refused string
	}{
		{"a new folder", false, false, true, ""},
		{"files of an earlier version", true, false, true, ""},
		{"files that are where they must be", false, true, true, ""},
		{"files in both", true, true, true, "there are files in "},
		{"no server for them, and files with the rest", true, false, false, ""},
		{"no server for them, and files of their own", false, true, false, "this fabric's files are in "},
	} {
		t.Run(tc.what, func(t *testing.T) {
			d := &data{dir: filepath.Join(t.TempDir(), "odd [a-b]* name")}
			for folder, there := range map[string]bool{natsFolder: tc.nats, mediaFolder: tc.media} {
				if !there {
					continue
				}
				if err := os.MkdirAll(filepath.Join(d.path(folder), stream), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(d.path(folder), stream, "of"), []byte(folder), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := d.placeMedia(tc.apart)
			if tc.refused == "" && err != nil || tc.refused != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.refused)) {
				t.Fatalf("it says %v, want %q", err, tc.refused)
			}
			for folder, was := range map[string]bool{natsFolder: tc.nats, mediaFolder: tc.media} {
				at := folder
				if was && err == nil && tc.apart {
					at = mediaFolder
				}
				if of, err := os.ReadFile(filepath.Join(d.path(at), stream, "of")); was && (err != nil || string(of) != folder) {
					t.Errorf("what was in %s: %q, %v", folder, of, err)
				}
			}
		})
	}
}

// The process for files has half of the cores, unless somebody has chosen.
func TestLeaveCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, tc := range []struct {
		cores, want int
		chosen      string
	}{{8, 4, ""}, {3, 1, ""}, {1, 1, ""}, {8, 8, "8"}} {
		t.Setenv("GOMAXPROCS", tc.chosen)
		runtime.GOMAXPROCS(tc.cores)
		leaveCores()
		if got := runtime.GOMAXPROCS(0); got != tc.want {
			t.Errorf("of %d cores it uses %d, want %d", tc.cores, got, tc.want)
		}
	}
}
