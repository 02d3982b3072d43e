package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/subjects"
)

// Run serves until ctx ends or a role fails, then stops everything in the reverse order of its start: the edge first,
// which says goodbye to its clients while all that it needs still works; NATS and SQL last.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	ended := make([]chan error, 0, len(n.roles))
	stops := make([]context.CancelFunc, 0, len(n.roles))
	for _, r := range n.roles {
		roleCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		end := make(chan error, 1)
		ended, stops = append(ended, end), append(stops, stop)
		go func() {
			err := r.run(roleCtx)
			switch {
			case errors.Is(err, edge.ErrDrained):
				err = nil
				cancel(nil)
			case err != nil || roleCtx.Err() == nil:
				cancel(fmt.Errorf("role %s ended: %w", r.name, err))
			}
			end <- err
		}()
		if r.ready == nil {
			continue
		}
		// Each serves before the next begins: what an edge takes on is answered from the first client on.
		select {
		case <-r.ready:
		case <-ctx.Done():
		}
	}
	if ctx.Err() == nil {
		close(n.up)
	}
	var servers []*http.Server
	if n.door != nil {
		servers = append(servers, n.serve(n.door.Listener(), n.door.Server(n.clientHandler(), n.log.With("part", "http")), cancel))
	}
	operators := n.serve(n.ops, &http.Server{
		Handler:           n.opsHandler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       60 * time.Second,
		ErrorLog:          slog.NewLogLogger(n.log.With("part", "http").Handler(), slog.LevelDebug),
	}, cancel)

	<-ctx.Done()
	n.log.Info("stopping", "why", context.Cause(ctx).Error())
	var errs []error
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		errs = append(errs, cause)
	}
	// No new connections; those there are have been handed to the edge.
	shutdown, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer done()
	closed := make(chan error, len(servers))
	for _, srv := range servers {
		go func() { closed <- srv.Shutdown(shutdown) }()
	}
	for i := len(ended) - 1; i >= 0; i-- {
		stops[i]()
		if err := <-ended[i]; err != nil {
			errs = append(errs, fmt.Errorf("role %s: %w", n.roles[i].name, err))
		}
	}
	for _, srv := range servers {
		if err := <-closed; err != nil && !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, err)
		}
		errs = append(errs, srv.Close())
	}
	return errors.Join(append(errs, operators.Close(), n.close())...)
}

// Ready is closed once all of the process's roles serve.
func (n *Node) Ready() <-chan struct{} { return n.up }

// serve serves on l until its server is closed; a failure ends the node.
func (n *Node) serve(l net.Listener, srv *http.Server, fail context.CancelCauseFunc) *http.Server {
	go func() {
		var err error
		if srv.TLSConfig == nil {
			err = srv.Serve(l)
		} else {
			err = srv.ServeTLS(l, "", "") // the configuration has the certificate
		}
		if !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve %s: %w", l.Addr(), err))
		}
	}()
	return srv
}

// Addresses tells where the node is.
func (n *Node) Addresses() Addresses {
	a := Addresses{Ops: n.ops.Addr().String(), NATS: Hosts(n.natsURLs()), Media: Hosts(n.cfg.MediaNATS), SQL: n.sqlName}
	if n.door != nil {
		a.Clients = n.door.Scheme() + "://" + n.door.Addr().String()
	}
	if n.data != nil {
		a.Creds, a.Data = n.keys.CredsFile(subjects.RoleOperator), n.data.dir
	}
	return a
}

// close ends what Start began and no role owns.
func (n *Node) close() error {
	var errs []error
	for _, nc := range n.conns {
		nc.Close()
	}
	if n.media != nil {
		n.media.close()
	}
	if n.nats != nil {
		n.nats.Shutdown()
		n.nats.WaitForShutdown()
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.door != nil {
		errs = append(errs, n.door.Close())
	}
	if n.ops != nil { // where Serve ran, its server closed it already
		if err := n.ops.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if n.data != nil {
		errs = append(errs, n.data.close())
	}
	return errors.Join(errs...)
}
