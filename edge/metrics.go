package edge

import (
	"strconv"
	"sync/atomic"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/fabric"
)

// metrics are the edge's, named weft_edge_….
type metrics struct {
	connections, sessions                                   prometheus.Gauge
	framesIn, framesOut, bytesIn                            prometheus.Counter
	delivered, gaps, slow, receipts, groupReceipts, resyncs prometheus.Counter
	sent, resume                                            prometheus.Histogram
	uploaded, downloaded                                    prometheus.Counter
	refused, closes, turnedAway                             *prometheus.CounterVec
	bytesOut                                                atomic.Uint64
	parked                                                  atomic.Pointer[parkingLot]
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "weft", Subsystem: "edge", Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "weft", Subsystem: "edge", Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "weft", Subsystem: "edge", Name: name, Help: help, Buckets: buckets,
		})
		reg.MustRegister(h)
		return h
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "weft", Subsystem: "edge", Name: name, Help: help}, []string{label})
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		connections:   gauge("connections", "Open WebSocket connections, signed in or not."),
		sessions:      gauge("sessions", "Signed-in sessions."),
		framesIn:      counter("received_frames_total", "WebSocket data frames from clients."),
		framesOut:     counter("sent_frames_total", "WebSocket data frames to clients; one may carry many objects."),
		bytesIn:       counter("received_bytes_total", "Bytes of data frames from clients."),
		delivered:     counter("delivered_messages_total", "Messages handed to the sessions of their channel on this edge, once each."),
		gaps:          counter("gaps_total", "Holes in the live flow that were filled from the log."),
		slow:          counter("slow_sessions_total", "Sessions closed because their queue was full."),
		receipts:      counter("receipt_writes_total", "Writes of a user's high-water marks."),
		groupReceipts: counter("group_receipts_total", "Marks that all members of a group have passed, told to its sessions here."),
		resyncs:       counter("resyncs_total", "Times that all that is live was read again from the logs, after NATS was away."),
		sent:          histogram("send_seconds", "From a client's send to the store's word.", prometheus.ExponentialBuckets(0.0005, 2, 14)),
		resume:        histogram("resume_seconds", "From hello to synced.", prometheus.ExponentialBuckets(0.001, 2, 15)),
		uploaded:      counter("uploaded_bytes_total", "Bytes of files from clients that are stored."),
		downloaded:    counter("downloaded_bytes_total", "Bytes of files to clients."),
		refused:       vec("refused_total", "Operations answered with an error.", "code"),
		turnedAway:    vec("turned_away_total", "WebSockets that were not let in, by the limit that they were past.", "limit"),
		closes:        vec("closed_sessions_total", "Sessions closed by the server.", "code"),
	}
	// There from the start, at 0: a rate of them has a beginning.
	for _, code := range []fabric.Code{
		fabric.CodeBadRequest, fabric.CodeUnauthenticated, fabric.CodeForbidden, fabric.CodeNotFound, fabric.CodeConflict, fabric.CodeTooLarge,
		fabric.CodeRateLimited, fabric.CodeUnavailable, fabric.CodeInternal,
	} {
		m.refused.WithLabelValues(string(code))
	}
	for _, limit := range []string{"hellos_per_address", "sessions_per_address", "sessions_per_user"} {
		m.turnedAway.WithLabelValues(limit)
	}
	for _, code := range []websocket.StatusCode{closeRestart, closeMalformed, closeUnauthorized, closeRevoked, closeSlow, closeRateExceeded} {
		m.closes.WithLabelValues(strconv.Itoa(int(code)))
	}
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "weft", Subsystem: "edge", Name: "sent_bytes_total", Help: "Bytes written to clients' sockets.",
	}, func() float64 { return float64(m.bytesOut.Load()) }))
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "weft", Subsystem: "edge", Name: "parked_sessions", Help: "Connections at rest, without a goroutine.",
	}, func() float64 {
		if lot := m.parked.Load(); lot != nil {
			return float64(lot.count())
		}
		return 0
	}))
	return m
}

func (m *metrics) closed(code websocket.StatusCode) {
	m.closes.WithLabelValues(strconv.Itoa(int(code))).Inc()
}
