// Package blob keeps files: an upload's bytes in parts while it comes in, and then as what nobody changes any more, on NATS
// or in an S3-compatible store.
//
// A part is a message in the object store of the file's shard, on a subject of its own: $O.MEDIA_<shard>.C.<id>.<n>. All
// but the last one have PartSize bytes, so that any byte's part is known by its place, and a direct get brings it without
// what lies before it. A finished file has its meta data beside, as NATS ADR-20 lays objects out, so that `nats object ls`
// and `nats object get` read what is here.
//
// What is known of an upload stands in its last part: its header says up to which byte the upload is there and what
// SHA-256 has made of it so far. A part and the state are one write, so that no crash comes between them. Invariant: all
// parts before the last one are there, since each is published when the one before it was acknowledged.
package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// PartSize is how many bytes a part has, unless it is the last one. It leaves room in NATS's default max_payload of 1 MiB,
// and what waits behind a part on a connection waits for that long.
const PartSize = 256 << 10

// Bounds of a question to the store.
const (
	within   = 5 * time.Second
	attempts = 4
	pause    = 150 * time.Millisecond // nobody answers while a leader is elected; a replica may be behind
)

// Errors that a caller can do something about.
var (
	// ErrConflict says that somebody else has written to the upload meanwhile.
	ErrConflict = errors.New("somebody else writes to this upload")
	// ErrLost says that a part is not there.
	ErrLost = errors.New("a part is missing")
)

// Parts reads and writes parts of files on NATS.
type Parts struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	shards int
	turns  *turns
}

// NewParts returns the parts of a fabric with that many shards. What it moves goes over nc: give it one that nothing
// urgent shares.
func NewParts(nc *nats.Conn, shards int) (*Parts, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	return &Parts{nc: nc, js: js, shards: shards, turns: newTurns(turnsHere())}, nil
}

// Tail is how far an upload is.
type Tail struct {
	Offset int64  // bytes that are there
	Type   string // media type by the first ones; "" where an earlier version has not noted it

	part int    // the last part's number, -1 for none
	seq  uint64 // its sequence in the stream
	data []byte // its bytes where it is not full
	hash []byte // SHA-256's state at Offset
}

// NoTail is that of an upload of which nothing is there.
func NoTail() Tail { return Tail{part: -1} }

// Sum returns the SHA-256 of an upload's bytes up to its tail.
func (p *Parts) Sum(ctx context.Context, id fabric.MediaID, t Tail) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if t.part >= 0 {
		if restore(h, t.hash) != nil {
			if h, err = p.rehash(ctx, id, t.Offset); err != nil {
				return sum, err
			}
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

func restore(h hash.Hash, state []byte) error {
	u, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return errors.New("this SHA-256 does not go on from a state")
	}
	if err := u.UnmarshalBinary(state); err != nil {
		return fmt.Errorf("go on with SHA-256: %w", err)
	}
	return nil
}

func state(h hash.Hash) ([]byte, error) {
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("this SHA-256 does not tell its state")
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("state of SHA-256: %w", err)
	}
	return b, nil
}

// Tail returns how far an upload is.
func (p *Parts) Tail(ctx context.Context, id fabric.MediaID) (Tail, error) {
	shard := subjects.MediaShard(id, p.shards)
	req, err := json.Marshal(map[string]string{"last_by_subj": subjects.MediaParts(id, shard)})
	if err != nil {
		return Tail{}, fmt.Errorf("encode request: %w", err)
	}
	m, err := p.ask(ctx, subjects.DirectGet(subjects.MediaStream(shard)), req)
	if err != nil {
		return Tail{}, fmt.Errorf("last part of %s: %w", id, err)
	}
	if m == nil {
		return NoTail(), nil
	}
	t, err := tailOf(m)
	if err != nil {
		return Tail{}, fmt.Errorf("last part of %s: %w", id, err)
	}
	return t, nil
}

func tailOf(m *nats.Msg) (t Tail, err error) {
	if t.Offset, err = strconv.ParseInt(m.Header.Get(subjects.HeaderOffset), 10, 64); err != nil || t.Offset <= 0 {
		return t, fmt.Errorf("it does not say how far the upload is: %q", m.Header.Get(subjects.HeaderOffset))
	}
	if t.seq, err = strconv.ParseUint(m.Header.Get(subjects.HeaderSequence), 10, 64); err != nil {
		return t, fmt.Errorf("it has no sequence: %w", err)
	}
	if t.hash, err = base64.StdEncoding.DecodeString(m.Header.Get(subjects.HeaderHash)); err != nil {
		return t, fmt.Errorf("its hash: %w", err)
	}
	t.Type = m.Header.Get(subjects.HeaderType)
	t.part = int((t.Offset - 1) / PartSize)
	if want := t.Offset - int64(t.part)*PartSize; int64(len(m.Data)) != want {
		return t, fmt.Errorf("it has %d bytes, want %d", len(m.Data), want)
	}
	if len(m.Data) < PartSize {
		t.data = m.Data
	}
	return t, nil
}

