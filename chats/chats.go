// Package chats is the role that knows which channels there are and who is in them. It opens direct chats, once a pair;
// makes and changes groups and their members, by the rules in rules.go; and answers the list of channels that an app
// begins with: newest first, each with its last message, how many are unread, and how far its members have read. It owns
// channels, groups and members in the database; the marks are the log's, and messages the history role's.
//
// What it promises. Membership is what SQL says. Each change of it is one transaction, in which the record that tells of
// it is written into an outbox; the relay appends the record to the group's log, exactly once and in order with the
// messages, and then to the self channels of those who came or went. The records' places in the log bound what a member
// may read. No group with members is without an owner.
package chats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config bounds what the role does at once. Zero values mean the defaults.
type Config struct {
	Concurrency  int           // requests at work at once; default 64
	SettleWithin time.Duration // how long a list waits for the archive before it tells what is there; default 3 s
	RelayLease   time.Duration // how long after the end of a process its records wait for another one; default 10 s
	Now          func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Concurrency == 0 {
		c.Concurrency = 64
	}
	if c.SettleWithin == 0 {
		c.SettleWithin = 3 * time.Second
	}
	if c.RelayLease == 0 {
		c.RelayLease = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Role is the chats role. Run it once.
type Role struct {
	nc     *nats.Conn
	store  Store
	reader *msglog.Reader
	shards int
	cfg    Config
	log    *slog.Logger
	ready  chan struct{}
	audit  *audit.Log

	reached reached
	relay   *relay

	opened  prometheus.Counter
	groups  prometheus.Counter
	relayed prometheus.Counter
	listed  prometheus.Histogram
	unready prometheus.Counter
}

// New returns the role of a fabric with that many shards.
func New(nc *nats.Conn, store Store, shards int, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Role, error) {
	r := &Role{
		nc: nc, store: store, shards: shards, cfg: cfg.withDefaults(), log: log, ready: make(chan struct{}),
		reached: reached{at: make(fabric.Position, shards)},
		groups: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_chats_groups_total", Help: "Groups that were made.",
		}),
		relayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_chats_relayed_total", Help: "Records that were appended to logs from the outbox.",
		}),
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_chats_opened_total", Help: "Direct chats that were opened for the first time.",
		}),
		listed: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weft_chats_list_seconds", Help: "Time to answer a page of a user's channels.",
			Buckets: prometheus.ExponentialBuckets(.001, 2, 12),
		}),
		unready: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_chats_unsettled_total", Help: "Lists that were answered while the archive was behind.",
		}),
	}
	for _, c := range []prometheus.Collector{r.opened, r.groups, r.relayed, r.listed, r.unready} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	var err error
	if r.audit, err = audit.New(nc, string(subjects.RoleChats), log, reg); err != nil {
		return nil, err
	}
	if r.reader, err = msglog.NewReader(nc, shards); err != nil {
		return nil, err
	}
	if r.relay, err = newRelay(r); err != nil {
		return nil, err
	}
	return r, nil
}

// Ready is closed once the role serves.
func (r *Role) Ready() <-chan struct{} { return r.ready }

// Run serves and relays until ctx ends; then it finishes what is at work.
func (r *Role) Run(ctx context.Context) error {
	defer func() { _ = r.reader.Close() }() // its connection may be gone already
	// The relay ends after the service: a request at work may wait for its record.
	relayCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	serveCtx, fail := context.WithCancel(ctx)
	defer fail()
	go func() {
		defer fail() // without it nothing would come of what is asked
		ended <- r.relay.run(relayCtx)
	}()
	err := service.Serve(serveCtx, r.nc, subjects.ServiceChats, "channels: opening, groups, lists, receipts", r.cfg.Concurrency, r.log, r.ready, r.register)
	stop()
	return errors.Join(err, <-ended, r.audit.Drain(ctx))
}

func (r *Role) register(h *service.Host) error {
	return errors.Join(
		service.Handle(h, subjects.ChatsOpen, r.open),
		service.Handle(h, subjects.ChatsList, r.list),
		service.Handle(h, subjects.ChatsChannel, r.channel),
		service.Handle(h, subjects.ChatsPrefs, r.prefs),
		service.Handle(h, subjects.ChatsReceipts, r.receipts),
		service.Handle(h, subjects.ChatsCreate, r.create),
		service.Handle(h, subjects.ChatsGroup, r.group),
		service.Handle(h, subjects.ChatsChange, r.change),
		service.Handle(h, subjects.ChatsMembers, r.members),
		service.Handle(h, subjects.ChatsAdd, r.add),
		service.Handle(h, subjects.ChatsRemove, r.remove),
		service.Handle(h, subjects.ChatsRole, r.role),
		service.Handle(h, subjects.ChatsInvite, r.invite),
		service.Handle(h, subjects.ChatsInvites, r.invites),
		service.Handle(h, subjects.ChatsUninvite, r.uninvite),
		service.Handle(h, subjects.ChatsInvited, r.invited),
		service.Handle(h, subjects.ChatsJoin, r.join),
		service.Handle(h, subjects.ChatsAccess, r.access),
		service.Handle(h, subjects.ChatsMemberships, r.memberships),
		service.Handle(h, subjects.ChatsFloors, r.floors),
	)
}

// member returns CodeForbidden where u is not in c, for those channels whose name says who is; who is in a group the
// edge has checked.
func member(c fabric.ChannelID, u fabric.UserID) error {
	switch c.Kind() {
	case fabric.KindDirect:
		if _, in := c.Peer(u); in {
			return nil
		}
	case fabric.KindSelf:
		if c == fabric.Self(u) {
			return nil
		}
	case fabric.KindGroup:
		return nil
	}
	return fabric.Errorf(fabric.CodeForbidden, "you are not in channel %s", c)
}
