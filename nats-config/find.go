package natsconfig

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/subjects"
)

// MissingError says what a server lacks of a fabric.
type MissingError []string

func (m MissingError) Error() string { return "there is no " + strings.Join(m, ", no ") }

// Join returns the fabric that is on a server as far as a role needs to know it, which is what its permissions let it
// read: what is fixed, and with dedupe for how long the logs know a resend. The error has ErrNoFabric where there is none
// (yet).
func Join(ctx context.Context, js jetstream.JetStream, dedupe bool) (Fabric, error) {
	f, err := known(ctx, js)
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrKeyNotFound) {
		return f, fmt.Errorf("%w: %w", ErrNoFabric, err)
	}
	if err != nil || !dedupe {
		return f, err
	}
	s, err := js.Stream(ctx, subjects.MsgStream(0))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return f, fmt.Errorf("%w: %w", ErrNoFabric, err)
	}
	if err != nil {
		return f, fmt.Errorf("stream %s: %w", subjects.MsgStream(0), err)
	}
	f.Dedupe = s.CachedInfo().Config.Duplicates
	return f, nil
}

// ErrNoFabric says that a server has no fabric's streams and buckets.
var ErrNoFabric = errors.New("there is no fabric on NATS")

// Find returns the fabric that is on a server, and changes nothing: for credentials that may not provision. The error is
// MissingError where streams or buckets are not there, or not so that a fabric works on them.
func Find(ctx context.Context, js jetstream.JetStream) (Fabric, error) {
	var missing MissingError
	for _, bucket := range []string{
		subjects.BucketFabric, subjects.BucketEdges, subjects.BucketPresence, subjects.BucketLastSeen, subjects.BucketRevoked,
		subjects.BucketSignIns, subjects.BucketUploads,
	} {
		if _, err := js.KeyValue(ctx, bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
			missing = append(missing, "bucket "+bucket)
		} else if err != nil {
			return Fabric{}, fmt.Errorf("bucket %s: %w", bucket, err)
		}
	}
	if _, err := js.ObjectStore(ctx, subjects.BucketAvatars); errors.Is(err, jetstream.ErrBucketNotFound) {
		missing = append(missing, "object store "+subjects.BucketAvatars)
	} else if err != nil {
		return Fabric{}, fmt.Errorf("bucket %s: %w", subjects.BucketAvatars, err)
	}
	f := Fabric{Shards: 1}
	if len(missing) == 0 || missing[0] != "bucket "+subjects.BucketFabric {
		var err error
		if f, err = known(ctx, js); errors.Is(err, jetstream.ErrKeyNotFound) {
			missing = append(missing, "fabric's id in bucket "+subjects.BucketFabric)
			f.Shards = 1
		} else if err != nil {
			return Fabric{}, err
		}
	}
	for _, name := range []string{subjects.AuditStream, subjects.ServiceInboxStream, subjects.PushStream} {
		if _, err := js.Stream(ctx, name); errors.Is(err, jetstream.ErrStreamNotFound) {
			missing = append(missing, "stream "+name)
		} else if err != nil {
			return Fabric{}, fmt.Errorf("stream %s: %w", name, err)
		}
	}
	for shard := range f.Shards {
		if f.Media != "" {
			break // they are not on this server
		}
		if _, err := js.ObjectStore(ctx, subjects.MediaBucket(shard)); errors.Is(err, jetstream.ErrBucketNotFound) {
			missing = append(missing, "object store "+subjects.MediaBucket(shard))
		} else if err != nil {
			return Fabric{}, fmt.Errorf("bucket %s: %w", subjects.MediaBucket(shard), err)
		}
	}
	lacking, err := f.streams(ctx, js)
	if err != nil {
		return Fabric{}, err
	}
	if missing = append(missing, lacking...); len(missing) > 0 {
		return Fabric{}, missing
	}
	return f, nil
}

// known reads what is fixed for a fabric.
func known(ctx context.Context, js jetstream.JetStream) (f Fabric, err error) {
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if err != nil {
		return f, fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	id, err := kv.Get(ctx, "id")
	if err != nil {
		return f, fmt.Errorf("read the fabric's id: %w", err)
	}
	shards, err := kv.Get(ctx, "shards")
	if err != nil {
		return f, fmt.Errorf("read the fabric's shards: %w", err)
	}
	f.ID = string(id.Value())
	if f.Shards, err = parseShards(string(shards.Value())); err != nil {
		return f, err
	}
	f.Media, err = mediaAt(ctx, kv)
	return f, err
}

// streams notes for how long the logs know a resend, and returns which streams are missing.
func (f *Fabric) streams(ctx context.Context, js jetstream.JetStream) (missing []string, err error) {
	for shard := range f.Shards {
		for _, want := range []jetstream.StreamConfig{logStream(shard, FabricConfig{}), receiptStream(shard, FabricConfig{})} {
			s, err := js.Stream(ctx, want.Name)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				missing = append(missing, "stream "+want.Name)
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("stream %s: %w", want.Name, err)
			}
			is := s.CachedInfo().Config
			if is.RePublish == nil || *is.RePublish != *want.RePublish || !is.AllowDirect {
				missing = append(missing, fmt.Sprintf("stream %s that takes direct gets and republishes %s to %s",
					want.Name, want.RePublish.Source, want.RePublish.Destination))
			}
			if want.Name == subjects.MsgStream(0) {
				f.Dedupe = is.Duplicates
			}
		}
	}
	return missing, nil
}
