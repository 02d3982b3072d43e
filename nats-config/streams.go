package natsconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// FabricConfig is what a fabric's streams and buckets are made from. What is 0 stays as it is on a fabric that is there.
type FabricConfig struct {
	// Shards is how many streams hold the logs. It is fixed when the fabric is created: a later value is ignored in
	// favour of the one in the bucket. 0 means 1.
	Shards   int
	Replicas int           // of every stream; at first 1
	Window   time.Duration // how long the logs keep a message (SQL keeps all); at first DefaultWindow
	Dedupe   time.Duration // how long a resend is known by its id; at first DefaultDedupe

	// Media is JetStream of the NATS servers that keep files, where these are others than the fabric's own, and MediaAt
	// says where they are: host:port, separated by commas.
	Media   jetstream.JetStream
	MediaAt string
}

// Defaults and lifetimes.
const (
	DefaultWindow = 30 * 24 * time.Hour
	DefaultDedupe = 2 * time.Minute

	// EdgeLease is how long an edge counts as alive after it last renewed its lease.
	EdgeLease = 10 * time.Second
	// RevokedFor is how long a revoked device is remembered on the edges: longer than an access token lives.
	RevokedFor = 20 * time.Minute
	// markerTTL is how long the marker of a deleted key stays, so that buckets with ever new keys don't grow.
	markerTTL = time.Minute

	// auditFor and auditBytes bound what the audit log keeps.
	auditFor   = 400 * 24 * time.Hour
	auditBytes = 4 << 30

	// pushFor is how long a push may wait for a service that does not take it, pushDedupe how long one is known by its id.
	pushFor    = 4 * 24 * time.Hour
	pushDedupe = 10 * time.Minute

	// inboxFor is how long an internal service may be away and miss nothing.
	inboxFor = 7 * 24 * time.Hour
)

// Fabric is what is fixed for a fabric.
type Fabric struct {
	ID     string
	Shards int
	Dedupe time.Duration
	Media  string // where the NATS servers are that keep files, host:port,…; "" where these are the fabric's own
}

// Provision makes the fabric's streams and buckets where they are missing and brings those that are there to cfg. It
// may run in several processes at once.
func Provision(ctx context.Context, js jetstream.JetStream, cfg FabricConfig) (Fabric, error) {
	if cfg.Shards == 0 {
		cfg.Shards = 1
	}
	if cfg.Shards < 0 || cfg.Shards > fabric.MaxShards {
		return Fabric{}, fmt.Errorf("shards: want 1 to %d, got %d", fabric.MaxShards, cfg.Shards)
	}
	cfg, err := cfg.completed(ctx, js)
	if err != nil {
		return Fabric{}, err
	}
	if err := provisionBuckets(ctx, js, cfg); err != nil {
		return Fabric{}, err
	}
	f, err := identify(ctx, js, cfg)
	if err != nil {
		return Fabric{}, err
	}
	for shard := range f.Shards {
		for _, sc := range []jetstream.StreamConfig{logStream(shard, cfg), receiptStream(shard, cfg)} {
			if _, err := js.CreateOrUpdateStream(ctx, sc); err != nil {
				return Fabric{}, fmt.Errorf("stream %s: %w", sc.Name, err)
			}
		}
	}
	if err := f.provisionMedia(ctx, js, cfg); err != nil {
		return Fabric{}, err
	}
	for _, sc := range []jetstream.StreamConfig{auditStream(cfg), inboxStream(cfg), pushStream(cfg)} {
		if _, err := js.CreateOrUpdateStream(ctx, sc); err != nil {
			return Fabric{}, fmt.Errorf("stream %s: %w", sc.Name, err)
		}
	}
	return f, nil
}

// completed returns cfg with what it leaves open as it is in the first log or, where there is none yet, by default: one
// process of many must not take back what an operator has set.
func (cfg FabricConfig) completed(ctx context.Context, js jetstream.JetStream) (FabricConfig, error) {
	now := jetstream.StreamConfig{Replicas: 1, MaxAge: DefaultWindow, Duplicates: DefaultDedupe}
	s, err := js.Stream(ctx, subjects.MsgStream(0))
	switch {
	case err == nil:
		now = s.CachedInfo().Config
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return cfg, fmt.Errorf("stream %s: %w", subjects.MsgStream(0), err)
	}
	cfg.Replicas = cmp.Or(cfg.Replicas, now.Replicas)
	cfg.Window = cmp.Or(cfg.Window, now.MaxAge)
	cfg.Dedupe = cmp.Or(cfg.Dedupe, now.Duplicates)
	return cfg, nil
}

