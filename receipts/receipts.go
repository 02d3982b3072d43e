// Package receipts is the role that tells a group what all of its members have. Members write their marks one by one
// into the stream of receipts, where nobody is told of them; this role follows that stream, and at most once a second a
// group writes the marks that all members have passed. So a message to a group of n costs at most n small writes, spread
// over time, and one event an edge a second, where telling everybody of everybody would cost n².
//
// It owns no state that a crash may lose: what it knows of a group it reads from the stream and from the chats role when
// the group's marks move, and forgets when they have not for a while. A group's marks never fall: who joins counts from
// the record that made them a member.
package receipts

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// Config is how the role works. Zero values mean the defaults.
type Config struct {
	Every  time.Duration // least time between two marks of a group; default 1 s
	Forget time.Duration // a group whose marks have not moved for so long is forgotten; default 5 min
	Reload time.Duration // a group's members are read again after so long, should the word of a change be lost; default 1 min
}

func (c Config) withDefaults() Config {
	if c.Every == 0 {
		c.Every = time.Second
	}
	if c.Forget == 0 {
		c.Forget = 5 * time.Minute
	}
	if c.Reload == 0 {
		c.Reload = time.Minute
	}
	return c
}

// Role is the receipts role. Run it once.
type Role struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	reader *msglog.Reader
	shards int
	cfg    Config
	log    *slog.Logger
	ready  chan struct{}

	read    prometheus.Counter
	written prometheus.Counter
	known   prometheus.GaugeFunc

	mu     sync.Mutex
	groups map[fabric.ChannelID]*group
	wake   chan struct{}
}

// New returns the role of a fabric with that many shards.
func New(nc *nats.Conn, shards int, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	r := &Role{
		nc: nc, js: js, shards: shards, cfg: cfg.withDefaults(), log: log,
		ready: make(chan struct{}), groups: make(map[fabric.ChannelID]*group), wake: make(chan struct{}, 1),
		read: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_receipts_read_total", Help: "Marks of members of groups that were taken into account.",
		}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_receipts_written_total", Help: "Marks of groups as a whole that were written.",
		}),
	}
	r.known = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weft_receipts_groups", Help: "Groups whose members' marks are held in memory.",
	}, func() float64 {
		r.mu.Lock()
		defer r.mu.Unlock()
		return float64(len(r.groups))
	})
	for _, c := range []prometheus.Collector{r.read, r.written, r.known} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if r.reader, err = msglog.NewReader(nc, shards); err != nil {
		return nil, err
	}
	return r, nil
}

// Ready is closed once the role follows the marks.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run follows the marks until ctx ends.
func (r *Role) Run(ctx context.Context) error {
	defer func() { _ = r.reader.Close() }() // its connection may be gone already
	changed, err := r.nc.Subscribe(subjects.AnyMembersChanged, func(m *nats.Msg) {
		r.membersChanged(subjects.GroupOfMembersChanged(m.Subject))
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subjects.AnyMembersChanged, err)
	}
	defer func() { _ = changed.Unsubscribe() }() // as above
	for shard := range r.shards {
		follow, err := r.follow(ctx, shard)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		defer follow.Stop()
	}
	close(r.ready)
	tick := time.NewTicker(r.cfg.Every / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-tick.C:
		}
		r.writeDue(ctx, time.Now())
	}
}

// follow brings a shard's marks of members as they are written. The consumer begins at what is new: what a group's marks
// were is read when they move.
func (r *Role) follow(ctx context.Context, shard int) (jetstream.ConsumeContext, error) {
	cons, err := r.js.OrderedConsumer(ctx, subjects.RcptStream(shard), jetstream.OrderedConsumerConfig{
		NamePrefix:        "receipts_" + nuid.Next(),
		FilterSubjects:    []string{subjects.GroupReceiptFilter(shard)},
		DeliverPolicy:     jetstream.DeliverNewPolicy,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("follow the marks of shard %d: %w", shard, err)
	}
	return cons.Consume(r.arrive, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		r.log.Warn("following the marks was interrupted", "shard", shard, "err", err)
	}))
}

func (r *Role) arrive(m jetstream.Msg) {
	c, u, ok := subjects.ParseGroupReceipt(m.Subject())
	var marks fabric.Receipt
	if !ok || json.Unmarshal(m.Data(), &marks) != nil {
		r.log.Warn("marks that are none", "subject", m.Subject())
		return
	}
	marks.User = u
	r.read.Inc()
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.groups[c]
	if g == nil {
		g = newGroup(c)
		r.groups[c] = g
	}
	g.moved(marks, time.Now())
	if !g.due.After(time.Now()) {
		r.kick()
	}
}

func (r *Role) membersChanged(id fabric.GroupID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g := r.groups[id.Channel()]; g != nil { // of others the members are read when their marks move
		g.stale, g.dirty = true, true
		r.kick()
	}
}

func (r *Role) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// writeDue writes the marks of the groups that are due, and forgets those that have rested for long.
func (r *Role) writeDue(ctx context.Context, now time.Time) {
	r.mu.Lock()
	var due []*group
	for c, g := range r.groups {
		switch {
		case g.dirty && !g.due.After(now):
			g.dirty, g.due = false, now.Add(r.cfg.Every)
			due = append(due, g)
		case !g.dirty && now.Sub(g.last) > r.cfg.Forget:
			delete(r.groups, c)
		}
	}
	r.mu.Unlock()
	for _, g := range due {
		if err := r.write(ctx, g, now); err != nil && ctx.Err() == nil {
			r.log.Warn("cannot tell a group what all of its members have, trying again", "channel", g.channel, "err", err)
			r.mu.Lock()
			g.dirty, g.stale = true, true
			r.mu.Unlock()
		}
	}
}

// write reads what must be known of a group and writes its marks, if they have risen.
func (r *Role) write(ctx context.Context, g *group, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r.mu.Lock()
	load := g.stale || now.Sub(g.loaded) > r.cfg.Reload
	g.stale = false
	r.mu.Unlock()
	if load {
		if err := r.load(ctx, g, now); err != nil {
			return err
		}
	}
	r.mu.Lock()
	marks, rose := g.all()
	r.mu.Unlock()
	if !rose {
		return nil
	}
	data, err := json.Marshal(struct {
		Delivered uint64 `json:"delivered"`
		Read      uint64 `json:"read"`
	}{marks.Delivered, marks.Read})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if _, err := r.js.Publish(ctx, subjects.GroupMarks(g.channel, subjects.Shard(g.channel, r.shards)), data); err != nil {
		return fmt.Errorf("write the marks of %s: %w", g.channel, err)
	}
	r.written.Inc()
	r.mu.Lock()
	g.told = g.told.Merge(marks)
	r.mu.Unlock()
	return nil
}
