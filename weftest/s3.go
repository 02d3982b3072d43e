package weftest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3Gateway is a real server of S3 on a folder: https://github.com/versity/versitygw, Apache-2.0. It is built by its own
// go.mod, so that none of what it needs comes into ours.
const (
	s3Gateway        = "github.com/versity/versitygw/cmd/versitygw"
	s3GatewayVersion = "v1.8.0"
)

// gateway returns the program, built once a machine.
var gateway = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "weft-tests", "versitygw-"+s3GatewayVersion)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(dir, "lock")) // tests of several packages want it at once
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }()
	path := filepath.Join(dir, "versitygw")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.Command("go", "install", s3Gateway+"@"+s3GatewayVersion)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", s3Gateway, err, out)
	}
	return path, nil
})

// S3 is a bucket of a real S3 server that ends with the test.
type S3 struct {
	URL    string // http://host/bucket
	Client *minio.Client
	Bucket string
}

// StartS3 starts a server with an empty bucket. Its keys are in the environment of the test, where AWS's programs look.
func StartS3(t *testing.T) *S3 {
	t.Helper()
	path, err := gateway()
	if err != nil {
		t.Fatal(err)
	}
	const access, secret = "weft-test", "weft-test-secret"
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	host, dir := fmt.Sprintf("127.0.0.1:%d", FreePort(t)), t.TempDir()
	data, meta := filepath.Join(dir, "data"), filepath.Join(dir, "meta")
	if err := errors.Join(os.Mkdir(data, 0o750), os.Mkdir(meta, 0o750)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--access", access, "--secret", secret, "--port", host, "--quiet", "posix", "--sidecar", meta, data)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive the test, however that ends
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only where it has ended
		_ = cmd.Wait()
	})
	Eventually(t, "the S3 server answers", func() bool {
		resp, err := http.Get("http://" + host + "/")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
	client, err := minio.New(host, &minio.Options{Creds: credentials.NewStaticV4(access, secret, "")})
	if err != nil {
		t.Fatal(err)
	}
	s := &S3{URL: "http://" + host + "/files", Client: client, Bucket: "files"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := client.MakeBucket(ctx, s.Bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatalf("make a bucket: %v", err)
	}
	return s
}
