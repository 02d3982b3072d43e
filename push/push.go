// Package push is the role that tells devices whose app is not there of what was written to their users. It follows the
// logs a moment behind; whichever of a recipient's devices has not acked a message by then is pushed, by the push service
// of its platform. What an edge says of who is online counts for nothing: a socket that is dead swallows no notification.
//
// What it promises. A device that is owed a message is told of it at least once, whatever process ends when, and in
// normal running once: up to where the logs were read is written behind the queue, and the queue takes one notification a
// device and message. Nobody is told of their own messages, of what they have read on whatever device, of muted chats, of
// those they have blocked, or of what was deleted meanwhile; and no more is shown than the device's owner wants.
package push

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config is how the role works. Zero values mean the defaults.
type Config struct {
	Shards int           // of the fabric; default 1
	Delay  time.Duration // how long a device has to ack a message before it is pushed; default 2 s
	// BulkPerSecond is how many notifications of large groups this process sends in a second; default 500.
	BulkPerSecond int
	AtOnce        int      // notifications at work at once, of each push service; default 64
	Services      []string // Web Push services beside WebPushServices: see parseServices
	FCM           FCM
	APNs          APNs
	Contact       string        // a mailto: or https: URL by which push services reach whoever runs this; they ask for one
	Within        time.Duration // how long a push service may take to answer; default 10 s
	Backoff       time.Duration // after the first try that failed, doubled after each one; default 2 s
	Lease         time.Duration // after so long another process follows the logs in place of one that is gone; default 8 s
	Now           func() time.Time
}

// DefaultContact is what push services are told where nobody says how to reach them.
const DefaultContact = "https://github.com/weft-im/weft"

func (c Config) withDefaults() Config {
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.Delay == 0 {
		c.Delay = 2 * time.Second
	}
	if c.BulkPerSecond == 0 {
		c.BulkPerSecond = 500
	}
	if c.AtOnce == 0 {
		c.AtOnce = 64
	}
	if c.Contact == "" {
		c.Contact = DefaultContact
	}
	if c.Within == 0 {
		c.Within = 10 * time.Second
	}
	if c.Backoff == 0 {
		c.Backoff = 2 * time.Second
	}
	if c.Lease == 0 {
		c.Lease = 8 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Validate refuses what can't be. Errors name the flags of cmd/weft.
func (c Config) Validate() error {
	if _, err := parseServices(c.Services); err != nil {
		return fmt.Errorf("--push-service: %w", err)
	}
	if c.Contact != "" && !strings.HasPrefix(c.Contact, "mailto:") && !strings.HasPrefix(c.Contact, "https://") {
		return fmt.Errorf("--push-contact: want a mailto: or https: URL, got %q", c.Contact)
	}
	return nil
}

const callTimeout = 5 * time.Second

// Role is the push role. Run it once.
type Role struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	store  Store
	cfg    Config
	log    *slog.Logger
	reader *msglog.Reader
	ready  chan struct{}
	led    chan struct{} // closed once it was tried to follow the logs

	services  []webService
	vapid     *vapid
	providers map[string]provider // by a registration's kind
	lanes     []*lane
	clients   []*http.Client

	targets *targets
	acked   *acked
	badges  *badges
	shown   *shown
	bulk    *rate.Limiter
	metrics *metrics

	ctx context.Context // ends as Run begins to end
}

// New returns the role of a fabric whose streams are there.
func New(ctx context.Context, nc *nats.Conn, store Store, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	cfg = cfg.withDefaults()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	r := &Role{
		nc: nc, js: js, store: store, cfg: cfg, log: log, ready: make(chan struct{}), led: make(chan struct{}),
		providers: make(map[string]provider), targets: newTargets(store), acked: newAcked(), badges: newBadges(), shown: newShown(),
		bulk: rate.NewLimiter(rate.Limit(cfg.BulkPerSecond), max(1, cfg.BulkPerSecond/10)),
	}
	if r.metrics, err = newMetrics(reg); err != nil {
		return nil, err
	}
	if err := r.openWebPush(ctx); err != nil {
		return nil, err
	}
	if err := r.openApps(); err != nil {
		return nil, err
	}
	if r.reader, err = msglog.NewReader(nc, cfg.Shards); err != nil {
		return nil, err
	}
	return r, nil
}

// openWebPush makes what pushes by Web Push, with the fabric's own key: it is made at the first start.
func (r *Role) openWebPush(ctx context.Context) (err error) {
	if r.services, err = parseServices(r.cfg.Services); err != nil {
		return fmt.Errorf("--push-service: %w", err)
	}
	fresh, err := newVAPIDKey()
	if err != nil {
		return err
	}
	key, err := r.store.PushKey(ctx, vapidKey, fresh)
	if err != nil {
		return fmt.Errorf("the VAPID key: %w", err)
	}
	if r.vapid, err = newVAPID(key, r.cfg.Contact, r.cfg.Now); err != nil {
		return err
	}
	clients := make(map[string]*http.Client, len(r.services))
	for _, s := range r.services {
		clients[s.lane] = newClient(s.named, r.cfg.AtOnce, r.cfg.Within)
		r.clients = append(r.clients, clients[s.lane])
		r.addLane(s.lane)
	}
	r.providers[KindWebPush] = &webPush{vapid: r.vapid, clients: clients}
	return nil
}

// openApps makes what pushes to apps, where there are credentials for it.
func (r *Role) openApps() error {
	if c := r.cfg.FCM; c.Credentials != nil {
		client := newClient(true, r.cfg.AtOnce, r.cfg.Within) // where it goes to is the operator's word
		f, err := newFCM(c, client)
		if err != nil {
			return fmt.Errorf("--fcm-credentials-file: %w", err)
		}
		r.providers[KindFCM], r.clients = f, append(r.clients, client)
		r.addLane(KindFCM)
	}
	if c := r.cfg.APNs; c.Key != nil {
		client := newClient(true, r.cfg.AtOnce, r.cfg.Within)
		transport, _ := client.Transport.(*http.Transport)
		transport.TLSClientConfig = &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12}
		client.Transport = withRetryAfter{transport}
		a, err := newAPNs(c, client)
		if err != nil {
			return fmt.Errorf("--apns-key-file, --apns-key-id, --apns-team-id, --apns-topic: %w", err)
		}
		r.providers[KindAPNs], r.clients = a, append(r.clients, client)
		r.addLane(KindAPNs)
	}
	return nil
}

