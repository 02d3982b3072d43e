package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// How long a start waits for what it stands on, and how long between two looks.
const (
	waitAtStart  = 30 * time.Second
	pauseAtStart = 500 * time.Millisecond
)

// startNATS starts the embedded server, or makes sure that there is one.
func (n *Node) startNATS() (err error) {
	if n.cfg.NATS.URLs == "" {
		n.nats, err = natsconfig.Start(natsconfig.ServerConfig{
			Listen: n.cfg.NATSListen, StoreDir: n.data.path(natsFolder), SyncInterval: n.cfg.Sync,
			Operator: n.keys.Operator(), System: n.keys.SystemAccount(), Accounts: n.keys.Accounts(),
			Log: n.cfg.Log.With("part", "nats"),
		})
		return err
	}
	if file := n.cfg.NATS.Creds; file != "" {
		if _, err := os.ReadFile(file); err != nil {
			return fmt.Errorf("--creds: %w", err)
		}
	}
	return nil
}

// connect returns a role's connection. To an embedded server it goes over loopback: the server's in-process connections
// are pipes without buffers, on which every write of one side waits for a read of the other (docs/performance.md has the
// figures).
func (n *Node) connect(role subjects.Role) (*nats.Conn, error) {
	return n.keep(n.dial(role))
}

// connectMedia returns a role's connection for the bytes of files: one of their own in any case, so that no message waits
// behind them. Servers that keep nothing but files may be away when it is made: messages go on without them.
func (n *Node) connectMedia(role subjects.Role) (*nats.Conn, error) {
	if n.cfg.MediaNATS == "" {
		return n.connect(role)
	}
	nc, err := n.keep(n.dialTo(n.cfg.MediaNATS, role, nats.RetryOnFailedConnect(true)))
	n.files = nc
	return nc, err
}

// keep has a connection closed at the node's end.
func (n *Node) keep(nc *nats.Conn, err error) (*nats.Conn, error) {
	if err == nil {
		n.conns = append(n.conns, nc)
	}
	return nc, err
}

// How soon a connection that breaks without a sign is noticed: after three of these. NATS's own two minutes would leave an
// edge deaf for six, to revocations too.
const (
	pingEvery       = 10 * time.Second
	pingsUnanswered = 2
)

// dial connects to the fabric's NATS as a role.
func (n *Node) dial(role subjects.Role, opts ...nats.Option) (*nats.Conn, error) {
	return n.dialTo(n.natsURLs(), role, opts...)
}

// dialTo connects as a role: by the credentials that the configuration names for all, or else by the role's own.
func (n *Node) dialTo(urls string, role subjects.Role, opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{
		nats.Name("weft " + string(role)), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.CustomInboxPrefix(subjects.InboxPrefix(role)),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsUnanswered),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			n.log.Error("NATS reports", "role", role, "err", err)
		}),
	}, opts...)
	switch {
	case n.nats == nil && n.cfg.NATS.Creds != "":
		opts = append(opts, nats.UserCredentials(n.cfg.NATS.Creds))
	case n.keys != nil:
		token, seed, err := n.keys.Creds(role)
		if err != nil {
			return nil, fmt.Errorf("credentials of role %s: %w", role, err)
		}
		opts = append(opts, nats.UserJWTAndSeed(token, string(seed)))
	}
	if n.nats == nil && n.cfg.NATS.CA != "" {
		opts = append(opts, nats.RootCAs(n.cfg.NATS.CA))
	}
	nc, err := nats.Connect(urls, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to NATS at %s: %w", role, Hosts(urls), err)
	}
	return nc, nil
}

func (n *Node) natsURLs() string {
	if n.nats != nil {
		return "nats://" + n.nats.Addr().String()
	}
	return n.cfg.NATS.URLs
}

// natsHosts says where the fabric's NATS is.
func (n *Node) natsHosts() string { return Hosts(n.natsURLs()) }

// Hosts says where servers are, as people may read it: without users and passwords.
func Hosts(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		if _, rest, ok := strings.Cut(u, "://"); ok {
			u = rest
		}
		list[i] = strings.TrimSpace(u[strings.LastIndex(u, "@")+1:])
	}
	return strings.Join(list, ", ")
}

// join returns the fabric that is on the server. A process that has credentials for it makes what is missing, or brings it
// to what the configuration says; others wait for one that does.
func (n *Node) join(ctx context.Context) (natsconfig.Fabric, error) {
	if n.nats == nil && n.cfg.NATS.Creds == "" && n.keys != nil && !n.keys.Has(subjects.RoleProvision) {
		return n.joinAs(ctx, n.firstRole())
	}
	return n.provision(ctx)
}

