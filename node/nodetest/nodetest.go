// Package nodetest runs a whole process of Weft within a test.
package nodetest

import (
	"context"
	"net/http"
	"path/filepath"
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

// Run runs a node until the test ends, and returns where it is once its edge takes clients.
func Run(t testing.TB, cfg node.Config) node.Addresses {
	t.Helper()
	n, err := node.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	at := n.Addresses()
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
