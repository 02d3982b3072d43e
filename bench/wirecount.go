package bench

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// wireCount counts the bytes of connections, as TCP carries them.
type wireCount struct{ out, in atomic.Uint64 }

// client returns an HTTP client whose connections are counted.
func (w *wireCount) client() *http.Client {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &countedConn{Conn: c, count: w}, nil
		},
		ForceAttemptHTTP2: false, // WebSockets need HTTP/1.1 here
	}}
}

type countedConn struct {
	net.Conn
	count *wireCount
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.count.in.Add(uint64(n))
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.count.out.Add(uint64(n))
	return n, err
}
