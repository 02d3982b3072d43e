package media

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the role's, named weft_media_….
type metrics struct {
	uploads  *prometheus.CounterVec
	bytes    prometheus.Counter
	known    prometheus.Counter
	removed  prometheus.Counter
	erased   prometheus.Counter
	orphans  prometheus.Counter
	failures prometheus.Counter
	unseen   prometheus.Counter

	condemned prometheus.Counter
	finish    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "weft", Subsystem: "media", Name: name, Help: help})
	}
	m := &metrics{
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "weft", Subsystem: "media", Name: "uploads_total", Help: "Uploads, by what became of them: created, finished, dropped, expired, refused.",
		}, []string{"result"}),
		bytes:     counter("finished_bytes_total", "Bytes of finished uploads."),
		known:     counter("known_contents_total", "Finished uploads whose content was there already."),
		removed:   counter("removed_files_total", "Files that were removed since no message named them."),
		erased:    counter("erased_blobs_total", "Contents, thumbnails and spare copies whose bytes were removed."),
		orphans:   counter("orphans_total", "Blobs that nothing knew of; alert on many."),
		failures:  counter("sweep_failures_total", "Sweeps that did not succeed and are tried again; alert when it keeps growing."),
		condemned: counter("condemned_total", "Uploads in which a scanner found something harmful."),
		unseen:    counter("unseen_pictures_total", "Pictures that are broken, or too large to be looked at: they have no thumbnail."),
		finish: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "weft", Subsystem: "media", Name: "finish_seconds", Help: "From an upload's last byte to its file.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
	}
	for _, c := range []prometheus.Collector{m.uploads, m.bytes, m.known, m.removed, m.erased, m.orphans, m.failures, m.unseen, m.condemned, m.finish} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}