// identify reads the fabric's id and shard count, or fixes them if this is the first start.
func identify(ctx context.Context, js jetstream.JetStream, cfg FabricConfig) (Fabric, error) {
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if err != nil {
		return Fabric{}, fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	once := func(key, value string) (string, error) {
		if _, err := kv.Create(ctx, key, []byte(value)); err == nil {
			return value, nil
		} else if !errors.Is(err, jetstream.ErrKeyExists) {
			return "", fmt.Errorf("fix the fabric's %s: %w", key, err)
		}
		e, err := kv.Get(ctx, key)
		if err != nil {
			return "", fmt.Errorf("read the fabric's %s: %w", key, err)
		}
		return string(e.Value()), nil
	}
	id, err := once("id", uuid.Must(uuid.NewV7()).String())
	if err != nil {
		return Fabric{}, err
	}
	text, err := once("shards", strconv.Itoa(cfg.Shards))
	if err != nil {
		return Fabric{}, err
	}
	shards, err := parseShards(text)
	return Fabric{ID: id, Shards: shards, Dedupe: cfg.Dedupe}, err
}

func parseShards(text string) (int, error) {
	shards, err := strconv.Atoi(text)
	if err != nil || shards < 1 || shards > fabric.MaxShards {
		return 0, fmt.Errorf("the fabric's shard count in bucket %s is %q: want 1 to %d",
			subjects.BucketFabric, text, fabric.MaxShards)
	}
	return shards, nil
}

func logStream(shard int, cfg FabricConfig) jetstream.StreamConfig {
	source, destination := subjects.LogRepublish(shard)
	return jetstream.StreamConfig{
		Name:        subjects.MsgStream(shard),
		Description: "the logs of this shard's channels",
		Subjects:    []string{subjects.LogFilter(shard)},
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.Replicas,
		MaxAge:      cfg.Window,
		MaxMsgSize:  fabric.MaxBodyBytes + 4<<10,
		Duplicates:  cfg.Dedupe,
		AllowDirect: true,
		RePublish:   &jetstream.RePublish{Source: source, Destination: destination},
	}
}

// mediaStore holds the files of a shard in parts.
func mediaStore(shard int, cfg FabricConfig) jetstream.ObjectStoreConfig {
	return jetstream.ObjectStoreConfig{
		Bucket: subjects.MediaBucket(shard), Description: "this shard's files, in parts",
		Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
	}
}

func receiptStream(shard int, cfg FabricConfig) jetstream.StreamConfig {
	source, destination := subjects.ReceiptRepublish(shard)
	return jetstream.StreamConfig{
		Name:              subjects.RcptStream(shard),
		Description:       "the receipts of this shard's channels: the latest marks of each member, and of groups as a whole",
		Subjects:          []string{subjects.ReceiptFilter(shard), subjects.GroupReceiptFilter(shard)},
		Storage:           jetstream.FileStorage,
		Replicas:          cfg.Replicas,
		MaxMsgsPerSubject: 1,
		MaxMsgSize:        4 << 10,
		AllowDirect:       true,
		RePublish:         &jetstream.RePublish{Source: source, Destination: destination},
	}
}

// auditStream takes no deletions: what happened stays told, for auditFor or until auditBytes are full.
func auditStream(cfg FabricConfig) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        subjects.AuditStream,
		Description: "sign-ins, devices, roles, services, refusals",
		Subjects:    []string{subjects.AuditFilter},
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.Replicas,
		MaxAge:      auditFor,
		MaxBytes:    auditBytes,
		MaxMsgSize:  4 << 10,
		DenyDelete:  true,
		DenyPurge:   true,
	}
}

// inboxStream keeps what users write to internal services until these, or their webhooks, have it.
func inboxStream(cfg FabricConfig) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        subjects.ServiceInboxStream,
		Description: "what users write to internal services",
		Subjects:    []string{subjects.ServiceInboxFilter},
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.Replicas,
		MaxAge:      inboxFor,
		MaxMsgSize:  fabric.MaxBodyBytes + 4<<10,
		Duplicates:  cfg.Dedupe,
	}
}

// pushStream keeps what is to be pushed until a push service has it.
func pushStream(cfg FabricConfig) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        subjects.PushStream,
		Description: "what is to be pushed to devices",
		Subjects:    []string{subjects.PushFilter},
		Retention:   jetstream.WorkQueuePolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.Replicas,
		MaxAge:      pushFor,
		MaxMsgSize:  16 << 10,
		Duplicates:  pushDedupe,
	}
}

// How long somebody may take at an issuer of OpenID Connect, and what those may fill who never come back.
const (
	signInWithin   = 10 * time.Minute
	maxSignInBytes = 64 << 20
)

// maxUploadBytes bounds what is noted of uploads that are not finished, some 500 bytes each.
const maxUploadBytes = 1 << 30

func provisionBuckets(ctx context.Context, js jetstream.JetStream, cfg FabricConfig) error {
	source, destination := subjects.PresenceRepublish()
	for _, kc := range []jetstream.KeyValueConfig{
		{Bucket: subjects.BucketFabric, Description: "what is fixed for this fabric", History: 1},
		{Bucket: subjects.BucketEdges, Description: "the edges' leases", TTL: EdgeLease, LimitMarkerTTL: markerTTL},
		{
			Bucket: subjects.BucketPresence, Description: "on which edges a user has sessions", LimitMarkerTTL: markerTTL,
			RePublish: &jetstream.RePublish{Source: source, Destination: destination},
		},
		{Bucket: subjects.BucketLastSeen, Description: "when a user was last online"},
		{Bucket: subjects.BucketSignIns, Description: "sign-ins by OpenID Connect that have begun", TTL: signInWithin, MaxBytes: maxSignInBytes},
		{Bucket: subjects.BucketUploads, Description: "uploads that are not finished", MaxBytes: maxUploadBytes},
		{Bucket: subjects.BucketRevoked, Description: "devices that were revoked lately", TTL: RevokedFor},
	} {
		kc.Storage = jetstream.FileStorage
		kc.Replicas = cfg.Replicas
		if _, err := js.CreateOrUpdateKeyValue(ctx, kc); err != nil {
			return fmt.Errorf("bucket %s: %w", kc.Bucket, err)
		}
	}
	if _, err := js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: subjects.BucketAvatars, Description: "pictures of people and groups",
		Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
	}); err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketAvatars, err)
	}
	return nil
}
