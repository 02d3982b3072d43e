package natsconfig

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/subjects"
)

// provisionMedia makes the object stores of files: on the NATS servers that cfg.Media names, or on the fabric's own. Where
// the fabric's files are on others, of which cfg does not know, it leaves them to who does.
//
// Invariant: object stores of files on the fabric's own servers are where its files are. So what says that they are on
// others is not believed where it was restored from a backup together with them, and files that are there keep others from
// being used until somebody has moved them.
func (f *Fabric) provisionMedia(ctx context.Context, js jetstream.JetStream, cfg FabricConfig) error {
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	if f.Media, err = mediaAt(ctx, kv); err != nil {
		return err
	}
	here, err := mediaStoresOn(ctx, js, f.Shards)
	if err != nil {
		return err
	}
	on, at := js, ""
	switch {
	case cfg.Media != nil:
		if err := removeEmpty(ctx, js, here); err != nil {
			return err
		}
		on, at = cfg.Media, cfg.MediaAt
	case f.Media != "" && len(here) == 0:
		return nil
	}
	for shard := range f.Shards {
		if _, err := on.CreateOrUpdateObjectStore(ctx, mediaStore(shard, cfg)); err != nil {
			return fmt.Errorf("bucket %s: %w", subjects.MediaBucket(shard), err)
		}
	}
	switch {
	case f.Media == at:
		return nil
	case at == "":
		err = kv.Purge(ctx, subjects.KeyMedia)
	default:
		_, err = kv.PutString(ctx, subjects.KeyMedia, at)
	}
	if err != nil {
		return fmt.Errorf("note where the fabric's files are: %w", err)
	}
	f.Media = at
	return nil
}

// mediaStoresOn returns how many messages each object store of files has that is on a server, by its bucket.
func mediaStoresOn(ctx context.Context, js jetstream.JetStream, shards int) (map[string]uint64, error) {
	here := make(map[string]uint64)
	for shard := range shards {
		s, err := js.Stream(ctx, subjects.MediaStream(shard))
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", subjects.MediaStream(shard), err)
		}
		here[subjects.MediaBucket(shard)] = s.CachedInfo().State.Msgs
	}
	return here, nil
}

// removeEmpty removes object stores that have nothing in them; the others are an error.
func removeEmpty(ctx context.Context, js jetstream.JetStream, stores map[string]uint64) error {
	for bucket, parts := range stores {
		if parts > 0 {
			return fmt.Errorf("there are files on the fabric's own NATS servers, %d messages in %s: move them to those that shall keep files "+
				"(docs/cluster.md says how), or leave --media-nats out", parts, bucket)
		}
	}
	for bucket := range stores {
		if err := js.DeleteObjectStore(ctx, bucket); err != nil {
			return fmt.Errorf("remove the empty bucket %s: %w", bucket, err)
		}
	}
	return nil
}

// MediaAt returns where the NATS servers are that keep a fabric's files, host:port separated by commas; "" where these are
// its own.
func MediaAt(ctx context.Context, js jetstream.JetStream) (string, error) {
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	return mediaAt(ctx, kv)
}

func mediaAt(ctx context.Context, kv jetstream.KeyValue) (string, error) {
	e, err := kv.Get(ctx, subjects.KeyMedia)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read where the fabric's files are: %w", err)
	}
	return string(e.Value()), nil
}
