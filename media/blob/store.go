package blob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Info is what is known of a finished file.
type Info struct {
	Size int64
	Sum  [sha256.Size]byte // SHA-256
	Type string            // media type, by its bytes
}

// Store is where finished files are. All it does may be done again.
type Store interface {
	// Keep makes the parts of an upload a file that stays. Release, once that is noted, takes the parts away where they are
	// not the file.
	Keep(ctx context.Context, id fabric.MediaID, in Info) error
	Release(ctx context.Context, id fabric.MediaID) error
	// Put keeps a small file that the server has made.
	Put(ctx context.Context, id fabric.MediaID, in Info, data []byte) error
	// Open returns a reader of a file; who reads it finds out if it is not there.
	Open(ctx context.Context, id fabric.MediaID, size int64) (io.ReadSeekCloser, error)
	// URL returns where a client gets a file itself for so long, or "" where it is read by Open.
	URL(ctx context.Context, id fabric.MediaID, as Response, lives time.Duration) (string, error)
	// Remove takes a file away. One that is not there is removed already.
	Remove(ctx context.Context, id fabric.MediaID) error
	// Each calls f for every file, and every upload that has any bytes here, until f fails.
	Each(ctx context.Context, f func(fabric.MediaID) error) error
}

// Response is how a file is to be answered with.
type Response struct {
	Type        string // Content-Type
	Disposition string // Content-Disposition
	Cache       string // Cache-Control
}

// NATS keeps files where their uploads are.
type NATS struct{ *Parts }

var _ Store = NATS{}

// Keep implements Store: the parts stay, and get meta data as an object's (NATS ADR-20).
func (s NATS) Keep(ctx context.Context, id fabric.MediaID, in Info) error {
	shard := subjects.MediaShard(id, s.shards)
	meta, err := json.Marshal(jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{
			Name: string(id), Description: in.Type, Headers: nats.Header{"Content-Type": {in.Type}},
			Opts: &jetstream.ObjectMetaOptions{ChunkSize: PartSize},
		},
		Bucket: subjects.MediaBucket(shard), NUID: subjects.MediaChunks(id), Size: uint64(in.Size),
		ModTime: time.Now().UTC(), Chunks: uint32((in.Size + PartSize - 1) / PartSize),
		Digest: "SHA-256=" + base64.URLEncoding.EncodeToString(in.Sum[:]),
	})
	if err != nil {
		return fmt.Errorf("encode meta data: %w", err)
	}
	m := nats.NewMsg(subjects.MediaMeta(id, shard))
	m.Data = meta
	m.Header.Set(subjects.HeaderRollup, subjects.RollupSubject)
	if _, err := s.js.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("meta data of %s: %w", id, err)
	}
	return nil
}

// Release implements Store: the parts are the file.
func (s NATS) Release(context.Context, fabric.MediaID) error { return nil }

// Put implements Store.
func (s NATS) Put(ctx context.Context, id fabric.MediaID, in Info, data []byte) error {
	if err := s.PutParts(ctx, id, data); err != nil {
		return err
	}
	return s.Keep(ctx, id, in)
}

// Open implements Store.
func (s NATS) Open(ctx context.Context, id fabric.MediaID, size int64) (io.ReadSeekCloser, error) {
	return s.Parts.Open(ctx, id, size), nil
}

// URL implements Store: clients don't reach NATS.
func (s NATS) URL(context.Context, fabric.MediaID, Response, time.Duration) (string, error) {
	return "", nil
}
