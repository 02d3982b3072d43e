// Package users is the role that knows who people are: it signs them in by their phone and a one-time code, gives and
// renews their devices' tokens, revokes devices, and answers who has which phone. It owns users, devices and codes in
// the database, and the bucket of revoked devices by which edges learn that a session must end.
//
// What it promises. A code and a refresh token work once; a refresh token that is used a second time revokes its
// device. When a revocation has been answered, it is in the database and in the bucket. Secrets are stored as hashes.
package users

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/rates"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config is how the role works. Zero values mean the defaults.
type Config struct {
	// Dev tells codes in the reply instead of sending them, takes any phone number that is possible rather than only
	// those of assigned ranges, and has no rates on asking for codes. It is for machines that nobody else can reach.
	Dev         bool
	OIDC        *oidc.Client // an organisation's issuer that signs people in; nil for none
	NoCodes     bool         // nobody signs in by phone
	Rates       Rates
	Shards      int // of the fabric; default 1
	Devices     int // most devices of one user; default 16
	Concurrency int // requests at work at once; default 64
	Now         func() time.Time
}

// Rates bounds what strangers can make the role do in an hour. An hour's worth may come at once. Codes and tries are
// counted in the database, by all processes together.
type Rates struct {
	CodesPerPhone   int // one-time codes sent to one phone; default 5
	CodesPerAddress int // those that one address may ask for; default 60
	Codes           int // those that are sent in all: what a flood may cost at most; default 100,000
	TriesPerAddress int // sign-ins that one address may try; default 600
	PhonesPerUser   int // phones that one user may look up, of each process; default 2,000
}

func (c Config) withDefaults() Config {
	setDefault(&c.Rates.CodesPerPhone, 5)
	setDefault(&c.Rates.CodesPerAddress, 60)
	setDefault(&c.Rates.Codes, 100_000)
	setDefault(&c.Rates.TriesPerAddress, 600)
	setDefault(&c.Rates.PhonesPerUser, 2000)
	setDefault(&c.Shards, 1)
	setDefault(&c.Devices, 16)
	setDefault(&c.Concurrency, 64)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault(v *int, to int) {
	if *v == 0 {
		*v = to
	}
}

// Role is the users role. Run it once.
type Role struct {
	nc      *nats.Conn
	store   Store
	js      jetstream.JetStream
	issuer  *auth.Issuer
	revoked jetstream.KeyValue
	pending jetstream.KeyValue // sign-ins that have begun
	seen    jetstream.KeyValue
	cfg     Config
	log     *slog.Logger
	ready   chan struct{}

	lookups *rates.Rates
	audit   *audit.Log

	signIns *prometheus.CounterVec
	reuses  prometheus.Counter
}

// New returns the role of a fabric whose buckets are there.
func New(ctx context.Context, nc *nats.Conn, store Store, issuer *auth.Issuer, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	cfg = cfg.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	r := &Role{
		nc: nc, js: js, store: store, issuer: issuer, cfg: cfg, log: log, ready: make(chan struct{}),
		lookups: rates.New(cfg.Rates.PhonesPerUser, cfg.Now),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_users_sign_ins_total", Help: "Attempts to sign in or to renew tokens, by how they ended.",
		}, []string{"what", "result"}),
		reuses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_users_reused_refresh_tokens_total", Help: "Devices revoked because a spent refresh token was used.",
		}),
	}
	if r.audit, err = audit.New(nc, string(subjects.RoleUsers), log, reg); err != nil {
		return nil, err
	}
	if r.revoked, err = js.KeyValue(ctx, subjects.BucketRevoked); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketRevoked, err)
	}
	if r.pending, err = js.KeyValue(ctx, subjects.BucketSignIns); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketSignIns, err)
	}
	if r.seen, err = js.KeyValue(ctx, subjects.BucketLastSeen); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketLastSeen, err)
	}
	for _, c := range []prometheus.Collector{r.signIns, r.reuses} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	err := service.Serve(ctx, r.nc, subjects.ServiceUsers, "people: sign-in, tokens, devices, profiles", r.cfg.Concurrency, r.log, r.ready,
		func(h *service.Host) error {
			return errors.Join(
				service.Handle(h, subjects.UsersOTP, r.otp),
				service.Handle(h, subjects.UsersToken, r.token),
				service.Handle(h, subjects.UsersMethods, r.methods),
				service.Handle(h, subjects.UsersOIDCStart, r.oidcStart),
				service.Handle(h, subjects.UsersOIDCToken, r.oidcToken),
				service.Handle(h, subjects.UsersRefresh, r.refresh),
				service.Handle(h, subjects.UsersRevoke, r.revoke),
				service.Handle(h, subjects.UsersGet, r.get),
				service.Handle(h, subjects.UsersUpdate, r.update),
				service.Handle(h, subjects.UsersLookup, r.lookup),
				service.Handle(h, subjects.UsersDevices, r.devices),
				service.Handle(h, subjects.UsersBlock, r.block),
				service.Handle(h, subjects.UsersBlocks, r.blocks),
				service.Handle(h, subjects.UsersContacts, r.contacts),
				service.Handle(h, subjects.UsersForget, r.forget),
				service.Handle(h, subjects.UsersVisible, r.visible),
				service.Handle(h, subjects.UsersDelete, r.delete),
				service.Handle(h, subjects.UsersFind, r.find),
				service.Handle(h, subjects.UsersShow, r.show),
				service.Handle(h, subjects.UsersSignOut, r.signOut),
				service.Handle(h, subjects.UsersErase, r.erase),
			)
		})
	return errors.Join(err, r.audit.Drain(ctx))
}

// tellRevoked lets every edge know that a device is revoked, and why; "" is by its user.
func (r *Role) tellRevoked(ctx context.Context, u fabric.UserID, d fabric.DeviceID, why string) error {
	if why == "" {
		why = strconv.FormatInt(fabric.Millis(r.cfg.Now()), 10)
	}
	if _, err := r.revoked.PutString(ctx, subjects.Revoked(u, d), why); err != nil {
		return fmt.Errorf("tell that device %s of %s is revoked: %w", d, u, err)
	}
	return nil
}
