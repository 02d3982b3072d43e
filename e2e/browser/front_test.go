package browser_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// front is a proxy before a weft. Its address is known before the weft starts, and it sees refreshes: how many there were,
// and each before it goes on, where it is told to hold them.
type front struct {
	URL string

	mu        sync.Mutex
	to        *httputil.ReverseProxy
	refreshes int
	refused   string        // a path whose calls are answered with 503
	hold      chan struct{} // refreshes wait until it is closed; nil lets them pass
	held      chan struct{} // gets one for each that waits
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{held: make(chan struct{}, 16)}
	server := httptest.NewServer(f)
	t.Cleanup(func() {
		f.release()
		server.CloseClientConnections()
		server.Close()
	})
	f.URL = server.URL
	return f
}

// send has all that comes sent on to a weft, which is shown the address that the browser knows.
func (f *front) send(t *testing.T, to string) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	to, hold := f.to, f.hold
	refused := r.URL.Path == f.refused
	isRefresh := r.URL.Path == "/v1/auth/refresh"
	if isRefresh {
		f.refreshes++
	}
	f.mu.Unlock()
	if isRefresh && hold != nil {
		f.held <- struct{}{}
		<-hold
	}
	if refused {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	to.ServeHTTP(w, r)
}

// refuse has calls of a path answered as if what they are for were away; of none with "".
func (f *front) refuse(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = path
}

// holdRefreshes lets none pass until release.
func (f *front) holdRefreshes() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = make(chan struct{})
}

func (f *front) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hold != nil {
		close(f.hold)
		f.hold = nil
	}
}

// refreshed returns how many refreshes there were.
func (f *front) refreshed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refreshes
}
