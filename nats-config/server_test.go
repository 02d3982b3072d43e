package natsconfig_test

import (
	"net"
	"strings"
	"testing"
	"time"

	natsconfig "github.com/weft-im/weft/nats-config"
)

// An address that is taken is told at once.
func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	_, err = natsconfig.Start(natsconfig.ServerConfig{Listen: l.Addr().String(), StoreDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "nats listen address: listen tcp "+l.Addr().String()) || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
