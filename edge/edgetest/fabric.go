// Package edgetest starts a whole fabric within a test: a real NATS server, a real database, all roles, and as many
// edges as the test wants, each on a link to NATS that the test can disturb.
package edgetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/ingest"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/media/blob"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/presence"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/receipts"
	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/storage/storagetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/weftest"
)

// Config is what a test may want otherwise. Zero values mean what a node has.
type Config struct {
	NATS   natsconfig.FabricConfig
	On     *weftest.NATS // a server that is there, with a fabric on it; nil starts one
	Lease  time.Duration // of the edges
	Limits func(*edge.Limits)
	Read   time.Duration    // how long an edge's server reads a request; 0 is for ever
	Socket int              // bytes that an edge's sockets hold of what is sent; 0 is what the system lets them
	Now    func() time.Time // the edges' clock for how long NATS was away

	StayDrained bool // see edge.Config

	Receipts receipts.Config
	Ingest   *ingest.Config // nil has no internal services
	Push     *push.Config   // nil pushes nothing
	OIDC     *oidc.Client   // an issuer that signs people in; nil has none
	Media    media.Config
	Blobs    func(*blob.Parts) (blob.Store, error) // where files stay; nil is NATS
}

// Fabric is everything but edges.
type Fabric struct {
	NATS  *weftest.NATS
	Store storagetest.Store // of the engine that enginetest says
	cfg   Config
	keys  *auth.Keys

	Pushes   *prometheus.Registry // of the push role that was started last
	StopPush func()

	edges atomic.Int64
	users atomic.Int64
}

// Start starts a fabric, which ends with the test.
func Start(t testing.TB, cfg Config) *Fabric {
	t.Helper()
	if cfg.Lease == 0 {
		cfg.Lease = natsconfig.EdgeLease
	}
	f := &Fabric{NATS: cfg.On, cfg: cfg}
	if f.NATS == nil {
		f.NATS = weftest.StartNATS(t, cfg.NATS)
	}
	f.keys = f.NATS.Keys
	f.Store = enginetest.Open(t)
	log, reg, shards := weftest.Logger(t), prometheus.NewRegistry(), f.NATS.Fabric.Shards
	h, err := history.New(f.NATS.ConnectAs(t, subjects.RoleHistory), f.Store, shards, history.Config{}, log, reg)
	run(t, err, func(ctx context.Context) error { return h.Run(ctx) }, func() <-chan struct{} { return h.Ready() })
	u, err := users.New(t.Context(), f.NATS.ConnectAs(t, subjects.RoleUsers), f.Store, f.keys.Issuer(), users.Config{Dev: true, OIDC: cfg.OIDC, Shards: shards}, log, reg)
	run(t, err, func(ctx context.Context) error { return u.Run(ctx) }, func() <-chan struct{} { return u.Ready() })
	c, err := chats.New(f.NATS.ConnectAs(t, subjects.RoleChats), f.Store, shards, chats.Config{}, log, reg)
	run(t, err, func(ctx context.Context) error { return c.Run(ctx) }, func() <-chan struct{} { return c.Ready() })
	if cfg.Ingest != nil {
		ic := *cfg.Ingest
		ic.Shards = shards
		in, err := ingest.New(f.NATS.ConnectAs(t, subjects.RoleIngest), f.Store, ic, log, reg)
		run(t, err, func(ctx context.Context) error { return in.Run(ctx) }, func() <-chan struct{} { return in.Ready() })
	}
	cfg.Media.Shards = shards
	if cfg.Blobs == nil {
		cfg.Blobs = media.OnNATS
	}
	md, err := media.New(t.Context(), f.NATS.ConnectAs(t, subjects.RoleMedia), f.NATS.ConnectAs(t, subjects.RoleMedia), f.Store, cfg.Blobs, cfg.Media, log, reg)
	run(t, err, func(ctx context.Context) error { return md.Run(ctx) }, func() <-chan struct{} { return md.Ready() })
	rc, err := receipts.New(f.NATS.ConnectAs(t, subjects.RoleReceipts), shards, cfg.Receipts, log, reg)
	run(t, err, func(ctx context.Context) error { return rc.Run(ctx) }, func() <-chan struct{} { return rc.Ready() })
	if cfg.Push != nil {
		f.StartPush(t)
	}
	p, err := presence.New(f.NATS.ConnectAs(t, subjects.RolePresence), presence.Config{Lease: cfg.Lease}, log, reg)
	run(t, err, func(ctx context.Context) error { return p.Run(ctx) }, nil)
	return f
}

// StartPush starts a process of the push role, which StopPush ends, or the test.
func (f *Fabric) StartPush(t testing.TB) {
	t.Helper()
	pc := *f.cfg.Push
	pc.Shards = f.NATS.Fabric.Shards
	reg := prometheus.NewRegistry()
	role, err := push.New(t.Context(), f.NATS.ConnectAs(t, subjects.RolePush), f.Store, pc, weftest.Logger(t), reg)
	if err != nil {
		t.Fatal(err)
	}
	f.Pushes = reg
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- role.Run(ctx) }()
	f.StopPush = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(f.StopPush)
	select {
	case <-role.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the push role does not get ready")
	}
}

