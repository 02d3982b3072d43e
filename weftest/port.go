package weftest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports that FreePort has to give. Systems hand out higher ones (from 32768 on Linux, from 49152 elsewhere) to
// who asks for any, and to connections.
const (
	firstPort = 10_000
	lastPort  = 32_767
)

// FreePort returns a TCP port of loopback that nobody has, for a server that has to know its port before it starts. Whoever
// asks for any port meanwhile is not given this one.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := firstPort + rand.N(lastPort-firstPort+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.Join(errors.New("weftest: no port is free"), err)
}