// Get returns a part. The error is ErrLost where it is not there.
func (p *Parts) Get(ctx context.Context, id fabric.MediaID, n int) ([]byte, error) {
	shard := subjects.MediaShard(id, p.shards)
	for attempt := 1; ; attempt++ {
		m, err := p.ask(ctx, subjects.DirectGet(subjects.MediaStream(shard))+"."+subjects.MediaPart(id, shard, n), nil)
		switch {
		case err != nil:
			return nil, fmt.Errorf("part %d of %s: %w", n, id, err)
		case m != nil:
			return m.Data, nil
		case attempt == attempts:
			return nil, fmt.Errorf("part %d of %s: %w", n, id, ErrLost)
		}
		if err := sleep(ctx); err != nil {
			return nil, err
		}
	}
}

// ask makes a direct get (NATS ADR-31); nil says that there is no such message.
func (p *Parts) ask(ctx context.Context, subject string, req []byte) (*nats.Msg, error) {
	for attempt := 1; ; attempt++ {
		one, cancel := context.WithTimeout(ctx, within)
		m, err := p.nc.RequestWithContext(one, subject, req)
		cancel()
		switch {
		case err == nil && m.Header.Get("Status") == "":
			return m, nil
		case err == nil && m.Header.Get("Status") == "404":
			return nil, nil
		case err == nil:
			err = fmt.Errorf("status %s: %s", m.Header.Get("Status"), m.Header.Get("Description"))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if attempt == attempts {
			return nil, fmt.Errorf("%w (%w)", fabric.Errorf(fabric.CodeUnavailable, "the store does not answer: try again"), err)
		}
		if err := sleep(ctx); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put writes the part behind t, or t's own part where that was not full, and returns the new tail. Two who do that at once
// expect the same of the part's subject, and one of them gets ErrConflict. A write whose word is lost is made again: the
// stream knows it by its id, and past that its own last part tells that it was stored.
func (p *Parts) put(ctx context.Context, id fabric.MediaID, t Tail, full filled) (Tail, error) {
	shard := subjects.MediaShard(id, p.shards)
	next := Tail{Offset: full.end, Type: full.is, part: int((full.end - 1) / PartSize), hash: full.hash}
	m := nats.NewMsg(subjects.MediaPart(id, shard, next.part))
	m.Data = full.data
	m.Header.Set(subjects.HeaderOffset, strconv.FormatInt(full.end, 10))
	m.Header.Set(subjects.HeaderHash, base64.StdEncoding.EncodeToString(full.hash))
	if full.is != "" {
		m.Header.Set(subjects.HeaderType, full.is)
	}
	m.Header.Set(subjects.HeaderMsgID, string(id)+"."+full.nonce+"."+strconv.FormatInt(full.end, 10))
	m.Header.Set(subjects.HeaderExpectedLastSeq, "0")
	if next.part == t.part {
		m.Header.Set(subjects.HeaderExpectedLastSeq, strconv.FormatUint(t.seq, 10))
		m.Header.Set(subjects.HeaderRollup, subjects.RollupSubject) // what it takes the place of goes
	}
	for attempt := 1; ; attempt++ {
		done, err := p.turns.take(ctx)
		if err != nil {
			return t, err
		}
		one, cancel := context.WithTimeout(ctx, within)
		ack, err := p.js.PublishMsg(one, m)
		cancel()
		done()
		if err == nil {
			next.seq = ack.Sequence
			break
		}
		if wrong := (*jetstream.APIError)(nil); errors.As(err, &wrong) && wrong.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			now, err := p.Tail(ctx, id)
			if err != nil {
				return t, err
			}
			if now.Offset != next.Offset || !bytes.Equal(now.hash, next.hash) {
				return t, fmt.Errorf("part %d of %s: %w", next.part, id, ErrConflict)
			}
			next.seq = now.seq // it was ours, or the same
			break
		}
		if ctx.Err() != nil {
			return t, ctx.Err()
		}
		if attempt == attempts {
			return t, fmt.Errorf("%w (%w)", fabric.Errorf(fabric.CodeUnavailable, "the store does not take part %d: go on from where the upload is", next.part), err)
		}
		if err := sleep(ctx); err != nil {
			return t, err
		}
	}
	if len(full.data) < PartSize {
		next.data = full.data
	}
	return next, nil
}

// Remove takes all parts of a file away, and its meta data.
func (p *Parts) Remove(ctx context.Context, id fabric.MediaID) error {
	shard := subjects.MediaShard(id, p.shards)
	for _, subject := range []string{subjects.MediaMeta(id, shard), subjects.MediaParts(id, shard)} {
		if err := Purge(ctx, p.nc, subjects.MediaStream(shard), subject); err != nil {
			return fmt.Errorf("remove %s: %w", id, err)
		}
	}
	return nil
}

// Purge takes all messages of a subject out of a stream.
func Purge(ctx context.Context, nc *nats.Conn, stream, subject string) error {
	req, err := json.Marshal(map[string]string{"filter": subject})
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subjects.PurgeStream(stream), req)
	if err != nil {
		return fmt.Errorf("purge %s: %w", stream, err)
	}
	var reply struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return fmt.Errorf("purge %s: %w", stream, err)
	}
	if reply.Error != nil {
		return fmt.Errorf("purge %s: %w", stream, reply.Error)
	}
	return nil
}
