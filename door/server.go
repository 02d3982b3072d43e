package door

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
)

// slack is how much larger than allowed headers may be to be still read, and refused with an answer that says why. Past it
// net/http cuts them off.
const slack = 16 << 10

// Server returns an HTTP server for the door, whose requests next answers. It bounds what a request may take, and counts
// the connections that bring none: those who hold on to half a request, or send what is no HTTP.
func (d *Door) Server(next http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           d.Handler(next),
		TLSConfig:         d.TLSConfig(),
		ReadHeaderTimeout: headWithin,
		ReadTimeout:       requestWithin,
		IdleTimeout:       idleFor,
		MaxHeaderBytes:    d.cfg.HeaderBytes + slack,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what strangers do wrong
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, progressKey{}, progressOf(c))
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			switch p := progressOf(c); {
			case p == nil:
			case s == http.StateActive:
				p.CompareAndSwap(silent, began)
			case s == http.StateClosed:
				d.ended(c, p)
			}
		},
	}
}

// progress is how far a connection has come.
type progress = atomic.Int32

const (
	silent = iota // it said nothing
	began         // it said something
	asked         // it made a request
)

type progressKey struct{}

// progressOf returns that of a connection from the door's listener, nil of any other.
func progressOf(c net.Conn) *progress {
	for {
		switch on := c.(type) {
		case *Conn:
			return &on.progress
		case interface{ NetConn() net.Conn }:
			c = on.NetConn()
		default:
			return nil
		}
	}
}

func (d *Door) ended(c net.Conn, p *progress) {
	why := ""
	switch p.Load() {
	case asked:
		return
	case began:
		why = noRequest
	case silent:
		why = noWord
		if t, ok := c.(*tls.Conn); ok && !t.ConnectionState().HandshakeComplete {
			why = noHandshake
		}
	}
	d.unread.WithLabelValues(why).Inc()
}

// headerBytes is about what a request's line and headers take.
func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host) + len("  HTTP/1.1\r\nHost: \r\n")
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}
