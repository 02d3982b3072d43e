package weftest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// The ports that FreePort has to give. Systems hand out higher ones (from 32768 on Linux, from 49152 elsewhere) to
// who asks for any, and to connections.
const (
	firstPort = 10_000
	ports     = 32_768 - firstPort
)

// portsTried begins somewhere else in each process, and no port is given twice in one.
var portsTried atomic.Int64

func init() { portsTried.Store(rand.Int64N(ports)) }

// FreePort returns a TCP port of loopback that nobody has, for a server that has to know its port before it starts. Whoever
// asks for any port meanwhile is not given this one.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func freePort() (int, error) {
	var err error
	for range 100 {
		port := firstPort + int(portsTried.Add(1)%ports)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.Join(errors.New("weftest: no port is free"), err)
}