// run runs a role until the test ends.
func run(t testing.TB, err error, work func(context.Context) error, ready func() <-chan struct{}) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if ready == nil {
		return
	}
	select {
	case <-ready():
	case <-time.After(20 * time.Second):
		t.Fatal("a role does not get ready")
	}
}

// Edge is one edge of the fabric.
type Edge struct {
	ID   string
	URL  string
	Link *Link // its connection to NATS
	Bulk *Link // and that for files

	Metrics *prometheus.Registry

	// Seen, where it is set, gets every object that the edge says to a Conn, with the op that a reply answers.
	Seen func(op string, raw []byte)

	nc   *nats.Conn
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// Edge starts an edge, which ends with the test if not before.
func (f *Fabric) Edge(t testing.TB) *Edge {
	t.Helper()
	return f.EdgeAt(t, f.NATS)
}

// EdgeAt starts an edge that connects to another server than the fabric's roles do.
func (f *Fabric) EdgeAt(t testing.TB, server *weftest.NATS) *Edge {
	t.Helper()
	e := &Edge{
		ID: fmt.Sprintf("e%d", f.edges.Add(1)), Link: newLink(), Bulk: newLink(), Metrics: prometheus.NewRegistry(), done: make(chan struct{}),
	}
	nc := server.ConnectAs(t, subjects.RoleEdge, nats.SetCustomDialer(e.Link), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	e.nc = nc
	bulk := server.ConnectAs(t, subjects.RoleEdge, nats.SetCustomDialer(e.Bulk), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	limits := edge.DefaultLimits()
	limits.DedupeMillis = int(f.NATS.Fabric.Dedupe.Milliseconds())
	if f.cfg.Limits != nil {
		f.cfg.Limits(&limits)
	}
	ed, err := edge.New(t.Context(), nc, f.keys.Verifier(), "edge.test", edge.Config{
		ID: e.ID, FabricID: f.NATS.Fabric.ID, Shards: f.NATS.Fabric.Shards, Lease: f.cfg.Lease,
		RevokedFor: natsconfig.RevokedFor, Limits: limits, Now: f.cfg.Now, StayDrained: f.cfg.StayDrained, Bulk: bulk,
	}, weftest.Logger(t), e.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(ed.Handler())
	srv.Config.ReadTimeout = f.cfg.Read
	if f.cfg.Socket > 0 {
		srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			if err := c.(*net.TCPConn).SetWriteBuffer(f.cfg.Socket); err != nil {
				t.Error(err)
			}
			return ctx
		}
	}
	srv.Start()
	e.URL = srv.URL
	var ctx context.Context
	ctx, e.stop = context.WithCancel(context.Background())
	go func() {
		defer close(e.done)
		e.err = ed.Run(ctx)
	}()
	t.Cleanup(func() {
		if e.Link.Cut() {
			e.nc.Close() // it will not come back, and nobody is to wait for it
		}
		if err := e.Stop(); err != nil && !e.Link.Cut() {
			t.Error(err)
		}
		srv.Close()
	})
	weftest.Eventually(t, "the edge is ready", ed.Ready)
	return e
}

// Stop drains the edge and waits for its end.
func (e *Edge) Stop() error {
	e.stop()
	<-e.done
	if errors.Is(e.err, edge.ErrDrained) {
		return nil
	}
	return e.err
}

// Done is closed when the edge has ended; then Ended is how.
func (e *Edge) Done() <-chan struct{} { return e.done }

func (e *Edge) Ended() error { return e.err }

// Counter returns the value of a counter or gauge of the edge's, summed over its labels.
func (e *Edge) Counter(t testing.TB, name string) float64 {
	t.Helper()
	return weftest.Metric(t, e.Metrics, name)
}

// User registers a user and signs their first device in.
func (f *Fabric) User(t testing.TB, e *Edge, name string) client.Grant {
	t.Helper()
	return SignIn(t, e.URL, fmt.Sprintf("+49151%08d", 20_000_000+f.users.Add(1)), name)
}

// SignIn signs a device of the user with this phone in.
func SignIn(t testing.TB, url, phone, name string) client.Grant {
	t.Helper()
	api := client.API{URL: url}
	otp, err := api.OTP(t.Context(), phone)
	if err != nil {
		t.Fatalf("one-time code: %v", err)
	}
	g, err := api.Token(t.Context(), client.SignIn{
		Phone: phone, Code: otp.DevCode, Name: name, Device: client.NewDevice{Name: name + "'s phone", Platform: "test"},
	})
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return g
}

// Direct returns the direct chat of two signed-in users.
func Direct(a, b client.Grant) fabric.ChannelID { return fabric.Direct(a.User.ID, b.User.ID) }
