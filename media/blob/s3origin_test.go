package blob_test

import (
	"testing"

	"github.com/weft-im/weft/media/blob"
)

func TestWhereABucketIsLoadedFrom(t *testing.T) {
	for at, want := range map[string]string{
		"http://127.0.0.1:9000/files":                             "http://127.0.0.1:9000",
		"https://minio.example.org/files/some/where":              "https://minio.example.org",
		"https://s3.amazonaws.com/files?region=eu-central-1":      "https://files.s3.dualstack.eu-central-1.amazonaws.com",
		"https://s3.eu-central-1.amazonaws.com/files/some/prefix": "https://files.s3.dualstack.eu-central-1.amazonaws.com",
	} {
		if got, err := blob.S3Origin(at); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", at, got, err, want)
		}
	}
	for _, at := range []string{"", "files", "ftp://host/files", "https://host", "https://key:secret@host/files"} {
		if got, err := blob.S3Origin(at); err == nil {
			t.Errorf("%q: %s", at, got)
		}
	}
}