func (r *Role) addLane(name string) { r.lanes = append(r.lanes, newLane(r, name)) }

// Ready is closed once the role serves, and follows the logs or has found that another process does.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.ctx = ctx
	told, err := r.nc.Subscribe(subjects.Acked("*"), func(m *nats.Msg) {
		bad := r.acked.note(m.Data, func(c fabric.ChannelID, u fabric.UserID, d fabric.DeviceID, upto uint64) {
			r.shown.was(read{c, u, d, upto})
		})
		if bad > 0 {
			r.log.Error("an edge tells acks that are none", "subject", m.Subject, "lines", bad)
		}
	})
	if err == nil {
		err = told.SetPendingLimits(-1, 256<<20)
	}
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.Acked("*"), err)
	}
	changed, err := r.nc.Subscribe(subjects.PushChanged, func(m *nats.Msg) { r.targets.forget(fabric.UserID(m.Data)) })
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.PushChanged, err)
	}
	var ends []func()
	end := func() {
		done := make(chan struct{})
		for _, end := range ends {
			go func() { end(); done <- struct{}{} }()
		}
		for range ends {
			<-done
		}
		ends = nil
	}
	for _, l := range r.lanes {
		for _, class := range []string{classNow, classBulk} {
			atOnce := r.cfg.AtOnce
			if class == classBulk {
				atOnce = max(1, atOnce/2)
			}
			stop, err := r.consume(ctx, l, class, atOnce)
			if err != nil {
				stopped := ctx.Err() != nil
				end()
				if stopped {
					return nil
				}
				return err
			}
			ends = append(ends, stop)
		}
	}
	withdrawing := make(chan struct{})
	go func() { defer close(withdrawing); r.withdraw(ctx) }()
	following := make(chan struct{})
	go func() { defer close(following); r.lead(ctx) }()
	measuring := make(chan struct{})
	go func() { defer close(measuring); r.measure(ctx) }()
	select {
	case <-r.led:
	case <-ctx.Done():
	}
	err = service.Serve(ctx, r.nc, subjects.ServicePush, "who is told of what while their app is not there", 32, r.log, r.ready, r.register)
	stop()
	<-following
	<-withdrawing
	<-measuring
	end()
	for _, c := range r.clients {
		c.CloseIdleConnections()
	}
	err = errors.Join(err, told.Unsubscribe(), changed.Unsubscribe())
	if r.nc.IsClosed() {
		return nil
	}
	return errors.Join(err, r.reader.Close())
}
