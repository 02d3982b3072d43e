// Package nodetest runs a whole process of Weft within a test.
package nodetest

import (
	"context"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/weftest"
)

// Config returns that of a node that has all in it, in a folder of the test's, on free ports.
func Config(t testing.TB) node.Config {
	t.Helper()
	return node.Config{
		Data: filepath.Join(t.TempDir(), "data"), Door: door.Config{Listen: "127.0.0.1:0"}, NATSListen: "127.0.0.1:0", OpsListen: "127.0.0.1:0",
		Limits: edge.DefaultLimits(), Log: weftest.Logger(t),
	}
}

// Start runs a node until the test ends or stops it, and returns where it is once all its roles serve.
func Start(t testing.TB, cfg node.Config) (at node.Addresses, stop func()) {
	t.Helper()
	n, err := node.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	<-n.Ready()
	return n.Addresses(), stop
}

// Run is Start until the test ends, and waits until the node's edge takes clients.
func Run(t testing.TB, cfg node.Config) node.Addresses {
	t.Helper()
	at, _ := Start(t, cfg)
	weftest.Eventually(t, "the node takes clients", func() bool {
		resp, err := http.Get(at.Clients + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return at
}
