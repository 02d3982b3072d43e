package push

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/subjects"
)

type metrics struct {
	followed prometheus.Counter
	spared   *prometheus.CounterVec
	queued   *prometheus.CounterVec
	sends    *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	waiting  *prometheus.GaugeVec
	oldest   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		followed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_push_followed_total", Help: "Records of the logs that were looked at.",
		}),
		spared: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_push_spared_total", Help: "Messages that a device was not told of, by why.",
		}, []string{"reason"}),
		queued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_push_queued_total", Help: "Notifications that were queued, by the push service and the class of haste.",
		}, []string{"lane", "class"}),
		sends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_push_sends_total", Help: "Tries to send a notification, by the push service and by how they ended.",
		}, []string{"lane", "result"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weft_push_seconds", Help: "Time from a message to the push service's word that it has the notification.",
			Buckets: []float64{.5, 1, 2, 2.5, 3, 4, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600},
		}, []string{"lane"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "weft_push_queue", Help: "Notifications that wait, by the push service and the class of haste: for their turn, an answer, or another try.",
		}, []string{"lane", "class"}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weft_push_oldest_seconds", Help: "Age of the oldest notification that waits, 0 where none does.",
		}),
	}
	for _, c := range []prometheus.Collector{m.followed, m.spared, m.queued, m.sends, m.latency, m.waiting, m.oldest} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

const measureEvery = 5 * time.Second

// measure looks at the queue until ctx ends.
func (r *Role) measure(ctx context.Context) {
	for ok := true; ok; ok = sleep(ctx, measureEvery) {
		if err := r.lookAtQueue(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("how much waits to be pushed cannot be told", "err", err)
		}
	}
}

func (r *Role) lookAtQueue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, measureEvery)
	defer cancel()
	s, err := r.js.Stream(ctx, subjects.PushStream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", subjects.PushStream, err)
	}
	if st := s.CachedInfo().State; st.Msgs > 0 {
		r.metrics.oldest.Set(r.cfg.Now().Sub(st.FirstTime).Seconds())
	} else {
		r.metrics.oldest.Set(0)
	}
	for _, l := range r.lanes {
		for _, class := range []string{classNow, classBulk} {
			c, err := r.js.Consumer(ctx, subjects.PushStream, subjects.PushConsumer(l.name, class))
			if err != nil {
				return fmt.Errorf("queue of %s: %w", l.name, err)
			}
			info := c.CachedInfo()
			r.metrics.waiting.WithLabelValues(l.name, class).Set(float64(info.NumPending) + float64(info.NumAckPending))
		}
	}
	return nil
}
