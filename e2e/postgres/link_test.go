package postgres_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// link is the network between weft and a database. It can go silent: what is sent is not answered, and nobody is told.
type link struct {
	to string
	l  net.Listener

	mu     sync.Mutex
	silent chan struct{} // closed when it speaks again; nil while it does
	conns  map[net.Conn]struct{}
}

// newLink returns a link to the database at a URL, and the URL of its near end. It ends with the test.
func newLink(t *testing.T, database string) (*link, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	k := &link{to: u.Host, conns: make(map[net.Conn]struct{})}
	if k.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			near, err := k.l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { k.serve(near) })
		}
	})
	t.Cleanup(func() {
		_ = k.l.Close() // its end is all that is wanted
		k.speak()
		served.Wait()
	})
	u.Host = k.l.Addr().String()
	return k, u.String()
}

// goSilent lets nothing through any more.
func (k *link) goSilent() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.silent = make(chan struct{})
}

// speak ends the silence, and the connections that were in it.
func (k *link) speak() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.conns {
		_ = c.Close() // its end is all that is wanted
	}
	if k.silent != nil {
		close(k.silent)
		k.silent = nil
	}
}

// pass waits while the link is silent.
func (k *link) pass() {
	k.mu.Lock()
	silent := k.silent
	k.mu.Unlock()
	if silent != nil {
		<-silent
	}
}

func (k *link) hold(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns[c] = struct{}{}
}

func (k *link) drop(c net.Conn) {
	_ = c.Close() // it may have ended already
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c)
}

func (k *link) serve(near net.Conn) {
	k.hold(near)
	defer k.drop(near)
	k.pass()
	far, err := net.Dial("tcp", k.to)
	if err != nil {
		return
	}
	k.hold(far)
	defer k.drop(far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			defer way[1].Close()
			_, _ = io.Copy(way[1], silenced{way[0], k}) // that one end has gone is told to the other by closing it
		})
	}
	both.Wait()
}

// silenced reads from a connection what the link lets through.
type silenced struct {
	net.Conn
	link *link
}

func (s silenced) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.link.pass()
	return n, err
}
