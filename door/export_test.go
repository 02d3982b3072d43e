package door

import (
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LookAgain has a door look at its certificate's files with the next handshake, as it does once a minute.
func LookAgain(d *Door) {
	f := d.cert.(*files)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = time.Time{}
}

// Unopened returns a door that does not listen.
func Unopened(cfg Config) *Door {
	cfg, err := cfg.complete()
	if err != nil {
		panic(err) // a test's own
	}
	d := &Door{cfg: cfg, cert: plain{}}
	if _, err := d.count(prometheus.NewRegistry()); err != nil {
		panic(err)
	}
	return d
}

// AddressIn is addressOf.
func AddressIn(a net.Addr) netip.Addr { return addressOf(a) }
