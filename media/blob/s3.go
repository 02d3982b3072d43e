package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/weft-im/weft/fabric"
)

// s3PartBytes is how much of a file is in memory while it is put: the least that S3 takes as a part.
const s3PartBytes = 5 << 20

// S3 keeps files in a bucket of an S3-compatible store, each under its id. Uploads are gathered on NATS first: parts that
// come in any size, over broken connections, are none that S3 takes.
type S3 struct {
	parts  *Parts
	client *minio.Client
	bucket string
	prefix string
}

var _ Store = (*S3)(nil)

// OpenS3 returns the store of a bucket by its URL, https://host/bucket or https://host/bucket/prefix, with the region as
// ?region=. Who one is stands where AWS's own programs look: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY),
// ~/.aws/credentials, or what the machine is. The bucket must be there.
func OpenS3(ctx context.Context, at string, parts *Parts) (*S3, error) {
	u, bucket, prefix, err := parseS3(at)
	if err != nil {
		return nil, err
	}
	if prefix != "" {
		prefix += "/"
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: within}},
		}),
		Secure: u.Scheme == "https", Region: u.Query().Get("region"),
	})
	if err != nil {
		return nil, fmt.Errorf("S3: %w", err)
	}
	s := &S3{parts: parts, client: client, bucket: bucket, prefix: prefix}
	there, err := client.BucketExists(ctx, bucket)
	if err != nil {
		return nil, fmt.Errorf("S3 bucket %s at %s: %w", bucket, u.Host, err)
	}
	if !there {
		return nil, fmt.Errorf("there is no S3 bucket %s at %s", bucket, u.Host)
	}
	return s, nil
}

func parseS3(at string) (u *url.URL, bucket, prefix string, err error) {
	u, err = url.Parse(at)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		return nil, "", "", errors.New("want https://host/bucket, without a key in it")
	}
	bucket, prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	if bucket == "" {
		return nil, "", "", errors.New("want https://host/bucket: the bucket is missing")
	}
	return u, bucket, prefix, nil
}

func (s *S3) name(id fabric.MediaID) string { return s.prefix + string(id) }

// Keep implements Store: what the parts have is put, and compared on its way.
func (s *S3) Keep(ctx context.Context, id fabric.MediaID, in Info) error {
	if there, err := s.client.StatObject(ctx, s.bucket, s.name(id), minio.StatObjectOptions{}); err == nil && there.Size == in.Size {
		return nil
	}
	r := s.parts.Open(ctx, id, in.Size)
	defer func() { _ = r.Close() }()
	h := sha256.New()
	if err := s.put(ctx, id, in, io.TeeReader(r, h)); err != nil {
		return err
	}
	return s.compare(ctx, id, in, h)
}

func (s *S3) compare(ctx context.Context, id fabric.MediaID, in Info, h hash.Hash) error {
	if [sha256.Size]byte(h.Sum(nil)) == in.Sum {
		return nil
	}
	return errors.Join(fmt.Errorf("the parts of %s are not what was uploaded: %w", id, ErrLost), s.Remove(ctx, id))
}

func (s *S3) put(ctx context.Context, id fabric.MediaID, in Info, r io.Reader) error {
	_, err := s.client.PutObject(ctx, s.bucket, s.name(id), r, in.Size, minio.PutObjectOptions{
		ContentType: in.Type, PartSize: s3PartBytes, NumThreads: 1,
	})
	if err != nil {
		return fmt.Errorf("put %s: %w", id, err)
	}
	return nil
}

// Release implements Store: the parts are not needed any more.
func (s *S3) Release(ctx context.Context, id fabric.MediaID) error { return s.parts.Remove(ctx, id) }

// Put implements Store.
func (s *S3) Put(ctx context.Context, id fabric.MediaID, in Info, data []byte) error {
	return s.put(ctx, id, in, strings.NewReader(string(data)))
}

// Open implements Store.
func (s *S3) Open(ctx context.Context, id fabric.MediaID, _ int64) (io.ReadSeekCloser, error) {
	o, err := s.client.GetObject(ctx, s.bucket, s.name(id), minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", id, err)
	}
	return o, nil
}

// URL implements Store.
func (s *S3) URL(ctx context.Context, id fabric.MediaID, as Response, lives time.Duration) (string, error) {
	u, err := s.client.PresignedGetObject(ctx, s.bucket, s.name(id), lives, url.Values{
		"response-content-type":        {as.Type},
		"response-content-disposition": {as.Disposition},
		"response-cache-control":       {as.Cache},
	})
	if err != nil {
		return "", fmt.Errorf("sign an address of %s: %w", id, err)
	}
	return u.String(), nil
}

// Remove implements Store.
func (s *S3) Remove(ctx context.Context, id fabric.MediaID) error {
	if err := s.client.RemoveObject(ctx, s.bucket, s.name(id), minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	return nil
}

// Each implements Store.
func (s *S3) Each(ctx context.Context, f func(fabric.MediaID) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("list: %w", o.Err)
		}
		id, err := fabric.ParseMediaID(strings.TrimPrefix(o.Key, s.prefix))
		if err != nil {
			continue // somebody else's
		}
		if err := f(id); err != nil {
			return err
		}
	}
	return nil
}
