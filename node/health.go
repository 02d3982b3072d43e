package node

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// clientHandler is what clients reach: the edge, and whether it is well.
func (n *Node) clientHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { n.answerReady(w) })
	mux.Handle("/", n.edge.Handler())
	return mux
}

// opsHandler is what operators reach.
func (n *Node) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		n.answerReady(w)
		n.tellSQL(w)
		n.tellFiles(w)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// alive tells that the process lives.
func alive(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// answerReady tells whether the process takes work: as an edge, whether it takes clients. A database that is away is no
// reason not to: messages go on without it.
func (n *Node) answerReady(w http.ResponseWriter) {
	ready := n.conns[0].IsConnected()
	if n.edge != nil {
		ready = n.edge.Ready()
	}
	select {
	case <-n.up:
	default:
		ready = false
	}
	if !ready {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// tellSQL tells operators how the database is.
func (n *Node) tellSQL(w http.ResponseWriter) {
	if n.store == nil {
		return
	}
	if away, why := n.health.state(); !away.IsZero() {
		fmt.Fprintf(w, "sql: away since %s (%s): messages go on, and are archived when it is back; lists, history and sign-ins fail: %v\n",
			away.UTC().Format(time.RFC3339), n.sqlName, why)
		return
	}
	fmt.Fprintf(w, "sql: up (%s)\n", n.sqlName)
}

// tellFiles tells operators how the servers are that keep files.
func (n *Node) tellFiles(w http.ResponseWriter) {
	switch {
	case n.files == nil:
	case n.files.IsConnected():
		fmt.Fprintf(w, "files: up (%s)\n", Hosts(n.cfg.MediaNATS))
	default:
		fmt.Fprintf(w, "files: away (%s): messages go on; uploads wait, and files don't load\n", Hosts(n.cfg.MediaNATS))
	}
}
