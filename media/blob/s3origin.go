package blob

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// S3Origin returns the origin, scheme://host[:port], of the addresses that the store at a URL (see OpenS3) gives: of the
// host itself, or of the bucket's name below it. It asks nobody, and needs no key; a bucket of AWS has to be told with its
// region, in the host or as ?region=.
func S3Origin(at string) (string, error) {
	u, bucket, _, err := parseS3(at)
	if err != nil {
		return "", err
	}
	opts := &minio.Options{Creds: credentials.NewStaticV4("none", "none", ""), Secure: u.Scheme == "https", Region: u.Query().Get("region")}
	if opts.Region == "" {
		opts.Region = s3utils.GetRegionFromURL(*u)
	}
	if opts.Region == "" {
		opts.Region = "us-east-1" // else the store would be asked; it is in the addresses of AWS only
	}
	client, err := minio.New(u.Host, opts)
	if err != nil {
		return "", fmt.Errorf("S3: %w", err)
	}
	signed, err := client.PresignedGetObject(context.Background(), bucket, "x", time.Minute, url.Values{})
	if err != nil {
		return "", fmt.Errorf("S3: %w", err)
	}
	return signed.Scheme + "://" + signed.Host, nil
}
