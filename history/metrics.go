package history

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	archived  prometheus.Counter
	skipped   prometheus.Counter
	failed    prometheus.Counter
	resets    prometheus.Counter
	batch     prometheus.Histogram
	commit    prometheus.Histogram
	lag       *prometheus.GaugeVec
	unsettled prometheus.Counter
	since     prometheus.Histogram
	expired   prometheus.Counter
	erased    prometheus.Counter
	indexed   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		archived: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_history_archived_messages_total", Help: "Messages written to the database.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_history_skipped_records_total", Help: "Records of the logs that are no messages and were left out.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_history_archive_failures_total", Help: "Transactions of the archive that failed and were tried again.",
		}),
		resets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_history_follow_errors_total", Help: "Errors in following a log; following goes on from the last record.",
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weft_history_archive_batch_messages", Help: "Messages in a transaction of the archive.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weft_history_archive_seconds", Help: "Time of a transaction of the archive.",
			Buckets: prometheus.ExponentialBuckets(.0001, 4, 9),
		}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "weft_history_archive_lag_messages", Help: "Messages in the log that are not in the database yet, after the last transaction.",
		}, []string{"shard"}),
		unsettled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_history_unsettled_total", Help: "Reads for which the archive was too far behind, so that the log was read as well.",
		}),
		since: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weft_history_since_seconds", Help: "Time to answer what a device has missed, a page.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 12),
		}),
	}
	m.expired = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "weft_history_expired_messages_total", Help: "Messages cleared away because their time was over.",
	})
	m.erased = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "weft_history_erased_records_total", Help: "Records erased from the logs, of messages that were deleted or have expired.",
	})
	m.indexed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "weft_history_indexed_messages_total", Help: "Messages whose words were added to the index.",
	})
	for _, c := range []prometheus.Collector{
		m.indexed, m.expired, m.erased, m.archived, m.skipped, m.failed, m.resets, m.batch, m.commit, m.lag, m.unsettled, m.since,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}