// joinAs waits for the fabric, as a role that can't make it.
func (n *Node) joinAs(ctx context.Context, role subjects.Role) (f natsconfig.Fabric, err error) {
	var nc *nats.Conn
	err = n.wait(ctx, "the fabric on NATS at "+n.natsHosts(), func(ctx context.Context) (again bool, err error) {
		if nc == nil {
			if nc, err = n.dial(role); err != nil {
				return !refusedConnection(err), err
			}
		}
		js, err := jetstream.New(nc)
		if err != nil {
			return false, fmt.Errorf("jetstream: %w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, provisionWithin)
		defer cancel()
		f, err = natsconfig.Join(ctx, js, role == subjects.RoleEdge || role == subjects.RoleIngest)
		return errors.Is(err, natsconfig.ErrNoFabric) || mayComeUp(err), err
	})
	if nc != nil {
		nc.Close()
	}
	if errors.Is(err, natsconfig.ErrNoFabric) {
		err = fmt.Errorf("%w: make it by `weft stream provision`, or start a process that has creds/%s.creds in its --keys", err, subjects.RoleProvision)
	}
	return f, err
}

// firstRole is whose credentials the process joins by.
func (n *Node) firstRole() subjects.Role {
	for _, r := range []Role{Edge, Ingest} { // who must know more than the others
		if n.cfg.has(r) {
			return subjects.Role(r)
		}
	}
	return subjects.Role(n.cfg.Roles[0])
}

// provision connects and returns the fabric that is on the server, made or brought to what the configuration says as far
// as the credentials may. It waits for a server that is away.
func (n *Node) provision(ctx context.Context) (f natsconfig.Fabric, err error) {
	var nc *nats.Conn
	refused := make(chan error, 1)
	err = n.wait(ctx, "NATS at "+n.natsHosts(), func(ctx context.Context) (again bool, err error) {
		if nc == nil {
			// What the server refuses is told beside the request, which is never answered.
			nc, err = n.dial(subjects.RoleProvision, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				if errors.Is(err, nats.ErrPermissionViolation) {
					select {
					case refused <- err:
					default:
					}
				}
			}))
			if err != nil {
				return !refusedConnection(err), err
			}
		}
		f, err = n.provisionOn(ctx, nc, refused)
		return mayComeUp(err), err
	})
	if nc != nil {
		nc.Close()
	}
	return f, err
}

// mayComeUp reports whether an error is of a server that is not there yet, or whose JetStream is not.
func mayComeUp(err error) bool {
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, context.DeadlineExceeded)
}

// refusedConnection reports whether it would do no good to connect again.
func refusedConnection(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
}

// provisionWithin bounds one try.
const provisionWithin = 30 * time.Second

func (n *Node) provisionOn(ctx context.Context, nc *nats.Conn, refused <-chan error) (natsconfig.Fabric, error) {
	var none natsconfig.Fabric
	if have := nc.MaxPayload(); have < natsconfig.MaxPayload {
		return none, fmt.Errorf("NATS at %s takes messages of at most %d bytes: its max_payload must be %d or more",
			n.natsHosts(), have, natsconfig.MaxPayload)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return none, fmt.Errorf("jetstream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, provisionWithin)
	defer cancel()
	may, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case err := <-refused:
			stop(err)
		case <-ended:
		}
	}()
	cfg := natsconfig.FabricConfig{Shards: n.cfg.Shards, Replicas: n.cfg.Replicas, Window: n.cfg.Window}
	if n.cfg.MediaNATS != "" {
		media, err := n.mediaToProvision(ctx, js)
		if err != nil {
			return none, err
		}
		if media != nil {
			defer media.Conn().Close()
			cfg.Media, cfg.MediaAt = media, Hosts(n.cfg.MediaNATS)
		}
	}
	f, err := natsconfig.Provision(may, js, cfg)
	mayNot := context.Cause(may)
	if err == nil && n.keys != nil {
		err = natsconfig.PutClients(may, js, n.keys.Clients().JWT)
	}
	if err == nil || !errors.Is(mayNot, nats.ErrPermissionViolation) {
		return f, err
	}
	f, err = natsconfig.Find(ctx, js)
	if err != nil {
		return none, fmt.Errorf("the fabric is not whole on NATS, and these credentials may not make it so: %w (%w): "+
			"start a process once with credentials that may use $JS.API.>, or let an operator make what is missing", err, mayNot)
	}
	n.log.Info("these credentials may not change streams and buckets: they stay as they are")
	return f, nil
}

// mediaToProvision returns JetStream of the servers that keep files. It is nil where these are away and have been made what
// they must be before: messages go on without them.
func (n *Node) mediaToProvision(ctx context.Context, js jetstream.JetStream) (jetstream.JetStream, error) {
	nc, err := n.dialTo(n.cfg.MediaNATS, subjects.RoleProvision)
	if err != nil {
		at, known := natsconfig.MediaAt(ctx, js)
		if known == nil && at == Hosts(n.cfg.MediaNATS) && !refusedConnection(err) {
			n.log.Error("the NATS servers that keep files are away: files can't be loaded", "err", err)
			return nil, nil
		}
		return nil, errors.Join(fmt.Errorf("--media-nats: %w", err), known)
	}
	media, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	return media, nil
}

// wait does f until it succeeds, says that doing it again is no use, or has been tried for waitAtStart.
func (n *Node) wait(ctx context.Context, what string, f func(context.Context) (again bool, err error)) error {
	for began := time.Now(); ; {
		again, err := f(ctx)
		switch {
		case err == nil || !again:
			return err
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case time.Since(began) > waitAtStart:
			return fmt.Errorf("%s: waited in vain for %s: %w", what, waitAtStart, err)
		}
		n.log.Warn("waiting for "+what, "for", time.Since(began).Round(time.Second), "at_most", waitAtStart, "err", err)
		select {
		case <-time.After(pauseAtStart):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
